//! Events of `saphyr-parser` into nodes.

use std::{
    borrow::Cow,
    collections::{HashMap, hash_map},
};

use saphyr_parser::{Event, Parser, ScalarStyle, StrInput, Tag};

use super::{Entry, Key, Node, Scalar, Value, hint, in_words};
use crate::{
    finding::{Finding, Findings},
    rule::RuleId,
    span::{FileId, Span},
};

/// Levels of nesting.
pub(crate) const MAX_DEPTH: usize = 64;
/// Values of one file, aliases counted as what they stand for. Enough for 100,000 routes of twenty keys.
pub(crate) const MAX_NODES: usize = 2_000_000;

/// Reads the one document of a text. `None` if there is no tree to speak of; then there is a finding.
/// An empty document is a mapping without entries.
pub(crate) fn parse<'t>(text: &'t str, file: FileId, findings: &mut Findings) -> Option<Node<'t>> {
    if let Some(finding) = unprintable(text, file) {
        findings.push(finding);
        return None;
    }
    let mut builder = Builder {
        text,
        places: Places::new(text, file),
        findings,
        open: Vec::new(),
        root: None,
        anchors: HashMap::new(),
        nodes: 0,
    };
    match builder.run() {
        Ok(()) => Some(
            builder.root.unwrap_or(Node { span: Span { file, start: 0, end: 0 }, value: Value::Mapping(Vec::new()) }),
        ),
        Err(finding) => {
            builder.findings.push(*finding);
            None
        }
    }
}

/// The first character that YAML does not allow (YAML 1.2.2, 5.1). The parser takes a NUL for the end of the text, and
/// what follows would be ignored without a word.
fn unprintable(text: &str, file: FileId) -> Option<Finding> {
    let is_allowed = |character| !char::is_control(character) || matches!(character, '\t' | '\n' | '\r' | '\u{85}');
    let (offset, character) = text.char_indices().find(|(_, character)| !is_allowed(*character))?;
    let (start, end) = (offset as u32, (offset + character.len_utf8()) as u32);
    let message = format!("the control character U+{:04X} is not allowed in YAML", u32::from(character));
    let finding = Finding::new(RuleId::Syntax, Span { file, start, end }, message);
    Some(finding.help("within double quotes it is written as an escape, such as \"\\0\" or \"\\x1b\""))
}

struct Builder<'t, 'f> {
    text: &'t str,
    places: Places,
    findings: &'f mut Findings,
    /// Collections that have begun and not ended, outermost first.
    open: Vec<Open<'t>>,
    root: Option<Node<'t>>,
    anchors: HashMap<usize, Anchored<'t>>,
    /// Values so far, aliases expanded.
    nodes: usize,
}

struct Open<'t> {
    start: u32,
    /// End of the last child; block collections have no end of their own.
    end: u32,
    anchor: usize,
    /// `nodes` of the builder before this collection.
    nodes_before: usize,
    /// Levels of nesting inside, at least 1.
    height: usize,
    items: Items<'t>,
}

enum Items<'t> {
    Sequence(Vec<Node<'t>>),
    Mapping { entries: Vec<Entry<'t>>, key: Option<Key<'t>> },
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
    fn run(&mut self) -> Result<(), Stop> {
        let mut parser = Parser::new_from_str(self.text);
        let mut documents = 0;
        while let Some((event, span)) = self.next(&mut parser)? {
            match event {
                Event::DocumentStart(_) => {
                    documents += 1;
                    if documents > 1 {
                        let message = "a second document begins here";
                        let finding = Finding::new(RuleId::SeveralDocuments, self.places.span(span), message)
                            .help("a file holds one document; split it and name the parts under `include:`");
                        return Err(Box::new(finding));
                    }
                }
                Event::Scalar(text, style, anchor, tag) => self.scalar(text, style, anchor, tag.as_deref(), span)?,
                Event::SequenceStart(anchor, tag) => {
                    self.begin(Items::Sequence(Vec::new()), anchor, tag.as_deref(), span)?;
                }
                Event::MappingStart(anchor, tag) => {
                    self.begin(Items::Mapping { entries: Vec::new(), key: None }, anchor, tag.as_deref(), span)?;
                }
                Event::SequenceEnd | Event::MappingEnd => self.end(span),
                Event::Alias(anchor) => self.alias(anchor, span)?,
                Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => {}
            }
        }
        Ok(())
    }

    fn next(&self, parser: &mut Parser<'t, StrInput<'t>>) -> Result<Option<(Event<'t>, saphyr_parser::Span)>, Stop> {
        match parser.next_event() {
            None => Ok(None),
            Some(Ok(event)) => Ok(Some(event)),
            Some(Err(error)) => {
                let start = self.places.offset(error.marker().index());
                let span = self.places.between(start, start);
                let mut finding =
                    Finding::new(RuleId::Syntax, span, format!("not valid YAML: {}", in_words(error.info())));
                finding.help = hint::for_line(self.text, start as usize).map(str::to_owned);
                Err(Box::new(finding))
            }
        }
    }

    fn scalar(
        &mut self,
        text: Cow<'t, str>,
        style: ScalarStyle,
        anchor: usize,
        tag: Option<&Tag>,
        span: saphyr_parser::Span,
    ) -> Result<(), Stop> {
        let span = self.places.span(span);
        let is_string_tag = Self::check_tag(tag, span)?;
        let is_key = matches!(self.open.last(), Some(Open { items: Items::Mapping { key: None, .. }, .. }));
        if is_key {
            return self.key(text, span);
        }
        let scalar = Scalar { text, plain: style == ScalarStyle::Plain && !is_string_tag };
        self.count(1, span)?;
        self.add(Node { span, value: Value::Scalar(scalar) }, anchor, 1, 0);
        Ok(())
    }

    fn key(&mut self, text: Cow<'t, str>, span: Span) -> Result<(), Stop> {
        if text == "<<" {
            let finding = Finding::new(RuleId::Syntax, span, "merge keys are not part of YAML 1.2")
                .help("say what ports and services share under `defaults:`");
            return Err(Box::new(finding));
        }
        if let Some(Open { items: Items::Mapping { key, .. }, .. }) = self.open.last_mut() {
            *key = Some(Key { text, span });
        }
        Ok(())
    }

    fn begin(
        &mut self,
        items: Items<'t>,
        anchor: usize,
        tag: Option<&Tag>,
        span: saphyr_parser::Span,
    ) -> Result<(), Stop> {
        let span = self.places.span(span);
        Self::check_tag(tag, span)?;
        self.refuse_as_key(span)?;
        if self.open.len() >= MAX_DEPTH {
            return Err(Box::new(too_deep(span)));
        }
        let nodes_before = self.nodes;
        self.count(1, span)?;
        self.open.push(Open { start: span.start, end: span.end, anchor, nodes_before, height: 1, items });
        Ok(())
    }

    fn end(&mut self, span: saphyr_parser::Span) {
        let Some(open) = self.open.pop() else { return };
        let bracket = self.places.span(span);
        // Only `]` and `}` are ends of their own; a block collection ends with its last child.
        let end = if bracket.start < bracket.end { bracket.end } else { open.end };
        let end = end - self.text.get(open.start as usize..end as usize).map_or(0, trailing_spaces);
        let span = self.places.between(open.start, end);
        let value = match open.items {
            Items::Sequence(nodes) => Value::Sequence(nodes),
            Items::Mapping { mut entries, .. } => {
                self.report_repeated_keys(&mut entries);
                Value::Mapping(entries)
            }
        };
        let nodes = self.nodes - open.nodes_before;
        self.add(Node { span, value }, open.anchor, nodes, open.height);
    }

    fn alias(&mut self, anchor: usize, span: saphyr_parser::Span) -> Result<(), Stop> {
        let span = self.places.span(span);
        self.refuse_as_key(span)?;
        let Some(anchored) = self.anchors.get(&anchor) else {
            let message = "an alias inside of what it stands for";
            return Err(Box::new(Finding::new(RuleId::Bounds, span, message)));
        };
        let (nodes, height) = (anchored.nodes, anchored.height);
        if self.open.len() + height > MAX_DEPTH {
            return Err(Box::new(too_deep(span)));
        }
        // Count before cloning: the bound is there so that the memory is never taken.
        self.count(nodes, span)?;
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
            self.root = Some(node);
            return;
        };
        open.end = open.end.max(node.span.end);
        open.height = open.height.max(height + 1);
        match &mut open.items {
            Items::Sequence(nodes) => nodes.push(node),
            Items::Mapping { entries, key } => {
                if let Some(key) = key.take() {
                    entries.push(Entry { key, value: node });
                }
            }
        }
    }

    fn count(&mut self, nodes: usize, span: Span) -> Result<(), Stop> {
        self.nodes = self.nodes.saturating_add(nodes);
        if self.nodes <= MAX_NODES {
            return Ok(());
        }
        let message = format!("more than {MAX_NODES} values once aliases are expanded");
        Err(Box::new(Finding::new(RuleId::Bounds, span, message)))
    }

    /// A list or mapping as key.
    fn refuse_as_key(&self, span: Span) -> Result<(), Stop> {
        if !matches!(self.open.last(), Some(Open { items: Items::Mapping { key: None, .. }, .. })) {
            return Ok(());
        }
        let mut finding = Finding::new(RuleId::Syntax, span, "a key is a single word");
        finding.help = hint::for_line(self.text, span.start as usize).map(str::to_owned);
        Err(Box::new(finding))
    }

    /// Whether the tag says that this is text (`!!str`). Other tags mean nothing to us and may mean much to others.
    fn check_tag(tag: Option<&Tag>, span: Span) -> Result<bool, Stop> {
        match tag {
            None => Ok(false),
            Some(tag) if tag.is_yaml_core_schema() => Ok(tag.suffix == "str"),
            Some(tag) => {
                let mut finding = Finding::new(RuleId::Syntax, span, format!("the tag `{tag}` is not known"));
                finding.help = Some("a value that begins with `!` must be quoted".to_owned());
                Err(Box::new(finding))
            }
        }
    }

    /// The first of equal keys stays.
    fn report_repeated_keys(&mut self, entries: &mut Vec<Entry<'t>>) {
        let mut seen: HashMap<String, Span> = HashMap::new();
        let is_repeated = has_repeated_keys(entries);
        if !is_repeated {
            return;
        }
        entries.retain(|entry| match seen.entry(entry.key.text.clone().into_owned()) {
            hash_map::Entry::Vacant(slot) => {
                slot.insert(entry.key.span);
                true
            }
            hash_map::Entry::Occupied(first) => {
                let message = format!("the key `{}` is given twice", entry.key.text);
                let finding = Finding::new(RuleId::DuplicateKey, entry.key.span, message)
                    .label("again here")
                    .related(*first.get(), "first given here");
                self.findings.push(finding);
                false
            }
        });
    }
}

/// Small mappings are compared pair by pair, which takes no memory.
fn has_repeated_keys(entries: &[Entry<'_>]) -> bool {
    const SMALL: usize = 12;
    if entries.len() <= SMALL {
        return entries
            .iter()
            .enumerate()
            .any(|(index, entry)| entries[..index].iter().any(|other| other.key.text == entry.key.text));
    }
    let mut keys: Vec<&str> = entries.iter().map(|entry| &*entry.key.text).collect();
    keys.sort_unstable();
    keys.windows(2).any(|pair| pair[0] == pair[1])
}

/// The parser counts the spaces after a bracket as part of it.
fn trailing_spaces(text: &str) -> u32 {
    (text.len() - text.trim_end().len()) as u32
}

fn too_deep(span: Span) -> Finding {
    Finding::new(RuleId::Bounds, span, format!("more than {MAX_DEPTH} levels of nesting"))
}

/// The parser counts characters, we count bytes.
struct Places {
    file: FileId,
    length: u32,
    /// Byte offset of every character, unless all are ASCII and it is the same number.
    offsets: Option<Vec<u32>>,
}

impl Places {
    fn new(text: &str, file: FileId) -> Self {
        let offsets = (!text.is_ascii()).then(|| text.char_indices().map(|(offset, _)| offset as u32).collect());
        Self { file, length: text.len() as u32, offsets }
    }

    fn offset(&self, character: usize) -> u32 {
        let offset = match &self.offsets {
            None => character as u32,
            Some(offsets) => offsets.get(character).copied().unwrap_or(self.length),
        };
        offset.min(self.length)
    }

    fn span(&self, span: saphyr_parser::Span) -> Span {
        self.between(self.offset(span.start.index()), self.offset(span.end.index()))
    }

    fn between(&self, start: u32, end: u32) -> Span {
        Span { file: self.file, start, end: end.max(start) }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn rules(text: &str) -> Vec<RuleId> {
        let mut findings = Findings::default();
        let _ = parse(text, FileId(0), &mut findings);
        findings.into_sorted().iter().map(|finding| finding.rule).collect()
    }

    fn tree(text: &str) -> Option<Node<'_>> {
        parse(text, FileId(0), &mut Findings::default())
    }

    #[test]
    fn spans_cover_what_was_written_in_bytes() {
        let text = "ä: { b: [x, 'y'] }\nc:\n  d: ü1\n";
        let Some(Node { value: Value::Mapping(entries), span }) = tree(text) else { panic!("a mapping") };
        let shown = |span: Span| &text[span.start as usize..span.end as usize];
        assert_eq!(shown(span), "ä: { b: [x, 'y'] }\nc:\n  d: ü1");
        assert_eq!(shown(entries[0].key.span), "ä");
        assert_eq!(shown(entries[0].value.span), "{ b: [x, 'y'] }");
        assert_eq!(shown(entries[1].value.span), "d: ü1");
    }

    #[test]
    fn aliases_are_expanded_within_bounds() {
        assert_eq!(rules("a: &x [1, 2]\nb: *x\n"), []);
        let mut bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
        for level in 1..9 {
            let previous = format!("*a{}", level - 1);
            let ten = [previous.as_str(); 10].join(", ");
            bomb.extend(["a", &level.to_string(), ": &a", &level.to_string(), " [", &ten, "]\n"]);
        }
        assert_eq!(rules(&bomb), [RuleId::Bounds]);
        assert_eq!(rules("a: &x [*x]\n"), [RuleId::Bounds]);
    }

    #[test]
    fn nesting_is_bounded() {
        assert_eq!(rules(&format!("{}{}", "[".repeat(MAX_DEPTH), "]".repeat(MAX_DEPTH))), []);
        assert_eq!(rules(&"[".repeat(MAX_DEPTH + 1)), [RuleId::Bounds]);
        assert_eq!(rules(&"- ".repeat(100_000)), [RuleId::Bounds]);
    }

    #[test]
    fn documents_keys_and_tags_are_strict() {
        for (text, expected) in [
            ("a: 1\n---\nb: 2\n", RuleId::SeveralDocuments),
            ("a: 1\na: 2\n", RuleId::DuplicateKey),
            ("? [a]\n: 1\n", RuleId::Syntax),
            ("a: !secret x\n", RuleId::Syntax),
            ("<<: x\n", RuleId::Syntax),
            ("a: [1\n", RuleId::Syntax),
            ("a: b: c\n", RuleId::Syntax),
            ("a: 1\n\0b: 2\n", RuleId::Syntax),
            ("a: \u{1b}[31m\n", RuleId::Syntax),
        ] {
            assert_eq!(rules(text), [expected], "{text}");
        }
    }

    #[test]
    fn windows_line_ends_are_line_ends() {
        let Some(Node { value: Value::Mapping(entries), .. }) = tree("a: 1\r\nb: 2\r\n") else { panic!("a mapping") };
        let Value::Scalar(scalar) = &entries[0].value.value else { panic!("a scalar") };
        assert_eq!(scalar.text, "1");
        assert_eq!(entries.len(), 2);
    }

    proptest! {
        #[test]
        fn arbitrary_text_never_panics(text in "\\PC*|[-\\[\\]{}:,&*!|>'\"%@`#? \n\ta-c]{0,60}") {
            let _ = rules(&text);
        }
    }
}
