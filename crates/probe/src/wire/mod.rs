//! Speaking to a port: connecting within bounds, and the few words by which a protocol is recognised.
//!
//! Everything that is sent is harmless: a GET, a TLS handshake, PostgreSQL's request for TLS, a PING. Everything that
//! comes back is a stranger's: bounded, and made fit to print.

mod dial;
mod http;
mod identify;
mod postgres;
mod speak;
mod stream;
mod tls;

use std::time::Duration;

pub(crate) use dial::{connect, dial};
pub(crate) use http::{has_head, status_of};
pub(crate) use identify::{Speaks, printable};
pub(crate) use speak::{Expected, PROXY_LOCAL, Protocol, speak};
pub(crate) use stream::Wire;
pub(crate) use tls::{Broken, Hello, certificate_of, handshake};

/// What came of a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Answer {
    /// Accepted, and this was spoken.
    Open(Speaks),
    /// Accepted, and what was asked there was not answered in this time.
    Unanswered(Duration),
    /// Accepted, then closed without a word: whoever accepts does not want this client.
    Denied,
    /// Refused: nobody listens, or a firewall says so.
    Refused,
    /// No answer at all: a firewall drops, or nobody is there.
    Filtered,
    /// There is no way there.
    Unreachable(String),
    /// Not tried.
    NotTried(String),
}

impl Answer {
    /// In a word or two.
    pub(crate) fn words(&self) -> String {
        match self {
            Self::Open(speaks) => format!("open ({speaks})"),
            Self::Unanswered(time) => format!("accepted, then did not answer within {:.1} s", time.as_secs_f64()),
            Self::Denied => "accepted, then closed without a word".to_owned(),
            Self::Refused => "refused".to_owned(),
            Self::Filtered => "no answer (filtered)".to_owned(),
            Self::Unreachable(why) => format!("unreachable ({why})"),
            Self::NotTried(why) => format!("not tried: {why}"),
        }
    }
}
