//! `${env:NAME}` and `${file:PATH}`: values that stand elsewhere.

use std::{
    borrow::Cow,
    collections::HashMap,
    path::{Path, PathBuf},
};

use crate::span::Span;

/// Bytes of a file that a `${file:}` names. Tokens and names are short; this keeps a mistyped path from filling memory.
const MAX_BYTES: u64 = 64 * 1024;

/// Resolves references and remembers what it showed to the readers, so that reports can keep silent about it.
#[derive(Debug, Default)]
pub(crate) struct Substitutions {
    resolved: HashMap<Reference, String>,
    /// Value to the reference that stands for it, in the order of reading.
    concealed: Vec<(String, String)>,
    /// Files that were named, in the order of reading.
    files: Vec<PathBuf>,
    /// Places of secrets that stand in the file itself.
    secrets: Vec<Span>,
}

/// What reading the references came to.
#[derive(Debug, Default)]
pub(crate) struct Resolved {
    /// Values and the texts that stood for them.
    pub(crate) concealed: Vec<(String, String)>,
    /// Files that a `${file:}` named.
    pub(crate) files: Vec<PathBuf>,
    /// Places of secrets that stand in the file itself.
    pub(crate) secrets: Vec<Span>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Reference {
    Environment(String),
    File(PathBuf),
}

impl Substitutions {
    /// A text with its references resolved; `$${` is `${`. The error says what is wrong, never a value.
    /// Paths are relative to `directory`.
    pub(crate) fn expand<'t>(&mut self, text: &'t str, directory: &Path) -> Result<Cow<'t, str>, String> {
        if !text.contains("${") {
            return Ok(Cow::Borrowed(text));
        }
        let mut expanded = String::with_capacity(text.len());
        let mut rest = text;
        let mut is_resolved = false;
        while let Some(at) = rest.find("${") {
            let (before, reference) = rest.split_at(at);
            if let Some(before) = before.strip_suffix('$') {
                expanded.push_str(before);
                expanded.push_str("${");
                rest = &reference[2..];
                continue;
            }
            expanded.push_str(before);
            let Some(end) = reference.find('}') else {
                return Err("`${` without `}`; write `$${` for the characters themselves".to_owned());
            };
            expanded.push_str(self.resolve(&reference[2..end], directory)?);
            is_resolved = true;
            rest = &reference[end + 1..];
        }
        expanded.push_str(rest);
        if is_resolved {
            self.concealed.push((expanded.clone(), text.to_owned()));
        }
        Ok(Cow::Owned(expanded))
    }

    /// Remembers a secret in clear text, which no report may show.
    pub(crate) fn secret_at(&mut self, span: Span) {
        self.secrets.push(span);
    }

    /// What reading the references came to.
    pub(crate) fn finish(self) -> Resolved {
        Resolved { concealed: self.concealed, files: self.files, secrets: self.secrets }
    }

    fn resolve(&mut self, inside: &str, directory: &Path) -> Result<&str, String> {
        let reference = match inside.split_once(':') {
            Some(("env", name)) if is_variable_name(name) => Reference::Environment(name.to_owned()),
            Some(("env", name)) => return Err(format!("`{name}` is not the name of an environment variable")),
            Some(("file", "")) => return Err("`${file:}` names no file".to_owned()),
            Some(("file", path)) => Reference::File(directory.join(path)),
            _ => {
                return Err(format!(
                    "`${{{inside}}}` is neither `${{env:NAME}}` nor `${{file:PATH}}`; write `$${{` for the characters themselves"
                ));
            }
        };
        if !self.resolved.contains_key(&reference) {
            let value = self.look_up(&reference)?;
            self.concealed.push((value.clone(), format!("${{{inside}}}")));
            self.resolved.insert(reference.clone(), value);
        }
        Ok(self.resolved.get(&reference).map_or("", String::as_str))
    }

    fn look_up(&mut self, reference: &Reference) -> Result<String, String> {
        match reference {
            Reference::Environment(name) => match std::env::var(name) {
                Ok(value) => Ok(value),
                Err(std::env::VarError::NotPresent) => Err(format!("the environment variable `{name}` is not set")),
                Err(std::env::VarError::NotUnicode(_)) => {
                    Err(format!("the environment variable `{name}` is not UTF-8"))
                }
            },
            Reference::File(path) => {
                self.files.push(path.clone());
                let text = portcullis_files::read_text(path, MAX_BYTES)
                    .map_err(|why| format!("cannot read `{}`: {why}", path.display()))?;
                let text = text.strip_suffix('\n').unwrap_or(&text);
                Ok(text.strip_suffix('\r').unwrap_or(text).to_owned())
            }
        }
    }
}

fn is_variable_name(name: &str) -> bool {
    name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
        && name.bytes().next().is_some_and(|byte| !byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expand(text: &str) -> Result<String, String> {
        Substitutions::default().expand(text, Path::new("")).map(Cow::into_owned)
    }

    #[test]
    fn references_are_resolved_and_doubled_dollars_are_text() {
        assert_eq!(expand("plain $ text").as_deref(), Ok("plain $ text"));
        assert_eq!(expand("$${env:X} and $${").as_deref(), Ok("${env:X} and ${"));
        // Set by cargo for every test.
        assert_eq!(expand("${env:CARGO_PKG_NAME}!").as_deref(), Ok("portcullis-config!"));
    }

    #[test]
    fn a_reference_that_cannot_be_resolved_says_why() {
        for (text, expected) in [
            ("${env:PORTCULLIS_TEST_UNSET}", "the environment variable `PORTCULLIS_TEST_UNSET` is not set"),
            ("${env:}", "`` is not the name of an environment variable"),
            ("${file:/nonexistent/x}", "cannot read `/nonexistent/x`: there is no such file"),
            ("${file:/dev}", "cannot read `/dev`: it is a folder, not a regular file"),
            ("${env:X", "`${` without `}`; write `$${` for the characters themselves"),
            ("${X}", "`${X}` is neither `${env:NAME}` nor `${file:PATH}`; write `$${` for the characters themselves"),
        ] {
            assert_eq!(expand(text), Err(expected.to_owned()));
        }
    }

    #[test]
    fn a_file_gives_its_text_without_the_last_line_end() -> std::io::Result<()> {
        let directory = tempfile::tempdir()?;
        std::fs::write(directory.path().join("token"), "s3cret\r\n")?;
        let mut substitutions = Substitutions::default();
        assert_eq!(substitutions.expand("${file:token}", directory.path()).as_deref(), Ok("s3cret"));
        let Resolved { concealed, files, .. } = substitutions.finish();
        assert_eq!(concealed[0], ("s3cret".to_owned(), "${file:token}".to_owned()));
        assert_eq!(files, [directory.path().join("token")]);
        Ok(())
    }
}
