//! Who is calling: proving the identity of a sender from what a request shows.
//!
//! Owns: what a request can show ([`Presented`]), who it proves to be ([`Principal`]), how long and on what that rests
//! ([`Standing`]), and one module for each kind of proof.
//!
//! Must not know: connections, routes, policies, the configuration file. It is given settings and a request's facts,
//! and says who that is; whether they may pass is decided in `portcullis-policy`.
//!
//! Invariants:
//! - What can not be proven is nobody, and says why ([`NotProven`]); no provider that fails lets anyone through.
//! - Nothing that a client sends is believed but what is verified; an address that is not verified is no address.
//! - A standing never outlives what it rests on: the token's expiry, the session, the user, the key that signed.
//! - Secrets (tokens, cookies, passwords) are in no `Debug`, no error and no log.

mod answers;
pub mod assertion;
mod authenticator;
pub mod aws;
pub mod cookie;
pub mod dpop;
pub mod fetch;
pub mod introspection;
pub mod jwt;
pub mod keys;
pub mod local;
pub mod oidc;
mod own_keys;
pub mod pages;
mod people;
mod presented;
mod principal;
mod refusal;
mod secret;
pub mod session;
mod site;
mod standing;
mod strict_json;
#[cfg(test)]
mod stub;
mod vault;

pub use authenticator::{Authenticator, Local, Provider, ProviderId, Registry};
pub use own_keys::KeyError;
pub use people::{OpenError, PageRequest, PeopleSettings};
pub use presented::{ClientCertificate, Presented, Scheme};
pub use principal::{Kind, Principal};
pub use refusal::{NotProven, Refusal};
pub use secret::Secret;
pub use site::Site;
pub use standing::{Basis, Binding, Standing, State};
pub use vault::{Vault, VaultError};
