//! Whether a text is a manifest, or would become one.

use std::path::Path;

use super::read::is_kustomization;
use crate::inputs::is_standard_input;

/// What a text is to Kubernetes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Nature {
    /// Manifests, or a kustomization.
    Manifest,
    /// A Helm template: becomes manifests, and is none itself.
    Template,
    /// Something else.
    Other,
}

/// By the name's ending and the two keys that every manifest has. Cheap: every file of a tree is asked.
pub(super) fn nature(path: &Path, text: &str) -> Nature {
    if is_kustomization(path) {
        return Nature::Manifest;
    }
    if !may_be_yaml(path) || !text.contains("apiVersion") || !text.contains("kind") {
        return Nature::Other;
    }
    let says_both = has_key(text, "apiVersion") && has_key(text, "kind");
    match (says_both, is_template(text)) {
        (true, false) => Nature::Manifest,
        (true, true) => Nature::Template,
        (false, _) => Nature::Other,
    }
}

/// Standard input has no ending.
fn may_be_yaml(path: &Path) -> bool {
    match path.extension() {
        Some(end) => ["yaml", "yml", "json"].iter().any(|known| end.eq_ignore_ascii_case(known)),
        None => is_standard_input(path) || path.file_name().is_none(),
    }
}

/// Characters before a key that are looked at: more indentation than any manifest has.
const INDENTATION: usize = 64;

/// A key at the start of a line, of an item of a list, or in JSON.
fn has_key(text: &str, key: &str) -> bool {
    let text = text.as_bytes();
    memchr::memmem::find_iter(text, key.as_bytes()).any(|at| {
        let before = &text[at.saturating_sub(INDENTATION)..at];
        let line = before.rsplit(|byte| *byte == b'\n').next().unwrap_or_default();
        let is_indentation = line.iter().all(|byte| matches!(byte, b' ' | b'\t' | b'-' | b'{' | b'"' | b'\''));
        let is_quoted = line.ends_with(b"\"");
        let after = text[at + key.len()..].iter().find(|byte| !matches!(byte, b'"' | b'\'' | b' '));
        after == Some(&b':') && (is_indentation || is_quoted)
    })
}

/// What an action of Helm begins with, wherever it stands.
const OF_HELM: [&str; 6] = [".Values", ".Release", ".Chart", "$.Values", "include ", "template "];
/// What an action begins with that stands on a line of its own.
const ON_ITS_OWN: [&str; 7] = ["if ", "range ", "with ", "end", "define ", "block ", "else"];

/// An action of Go's text templates outside of a comment. Others than those of Helm may stand in a quoted value for the
/// program that reads it (dashboards, alerts), which makes no template of the manifest.
fn is_template(text: &str) -> bool {
    memchr::memmem::find_iter(text.as_bytes(), "{{").any(|at| {
        let before = text.as_bytes()[at.saturating_sub(INDENTATION)..at].rsplit(|byte| *byte == b'\n').next();
        let before = before.unwrap_or_default().trim_ascii_start();
        let inside = text[at + 2..].trim_start_matches('-').trim_start();
        let begins_with = |words: &[&str]| words.iter().any(|word| inside.starts_with(word));
        !before.starts_with(b"#") && (begins_with(&OF_HELM) || (before.is_empty() && begins_with(&ON_ITS_OWN)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn manifests_templates_and_others_are_told_apart() {
        for (path, text, expected) in [
            ("a.yaml", "apiVersion: v1\nkind: Pod\n", Nature::Manifest),
            ("a.yaml", "- apiVersion: v1\n  kind: Pod\n", Nature::Manifest),
            ("a.json", "{\"kind\": \"Pod\", \"apiVersion\": \"v1\"}", Nature::Manifest),
            ("a.json", "{\"kind\":\"Pod\",\"apiVersion\":\"v1\"}", Nature::Manifest),
            ("-", "apiVersion: v1\nkind: Pod\n", Nature::Manifest),
            ("kustomization.yaml", "resources: [a.yaml]\n", Nature::Manifest),
            ("a.md", "apiVersion: v1\nkind: Pod\n", Nature::Other),
            ("a.yaml", "services:\n  web: {}\n", Nature::Other),
            ("a.yaml", "apiVersion: v1\n# kind: Pod\n", Nature::Other),
            ("a.yaml", "apiVersion: v1\nkind: Pod\nmetadata: { name: {{ .Release.Name }} }\n", Nature::Template),
            ("a.yaml", "{{- if .Values.on }}\napiVersion: v1\nkind: Pod\n{{- end }}\n", Nature::Template),
            ("a.yaml", "apiVersion: v1\nkind: ConfigMap\ndata: { alert: '{{ $labels.pod }}' }\n", Nature::Manifest),
            ("a.yaml", "apiVersion: v1\nkind: Pod\n# {{ .Values.x }}\n", Nature::Manifest),
        ] {
            assert_eq!(nature(Path::new(path), text), expected, "{path}: {text}");
        }
    }
}
