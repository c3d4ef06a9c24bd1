//! How Compose lays one file over another
//! (<https://github.com/compose-spec/compose-spec/blob/main/13-merge.md>).
//!
//! Works on trees, before anything is typed, as Compose itself does: every value keeps the place where it was written,
//! whichever file that is. What must be unique (ports, volumes) is made so by the typed reader, since the key of a port
//! is only known once its entry is understood.

use std::{borrow::Cow, collections::HashMap};

use crate::yaml::{Entry, Key, Node, Scalar, Value};

/// Keys from the top of the file, such as `services`, `web`, `ports`.
pub(super) type Path = Vec<String>;

/// Lays `over` onto `base`. The path says where both stand.
pub(super) fn merged<'t>(base: Node<'t>, over: Node<'t>, path: &mut Path) -> Node<'t> {
    let way = Way::of(path);
    if over.is_null() && way != Way::Replace {
        return base;
    }
    match way {
        Way::Replace => over,
        Way::AsMapping => as_merged_mappings(mapping_of(base), mapping_of(over), path),
        Way::AsBuild => as_merged_mappings(build_of(base), build_of(over), path),
        Way::AsList => appended(list_of(base), list_of(over)),
        Way::ByKind => match (&base.value, &over.value) {
            (Value::Mapping(_), Value::Mapping(_)) => as_merged_mappings(base, over, path),
            (Value::Sequence(_), Value::Sequence(_)) => appended(base, over),
            // Where the kinds differ Compose refuses; the rules look at what was written last.
            _ => over,
        },
    }
}

/// How two values of one key become one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    /// Mappings key by key, lists one behind the other, the later of two single values.
    ByKind,
    /// The later one.
    Replace,
    /// Key by key; a list of names or of `KEY=VALUE` is a mapping.
    AsMapping,
    /// As `AsMapping`, where a single text is the `context`.
    AsBuild,
    /// One behind the other; a single text is a list of one.
    AsList,
}

impl Way {
    fn of(path: &[String]) -> Self {
        let [top, _, rest @ ..] = path else { return Self::ByKind };
        let rest: Vec<&str> = rest.iter().map(String::as_str).collect();
        match (top.as_str(), rest.as_slice()) {
            ("services", ["command" | "entrypoint"] | ["healthcheck", "test"]) => Self::Replace,
            (
                "services",
                ["annotations" | "depends_on" | "environment" | "labels" | "networks" | "sysctls"]
                | ["build" | "deploy", "labels"]
                | ["build", "args" | "additional_contexts"],
            )
            | ("networks" | "volumes", ["labels"]) => Self::AsMapping,
            ("services", ["build"]) => Self::AsBuild,
            ("services", ["dns" | "dns_opt" | "dns_search" | "env_file" | "label_file" | "tmpfs"]) => Self::AsList,
            _ => Self::ByKind,
        }
    }
}

fn as_merged_mappings<'t>(mut base: Node<'t>, over: Node<'t>, path: &mut Path) -> Node<'t> {
    let Value::Mapping(entries) = &mut base.value else { return over };
    let Value::Mapping(others) = over.value else { return base };
    let mut places: HashMap<String, usize> = HashMap::with_capacity(entries.len());
    for (place, entry) in entries.iter().enumerate() {
        places.insert(entry.key.text.clone().into_owned(), place);
    }
    for other in others {
        let Some(place) = places.get(&*other.key.text).copied() else {
            places.insert(other.key.text.clone().into_owned(), entries.len());
            entries.push(other);
            continue;
        };
        path.push(other.key.text.into_owned());
        let held = std::mem::replace(&mut entries[place].value, nothing(other.value.span));
        entries[place].value = merged(held, other.value, path);
        path.pop();
    }
    base
}

fn appended<'t>(mut base: Node<'t>, over: Node<'t>) -> Node<'t> {
    if let (Value::Sequence(items), Value::Sequence(others)) = (&mut base.value, over.value) {
        items.extend(others);
    }
    base
}

fn nothing(span: crate::inputs::Span) -> Node<'static> {
    Node { span, tag: None, value: Value::Scalar(Scalar { text: Cow::Borrowed(""), plain: true }) }
}

/// A list of `KEY=VALUE`, or of names, in the form of a mapping. Compose allows both for the same keys.
pub(super) fn mapping_of(node: Node<'_>) -> Node<'_> {
    let Value::Sequence(items) = node.value else { return node };
    let mut entries: Vec<Entry<'_>> = Vec::with_capacity(items.len());
    let mut places: HashMap<String, usize> = HashMap::with_capacity(items.len());
    for item in items {
        let span = item.span;
        let Value::Scalar(Scalar { text, .. }) = item.value else { continue };
        let (name, value) = match text.split_once('=') {
            Some((name, value)) => (name.to_owned(), Some(value.to_owned())),
            None => (text.into_owned(), None),
        };
        let value = match value {
            Some(value) => Value::Scalar(Scalar { text: Cow::Owned(value), plain: false }),
            None => nothing(span).value,
        };
        let entry = Entry { key: Key { text: Cow::Owned(name.clone()), span }, value: Node { span, tag: None, value } };
        if let Some(place) = places.get(&name) {
            entries[*place] = entry;
        } else {
            places.insert(name, entries.len());
            entries.push(entry);
        }
    }
    Node { span: node.span, tag: node.tag, value: Value::Mapping(entries) }
}

fn build_of(node: Node<'_>) -> Node<'_> {
    if node.text().is_none() {
        return node;
    }
    let span = node.span;
    let entry = Entry { key: Key { text: Cow::Borrowed("context"), span }, value: node };
    Node { span, tag: None, value: Value::Mapping(vec![entry]) }
}

fn list_of(node: Node<'_>) -> Node<'_> {
    match node.value {
        Value::Scalar(_) => Node { span: node.span, tag: None, value: Value::Sequence(vec![node]) },
        _ => node,
    }
}

/// Takes the `!reset` values out of a tree. What they and the `!override` values stand against in the files before is
/// at the paths that are given back.
pub(super) fn take_resets(node: &mut Node<'_>) -> Vec<Path> {
    let mut paths = Vec::new();
    collect_resets(node, &mut Vec::new(), &mut paths);
    paths
}

fn collect_resets(node: &mut Node<'_>, path: &mut Path, paths: &mut Vec<Path>) {
    match &mut node.value {
        Value::Mapping(entries) => entries.retain_mut(|entry| {
            path.push(entry.key.text.clone().into_owned());
            let stays = match entry.value.tag.as_deref() {
                Some("!reset") => {
                    paths.push(path.clone());
                    false
                }
                Some("!override") => {
                    paths.push(path.clone());
                    true
                }
                _ => {
                    collect_resets(&mut entry.value, path, paths);
                    true
                }
            };
            path.pop();
            stays
        }),
        Value::Sequence(items) => items.retain_mut(|item| {
            let stays = item.tag.as_deref() != Some("!reset");
            if stays {
                collect_resets(item, path, paths);
            }
            stays
        }),
        Value::Scalar(_) => {}
    }
}

/// Removes what stands at a path.
pub(super) fn remove(node: &mut Node<'_>, path: &[String]) {
    let Value::Mapping(entries) = &mut node.value else { return };
    match path {
        [] => {}
        [last] => entries.retain(|entry| entry.key.text != *last),
        [first, rest @ ..] => {
            if let Some(entry) = entries.iter_mut().find(|entry| entry.key.text == *first) {
                remove(&mut entry.value, rest);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{inputs::FileId, yaml};

    fn tree(text: &str) -> Node<'_> {
        yaml::parse(text, FileId(0)).documents.remove(0)
    }

    /// `over` laid onto `base`, in flow style.
    fn laid(base: &str, over: &str) -> String {
        let (mut base, mut over) = (tree(base), tree(over));
        for path in take_resets(&mut over) {
            remove(&mut base, &path);
        }
        shown(&merged(base, over, &mut Vec::new()))
    }

    fn shown(node: &Node<'_>) -> String {
        match &node.value {
            Value::Scalar(scalar) => scalar.text.to_string(),
            Value::Sequence(items) => format!("[{}]", items.iter().map(shown).collect::<Vec<_>>().join(" ")),
            Value::Mapping(entries) => {
                let entry = |entry: &Entry<'_>| format!("{}:{}", entry.key.text, shown(&entry.value));
                format!("{{{}}}", entries.iter().map(entry).collect::<Vec<_>>().join(" "))
            }
        }
    }

    #[test]
    fn each_key_is_merged_in_its_own_way() {
        let service = |inside: &str| format!("services: {{ a: {{ {inside} }} }}");
        for (base, over, expected) in [
            ("image: x, tty: true", "image: y", "image:y tty:true"),
            ("ports: ['1:1']", "ports: ['2:2']", "ports:[1:1 2:2]"),
            ("ports: ['1:1']", "ports: !override ['2:2']", "ports:[2:2]"),
            ("image: x, ports: ['1:1']", "ports: !reset []", "image:x"),
            ("ports: ['1:1']", "ports:", "ports:[1:1]"),
            ("command: [a, b]", "command: c", "command:c"),
            ("environment: [A=1, B]", "environment: { A: 2, C: 3 }", "environment:{A:2 B: C:3}"),
            ("environment: { A: 1 }", "environment: { A: !reset null, B: 2 }", "environment:{B:2}"),
            ("labels: { a: 1 }", "labels: [a=b=c]", "labels:{a:b=c}"),
            ("networks: [x]", "networks: { y: { aliases: [z] } }", "networks:{x: y:{aliases:[z]}}"),
            ("build: .", "build: { target: prod }", "build:{context:. target:prod}"),
            ("depends_on: [x]", "depends_on: { x: { condition: c } }", "depends_on:{x:{condition:c}}"),
            ("dns: 1.1.1.1", "dns: [8.8.8.8]", "dns:[1.1.1.1 8.8.8.8]"),
            ("deploy: { replicas: 1 }", "deploy: { replicas: 3 }", "deploy:{replicas:3}"),
        ] {
            let expected = format!("{{services:{{a:{{{expected}}}}}}}");
            assert_eq!(laid(&service(base), &service(over)), expected, "{base} + {over}");
        }
    }

    #[test]
    fn a_tag_that_comes_by_an_alias_or_a_merge_key_counts() {
        let base = "services: { a: { ports: ['1:1'] }, b: { ports: ['2:2'] } }";
        let over = "x-r: &r { ports: !reset [] }\nservices: { a: { <<: *r }, b: { <<: *r } }";
        assert!(laid(base, over).contains("services:{a:{} b:{}}"), "{}", laid(base, over));
    }
}
