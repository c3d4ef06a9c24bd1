//! What the file says to `portcullis probe`.

use std::net::IpAddr;

use crate::span::Spanned;

/// `probe:`
#[derive(Debug, Default)]
pub struct Probe {
    /// `ignore:` listeners that are none of this file's business, each with the reason.
    pub ignore: Vec<Spanned<Ignored>>,
    /// `echo:` where a service sends back the headers that reached it.
    pub echo: Option<Spanned<Echo>>,
}

/// `{ port: 5353, protocol: udp, because: "mDNS" }`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ignored {
    /// The number on which it listens.
    pub port: Spanned<u16>,
    /// The address on which it listens; `None` for any.
    pub address: Option<Spanned<IpAddr>>,
    /// What carries its bytes; `None` for either.
    pub protocol: Option<Spanned<Transport>>,
    /// Why it is left alone; never empty.
    pub because: Spanned<String>,
}

/// What carries the bytes of a listener.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Transport {
    /// TCP
    Tcp,
    /// UDP
    Udp,
}

/// `{ port: web, host: echo.example.com, path: /headers }`: a GET there is answered with the headers of the request, so
/// that a probe can see what reaches a service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Echo {
    /// Name of the port.
    pub port: Spanned<String>,
    /// Host of the request; `None` for the address.
    pub host: Option<Spanned<String>>,
    /// Path of the request.
    pub path: Spanned<String>,
}
