//! What was there before: findings that a project knows of and has not mended yet, so that CI fails for new ones only.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use crate::{finding::Finding, inputs::Inputs};

/// The known findings, as they stand in a file.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Baseline {
    /// Form of this file; 1.
    pub version: u32,
    /// By fingerprint.
    pub findings: Vec<Known>,
}

/// One known finding. Only the fingerprint counts; the rest is for the reader of the file.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Known {
    /// See [`fingerprints`].
    pub fingerprint: String,
    /// Id of the rule.
    pub rule: String,
    /// Path of the file.
    pub file: String,
    /// What was said.
    pub message: String,
}

impl Baseline {
    /// A baseline in which everything is known.
    pub fn of(findings: &[Finding], inputs: &Inputs) -> Self {
        let known = |(finding, fingerprint): (&Finding, String)| Known {
            fingerprint,
            rule: finding.rule.id.to_owned(),
            file: inputs.path(finding.span.file).display().to_string(),
            message: finding.message.clone(),
        };
        let findings = findings.iter().zip(fingerprints(findings, inputs)).map(known).collect();
        Self { version: 1, findings }
    }

    /// Takes the known findings out, and tells how many they were.
    pub fn apply(&self, findings: &mut Vec<Finding>, inputs: &Inputs) -> usize {
        let known: std::collections::HashSet<&str> =
            self.findings.iter().map(|known| known.fingerprint.as_str()).collect();
        let before = findings.len();
        let mut fingerprints = fingerprints(findings, inputs).into_iter();
        findings.retain(|_| fingerprints.next().is_none_or(|fingerprint| !known.contains(fingerprint.as_str())));
        before - findings.len()
    }
}

/// What stays the same while lines move: rule, path, the text of the line without its indentation, and which of equal
/// ones it is. 16 hexadecimal digits of FNV-1a: enough to tell findings apart, and no secret.
pub fn fingerprints(findings: &[Finding], inputs: &Inputs) -> Vec<String> {
    let mut seen: HashMap<u64, u32> = HashMap::new();
    let fingerprint = |finding: &Finding| {
        let line = inputs.position(finding.span).line;
        let path = inputs.path(finding.span.file).display().to_string();
        let text = inputs.lines(finding.span.file, line, line).1.trim();
        let hash = hash([finding.rule.id, &path, text, &finding.message]);
        let nth = seen.entry(hash).and_modify(|nth| *nth += 1).or_insert(0);
        format!("{:016x}", hash.wrapping_add(u64::from(*nth)))
    };
    findings.iter().map(fingerprint).collect()
}

fn hash(parts: [&str; 4]) -> u64 {
    use std::hash::Hasher;
    let mut hasher = fnv::FnvHasher::default();
    for part in parts {
        hasher.write(part.as_bytes());
        hasher.write(b"\0");
    }
    hasher.finish()
}
