//! `grants:`

use super::{access::identity_name, identity::provider_url, mapping::Mapping, reader::Reader, values};
use crate::{
    declared::{Circle, GrantTerms, Grants},
    finding::Finding,
    rule::RuleId,
    secret::Secret,
    span::Spanned,
    yaml::Node,
};

/// `grants:`
pub(super) fn grants(reader: &mut Reader<'_>, node: &Node<'_>) -> Option<Grants> {
    reader.mapping(node, "Grants", "`grants`", |map| {
        let webhook = map.optional("webhook", webhook);
        let mut services = Vec::new();
        if let Some(node) = map.node("services") {
            map.reader.entries(node, |reader, name, node| services.extend(terms(reader, name, node)));
        }
        Grants { webhook, services }
    })
}

/// One service. `None` if whom it trusts cannot be read: nobody would be right to guess.
fn terms(reader: &mut Reader<'_>, service: Spanned<String>, node: &Node<'_>) -> Option<GrantTerms> {
    let what = format!("the grants of `{}`", *service);
    reader.mapping(node, "GrantTerms", &what, |map| {
        let needs_approvers = map.require("approve");
        let (ask, approve) = (circle(map, "ask"), circle(map, "approve"));
        let break_glass = circle(map, "break-glass");
        let longest = map.value("longest", values::interval);
        let is_readable =
            [("ask", ask.is_some()), ("break-glass", break_glass.is_some()), ("longest", longest.is_some())]
                .into_iter()
                .all(|(key, is_read)| is_read || !map.says(key));
        (needs_approvers && is_readable).then_some(())?;
        Some(GrantTerms { service, ask, approve: approve?, longest, break_glass })
    })?
}

/// `{ users: [..], groups: [..] }`, which names somebody.
fn circle(map: &mut Mapping<'_, '_, '_>, key: &'static str) -> Option<Circle> {
    let what = format!("`{key}` of {}", map.what());
    let circle = map.optional(key, |reader, node| {
        reader.mapping(node, "Circle", &what, |map| {
            let circle =
                Circle { users: map.values("users", identity_name), groups: map.values("groups", identity_name) };
            let given = map.present(&["users", "groups"]);
            if given.is_empty() {
                let finding = Finding::new(RuleId::InvalidValue, map.span(), format!("{what} names nobody"))
                    .help("name `users: [...]`, `groups: [...]`, or both");
                map.misses(&["users", "groups"], finding);
            }
            (!circle.users.is_empty() || !circle.groups.is_empty()).then_some(circle)
        })?
    });
    circle.map(|circle| circle.value)
}

/// Never shown: whoever knows the address of a chat's webhook can write there.
fn webhook(reader: &mut Reader<'_>, node: &Node<'_>) -> Option<Secret> {
    let text = reader.text(node)?;
    let address = text.value.trim_end_matches('\n').to_owned();
    if let Err(mistake) = provider_url(&address) {
        reader.substitutions.secret_at(node.span);
        let finding = Finding::new(mistake.rule, node.span, format!("the webhook {}", mistake.message))
            .label(format!("expected {}", mistake.expected));
        reader.findings.push(finding);
        return None;
    }
    Some(Secret::new(address))
}
