//! TLS on both sides, with `rustls` and `aws-lc-rs`.
//!
//! Owns: loading and judging certificates, keys and CAs ([`material`]), the server side of ports ([`server`]), the
//! client side towards endpoints ([`client`]), what a peer's certificate says ([`peer`]), and what a failed handshake
//! means ([`words`]).
//!
//! Must not know: configuration files, plans, connections.
//!
//! Invariants: nothing fails open (an empty or unreadable CA is an error, never "no check"); a session ticket is good
//! for the port and the client-certificate policy that it was made under, and for no other; no private key is printed;
//! no data is accepted before the handshake is done (no 0-RTT).

mod certificate;
pub mod client;
pub mod material;
pub mod peer;
pub mod server;
pub mod words;

use std::sync::Arc;

use rustls::crypto::{CryptoProvider, aws_lc_rs};

/// Why TLS could not be set up from material that is good in itself.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum TlsError {
    /// A port that terminates TLS has nothing to show.
    #[error("no certificate was given")]
    NoCertificate,
    /// rustls did not accept the CAs that clients are checked against.
    #[error("these CAs can not be used to check clients: {0}")]
    ClientCas(String),
    /// rustls did not accept the rest.
    #[error("TLS can not be set up: {0}")]
    Rustls(#[from] rustls::Error),
}

/// The algorithms of both sides: rustls' own choice, with the hybrid post-quantum key exchange X25519MLKEM768 first
/// (feature `prefer-post-quantum`). Given explicitly everywhere, so that nothing depends on a process-wide default.
fn provider() -> Arc<CryptoProvider> {
    Arc::new(aws_lc_rs::default_provider())
}
