//! TLS on both sides, with `rustls` and `aws-lc-rs`.
//!
//! Owns: loading and judging certificates, keys and CAs ([`material`]), the server side of ports ([`server`]), the
//! client side towards endpoints ([`client`]), and what a peer's certificate says ([`peer`]).
//!
//! Must not know: configuration files, plans, connections.
//!
//! Invariants: nothing fails open (an empty or unreadable CA is an error, never "no check"); a session ticket is good
//! for the port and the client-certificate policy that it was made under, and for no other; no private key is printed.

pub mod client;
pub mod material;
pub mod peer;
pub mod server;
