//! From text to sections of statements: what a HAProxy configuration is before any keyword means something.
//!
//! A section begins with its keyword, wherever that stands on the line, and ends with the next one. Lines between
//! `.if` and `.endif` belong to a branch; which one is taken depends on the machine, so all of them are kept, and two
//! statements of different branches of one condition never meet.

use super::words::{Environment, Mistake, Word, split};
use crate::inputs::{FileId, Span};

/// HAProxy itself allows 16.
const MAX_CONDITIONS: usize = 64;

/// More lines than any configuration has.
const MAX_STATEMENTS: usize = 300_000;

/// `defaults` hold for every proxy, so a long one costs its length for each.
const MAX_DEFAULTS: usize = 1_000;

/// HAProxy itself gives up after 50.
const MAX_MISTAKES: usize = 50;

/// A file.
#[derive(Debug, Default)]
pub(crate) struct Document {
    pub(crate) sections: Vec<Section>,
    pub(crate) mistakes: Vec<SyntaxMistake>,
    /// Whether lines of a template language decide which statements there are.
    pub(crate) templated: bool,
    /// The first line behind the last one that is read, if there are too many.
    pub(crate) cut: Option<Span>,
}

/// What HAProxy would refuse, as a place and the words for it.
#[derive(Debug)]
pub(crate) struct SyntaxMistake {
    pub(crate) span: Span,
    pub(crate) text: &'static str,
}

/// A keyword that begins a section and all statements up to the next one.
#[derive(Debug)]
pub(crate) struct Section {
    pub(crate) kind: SectionKind,
    /// The line that begins it; its first word is the keyword.
    pub(crate) header: Statement,
    pub(crate) statements: Vec<Statement>,
}

/// Sections that say something of ports, and the rest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SectionKind {
    Global,
    Defaults,
    Frontend,
    Backend,
    Listen,
    Peers,
    Ring,
    LogForward,
    Program,
    /// `resolvers`, `userlist` and others that neither listen nor forward.
    Other,
}

/// A line with at least one word.
#[derive(Debug, Clone)]
pub(crate) struct Statement {
    pub(crate) words: Vec<Word>,
    /// From the first word to the last.
    pub(crate) span: Span,
    /// The branches around it, outermost first.
    pub(crate) branches: Vec<Branch>,
}

/// One branch of one condition of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Branch {
    file: FileId,
    condition: u32,
    arm: u32,
}

const SECTIONS: [(&str, SectionKind); 27] = [
    ("global", SectionKind::Global),
    ("defaults", SectionKind::Defaults),
    ("frontend", SectionKind::Frontend),
    ("backend", SectionKind::Backend),
    ("listen", SectionKind::Listen),
    ("peers", SectionKind::Peers),
    ("ring", SectionKind::Ring),
    ("log-forward", SectionKind::LogForward),
    ("program", SectionKind::Program),
    ("acme", SectionKind::Other),
    ("cache", SectionKind::Other),
    ("crt-store", SectionKind::Other),
    ("dynamic-update", SectionKind::Other),
    ("fcgi-app", SectionKind::Other),
    ("healthcheck", SectionKind::Other),
    ("http-errors", SectionKind::Other),
    ("log-profile", SectionKind::Other),
    ("mailers", SectionKind::Other),
    ("namespace_list", SectionKind::Other),
    ("resolvers", SectionKind::Other),
    ("spoe-agent", SectionKind::Other),
    ("spoe-group", SectionKind::Other),
    ("spoe-message", SectionKind::Other),
    ("traces", SectionKind::Other),
    ("userlist", SectionKind::Other),
    ("ruleset", SectionKind::Other),
    ("haterm", SectionKind::Other),
];

impl SectionKind {
    /// The kind that a keyword begins.
    pub(crate) fn of(keyword: &str) -> Option<Self> {
        SECTIONS.iter().find(|(known, _)| *known == keyword).map(|(_, kind)| *kind)
    }
}

impl Statement {
    /// The text of a word; empty behind the last one, as HAProxy has it.
    pub(crate) fn text(&self, index: usize) -> &str {
        self.words.get(index).map_or("", |word| word.text.as_str())
    }

    /// Whether it begins with these words.
    pub(crate) fn begins(&self, words: &[&str]) -> bool {
        words.iter().enumerate().all(|(index, word)| self.text(index) == *word)
    }

    /// Whether two words stand behind each other from a word on.
    pub(crate) fn begins_at(&self, at: usize, first: &str, second: &str) -> bool {
        self.text(at) == first && self.text(at + 1) == second
    }

    /// The word behind an option, searched from a word on: `interface` gives `eth0`.
    pub(crate) fn option(&self, from: usize, name: &str) -> Option<&Word> {
        let at = self.words.iter().skip(from).position(|word| word.text == name)?;
        self.words.get(from + at + 1)
    }

    /// Whether a word stands there, searched from a word on.
    pub(crate) fn has(&self, from: usize, name: &str) -> bool {
        self.words.iter().skip(from).any(|word| word.text == name)
    }
}

/// Whether no run passes through both branches.
pub(crate) fn excludes(ours: &[Branch], theirs: &[Branch]) -> bool {
    ours.iter().any(|a| theirs.iter().any(|b| a.file == b.file && a.condition == b.condition && a.arm != b.arm))
}

/// Reads a file. `environment` learns from its `setenv` lines, and is what its variables are looked up in.
pub(crate) fn parse(text: &str, file: FileId, environment: &mut Environment) -> Document {
    let mut parser =
        Parser { file, environment, document: Document::default(), conditions: Vec::new(), seen: 0, statements: 0 };
    let mut start = 0;
    for line in text.split_inclusive('\n') {
        parser.line(line, start);
        start += line.len();
    }
    if let Some(opened) = parser.conditions.first().map(|condition| condition.opened) {
        parser.mistake(opened, "this `.if` has no `.endif`");
    }
    parser.document
}

struct Parser<'a> {
    file: FileId,
    environment: &'a mut Environment,
    document: Document,
    /// Open `.if`s, outermost first.
    conditions: Vec<Condition>,
    /// Conditions so far.
    seen: u32,
    /// Statements so far.
    statements: usize,
}

struct Condition {
    branch: Branch,
    opened: Span,
    /// Whether the current branch is never taken.
    dead: bool,
}

impl Parser<'_> {
    fn line(&mut self, line: &str, start: usize) {
        let trimmed = line.trim_start();
        if trimmed.is_empty() || trimmed.starts_with('#') {
            return;
        }
        if is_template_line(trimmed.trim_end()) {
            self.document.templated = true;
            return;
        }
        let parts = split(line, self.file, start, self.environment);
        if let Some(Mistake { kind, span }) = parts.mistake {
            self.mistake(span, kind.text());
        }
        let (Some(first), Some(last)) = (parts.words.first(), parts.words.last()) else { return };
        let span = Span { end: last.span.end, ..first.span };
        if first.text.starts_with('.') {
            return self.condition(&parts.words, span);
        }
        if self.conditions.iter().any(|condition| condition.dead) {
            return;
        }
        let branches = self.conditions.iter().map(|condition| condition.branch).collect();
        self.statement(Statement { words: parts.words, span, branches });
    }

    fn statement(&mut self, statement: Statement) {
        self.statements += 1;
        let is_full =
            |section: &Section| section.kind == SectionKind::Defaults && section.statements.len() >= MAX_DEFAULTS;
        if self.statements > MAX_STATEMENTS || self.document.sections.last().is_some_and(is_full) {
            self.document.cut.get_or_insert(statement.span);
        }
        if self.document.cut.is_some() {
            return;
        }
        if let Some(kind) = SectionKind::of(statement.text(0)) {
            self.document.sections.push(Section { kind, header: statement, statements: Vec::new() });
            return;
        }
        let Some(section) = self.document.sections.last_mut() else { return };
        if section.kind == SectionKind::Global {
            match statement.text(0) {
                "setenv" => self.environment.set(statement.text(1), statement.text(2)),
                "presetenv" if self.environment.value(statement.text(1)).is_none() => {
                    self.environment.set(statement.text(1), statement.text(2));
                }
                "unsetenv" => {
                    statement.words.iter().skip(1).for_each(|word| self.environment.unset(&word.text));
                }
                _ => {}
            }
        }
        section.statements.push(statement);
    }

    fn condition(&mut self, words: &[Word], span: Span) {
        let argument = words.get(1).map(|word| word.text.as_str());
        let mistake = match words[0].text.as_str() {
            ".if" if self.conditions.len() >= MAX_CONDITIONS => "conditions are nested too deeply",
            ".if" => {
                self.seen += 1;
                let branch = Branch { file: self.file, condition: self.seen, arm: 0 };
                self.conditions.push(Condition { branch, opened: span, dead: is_never(argument) });
                return;
            }
            ".elif" | ".else" => match self.conditions.last_mut() {
                Some(condition) => {
                    condition.branch.arm += 1;
                    condition.dead = words[0].text == ".elif" && is_never(argument);
                    return;
                }
                None => "there is no `.if` before this",
            },
            ".endif" => match self.conditions.pop() {
                Some(_) => return,
                None => "there is no `.if` before this",
            },
            _ => return, // `.notice`, `.warning` and the like say nothing of ports
        };
        self.mistake(span, mistake);
    }

    fn mistake(&mut self, span: Span, text: &'static str) {
        if self.document.mistakes.len() < MAX_MISTAKES {
            self.document.mistakes.push(SyntaxMistake { span, text });
        }
    }
}

/// Conditions that are never true are how people keep lines for later.
fn is_never(argument: Option<&str>) -> bool {
    matches!(argument, None | Some("" | "0" | "false"))
}

/// A line that only another tool understands: `{% if x %}`, `<% end %>`.
fn is_template_line(line: &str) -> bool {
    [("{%", "%}"), ("<%", "%>"), ("{#", "#}")].iter().any(|(begin, end)| line.starts_with(begin) && line.ends_with(end))
        || line.starts_with("{{") && line.ends_with("}}")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn document(text: &str) -> Document {
        parse(text, FileId(0), &mut Environment::default())
    }

    #[test]
    fn sections_begin_with_their_keyword() {
        let document = document("global\n  daemon\n  frontend a # x\n bind :80\nbackend b\n\n# bind :1\nfoo");
        let kinds: Vec<_> = document.sections.iter().map(|section| (section.kind, section.statements.len())).collect();
        assert_eq!(kinds, [(SectionKind::Global, 1), (SectionKind::Frontend, 1), (SectionKind::Backend, 1)]);
        assert_eq!(document.sections[1].header.text(1), "a");
        assert_eq!(document.sections[1].statements[0].span.start, 34);
    }

    #[test]
    fn branches_of_one_condition_exclude_each_other() {
        let text = "listen a\n.if defined(X)\nbind :1\n.elif 0\nbind :9\n.else\nbind :2\n.if feature(Y)\nbind :3\n\
                    .endif\n.endif\n.if defined(Z)\nbind :4\n.endif\n";
        let document = document(text);
        let statements = &document.sections[0].statements;
        let texts: Vec<&str> = statements.iter().map(|statement| statement.text(1)).collect();
        assert_eq!(texts, [":1", ":2", ":3", ":4"]);
        let excludes = |a: usize, b: usize| excludes(&statements[a].branches, &statements[b].branches);
        assert!(excludes(0, 1) && excludes(0, 2));
        assert!(!excludes(1, 2) && !excludes(0, 3));
        assert!(document.mistakes.is_empty());
    }

    #[test]
    fn unbalanced_conditions_are_mistakes() {
        for text in ["global\n.endif", "global\n.else", "global\n.if 1\n"] {
            assert_eq!(document(text).mistakes.len(), 1, "{text}");
        }
        let deep = format!("global\n{}{}", ".if 1\n".repeat(200_000), ".endif\n".repeat(MAX_CONDITIONS));
        assert_eq!(document(&deep).mistakes.len(), MAX_MISTAKES);
    }

    #[test]
    fn variables_come_from_the_global_section() {
        let text = "global\nsetenv A 1\npresetenv A 2\npresetenv B 3\nsetenv C 4\nunsetenv C\nlisten x\n\
                    bind \"$A:$B:$C\"";
        assert_eq!(document(text).sections[1].statements[0].text(1), "1:3:$C");
    }

    proptest! {
        #[test]
        fn any_text_gives_a_document(text in "(global|listen x|bind|[.]if|[.]else|[.]endif|[ -~ä\n]| |\n){0,60}") {
            let document = document(&text);
            for statement in document.sections.iter().flat_map(|section| &section.statements) {
                prop_assert!(text.get(statement.span.start as usize..statement.span.end as usize).is_some());
            }
        }
    }
}
