//! The whole program, driven as its users drive it: a configuration file, real sockets, real peers.
//!
//! One file for each concern; each test is one behaviour. `harness` is the vocabulary.
//! Tests own their processes, ports and directories, so that all of them may run at once.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a step that fails is a test that fails")]
#![allow(clippy::format_push_string, clippy::format_collect, reason = "short texts, read more often than run")]

mod access;
mod admin;
mod attacks;
mod audit;
mod balance;
mod certificates;
mod check;
mod code_scanning;
mod connect;
mod drift;
mod estate;
mod explain;
mod generate;
mod guides;
mod harness;
mod headers;
mod hostile;
mod http;
mod identity;
mod import;
mod imported;
mod limits;
mod logs;
mod map;
mod material;
mod operator;
mod packaging;
mod ports;
mod postgres;
mod probe;
mod proxy_protocol;
mod regressions;
mod reload;
mod responses;
mod routing;
mod servers;
mod smuggling;
mod tcp;
mod tls;
mod token;
mod upgrade;
mod users;
