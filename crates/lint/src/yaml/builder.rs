//! Events of `saphyr-parser` into documents.

use std::{borrow::Cow, collections::HashMap};

use saphyr_parser::{Event, Parser, ScalarStyle, Tag};

use super::{
    Entry, Key, Node, Scalar, Value,
    indentation::{Indented, wanting},
    places::Places,
};
use crate::{
    finding::Finding,
    inputs::{FileId, Span},
    reading,
};

/// Levels of nesting.
const MAX_DEPTH: usize = 64;
/// Values of one file, aliases counted as what they stand for.
const MAX_NODES: usize = 2_000_000;
/// Values that aliases may add: people share blocks, bombs multiply.
const MAX_ALIASED_NODES: usize = 200_000;

/// What a text gave: the documents up to the first mistake, and the mistake. Empty documents are left out.
#[derive(Debug, Default)]
pub(crate) struct Documents<'t> {
    pub(crate) documents: Vec<Node<'t>>,
    pub(crate) mistake: Option<Finding>,
}

/// Reads all documents of a text.
pub(crate) fn parse(text: &str, file: FileId) -> Documents<'_> {
    let (mut read, mut outcome) = read(text, Places::new(text, file));
    let mut indented = Indented::new(text);
    // Other readers are content with lines of `[…]` and of quoted text that stand too far left; so are we.
    while let Err(Failure { wanting: Some(line), .. }) = outcome
        && indented.indent(line)
    {
        let (documents, result) = self::read(indented.text(), Places::indented(&indented, file));
        // What was read borrows from a text that lives only here.
        read = documents.into_iter().map(Node::into_owned).collect();
        outcome = result;
    }
    Documents { documents: read, mistake: outcome.err().map(|failure| *failure.finding) }
}

fn read<'t>(text: &'t str, places: Places<'_>) -> (Vec<Node<'t>>, Result<(), Failure>) {
    let mut builder = Builder {
        places,
        text,
        open: Vec::new(),
        documents: Vec::new(),
        anchors: HashMap::new(),
        nodes: 0,
        aliased: 0,
    };
    let outcome = builder.run();
    (builder.documents, outcome)
}

/// Why the reading of a file ended.
struct Failure {
    finding: Stop,
    /// Byte offset, in the text as it is written, of a line that may only lack indentation.
    wanting: Option<u32>,
}

impl From<Stop> for Failure {
    fn from(finding: Stop) -> Self {
        Self { finding, wanting: None }
    }
}

struct Builder<'t, 'w> {
    text: &'t str,
    places: Places<'w>,
    /// Collections that have begun and not ended, outermost first.
    open: Vec<Open<'t>>,
    documents: Vec<Node<'t>>,
    anchors: HashMap<usize, Anchored<'t>>,
    /// Values so far, aliases expanded.
    nodes: usize,
    /// Values that came from aliases.
    aliased: usize,
}

struct Open<'t> {
    start: u32,
    /// End of the last child; block collections have no end of their own.
    end: u32,
    anchor: usize,
    tag: Option<Box<str>>,
    /// `nodes` of the builder before this collection.
    nodes_before: usize,
    /// Levels of nesting inside, at least 1.
    height: usize,
    items: Items<'t>,
}

enum Items<'t> {
    Sequence(Vec<Node<'t>>),
    Mapping {
        entries: Vec<Entry<'t>>,
        key: Option<Key<'t>>,
    },
    /// A list or mapping that is a key: no tool that we read uses one, so it is passed over, with its value.
    Skipped,
}

/// What an alias stands for, and what it costs.
struct Anchored<'t> {
    node: Node<'t>,
    nodes: usize,
    height: usize,
}

/// The finding that ends the reading of a file; boxed because the way without it is the usual one.
type Stop = Box<Finding>;

impl<'t> Builder<'t, '_> {
    fn run(&mut self) -> Result<(), Failure> {
        let mut parser = Parser::new_from_str(self.text);
        loop {
            match parser.next_event() {
                None => return Ok(()),
                Some(Ok((event, span))) => self.event(event, self.places.span(span))?,
                Some(Err(error)) => {
                    let character = error.marker().index();
                    let start = self.places.offset(character);
                    let span = self.places.between(start, start);
                    let message = format!("not valid YAML: {}", portcullis_config::syntax_in_words(error.info()));
                    let wanting = wanting(error.info(), self.text, self.places.parsed_offset(character));
                    let wanting = wanting.map(|offset| self.places.written_offset(offset));
                    return Err(Failure { finding: Box::new(Finding::new(&reading::SYNTAX, span, message)), wanting });
                }
            }
        }
    }

    fn event(&mut self, event: Event<'t>, span: Span) -> Result<(), Stop> {
        match event {
            Event::Scalar(text, style, anchor, tag) => self.scalar(text, style, anchor, tag.as_deref(), span),
            Event::SequenceStart(anchor, tag) => self.begin(Items::Sequence(Vec::new()), anchor, tag.as_deref(), span),
            Event::MappingStart(anchor, tag) => {
                self.begin(Items::Mapping { entries: Vec::new(), key: None }, anchor, tag.as_deref(), span)
            }
            Event::SequenceEnd | Event::MappingEnd => {
                self.end(span);
                Ok(())
            }
            Event::Alias(anchor) => self.alias(anchor, span),
            Event::DocumentStart(_) => {
                self.anchors.clear();
                Ok(())
            }
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => Ok(()),
        }
    }

    fn scalar(
        &mut self,
        text: Cow<'t, str>,
        style: ScalarStyle,
        anchor: usize,
        tag: Option<&Tag>,
        span: Span,
    ) -> Result<(), Stop> {
        let is_quoted = matches!(style, ScalarStyle::SingleQuoted | ScalarStyle::DoubleQuoted);
        let span = if is_quoted { self.places.quoted(span) } else { span };
        let (own_tag, is_string) = tags(tag);
        let scalar = Scalar { text, plain: style == ScalarStyle::Plain && !is_string };
        self.count(1, span)?;
        self.add(Node { span, tag: own_tag, value: Value::Scalar(scalar) }, anchor, 1, 0);
        Ok(())
    }

    fn begin(&mut self, items: Items<'t>, anchor: usize, tag: Option<&Tag>, span: Span) -> Result<(), Stop> {
        if self.open.len() >= MAX_DEPTH {
            return Err(too_deep(span));
        }
        let is_key = matches!(self.open.last(), Some(Open { items: Items::Mapping { key: None, .. }, .. }));
        let is_skipped = matches!(self.open.last(), Some(Open { items: Items::Skipped, .. }));
        let items = if is_key || is_skipped { Items::Skipped } else { items };
        let nodes_before = self.nodes;
        self.count(1, span)?;
        let (tag, _) = tags(tag);
        self.open.push(Open { start: span.start, end: span.end, anchor, tag, nodes_before, height: 1, items });
        Ok(())
    }

    fn end(&mut self, bracket: Span) {
        let Some(open) = self.open.pop() else { return };
        // Only `]` and `}` are ends of their own; a block collection ends with its last child.
        let end = if bracket.start < bracket.end { bracket.end } else { open.end };
        let end = end - self.places.trailing_spaces(open.start, end);
        let span = self.places.between(open.start, end);
        let value = match open.items {
            Items::Sequence(nodes) => Value::Sequence(nodes),
            Items::Mapping { entries, .. } => Value::Mapping(merged(entries)),
            Items::Skipped => Value::Scalar(Scalar { text: Cow::Borrowed(""), plain: false }),
        };
        let nodes = self.nodes - open.nodes_before;
        self.add(Node { span, tag: open.tag, value }, open.anchor, nodes, open.height);
    }

    fn alias(&mut self, anchor: usize, span: Span) -> Result<(), Stop> {
        let Some(anchored) = self.anchors.get(&anchor) else {
            let message = "an alias inside of what it stands for";
            return Err(Box::new(Finding::new(&reading::BOUNDS, span, message)));
        };
        let (nodes, height) = (anchored.nodes, anchored.height);
        if self.open.len() + height > MAX_DEPTH {
            return Err(too_deep(span));
        }
        // Count before cloning: the bound is there so that the memory is never taken.
        self.aliased = self.aliased.saturating_add(nodes);
        self.count(nodes, span)?;
        if self.aliased > MAX_ALIASED_NODES {
            return Err(too_large(span));
        }
        let Some(anchored) = self.anchors.get(&anchor) else { return Ok(()) };
        let node = anchored.node.clone();
        self.add(node, 0, nodes, height);
        if let Some(open) = self.open.last_mut() {
            open.end = span.end;
        }
        Ok(())
    }

    /// Puts a finished node where it belongs.
    fn add(&mut self, node: Node<'t>, anchor: usize, nodes: usize, height: usize) {
        if anchor != 0 {
            // A copy is kept, so it counts like an alias; too many end the reading at the next node.
            self.nodes = self.nodes.saturating_add(nodes);
            self.anchors.insert(anchor, Anchored { node: node.clone(), nodes, height });
        }
        let Some(open) = self.open.last_mut() else {
            if !node.is_null() {
                self.documents.push(node);
            }
            return;
        };
        open.end = open.end.max(node.span.end);
        open.height = open.height.max(height + 1);
        match &mut open.items {
            Items::Sequence(nodes) => nodes.push(node),
            Items::Skipped => {}
            Items::Mapping { entries, key } => {
                if let Some(key) = key.take() {
                    entries.push(Entry { key, value: node });
                } else {
                    let text = match node.value {
                        Value::Scalar(scalar) => scalar.text,
                        _ => Cow::Borrowed(""),
                    };
                    *key = Some(Key { text, span: node.span });
                }
            }
        }
    }

    fn count(&mut self, nodes: usize, span: Span) -> Result<(), Stop> {
        self.nodes = self.nodes.saturating_add(nodes);
        if self.nodes <= MAX_NODES { Ok(()) } else { Err(too_large(span)) }
    }
}

/// Resolves `<<` and lets the last of equal keys stand. What a mapping says itself goes before what is merged in, and
/// of several merged mappings the first (<https://yaml.org/type/merge.html>).
fn merged(entries: Vec<Entry<'_>>) -> Vec<Entry<'_>> {
    let mut own: Vec<Entry<'_>> = Vec::with_capacity(entries.len());
    let mut inherited: Vec<Entry<'_>> = Vec::new();
    let mut places: HashMap<Cow<'_, str>, usize> = HashMap::with_capacity(entries.len());
    for entry in entries {
        if entry.key.text == "<<" {
            match entry.value.value {
                Value::Mapping(entries) => inherited.extend(entries),
                Value::Sequence(nodes) => inherited.extend(nodes.into_iter().flat_map(|node| match node.value {
                    Value::Mapping(entries) => entries,
                    _ => Vec::new(),
                })),
                Value::Scalar(_) => {}
            }
        } else if let Some(place) = places.get(&entry.key.text) {
            own[*place] = entry;
        } else {
            places.insert(entry.key.text.clone(), own.len());
            own.push(entry);
        }
    }
    for entry in inherited {
        if !places.contains_key(&entry.key.text) {
            places.insert(entry.key.text.clone(), own.len());
            own.push(entry);
        }
    }
    own
}

/// The tag if it is none of YAML's own, and whether it is `!!str`.
fn tags(tag: Option<&Tag>) -> (Option<Box<str>>, bool) {
    match tag {
        None => (None, false),
        Some(tag) if tag.is_yaml_core_schema() => (None, tag.suffix == "str"),
        Some(tag) => (Some(tag.to_string().into()), false),
    }
}

fn too_deep(span: Span) -> Stop {
    Box::new(Finding::new(&reading::BOUNDS, span, format!("more than {MAX_DEPTH} levels of nesting")))
}

fn too_large(span: Span) -> Stop {
    let message = "more values than any file of people has, once aliases are expanded";
    Box::new(Finding::new(&reading::BOUNDS, span, message))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn documents(text: &str) -> Vec<Node<'_>> {
        let read = parse(text, FileId(0));
        assert_eq!(read.mistake, None, "{text}");
        read.documents
    }

    fn mistake(text: &str) -> Option<&'static str> {
        parse(text, FileId(0)).mistake.map(|finding| finding.rule.id)
    }

    #[test]
    fn every_document_has_its_tree_and_its_places() {
        let text = "ä: { b: [x, 'y'] }\n---\nc:\n  d: ü1\n---\n";
        let read = documents(text);
        assert_eq!(read.len(), 2);
        let shown = |span: Span| &text[span.start as usize..span.end as usize];
        assert_eq!(shown(read[0].at(&["ä", "b"]).unwrap().span), "[x, 'y']");
        assert_eq!(shown(read[1].at(&["c", "d"]).unwrap().span), "ü1");
    }

    #[test]
    fn what_is_quoted_ends_with_its_quote() {
        let text = "a: \"x\\\"y\" # \"z\"\nb: 'it''s' # 'z'\nc: [\"d\"  , 'e' # f\n]\n";
        let read = documents(text);
        let shown = |path: &[&str]| {
            let span = read[0].at(path).unwrap().span;
            &text[span.start as usize..span.end as usize]
        };
        assert_eq!((shown(&["a"]), shown(&["b"])), ("\"x\\\"y\"", "'it''s'"));
        assert_eq!(shown(&["c"]), "[\"d\"  , 'e' # f\n]");
    }

    #[test]
    fn merge_keys_give_way_to_what_is_said() {
        let text = "a: &a { x: 1, y: 2 }\nb: &b { x: 3, z: 4 }\nc: { <<: [*a, *b], y: 5 }\nd: { <<: *a, <<: *b }\n";
        let read = documents(text);
        let value = |path: &[&str]| read[0].at(path).and_then(Node::text).map(str::to_owned);
        let expected = [("x", "1"), ("y", "5"), ("z", "4")];
        for (key, expected) in expected {
            assert_eq!(value(&["c", key]).as_deref(), Some(expected));
        }
        assert_eq!(value(&["d", "z"]).as_deref(), Some("4"));
    }

    #[test]
    fn own_tags_are_kept_and_the_last_of_equal_keys_stands() {
        let read = documents("ports: !override [1]\nx: !!str 1\na: 1\na: 2\n? [complex]\n: gone\nb: 3\n");
        assert_eq!(read[0].get("ports").unwrap().tag.as_deref(), Some("!override"));
        assert!(!read[0].get("x").unwrap().scalar().unwrap().plain);
        assert_eq!(read[0].get("a").unwrap().text(), Some("2"));
        assert_eq!(read[0].get("b").unwrap().text(), Some("3"));
    }

    #[test]
    fn bombs_and_towers_are_bounded() {
        let mut bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
        for level in 1..9 {
            let ten = [format!("*a{}", level - 1).as_str(); 10].join(", ");
            bomb.extend(["a", &level.to_string(), ": &a", &level.to_string(), " [", &ten, "]\n"]);
        }
        assert_eq!(mistake(&bomb), Some("PC903"));
        assert_eq!(mistake("a: &x [*x]\n"), Some("PC903"));
        assert_eq!(mistake(&"[".repeat(MAX_DEPTH + 1)), Some("PC903"));
        assert!(mistake(&"[".repeat(100_000)).is_some());
        assert_eq!(mistake(&"- ".repeat(100_000)), Some("PC903"));
        assert_eq!(mistake("a: [1\n"), Some("PC902"));
    }

    #[test]
    fn lines_that_other_readers_accept_too_far_left_are_accepted() {
        let text = "a:\n  b: [\n    'ü', # one\n  'y'\n  ]\n  c: 'one\ntwo'\nd: {\n}\ne:\n    - [\n x,\n]\nf: end\n";
        let read = documents(text);
        let shown = |path: &[&str]| {
            let span = read[0].at(path).unwrap().span;
            &text[span.start as usize..span.end as usize]
        };
        assert_eq!(shown(&["a", "b"]), "[\n    'ü', # one\n  'y'\n  ]");
        assert_eq!(read[0].at(&["a", "c"]).unwrap().text(), Some("one two"));
        assert_eq!(read[0].at(&["e"]).unwrap().items()[0].items().len(), 1);
        assert_eq!(shown(&["f"]), "end");
        assert_eq!(mistake("a:\n   b: 1\n  c: 2\n"), Some("PC902"));
        let many = format!("a: {{\n  b: [\n{}  ]\n}}\n", "x,\n".repeat(100_000));
        assert_eq!(mistake(&many), Some("PC902"), "and it does not take for ever");
    }

    #[test]
    fn what_stands_before_a_mistake_is_read() {
        let read = parse("a: 1\n---\nb: [\n", FileId(0));
        assert_eq!(read.documents.len(), 1);
        assert!(read.mistake.is_some());
    }

    proptest! {
        #[test]
        fn arbitrary_text_never_panics(text in "\\PC*|[-\\[\\]{}:,&*!|>'\"%@`#?< \n\ta-c]{0,60}") {
            let read = parse(&text, FileId(0));
            for document in &read.documents {
                prop_assert!(document.span.end as usize <= text.len());
            }
        }
    }
}
