//! `audit:`
#![allow(dead_code, reason = "only the shape of these types is used")]

use schemars::JsonSchema;

use super::{
    scalar::{File, Scalar, Text},
    shape::{Either, On, Only},
};

/// `on`, or how.
pub(super) type AuditChoice = Either<Only<On>, Audit>;

/// Where decisions are kept beside the store, and for how long.
#[derive(JsonSchema)]
#[schemars(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct Audit {
    /// `stdout`, or the path of a file (with a slash), to which each record is appended as a line of JSON. Default: nowhere.
    copy: Option<Scalar<Text>>,
    /// File to which the signed heads are appended; best on another machine. Default: nowhere.
    heads: Option<Scalar<File>>,
    /// After this time records are cut off: `400d`, `72h`. Default: never.
    retention: Option<Scalar<Text>>,
}
