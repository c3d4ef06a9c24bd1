//! `grants:`
#![allow(dead_code, reason = "only the shape of these types is used")]

use schemars::JsonSchema;

use super::{
    scalar::{Duration, Scalar, Secret, Text},
    shape::{Many, Named},
};
use crate::{defaults, read::written};

/// Access that somebody asks for, and that ends by itself.
#[derive(JsonSchema)]
#[schemars(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct Grants {
    /// Gets a POST with JSON for each step, as chats understand it. Kept as a secret.
    webhook: Option<Scalar<Secret>>,
    /// Services that are granted on request, by name.
    services: Option<Named<GrantTerms>>,
}

/// On what terms access to a service is granted.
#[derive(JsonSchema)]
#[schemars(rename_all = "kebab-case", deny_unknown_fields)]
struct GrantTerms {
    /// Who may approve and refuse; never their own.
    approve: Circle,
    /// Who may ask. Default: everybody who is proven.
    ask: Option<Circle>,
    /// The longest time that may be asked for.
    #[schemars(extend("default" = written(defaults::LONGEST_GRANT)))]
    longest: Option<Scalar<Duration>>,
    /// Who may take access without approval; everybody is told. Default: nobody.
    break_glass: Option<Circle>,
}

/// Some people: any of those that are named.
#[derive(JsonSchema)]
#[schemars(rename_all = "kebab-case", deny_unknown_fields)]
struct Circle {
    /// By name; `PROVIDER:NAME` as that provider alone knows them.
    users: Option<Many<Scalar<Text>>>,
    /// By group; `PROVIDER/GROUP` means that provider's alone.
    groups: Option<Many<Scalar<Text>>>,
}
