//! Rules about addresses alone, which every format applies where it has no rule of its own for them.

use crate::rule::{Default, Rule, Severity};

/// A wildcard address, with nothing that says it is meant for everybody.
pub static WILDCARD: Rule = Rule {
    id: "PC104",
    name: "wildcard-bind",
    severity: Severity::High,
    title: "a program is told to listen on every address of the host",
    why: "`0.0.0.0` and `[::]` take what any interface brings, the public one among them, and those that the host will \
          have some day. Most programs that are found open on the internet were never meant to be.",
    remedy: "Listen on `127.0.0.1` for this host alone, or on the address of the interface that is meant.",
    default: Default::On,
};
