//! TLS as both sides meet it: certificates made on the spot, handshakes in memory.

#![allow(clippy::unwrap_used)] // a test that can not go on has failed

mod authority;
mod client;
mod conversation;
mod material;
mod peer;
mod resumption;
mod revocation;
mod server;
