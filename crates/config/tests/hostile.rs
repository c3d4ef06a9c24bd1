//! Whatever the bytes are: no panic, and reports that can be shown.

use std::path::Path;

use portcullis_config::{
    Loaded, load_bytes, load_str,
    report::{Style, records, render},
};
use proptest::prelude::*;

const EVERY_KEY: &str = include_str!("every-key/every-key.yaml");

/// Loads and shows; the place from which includes would be read does not exist.
fn load_and_show(bytes: Vec<u8>) -> Loaded {
    let loaded = load_bytes(Path::new("/nonexistent/portcullis.yaml"), bytes);
    let shown = render(&loaded.findings, &loaded.sources, Style::Plain);
    assert_eq!(shown.is_empty(), loaded.findings.is_empty());
    let _ = render(&loaded.findings, &loaded.sources, Style::Coloured);
    for (record, finding) in records(&loaded.findings, &loaded.sources).iter().zip(&loaded.findings) {
        assert!(record.line >= 1 && record.column >= 1, "{finding:?}");
        assert!(!record.message.contains('\n'), "{finding:?}");
    }
    loaded
}

/// One change of a text.
#[derive(Debug, Clone)]
enum Mutation {
    Remove(usize, usize),
    Insert(usize, String),
    CopyLine(usize, usize),
}

fn mutation() -> impl Strategy<Value = Mutation> {
    let tricky = prop_oneof![
        Just("${env:HOME}".to_owned()),
        Just("${".to_owned()),
        Just("*".to_owned()),
        Just("~".to_owned()),
        Just("\"".to_owned()),
        Just("{".to_owned()),
        Just("]".to_owned()),
        Just("\n- ".to_owned()),
        Just(": ".to_owned()),
        Just("\u{FEFF}".to_owned()),
        Just("ü".to_owned()),
        Just("0".to_owned()),
        Just("-".to_owned()),
        Just("&a ".to_owned()),
        Just("*a".to_owned()),
        Just("\\".to_owned()),
        "\\PC{1,4}",
    ];
    let place = 0..EVERY_KEY.len();
    prop_oneof![
        (place.clone(), 1..40_usize).prop_map(|(at, length)| Mutation::Remove(at, length)),
        (place, tricky).prop_map(|(at, text)| Mutation::Insert(at, text)),
        (0..130_usize, 0..130_usize).prop_map(|(from, to)| Mutation::CopyLine(from, to)),
    ]
}

fn mutate(mutations: &[Mutation]) -> Vec<u8> {
    let mut bytes = EVERY_KEY.as_bytes().to_vec();
    for mutation in mutations {
        match mutation {
            Mutation::Remove(at, length) => {
                let at = (*at).min(bytes.len());
                let end = (at + length).min(bytes.len());
                bytes.drain(at..end);
            }
            Mutation::Insert(at, text) => {
                let at = (*at).min(bytes.len());
                bytes.splice(at..at, text.bytes());
            }
            Mutation::CopyLine(from, to) => {
                let mut lines: Vec<Vec<u8>> = bytes.split(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect();
                if let Some(line) = lines.get(*from).cloned() {
                    lines.insert((*to).min(lines.len()), line);
                }
                bytes = lines.join(&b'\n');
            }
        }
    }
    bytes
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn arbitrary_bytes_are_read_without_panic(bytes: Vec<u8>) {
        load_and_show(bytes);
    }

    #[test]
    fn arbitrary_yaml_like_text_is_read_without_panic(text in "[-\\[\\]{}:,&*!|>'\"%@`#? \n\ta-cü]{0,200}") {
        load_and_show(text.into_bytes());
    }

    #[test]
    fn mutated_files_are_read_without_panic(mutations in proptest::collection::vec(mutation(), 1..6)) {
        load_and_show(mutate(&mutations));
    }

    #[test]
    fn what_has_no_error_was_read(mutations in proptest::collection::vec(mutation(), 1..3)) {
        let loaded = load_and_show(mutate(&mutations));
        prop_assert!(loaded.has_errors() || loaded.declared.is_some());
    }
}

#[test]
fn a_value_from_the_environment_is_in_no_report() {
    // Set by cargo for every test; long enough to be found again.
    let value = env!("CARGO_MANIFEST_DIR");
    for key in ["listen", "role", "protocol", "redirect", "plaintext", "log", "from", "deny"] {
        let text = format!("ports:\n  web:\n    {key}: ${{env:CARGO_MANIFEST_DIR}}\n");
        let loaded = load_str(Path::new("p.yaml"), &text);
        let shown = render(&loaded.findings, &loaded.sources, Style::Plain);
        assert!(loaded.has_errors(), "{key}");
        assert!(!shown.contains(value), "{key}: {shown}");
    }
}
