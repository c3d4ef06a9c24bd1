//! `kind`, `apiVersion` and `metadata`.

use super::field;
use crate::{
    inputs::Spanned,
    kubernetes::model::{Meta, Standing},
    yaml::Node,
};

/// What a typed list (`PodList`) says of all of its items, which then need not say it themselves.
pub(super) struct OfList {
    pub(super) kind: Spanned<String>,
    pub(super) group: String,
}

/// What an object says about itself; nothing if it is no object of an API.
pub(super) fn read(node: &Node<'_>, list: Option<&OfList>) -> Option<Meta> {
    let kind = field::text(node, "kind").or_else(|| list.map(|list| list.kind.clone()))?;
    let group = match field::text(node, "apiVersion") {
        Some(version) => version.rsplit_once('/').map_or("", |(group, _)| group).to_owned(),
        None => list?.group.clone(),
    };
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
