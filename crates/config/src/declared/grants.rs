//! What the file says about access that ends by itself.

use std::time::Duration;

use crate::{secret::Secret, span::Spanned};

/// `grants:` which services are granted on request, on what terms, and who is told of it.
#[derive(Debug, Default)]
pub struct Grants {
    /// `webhook:` gets a POST for each step. Its address is often all that protects it, so it is kept as a secret.
    pub webhook: Option<Spanned<Secret>>,
    /// `services:` by name.
    pub services: Vec<GrantTerms>,
}

/// On what terms access to one service is granted.
#[derive(Debug)]
pub struct GrantTerms {
    /// Name of the service.
    pub service: Spanned<String>,
    /// `ask:` who may ask; without it everybody who is proven.
    pub ask: Option<Circle>,
    /// `approve:` who may approve and refuse.
    pub approve: Circle,
    /// `longest:` the longest time.
    pub longest: Option<Spanned<Duration>>,
    /// `break-glass:` who may take access without approval; without it nobody.
    pub break_glass: Option<Circle>,
}

/// `{ users: [alice@example.com], groups: [dba] }`: any of them.
#[derive(Debug, Default)]
pub struct Circle {
    /// `users:`
    pub users: Vec<Spanned<String>>,
    /// `groups:`
    pub groups: Vec<Spanned<String>>,
}
