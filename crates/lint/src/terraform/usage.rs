//! Which resources something uses, by the names that stand anywhere in the files.

use std::collections::HashSet;

use hcl_edit::{
    Decorated,
    expr::{Expression, Traversal, TraversalOperator},
    structure::{Attribute, Block},
    visit::{Visit, visit_attr, visit_block, visit_traversal},
};

use super::module::File;

/// `type.name` of resources that are named somewhere.
#[derive(Debug, Default)]
pub(super) struct Used {
    /// Anywhere, except by rules that are added to them.
    pub(super) anywhere: HashSet<String>,
    /// Outside of resources, from where they may go anywhere: in outputs, locals, calls of modules.
    pub(super) outside: HashSet<String>,
}

/// All names of a module.
pub(super) fn used(files: &[File]) -> Used {
    let mut used = Used::default();
    for block in files.iter().flat_map(|file| file.body.blocks()) {
        let mut names = Names::default();
        names.visit_block(block);
        if block.ident.as_str() != "resource" {
            used.outside.extend(names.found.iter().cloned());
        }
        used.anywhere.extend(names.found);
    }
    used
}

#[derive(Default)]
struct Names {
    found: HashSet<String>,
    is_in_rule: bool,
}

impl Visit for Names {
    fn visit_block(&mut self, block: &Block) {
        let is_rule = block.ident.as_str() == "resource"
            && block.labels.first().is_some_and(|kind| kind.as_str().contains("_rule"));
        let before = self.is_in_rule;
        self.is_in_rule |= is_rule;
        visit_block(self, block);
        self.is_in_rule = before;
    }

    fn visit_attr(&mut self, attribute: &Attribute) {
        if !(self.is_in_rule && attribute.key.as_str() == "security_group_id") {
            visit_attr(self, attribute);
        }
    }

    fn visit_traversal(&mut self, traversal: &Traversal) {
        if let Expression::Variable(kind) = &traversal.expr
            && let Some(TraversalOperator::GetAttr(name)) = traversal.operators.first().map(Decorated::value)
        {
            self.found.insert(format!("{}.{}", kind.as_str(), name.as_str()));
        }
        visit_traversal(self, traversal);
    }
}
