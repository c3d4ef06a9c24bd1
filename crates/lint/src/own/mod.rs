//! Portcullis' own configuration: the checks are those of `portcullis-config`, told as findings of this crate, and what
//! the file declares joins the estate.

mod facts;

use std::{
    collections::{HashMap, HashSet},
    path::{Path, PathBuf},
    sync::LazyLock,
};

use portcullis_config::{
    Loaded,
    finding::Finding as Declared,
    rule::{self, RuleId},
    sources::Sources,
};

use crate::{
    Part,
    finding::{Finding, Fix, Safety, Verdict},
    format::{Format, is_yaml},
    inputs::{FileId, Inputs, Span},
    rule::{Default, Rule, Severity},
};

/// Portcullis' own configuration. Its rules are not of the catalogue's numbers: see [`rules`].
pub(crate) static FORMAT: Format = Format { name: "Portcullis", recognises, check, rules: &[] };

/// The rules of the file itself, as rules of this crate.
static RULES: LazyLock<Vec<Rule>> = LazyLock::new(|| {
    let told = |rule: &rule::Rule| Rule {
        id: rule.id,
        name: rule.id,
        severity: severity(rule.severity),
        title: rule.about,
        why: rule.about,
        remedy: "",
        default: Default::On,
    };
    rule::RULES.iter().map(told).collect()
});

/// The rules of the file itself, by the ids that `portcullis-config` gives them.
pub fn rules() -> &'static [Rule] {
    &RULES
}

/// Findings of `portcullis-config`, or of what builds on it, as findings of this crate. The texts are shown as they
/// may be shown: secrets stay masked.
pub fn told(findings: &[Declared], sources: &Sources, inputs: &Inputs) -> Vec<Finding> {
    let mut files = Files { inputs, sources, known: HashMap::new() };
    findings.iter().filter_map(|finding| files.told(finding)).collect()
}

/// By its name, or by the sections that no other format has.
fn recognises(path: &Path, text: &str) -> bool {
    let name = path.file_name().map(|name| name.to_string_lossy().to_ascii_lowercase()).unwrap_or_default();
    if !is_yaml(path) {
        return false;
    }
    let has_section = |section: &str| text.lines().any(|line| line.trim_end().strip_prefix(section) == Some(""));
    let is_other = || text.lines().any(|line| line.starts_with("apiVersion:") || line.starts_with("kind:"));
    let says = |word: &str| text.contains(word);
    let is_ours = name == "portcullis.yaml" || name == "portcullis.yml";
    is_ours
        || (has_section("ports:") || has_section("routes:") || has_section("services:"))
            && (says("listen:") && says("role:") || says("endpoints:") || says("allow:"))
            && !is_other()
}

fn check(inputs: &Inputs, files: &[FileId]) -> Part {
    let mut part = Part::default();
    for (main, loaded) in load_mains(inputs, files) {
        let mut files = Files::of(main, inputs, &loaded.sources);
        part.findings.extend(loaded.findings.iter().filter_map(|finding| files.told(finding)));
        if let Some(declared) = &loaded.declared {
            part.facts.absorb(facts::of(declared, &mut files));
        }
    }
    part
}

/// The files that a proxy could be run with. Parts that another file includes are checked with that file; a part that
/// nobody includes says nothing by itself.
pub(crate) fn mains(inputs: &Inputs, files: &[FileId]) -> Vec<FileId> {
    load_mains(inputs, files).into_iter().map(|(file, _)| file).collect()
}

fn load_mains(inputs: &Inputs, files: &[FileId]) -> Vec<(FileId, Loaded)> {
    let load = |file: &FileId| {
        let bytes = inputs.text(*file).as_bytes().to_vec();
        (*file, portcullis_config::load_bytes(inputs.path(*file), bytes))
    };
    let loaded: Vec<(FileId, Loaded)> = files.iter().map(load).collect();
    let included: HashSet<PathBuf> =
        loaded.iter().flat_map(|(_, loaded)| loaded.sources.paths().skip(1).map(Path::to_owned)).collect();
    let is_alone = files.len() == 1;
    let is_main = |(file, loaded): &(FileId, Loaded)| {
        let path = inputs.path(*file);
        is_alone || !included.contains(path) && !is_part(path, loaded)
    };
    loaded.into_iter().filter(is_main).collect()
}

fn is_part(path: &Path, loaded: &Loaded) -> bool {
    let is_main = path.file_stem().is_some_and(|stem| stem.eq_ignore_ascii_case("portcullis"));
    let has_no_ports = loaded.findings.iter().any(|finding| finding.rule == RuleId::NoPorts);
    !is_main && has_no_ports
}

/// From the files of a loaded configuration to those of the inputs.
struct Files<'a> {
    inputs: &'a Inputs,
    sources: &'a Sources,
    known: HashMap<FileId, Option<FileId>>,
}

impl<'a> Files<'a> {
    /// The main file is the first of its sources. It is known as what was read, since its path may name nothing
    /// (standard input) or another text by now.
    fn of(main: FileId, inputs: &'a Inputs, sources: &'a Sources) -> Self {
        let first = FileId::default();
        inputs.show_instead(main, sources.masked(first));
        Self { inputs, sources, known: HashMap::from([(first, Some(main))]) }
    }

    fn told(&mut self, finding: &Declared) -> Option<Finding> {
        let related = finding.related.iter().filter_map(|(span, label)| Some((self.span(*span)?, label.clone())));
        let related = related.collect();
        let help = finding.help.clone();
        Some(Finding {
            rule: RULES.iter().find(|rule| rule.id == finding.rule.id())?,
            verdict: Verdict::Wrong,
            severity: severity(finding.severity),
            span: self.span(finding.span)?,
            message: finding.message.clone(),
            label: finding.label.clone(),
            fix: help.map(|text| Fix { text, edits: Vec::new(), safety: Safety::NeedsReview }),
            related,
        })
    }

    fn span(&mut self, span: Span) -> Option<Span> {
        let file = *self.known.entry(span.file).or_insert_with(|| {
            let path = self.sources.path(span.file);
            let file = self.inputs.open(path).or_else(|_| self.inputs.add(path, Vec::new())).ok()?;
            self.inputs.show_instead(file, self.sources.masked(span.file));
            Some(file)
        });
        file.map(|file| Span { file, ..span })
    }
}

fn severity(severity: rule::Severity) -> Severity {
    match severity {
        rule::Severity::Error => Severity::High,
        rule::Severity::Warning => Severity::Low,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn findings_lie_in_the_text_that_was_given_and_not_in_a_file_of_that_path() {
        let inputs = Inputs::default();
        let given = inputs.add(Path::new("standard input"), b"ports: 1\n".to_vec()).expect("text");
        let part = check(&inputs, &[given]);
        assert!(part.findings.iter().any(|finding| inputs.excerpt(finding.span) == "1"), "{:?}", part.findings);
        assert!(part.findings.iter().all(|finding| finding.span.file == given), "{:?}", part.findings);
    }
}
