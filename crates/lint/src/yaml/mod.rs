//! YAML as other tools write it: several documents, anchors, merge keys, tags. A tree with the place of every value,
//! within bounds that hostile input cannot pass.
//!
//! More lenient than the reader of Portcullis' own file, which allows none of this: here the question is what the tool
//! that the file is for makes of it.

mod builder;
mod indentation;
mod node;
mod places;

pub(crate) use builder::parse;
pub(crate) use node::{Entry, Key, Node, Scalar, Value};
