//! PC120 for Terraform: misspelt names where a firewall says what it opens. Terraform refuses them; scanners that read
//! the files without it take what is missing for what is not open.

use hcl_edit::{
    Ident, Span as _,
    expr::{Expression, ObjectKey},
    structure::{Body, Structure},
};

use super::{evaluate::place, load::Folder};
use crate::{
    finding::{Edit, Finding, Safety},
    inputs::{FileId, Span},
    keys::{UNKNOWN_KEY, meant},
};

/// What Terraform itself takes in every resource.
const EVERYWHERE: &str = "count for_each provider depends_on lifecycle provisioner connection dynamic timeouts";

const AWS_RULE: &str =
    "from_port to_port protocol cidr_blocks ipv6_cidr_blocks prefix_list_ids security_groups self description";
const AZURE_RULE: &str = "name description priority direction access protocol source_port_range source_port_ranges \
    destination_port_range destination_port_ranges source_address_prefix source_address_prefixes \
    destination_address_prefix destination_address_prefixes source_application_security_group_ids \
    destination_application_security_group_ids";

/// Names of a resource, and those of its blocks.
struct Known {
    kind: &'static str,
    names: &'static [&'static str],
    blocks: &'static [(&'static str, &'static str)],
}

const KNOWN: [Known; 6] = [
    Known {
        kind: "aws_security_group",
        names: &["name name_prefix description vpc_id ingress egress tags tags_all revoke_rules_on_delete region"],
        blocks: &[("ingress", AWS_RULE), ("egress", AWS_RULE)],
    },
    Known {
        kind: "aws_security_group_rule",
        names: &[AWS_RULE, "type security_group_id source_security_group_id region"],
        blocks: &[],
    },
    Known {
        kind: "aws_vpc_security_group_ingress_rule",
        names: &["cidr_ipv4 cidr_ipv6 description from_port to_port ip_protocol prefix_list_id \
             referenced_security_group_id security_group_id tags region"],
        blocks: &[],
    },
    Known {
        kind: "azurerm_network_security_group",
        names: &["name location resource_group_name security_rule tags"],
        blocks: &[("security_rule", AZURE_RULE)],
    },
    Known {
        kind: "azurerm_network_security_rule",
        names: &[AZURE_RULE, "resource_group_name network_security_group_name"],
        blocks: &[],
    },
    Known {
        kind: "google_compute_firewall",
        names: &["name network description direction disabled priority project allow deny source_ranges source_tags \
             source_service_accounts destination_ranges target_tags target_service_accounts log_config enable_logging \
             params"],
        blocks: &[("allow", "protocol ports"), ("deny", "protocol ports")],
    },
];

/// All misspelt names of a folder.
pub(super) fn check(folder: &Folder) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in &folder.files {
        for block in file.body.get_blocks("resource") {
            let kind = block.labels.first().map(hcl_edit::structure::BlockLabel::as_str);
            if let Some(known) = KNOWN.iter().find(|known| Some(known.kind) == kind) {
                let mut misspelt = Misspelt { file: file.id, findings: &mut findings };
                misspelt.resource(&block.body, known);
            }
        }
    }
    findings
}

struct Misspelt<'f> {
    file: FileId,
    findings: &'f mut Vec<Finding>,
}

impl Misspelt<'_> {
    fn resource(&mut self, body: &Body, known: &Known) {
        let names: Vec<&str> = words(known.names.iter().chain([&EVERYWHERE])).collect();
        let within = |name: &str| known.blocks.iter().find(|(block, _)| *block == name).map(|(_, names)| *names);
        for structure in body {
            match structure {
                Structure::Attribute(attribute) => {
                    self.name(attribute.key.as_str(), attribute.key.span(), &names);
                    if let Some(inner) = within(attribute.key.as_str()) {
                        self.objects(&attribute.value, inner);
                    }
                }
                Structure::Block(block) => {
                    let label = block.labels.first().filter(|_| block.ident.as_str() == "dynamic");
                    let Some(label) = label else {
                        self.name(block.ident.as_str(), block.ident.span(), &names);
                        self.block(&block.body, within(block.ident.as_str()));
                        continue;
                    };
                    for content in block.body.get_blocks("content") {
                        self.block(&content.body, within(label.as_str()));
                    }
                }
            }
        }
    }

    fn block(&mut self, body: &Body, names: Option<&str>) {
        let Some(names) = names else { return };
        let names: Vec<&str> = names.split_ascii_whitespace().collect();
        for attribute in body.attributes() {
            self.name(attribute.key.as_str(), attribute.key.span(), &names);
        }
    }

    /// Blocks that are written as a list of objects.
    fn objects(&mut self, value: &Expression, names: &str) {
        let names: Vec<&str> = names.split_ascii_whitespace().collect();
        let items = value.as_array().into_iter().flat_map(hcl_edit::expr::Array::iter);
        for (key, _) in items.filter_map(Expression::as_object).flatten() {
            if let ObjectKey::Ident(ident) = key {
                let text: &Ident = ident;
                self.name(text.as_str(), ident.span(), &names);
            }
        }
    }

    fn name(&mut self, name: &str, range: Option<std::ops::Range<usize>>, known: &[&str]) {
        let Some(meant) = meant(name, known) else { return };
        let span: Span = place(self.file, range);
        let edit = Edit { span, replacement: meant.to_owned() };
        self.findings.push(
            Finding::new(&UNKNOWN_KEY, span, format!("`{name}` is not known here"))
                .label(format!("probably `{meant}`"))
                .fix(Safety::NeedsReview, format!("write `{meant}`"), vec![edit]),
        );
    }
}

fn words<'a>(lists: impl IntoIterator<Item = &'a &'static str>) -> impl Iterator<Item = &'static str> {
    lists.into_iter().flat_map(|list| list.split_ascii_whitespace())
}
