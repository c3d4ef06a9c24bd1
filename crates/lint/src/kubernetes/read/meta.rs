//! `kind`, `apiVersion` and `metadata`.

use super::field;
use crate::{
    inputs::Spanned,
    kubernetes::model::{Meta, Standing},
    yaml::Node,
};

/// What an object says about itself; nothing if it is no object of an API.
pub(super) fn read(node: &Node<'_>) -> Option<Meta> {
    let kind = field::text(node, "kind")?;
    let version = field::text(node, "apiVersion")?;
    let group = version.rsplit_once('/').map_or("", |(group, _)| group).to_owned();
    let metadata = node.get("metadata");
    let text = |key: &str| metadata.and_then(|metadata| field::text(metadata, key));
    let entries = metadata.and_then(|metadata| metadata.get("annotations")).map(Node::entries).unwrap_or_default();
    let annotations = entries.iter().filter_map(|entry| {
        Some((Spanned::new(entry.key.text.to_string(), entry.key.span), field::scalar(&entry.value)?))
    });
    Some(Meta {
        name: text("name").unwrap_or_else(|| Spanned::new(String::new(), kind.span)),
        kind,
        group,
        namespace: text("namespace").filter(|namespace| !namespace.is_empty()),
        labels: field::labels(metadata.and_then(|metadata| metadata.get("labels"))),
        annotations: annotations.collect(),
        span: node.span,
        standing: Standing::Whole,
    })
}
