//! The JSON Schema of the file, for editors.
//!
//! Generated from types that mirror the file as it is written: one struct for each mapping, one field for each key,
//! the doc comment as its description, the default from [`crate::defaults`]. A test holds them to the keys that the
//! reader really asks for, and the reference page to both.
//!
//! The schema is for completion and first help; the reader and the checks know more than a schema can say.

mod audit;
mod file;
mod grants;
mod identity;
mod port;
mod route;
mod scalar;
mod service;
mod shape;

use schemars::{Schema, generate::SchemaSettings, transform::transform_subschemas};
use serde_json::Value;

/// The schema, JSON Schema draft 2020-12.
pub fn schema() -> Value {
    let settings = SchemaSettings::draft2020_12().with_transform(drop_null);
    let mut schema = settings.into_generator().into_root_schema_for::<file::File>();
    schema.insert("title".to_owned(), "portcullis.yaml".into());
    schema.to_value()
}

/// `Option` is how the mirror types say that a key may be left out; that it may be `null` is not meant.
fn drop_null(schema: &mut Schema) {
    if let Some(Value::Array(types)) = schema.get_mut("type") {
        types.retain(|name| name != "null");
        if let [only] = types.as_slice() {
            let only = only.clone();
            schema.insert("type".to_owned(), only);
        }
    }
    if let Some(Value::Array(choices)) = schema.get_mut("anyOf") {
        choices.retain(|choice| choice.get("type").is_none_or(|name| name != "null"));
        if let [Value::Object(only)] = choices.as_slice() {
            let only = only.clone();
            schema.remove("anyOf");
            let object = schema.ensure_object();
            for (key, value) in only {
                object.entry(key).or_insert(value);
            }
        }
    }
    transform_subschemas(&mut drop_null, schema);
}

/// Keys of every mapping of the schema, by its name.
#[cfg(test)]
pub(crate) fn keys() -> std::collections::BTreeMap<String, std::collections::BTreeSet<String>> {
    let schema = schema();
    let keys = |object: &Value| Some(object.get("properties")?.as_object()?.keys().cloned().collect());
    let definitions = schema.get("$defs").and_then(Value::as_object).cloned().unwrap_or_default();
    let named = definitions.iter().filter_map(|(name, object)| Some((name.clone(), keys(object)?)));
    named.chain(keys(&schema).map(|keys| ("File".to_owned(), keys))).collect()
}

#[cfg(test)]
mod tests {
    use std::{
        collections::{BTreeMap, BTreeSet},
        path::Path,
    };

    use super::*;
    use crate::{
        finding::Findings,
        read::{FileReader, Reader, Substitutions},
        span::FileId,
        yaml,
    };

    /// Keys that the reader asks for when it reads the file in which every mapping occurs.
    fn keys_of_reader() -> BTreeMap<String, BTreeSet<String>> {
        let text = include_str!("../../tests/every-key/every-key.yaml");
        let (mut findings, mut substitutions) = (Findings::default(), Substitutions::default());
        let Some(root) = yaml::parse(text, FileId(0), &mut findings) else { return BTreeMap::new() };
        let mut reader = Reader::new(&mut findings, &mut substitutions, Path::new("tests/every-key"));
        FileReader::default().read(&mut reader, &root);
        let owned = |keys: &BTreeSet<&str>| keys.iter().map(|key| (*key).to_owned()).collect();
        reader.asked.iter().map(|(object, keys)| ((*object).to_owned(), owned(keys))).collect()
    }

    #[test]
    fn the_reader_and_the_schema_know_the_same_keys() {
        assert_eq!(keys_of_reader(), keys());
    }

    #[test]
    fn the_file_with_every_key_has_every_key() {
        let text = include_str!("../../tests/every-key/every-key.yaml");
        for (object, keys) in keys() {
            for key in keys {
                assert!(text.contains(&format!("{key}:")), "{key} of {object} is missing");
            }
        }
    }

    #[test]
    fn nothing_may_be_null_and_unknown_keys_are_refused() {
        let text = schema().to_string();
        assert!(!text.contains("\"null\""), "{text}");
        for (name, object) in schema().get("$defs").and_then(Value::as_object).into_iter().flatten() {
            if object.get("properties").is_some() {
                assert_eq!(object.get("additionalProperties"), Some(&Value::Bool(false)), "{name}");
            }
        }
    }

    /// The reference has a table under `<!-- keys of NAME -->` for each mapping, whose rows are
    /// `` | `key` | type | default | meaning | ``.
    #[test]
    fn the_reference_lists_every_key_with_its_default() {
        let reference = include_str!("../../../../docs/reference/configuration.md");
        let schema = schema();
        for (object, keys) in keys() {
            let marker = format!("<!-- keys of {object} -->");
            let Some((_, after)) = reference.split_once(&marker) else { panic!("no table of {object}") };
            let rows: BTreeMap<&str, &str> = after
                .lines()
                .skip_while(|line| !line.starts_with('|'))
                .take_while(|line| line.starts_with('|'))
                .skip(2)
                .filter_map(|line| {
                    let mut cells = line.split(" | ").map(|cell| cell.trim_matches(['|', ' ', '`']));
                    Some((cells.next()?, cells.nth(1)?))
                })
                .collect();
            let listed: BTreeSet<String> = rows.keys().map(|key| (*key).to_owned()).collect();
            assert_eq!(listed, keys, "table of {object}");
            let definition = if object == "File" { &schema } else { &schema["$defs"][&object] };
            for (key, default) in rows {
                let Some(expected) = definition["properties"][key].get("default") else { continue };
                let expected = expected.as_str().map_or_else(|| expected.to_string(), str::to_owned);
                assert_eq!(default, expected, "default of {key} of {object}");
            }
        }
    }
}
