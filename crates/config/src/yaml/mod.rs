//! YAML text as a tree of nodes, each with its place, within bounds that hostile input cannot pass.

mod builder;
mod hint;
mod node;
mod words;

pub(crate) use builder::parse;
pub(crate) use node::{Entry, Key, Node, Scalar, Value};
pub(crate) use words::of as in_words;
