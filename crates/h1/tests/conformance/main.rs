//! What the codec accepts, what it refuses and why: tables, properties, and the same bytes given to hyper.
//!
//! `PROPTEST_CASES=1000000 cargo test -p portcullis-h1` looks harder.
#![allow(clippy::unwrap_used, clippy::expect_used)] // clippy.toml allows them in tests, but not in what tests call

mod chunks;
mod differential;
mod hyper_client;
mod hyper_server;
mod properties;
mod reading;
mod requests;
mod responses;
mod traffic;
