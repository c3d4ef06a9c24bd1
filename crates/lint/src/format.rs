//! The formats that can be read, in the order in which a file is offered to them.

use std::path::Path;

use crate::{
    Part, compose, dockerfile, haproxy,
    inputs::{FileId, Inputs, is_standard_input},
    kubernetes, nginx, own,
    rule::Rule,
    systemd, terraform,
};

/// A kind of file. Recognised by what is in it; the name helps where contents are poor in signs.
#[derive(Debug)]
pub struct Format {
    /// For people: `Compose`.
    pub name: &'static str,
    /// Whether a text is of this format. Cheap: every file of a tree is asked.
    pub recognises: fn(&Path, &str) -> bool,
    /// Reads all files of this format together and applies its rules.
    pub check: fn(&Inputs, &[FileId]) -> Part,
    /// The rules that it applies, by number.
    pub rules: &'static [&'static Rule],
}

/// All formats. The first that recognises a file takes it.
pub static FORMATS: &[&Format] = &[
    &own::FORMAT,
    &compose::FORMAT,
    &kubernetes::FORMAT,
    &terraform::FORMAT,
    &dockerfile::FORMAT,
    &systemd::FORMAT,
    &haproxy::FORMAT,
    &nginx::FORMAT,
];

/// Index into [`FORMATS`] of the format of a text.
pub(crate) fn recognise(path: &Path, text: &str) -> Option<usize> {
    FORMATS.iter().position(|format| (format.recognises)(path, text))
}

/// Whether a name ends as YAML files do; standard input has none, and may be anything.
pub(crate) fn is_yaml(path: &Path) -> bool {
    is_standard_input(path)
        || path.extension().is_some_and(|end| end.eq_ignore_ascii_case("yaml") || end.eq_ignore_ascii_case("yml"))
}

/// Whether a file is a text for people or a program, by its name: configurations that stand in them are quoted there,
/// and nothing reads them.
pub(crate) fn is_prose_or_program(path: &Path) -> bool {
    const ENDINGS: [&str; 44] = [
        "md", "markdown", "mdx", "rst", "adoc", "asciidoc", "html", "htm", "tex", "org", "c", "h", "cc", "cpp", "hpp",
        "cs", "go", "py", "rs", "js", "mjs", "ts", "tsx", "jsx", "sh", "bash", "rb", "pl", "pm", "t", "php", "java",
        "kt", "lua", "vtc", "swift", "yaml", "yml", "json", "toml", "xml", "css", "patch", "diff",
    ];
    path.extension().is_some_and(|end| ENDINGS.iter().any(|known| end.eq_ignore_ascii_case(known)))
}
