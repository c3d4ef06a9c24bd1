//! Docker Compose files.
//!
//! Owns: finding the files of a project, laying them over each other as Compose does, the typed model with the place
//! of every value, and the rules about it. The way of a project: [`project`] (which files) → [`load`] (variables,
//! `include`, `extends`, overrides) → [`read`] (types) → [`rules`] → [`facts`] (for rules over several projects).
//!
//! Must not know: what is running. Variables are set by files alone, never by the environment of the check.

mod dotenv;
mod facts;
mod interpolate;
mod load;
mod merge;
mod model;
mod nature;
mod port;
mod project;
mod read;
mod rules;
#[cfg(test)]
#[allow(clippy::unwrap_used)] // a test that can not go on has failed
mod scenarios;

use std::path::Path;

use rayon::prelude::*;

use crate::{
    Part,
    finding::Finding,
    format::{Format, is_yaml},
    inputs::{FileId, Inputs},
};

/// Docker Compose files.
pub(crate) static FORMAT: Format = Format { name: "Compose", recognises, check, rules: rules::RULES };

/// By the names that Compose looks for, or by services that say what Compose services say, among nothing else.
fn recognises(path: &Path, text: &str) -> bool {
    let name = path.file_name().map(|name| name.to_string_lossy().to_ascii_lowercase()).unwrap_or_default();
    let is_named = name.starts_with("compose.") || name.starts_with("docker-compose");
    is_yaml(path) && (is_named || has_services(text))
}

/// Other formats (CI pipelines, values of charts, blueprints of clouds) have a `services:` at the top as well.
fn has_services(text: &str) -> bool {
    const SIGNS: [&str; 6] = ["image:", "build:", "container_name:", "network_mode:", "depends_on:", "extends:"];
    let lines = text.lines().skip_while(|line| line.trim_end() != "services:").skip(1);
    let inside = lines.take_while(|line| line.trim().is_empty() || line.starts_with([' ', '\t', '#']));
    let mut lines = inside.map(str::trim_start).filter(|line| !line.is_empty() && !line.starts_with('#')).peekable();
    // A list of services is no mapping of names to services.
    lines.peek().is_some_and(|first| !first.starts_with("- "))
        && lines.any(|line| SIGNS.iter().any(|sign| line.starts_with(sign)))
        && text.lines().filter_map(top_key).all(rules::is_top_key)
}

/// The key of a line without indentation.
fn top_key(line: &str) -> Option<&str> {
    let is_key = line.starts_with(|first: char| first.is_ascii_alphabetic() || matches!(first, '"' | '\''));
    let (key, _) = line.split_once(':').filter(|_| is_key)?;
    Some(key.trim_matches(['"', '\'']))
}

fn check(inputs: &Inputs, files: &[FileId]) -> Part {
    let assembled = project::assemble(inputs, files);
    let read: Vec<_> = assembled
        .into_par_iter()
        .map(|mut assembled| {
            let mut findings: Vec<Finding> = std::mem::take(&mut assembled.findings);
            let project = read::project(&assembled.root, &assembled.layers, &mut findings);
            let subject = rules::Subject { inputs, project: &project, root: &assembled.root };
            rules::apply(&subject, &mut findings);
            (project, assembled.part, findings)
        })
        .collect();
    let told = read.iter().filter(|(_, part, _)| *part != project::Role::Building);
    let tellers: Vec<facts::Teller<'_>> =
        told.map(|(project, part, _)| facts::Teller::new(inputs, project, *part)).collect();
    let mut external = facts::ExternalNetworks::default();
    for teller in &tellers {
        external.learn(teller);
    }
    let mut part = Part::default();
    for teller in &tellers {
        part.facts.absorb(teller.tell(&external));
    }
    part.findings.extend(read.into_iter().flat_map(|(_, _, findings)| findings));
    part
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn compose_files_are_known_by_name_or_by_what_is_in_them() {
        let services = "services:\n  # the shop\n  shop:\n    image: x\n";
        let with = |before: &str| format!("{before}{services}");
        for (name, text, expected) in [
            ("compose.yaml", "", true),
            ("docker-compose.prod.yml", "a: 1", true),
            ("compose.json", services, false),
            ("stack.yml", services, true),
            ("stack.yml", &with("version: '3'\nx-web: &web\n  tty: true\n\n---\n"), true),
            ("stack.yml", &with("steps:\n  - run: x\n"), false),
            ("values.yaml", &with("replicaCount: 1\n"), false),
            ("render.yaml", "services:\n  - name: a\n    image: x\n", false),
            ("services.yaml", "services:\n  App\\Shop:\n    class: Shop\n", false),
            ("ci.yml", "jobs:\n  a:\n    services:\n      b:\n        image: x\n", false),
        ] {
            assert_eq!(recognises(Path::new(name), text), expected, "{name}: {text}");
        }
    }
}
