//! Writing for people and programs: a broken pipe is no error, and colour is for terminals.

use std::{
    fs::{self, File},
    io::{self, IsTerminal, Write},
    path::Path,
};

use anyhow::{Context, anyhow};
use comfy_table::{ContentArrangement, Table, presets};
use portcullis_config::report::Style;

/// Writes to standard output. Unlike `println!`, an error comes back.
pub(crate) fn print(text: &str) -> anyhow::Result<()> {
    let mut stdout = io::stdout().lock();
    stdout.write_all(text.as_bytes())?;
    stdout.flush()?;
    Ok(())
}

/// Writes a value to standard output as JSON.
pub(crate) fn print_json(value: &impl serde::Serialize) -> anyhow::Result<()> {
    print(&format!("{}\n", serde_json::to_string_pretty(value)?))
}

/// Says something beside the output, on standard error; if that is gone, nobody reads it.
pub(crate) fn note(text: &str) {
    let _ = writeln!(io::stderr(), "note: {text}");
}

/// Writes a file that is not there yet: what somebody may have edited is never written over.
pub(crate) fn write_new(to: &Path, text: &str) -> anyhow::Result<()> {
    let mut file = File::create_new(to).map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => {
            anyhow!("{} is there already; name another file with --output, or move that one away", to.display())
        }
        _ => anyhow!("cannot write {}: {error}", to.display()),
    })?;
    file.write_all(text.as_bytes()).with_context(|| format!("cannot write {}", to.display()))
}

/// Says why there is no output, on standard error.
pub(crate) fn complain_text(text: &str) {
    let _ = io::stderr().write_all(text.as_bytes());
}

/// Writes a file in one step: whoever reads it finds the old text or the new one, never half of one.
pub(crate) fn replace(path: &Path, text: &str) -> anyhow::Result<()> {
    let failed = || format!("can not write {}", path.display());
    let mut beside = path.as_os_str().to_owned();
    // node-exporter reads what ends in `.prom`, so not this.
    beside.push(format!(".{}.tmp", std::process::id()));
    fs::write(&beside, text).with_context(failed)?;
    fs::rename(&beside, path).with_context(failed)
}

/// Tells an error with its causes. If even standard error is gone, the exit code has to say it.
pub(crate) fn complain(error: &anyhow::Error) {
    let _ = writeln!(io::stderr(), "portcullis: {}", without_numbers(&format!("{error:#}")));
}

/// `No such file or directory (os error 2)` without the number, which says nothing to a person.
fn without_numbers(text: &str) -> String {
    let mut left = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once(" (os error ") {
        left.push_str(before);
        rest = after.trim_start_matches(|digit: char| digit.is_ascii_digit());
        rest = rest.strip_prefix(')').unwrap_or(rest);
    }
    left + rest
}

/// Tells what is already drawn. If even standard error is gone, the exit code has to say it.
pub(crate) fn complain_in_full(drawn: &str) {
    let _ = writeln!(io::stderr(), "{drawn}");
}

/// Whether the reader of our output has gone.
pub(crate) fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error
        .chain()
        .filter_map(|cause| cause.downcast_ref::<io::Error>())
        .any(|cause| cause.kind() == io::ErrorKind::BrokenPipe)
}

/// How reports to this stream are drawn.
pub(crate) fn style(stream: &impl IsTerminal) -> Style {
    if is_colourful(stream) { Style::Coloured } else { Style::Plain }
}

/// An empty table with aligned columns and no lines. In a pipe it is as wide as it needs to be.
pub(crate) fn table<const N: usize>(header: [&str; N]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled).force_no_tty();
    table.set_header(header);
    table
}

/// Whether colour helps: on terminals, unless `NO_COLOR` is set (<https://no-color.org>) or the terminal has none.
pub(crate) fn is_colourful(stream: &impl IsTerminal) -> bool {
    let refuses = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty())
        || std::env::var_os("TERM").is_some_and(|terminal| terminal == "dumb");
    stream.is_terminal() && !refuses
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_of_the_system_are_told_in_its_words_and_without_its_numbers() {
        for (text, expected) in [
            ("cannot read x: No such file or directory (os error 2)", "cannot read x: No such file or directory"),
            ("a (os error 13): b (os error 2)", "a: b"),
            ("no error at all (yet)", "no error at all (yet)"),
        ] {
            assert_eq!(without_numbers(text), expected);
        }
    }

    #[test]
    fn a_broken_pipe_is_found_below_its_context() {
        let broken = Err::<(), _>(io::Error::from(io::ErrorKind::BrokenPipe)).context("writing").unwrap_err();
        assert!(is_broken_pipe(&broken));
        let other = Err::<(), _>(io::Error::from(io::ErrorKind::NotFound)).context("writing").unwrap_err();
        assert!(!is_broken_pipe(&other));
    }
}
