//! The rules of reading itself, which every format uses: what cannot be read is told of, never skipped in silence.

use crate::{
    finding::Finding,
    inputs::{FileId, Span, Unreadable},
    rule::{Default, Rule, Severity},
};

/// A file that was named, or that another one names, gives no text.
pub static UNREADABLE: Rule = Rule {
    id: "PC901",
    name: "unreadable-file",
    severity: Severity::High,
    title: "a file cannot be read",
    why: "What is not read is not checked, and a report without it would look like a pass.",
    remedy: "Name a text file of at most 16 MiB in UTF-8, beneath the folders under check.",
    default: Default::On,
};

/// A text that its own tool would refuse.
pub static SYNTAX: Rule = Rule {
    id: "PC902",
    name: "syntax",
    severity: Severity::High,
    title: "a file does not follow the syntax of its format",
    why: "The tool that the file is for refuses it or reads something else than its author meant, and nothing behind \
          the mistake could be checked.",
    remedy: "Mend the text at the place that is shown.",
    default: Default::On,
};

/// A text that is made to exhaust its reader.
pub static BOUNDS: Rule = Rule {
    id: "PC903",
    name: "beyond-bounds",
    severity: Severity::High,
    title: "a file is nested too deeply or grows too large once it is expanded",
    why: "No file written by people comes near these bounds; one that passes them is made to exhaust its reader.",
    remedy: "Split the file, or remove the aliases or includes that multiply its contents.",
    default: Default::On,
};

/// A value that depends on what is not in the files.
pub static UNRESOLVED: Rule = Rule {
    id: "PC904",
    name: "unresolved-value",
    severity: Severity::Info,
    title: "a value depends on something that is not in the files",
    why: "What a port or address will be is decided elsewhere, so no rule can say that it is safe.",
    remedy: "Give the value a default in the file, or check the rendered form of the file.",
    default: Default::On,
};

/// In the order of their numbers.
pub(crate) static RULES: &[&Rule] = &[&UNREADABLE, &SYNTAX, &BOUNDS];

#[allow(dead_code, reason = "read by the formats as they come")]
/// A file that another one names at this place cannot be read.
pub(crate) fn unreadable(place: Span, named: &str, why: &Unreadable) -> Finding {
    let finding = match why {
        Unreadable::Outside | Unreadable::Missing => Finding::unknown,
        _ => Finding::new,
    };
    finding(&UNREADABLE, place, format!("`{named}` cannot be read: {why}"))
}

/// A file that was named by a person, or found by walking, cannot be read. The place is the start of an empty file.
pub fn unreadable_file(file: FileId, why: &Unreadable) -> Finding {
    Finding::new(&UNREADABLE, Span { file, start: 0, end: 0 }, format!("the file cannot be read: {why}"))
}
