//! A password, from a terminal that does not show it or from a pipe.

use std::io::{self, BufRead, IsTerminal, Read};

use anyhow::{Context, bail};
use portcullis_identity::Secret;

/// Bytes that are read of a pipe at most.
const LONGEST: u64 = 4096;

/// Asks twice on a terminal; takes the first line of anything else.
pub(super) fn password() -> anyhow::Result<Secret> {
    let stdin = io::stdin();
    if stdin.is_terminal() {
        let password = ask("Password: ")?;
        if !password.matches(ask("Again: ")?.expose()) {
            bail!("the two passwords are not the same; nothing was changed");
        }
        return Ok(password);
    }
    let mut line = String::new();
    stdin.lock().take(LONGEST).read_line(&mut line).context("cannot read the password from standard input")?;
    let password = line.strip_suffix('\n').unwrap_or(&line);
    let password = password.strip_suffix('\r').unwrap_or(password);
    if password.is_empty() {
        bail!("standard input is empty; write the password in its first line, or run this on a terminal");
    }
    Ok(Secret::new(password))
}

fn ask(prompt: &str) -> anyhow::Result<Secret> {
    Ok(Secret::new(rpassword::prompt_password(prompt).context("cannot read the password from the terminal")?))
}
