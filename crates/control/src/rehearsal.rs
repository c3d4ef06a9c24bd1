//! Whether a configuration could start here and now: what no file can tell, and only this host at this moment can.
//!
//! All of it are warnings. The file may be right and meant for another host, or for this one when the port is free.

use std::{fs, path::Path};

use portcullis_config::{
    declared::{Declared, ListenAddress, LogTarget, Port},
    finding::Finding,
    rule::RuleId,
    sources::Sources,
    span::Spanned,
};
use portcullis_kernel::listen::{ListenError, rehearse, rehearse_unix};
use rustix::fs::{Access, access};

use crate::registration::Registration;

/// Everything that would keep what is declared from starting now. Addresses are bound for a moment and nobody listens on
/// them; those that a running process of this file holds are its own. Blocks.
pub fn rehearse_start(file: &Path, declared: &Declared, sources: &Sources) -> Vec<Finding> {
    let running = Registration::find(file).map(|registration| registration.pid);
    let ports = declared.ports.iter().filter_map(|port| address_finding(port, running));
    let log = declared.log.access.to.as_ref().and_then(log_finding);
    let mut findings: Vec<Finding> = ports.chain(log).collect();
    for finding in &mut findings {
        finding.tidy(sources);
    }
    findings
}

fn address_finding(port: &Port, running: Option<i32>) -> Option<Finding> {
    let error = match &port.listen.value {
        ListenAddress::Tcp(address) => rehearse(*address),
        ListenAddress::Unix(path) => rehearse_unix(path),
    };
    let error = error.err().filter(|error| !is_held_by(error, running))?;
    let message = format!("port `{}` could not be opened here now: {error}", port.name.value);
    let help = "`--offline` leaves this out, as for a file that is meant for another host";
    Some(Finding::new(RuleId::AddressUnavailable, port.listen.span, message).help(help))
}

/// Whether the process that runs the file is the only one in the way.
fn is_held_by(error: &ListenError, running: Option<i32>) -> bool {
    let Some(running) = running else { return false };
    match error {
        ListenError::Taken { holders, .. } => {
            let is_own = |pid: Option<i32>| pid == Some(running);
            !holders.is_empty()
                && holders.iter().all(|holder| is_own(holder.process.as_ref().map(|process| process.pid)))
        }
        ListenError::TakenPath { holder, .. } => holder.as_ref().is_some_and(|holder| holder.pid == running),
        _ => false,
    }
}

fn log_finding(to: &Spanned<LogTarget>) -> Option<Finding> {
    let LogTarget::File(path) = &to.value else { return None };
    let (why, help) = unwritable(path)?;
    let message = format!("the access log can not be written: {why}");
    Some(Finding::new(RuleId::AccessLogUnwritable, to.span, message).help(help))
}

/// Why a log file could not be appended to, and what mends it.
fn unwritable(path: &Path) -> Option<(String, String)> {
    let shown = path.display();
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let place = directory.display();
    if !directory.exists() {
        return Some((format!("there is no directory {place}"), format!("make it: `mkdir -p {place}`")));
    }
    if !directory.is_dir() {
        return Some((format!("{place} is not a directory"), "name a file in a directory".to_owned()));
    }
    let (asked, needed) = match fs::metadata(path) {
        Ok(found) if found.is_dir() => {
            return Some((format!("{shown} is a directory"), "name a file in it".to_owned()));
        }
        Ok(_) => (path, Access::WRITE_OK),
        Err(_) => (directory, Access::WRITE_OK | Access::EXEC_OK),
    };
    let error = access(asked, needed).err()?;
    let help = format!("run as a user who may, or let this one; `ls -ld {}` shows who may", asked.display());
    Some((format!("{}: {}", asked.display(), std::io::Error::from(error)), help))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_needs_a_directory_and_a_file_that_is_none() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::write(at("file"), "").unwrap();
        for (path, expected) in [
            (at("access.log"), None),
            (at("file"), None),
            ("/dev/null".into(), None),
            (at("missing/access.log"), Some("there is no directory ")),
            (at("file/access.log"), Some(" is not a directory")),
            (folder.path().to_owned(), Some(" is a directory")),
        ] {
            let why = unwritable(&path).map(|(why, _)| why);
            match expected {
                None => assert_eq!(why, None, "{}", path.display()),
                Some(words) => assert!(why.as_ref().is_some_and(|why| why.contains(words)), "{why:?}"),
            }
        }
    }
}
