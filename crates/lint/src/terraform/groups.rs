//! From resources to groups of rules: rules that stand beside their group are put into it.

use std::collections::HashMap;

use super::{
    aws, azure, google,
    opening::{Group, Kind, Permit, Words},
    others, registry,
    resource::Resource,
    value::{Term, Value},
};

static WORDS: Words = Words {
    address: "cidr_blocks = [\"203.0.113.7/32\"]",
    group: "source_security_group_id = aws_security_group.app.id",
    port: "from_port = 443, to_port = 443 and protocol = \"tcp\"",
};

/// All groups of a set of resources, in their order; rules whose group is not among them are groups of their own.
pub(super) fn groups(resources: &[Resource]) -> Vec<Group> {
    let own = |resource: &Resource| {
        aws::group(resource)
            .or_else(|| azure::group(resource))
            .or_else(|| google::group(resource))
            .or_else(|| others::group(resource))
            .or_else(|| registry::group(resource))
    };
    let mut groups: Vec<Group> = resources.iter().filter_map(own).collect();
    let index = Index::of(&groups);
    for resource in resources {
        let rule = aws::rule(resource).or_else(|| azure::rule(resource)).or_else(|| others::rule(resource));
        let Some((permit, key)) = rule else { continue };
        let named = resource.body.get(key).and_then(|term| index.find(term));
        match named.and_then(|index| groups.get_mut(index)) {
            Some(group) => group.permits.push(permit),
            None => groups.push(alone(resource, permit)),
        }
    }
    groups
}

fn alone(resource: &Resource, permit: Permit) -> Group {
    let kind = if resource.kind == "aws_network_acl_rule" { Kind::Stateless } else { Kind::Stateful };
    Group::of(resource, "rule", kind, &WORDS, vec![permit])
}

/// Where groups are, by what can name them.
struct Index {
    by_address: HashMap<String, Vec<(Option<String>, usize)>>,
    by_id: HashMap<String, usize>,
}

impl Index {
    fn of(groups: &[Group]) -> Self {
        let mut index = Self { by_address: HashMap::new(), by_id: HashMap::new() };
        for (at, group) in groups.iter().enumerate() {
            index.by_address.entry(group.address.clone()).or_default().push((group.instance.clone(), at));
            index.by_id.extend(group.id.clone().map(|id| (id, at)));
        }
        index
    }

    fn find(&self, term: &Term) -> Option<usize> {
        match &term.value {
            Value::Reference(reference) => {
                let instances = self.by_address.get(&reference.address)?;
                let exact = instances.iter().find(|(instance, _)| *instance == reference.instance);
                exact.or_else(|| instances.first()).map(|(_, at)| *at)
            }
            other => self.by_id.get(&other.as_text()?).copied(),
        }
    }
}
