//! systemd units: assignments → units with their drop-ins → rules and facts.
//!
//! Reads `.socket` and `.service` units, their drop-ins, and `resolved.conf`, also as templates of other tools. Does
//! not start anything: commands are read only for the ports that their options say.

mod address;
mod command;
mod facts;
mod file;
mod rules;
mod unit;

use std::path::Path;

use crate::{
    Part,
    format::Format,
    inputs::{FileId, Inputs},
};

/// systemd units.
pub(crate) static FORMAT: Format = Format { name: "systemd", recognises, check, rules: rules::RULES };

/// By the ending of a unit or the folder of its drop-ins, and a section that units have.
fn recognises(path: &Path, text: &str) -> bool {
    let named =
        unit::unit_name(path).is_some_and(|name| unit::kind(&name) != unit::Kind::Other || name == "resolved.conf");
    if !named && unit::unit_of_drop_in(path).is_none() {
        return false;
    }
    text.lines().any(|line| matches!(line.trim(), "[Unit]" | "[Socket]" | "[Service]" | "[Install]" | "[Resolve]"))
}

fn check(inputs: &Inputs, files: &[FileId]) -> Part {
    let (units, findings) = unit::units(inputs, files);
    let mut part = Part { findings, facts: facts::of(&units) };
    part.findings.extend(rules::check(&units));
    part
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_are_recognised_by_name_and_sections() {
        for (name, text, expected) in [
            ("docker.socket", "[Unit]\n[Socket]\nListenStream=/run/docker.sock\n", true),
            ("a.service.j2", "[Service]\nExecStart=/bin/x\n", true),
            ("etc/docker.socket.d/listen.conf", "[Socket]\nListenStream=2375\n", true),
            ("etc/foo.d/listen.conf", "[Socket]\nListenStream=2375\n", false),
            ("resolved.conf", "[Resolve]\nDNSStubListener=no\n", true),
            ("org.example.service", "[D-BUS Service]\nName=org.example\n", false),
            ("avahi.service", "<service-group></service-group>", false),
        ] {
            assert_eq!(recognises(Path::new(name), text), expected, "{name}");
        }
    }
}
