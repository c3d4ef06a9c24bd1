//! What the scenarios are told in: the proxy under test, its peers, its clients, its log.
//!
//! Everything that is started here ends when its value is dropped, also when a test fails.

mod access_log;
mod address;
mod admin;
mod backend;
mod chromium;
mod http;
mod netns;
mod nginx;
mod person;
mod pki;
mod postgres;
mod probed;
mod process;
mod provider;
mod proxy;
mod raw;
mod redis;
mod tls;
mod wait;
mod web;
mod websocket;

pub(crate) use access_log::AccessLog;
pub(crate) use address::{Ranges, free_address};
pub(crate) use admin::Admin;
pub(crate) use backend::{Backend, Peer};
pub(crate) use chromium::Chromium;
pub(crate) use http::{Request, Response};
pub(crate) use netns::Netns;
pub(crate) use nginx::Nginx;
pub(crate) use person::{Person, encoded, hidden};
pub(crate) use pki::{Authority, Leaf};
pub(crate) use postgres::{Postgres, shim_of_client, shim_of_server};
pub(crate) use probed::Probed;
pub(crate) use process::{Process, output_of};
pub(crate) use provider::OpenIdProvider;
pub(crate) use proxy::{PLAIN, Proxy, Scenario};
pub(crate) use raw::Raw;
pub(crate) use redis::{Redis, redis_cli};
pub(crate) use tls::TlsClient;
pub(crate) use wait::{PATIENCE, wait_as_long_as, wait_until};
pub(crate) use web::Web;
pub(crate) use websocket::{WebSocketServer, talk_websocket};
