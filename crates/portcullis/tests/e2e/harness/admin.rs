//! The admin API over its Unix socket.

use std::path::{Path, PathBuf};

use serde_json::Value;

use super::{Raw, Request};

/// The admin port of one proxy.
#[derive(Debug)]
pub(crate) struct Admin {
    socket: PathBuf,
}

impl Admin {
    pub(crate) fn at(socket: &Path) -> Self {
        Self { socket: socket.to_owned() }
    }

    /// Whether the proxy says that it serves. False too while there is no socket yet.
    pub(crate) fn is_ready(&self) -> bool {
        Raw::connect_unix(&self.socket).is_ok_and(|raw| Request::new(raw, "GET", "/v1/ready").send().status == 200)
    }

    /// A request to it.
    pub(crate) fn request(&self, method: &str, target: &str) -> Request {
        Request::new(Raw::connect_unix(&self.socket).expect("the admin socket accepts"), method, target)
    }

    /// A command to it.
    pub(crate) fn post(&self, target: &str) -> Request {
        self.request("POST", target).header("content-type", "application/json").body("{}")
    }

    /// What a GET answers, as JSON.
    #[track_caller]
    pub(crate) fn get(&self, target: &str) -> Value {
        self.request("GET", target).expects(200).json()
    }
}
