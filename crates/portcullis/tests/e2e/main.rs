//! The whole program, driven as its users drive it: a configuration file, real sockets, real peers.
//!
//! One file for each concern; each test is one behaviour. `harness` is the vocabulary.
//! Tests own their processes, ports and directories, so that all of them may run at once.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a step that fails is a test that fails")]

mod harness;
mod headers;
mod http;
mod responses;
mod smuggling;
mod upgrade;
mod certificates;
mod proxy_protocol;
mod tcp;
mod tls;
mod balance;
mod limits;
mod reload;
mod routing;
