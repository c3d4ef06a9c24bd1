//! Single values. Each may also be a reference, `${env:NAME}` or `${file:PATH}`.

use std::{borrow::Cow, marker::PhantomData};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::Value;

use crate::declared::Word;

/// Matches a reference, alone or within a text.
const REFERENCE: &str = r"\$\{(env|file):[^}]+\}";

/// A single value of some kind.
pub(super) struct Scalar<K>(PhantomData<K>);

/// What a single value may be.
pub(super) trait Kind {
    const NAME: &'static str;
    fn schema() -> Schema;
}

impl<K: Kind> JsonSchema for Scalar<K> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        K::NAME.into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        K::schema()
    }
}

/// One word out of a closed set.
pub(super) struct OneOf<W>(PhantomData<W>);

impl<W: Word> JsonSchema for OneOf<W> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        W::WHAT.into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let words = W::WORDS.iter().map(|(word, _)| *word);
        words_or_reference(words.flat_map(|word| {
            // `minimum: 1.2` without quotes is a number to an editor.
            let number = word.parse::<f64>().ok().map(Value::from);
            [Some(Value::from(word)), number].into_iter().flatten()
        }))
    }
}

/// Any of these values.
pub(super) fn words_or_reference(words: impl Iterator<Item = Value>) -> Schema {
    json_schema!({ "anyOf": [{ "enum": words.collect::<Vec<_>>() }, { "type": "string", "pattern": REFERENCE }] })
}

/// A text that matches a pattern as a whole.
fn text(pattern: &str, example: &str) -> Schema {
    json_schema!({ "type": "string", "pattern": format!("^({pattern})$|{REFERENCE}"), "examples": [example] })
}

fn number(least: u64, most: u64) -> Schema {
    json_schema!({
        "anyOf": [
            { "type": "integer", "minimum": least, "maximum": most },
            { "type": "string", "pattern": format!("^[0-9]+$|{REFERENCE}") },
        ]
    })
}

/// A duration with its unit.
pub(super) struct Duration;
/// Bytes.
pub(super) struct Bytes;
/// A percentage.
pub(super) struct Percent;
/// `true` or `false`.
pub(super) struct Boolean;
/// A whole number within bounds.
pub(super) struct Between<const LEAST: u64, const MOST: u64>;
/// One port number or a span of them.
pub(super) struct Ports;
/// One status or a span of them.
pub(super) struct Status;
/// A name that the file gives.
pub(super) struct Name;
/// An address to listen on.
pub(super) struct Listen;
/// An address of an endpoint.
pub(super) struct Address;
/// A network or address.
pub(super) struct Network;
/// A path in the file system.
pub(super) struct File;
/// A host name or pattern.
pub(super) struct Host;
/// Any text.
pub(super) struct Text;
/// A secret.
pub(super) struct Secret;

impl Kind for Duration {
    const NAME: &'static str = "Duration";
    fn schema() -> Schema {
        text(r"[0-9]+(\.[0-9]+)?(us|ms|s|m|h)", "500ms")
    }
}

impl Kind for Bytes {
    const NAME: &'static str = "Bytes";
    fn schema() -> Schema {
        json_schema!({
            "anyOf": [
                { "type": "integer", "minimum": 0 },
                { "type": "string", "pattern": format!("^[0-9]+(B|KiB|MiB|GiB)?$|{REFERENCE}"), "examples": ["16KiB"] },
            ]
        })
    }
}

impl Kind for Percent {
    const NAME: &'static str = "Percent";
    fn schema() -> Schema {
        text("([0-9]|[1-9][0-9]|100)%", "20%")
    }
}

impl Kind for Boolean {
    const NAME: &'static str = "Boolean";
    fn schema() -> Schema {
        json_schema!({ "anyOf": [{ "type": "boolean" }, { "type": "string", "pattern": REFERENCE }] })
    }
}

impl<const LEAST: u64, const MOST: u64> Kind for Between<LEAST, MOST> {
    const NAME: &'static str = "Number";
    fn schema() -> Schema {
        number(LEAST, MOST)
    }
}

impl Kind for Ports {
    const NAME: &'static str = "Ports";
    fn schema() -> Schema {
        json_schema!({
            "anyOf": [
                { "type": "integer", "minimum": 1, "maximum": 65535 },
                { "type": "string", "pattern": format!("^[0-9]+( ?- ?[0-9]+)?$|{REFERENCE}"), "examples": ["3000-3999"] },
            ]
        })
    }
}

impl Kind for Status {
    const NAME: &'static str = "Status";
    fn schema() -> Schema {
        json_schema!({
            "anyOf": [
                { "type": "integer", "minimum": 100, "maximum": 599 },
                { "type": "string", "pattern": format!("^[1-5][0-9]{{2}}(-[1-5][0-9]{{2}})?$|{REFERENCE}") },
            ]
        })
    }
}

impl Kind for Name {
    const NAME: &'static str = "Name";
    fn schema() -> Schema {
        text("[A-Za-z0-9][A-Za-z0-9._-]{0,63}", "web")
    }
}

impl Kind for Listen {
    const NAME: &'static str = "Listen";
    fn schema() -> Schema {
        text(r"[0-9.]+:[0-9]+|\[[0-9A-Fa-f:.%]+\]:[0-9]+|unix:/.+", "127.0.0.1:8080")
    }
}

impl Kind for Address {
    const NAME: &'static str = "Address";
    fn schema() -> Schema {
        text(r"unix:/.+|[^/]*[^/0-9][^/]*", "127.0.0.1:3000")
    }
}

impl Kind for Network {
    const NAME: &'static str = "Network";
    fn schema() -> Schema {
        text(r"[0-9A-Fa-f:.]+(/[0-9]{1,3})?", "10.0.0.0/8")
    }
}

impl Kind for File {
    const NAME: &'static str = "Path";
    fn schema() -> Schema {
        json_schema!({ "type": "string", "minLength": 1, "examples": ["tls/web.pem"] })
    }
}

impl Kind for Host {
    const NAME: &'static str = "Host";
    fn schema() -> Schema {
        json_schema!({ "type": "string", "minLength": 1, "examples": ["shop.example.com", "*.example.com"] })
    }
}

impl Kind for Text {
    const NAME: &'static str = "Text";
    fn schema() -> Schema {
        json_schema!({ "type": ["string", "number", "boolean"] })
    }
}

impl Kind for Secret {
    const NAME: &'static str = "Secret";
    fn schema() -> Schema {
        json_schema!({ "type": "string", "minLength": 1, "examples": ["${env:PORTCULLIS_ADMIN_TOKEN}"] })
    }
}
