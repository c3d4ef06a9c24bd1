//! Why a provider could not be asked, and what to do about it.

use std::{error::Error, fmt::Write, io, time::Duration};

use http::StatusCode;

use super::ProviderUrl;

/// Why there is no answer, or none that can be used. `at` is the address without its query.
#[derive(Debug, Clone, thiserror::Error)]
pub enum FetchError {
    /// Not an address that is ever asked.
    #[error("not the address of a provider{}{what}: {why}", if what.is_empty() { "" } else { ": " })]
    Address {
        /// What was written, without user and query.
        what: Box<str>,
        /// What is wrong with it.
        why: &'static str,
    },
    /// The file of certificate authorities is no PEM.
    #[error("cannot read the certificate authorities: {cause}; they must be certificates in PEM form")]
    Roots {
        /// What the reader said.
        cause: Box<str>,
    },
    /// It is PEM, and no certificate is in it.
    #[error("the file of certificate authorities holds no certificate; it needs a BEGIN CERTIFICATE block")]
    NoRoots,
    /// There can be no client at all.
    #[error("cannot speak TLS: {cause}; install the system's certificate authorities (ca-certificates)")]
    Setup {
        /// What the library said.
        cause: Box<str>,
    },
    /// The client's id or secret cannot be written into a header.
    #[error("the client id or secret is too long for a header; copy it again from the provider")]
    Credentials,
    /// No connection, or one that broke.
    #[error("cannot reach {at}: {cause}; see that its name resolves and that this host may connect to it")]
    Unreachable {
        /// What was asked.
        at: Box<str>,
        /// The chain of causes.
        cause: Box<str>,
    },
    /// Its certificate is not verified.
    #[error("the certificate of {at} is not trusted: {cause}; if a private authority issued it, name that one in `ca`")]
    Untrusted {
        /// What was asked.
        at: Box<str>,
        /// What the verifier said.
        cause: Box<str>,
    },
    /// Not done in time.
    #[error("no answer from {at} within {} ms; see whether it is slow or a firewall drops the packets", limit.as_millis())]
    Slow {
        /// What was asked.
        at: Box<str>,
        /// How long was waited.
        limit: Duration,
    },
    /// Longer than anything that a provider should say.
    #[error("the answer of {at} is longer than {limit} bytes; see whether the address is the right one")]
    TooLarge {
        /// What was asked.
        at: Box<str>,
        /// What is allowed.
        limit: usize,
    },
    /// A redirect to another origin.
    #[error("{at} redirects to {to}, and other hosts are not followed; write the final address")]
    Redirected {
        /// What was asked.
        at: Box<str>,
        /// The origin to which it leads.
        to: Box<str>,
    },
    /// Redirects without end.
    #[error("{at} redirects again and again; write the final address")]
    Redirects {
        /// What was asked.
        at: Box<str>,
    },
    /// An answer that says no.
    #[error("{at} answered {}{error}; see the provider's log for the reason", status.as_u16())]
    Status {
        /// What was asked.
        at: Box<str>,
        /// Its status.
        status: StatusCode,
        /// The word of an OAuth error in brackets, or nothing.
        error: Box<str>,
    },
    /// An answer that can not be read.
    #[error("{at} answered with {what} (line {}, column {}); see whether the address is the right one", place.0, place.1)]
    NotJson {
        /// What was asked.
        at: Box<str>,
        /// How it is wrong.
        what: &'static str,
        /// Line and column.
        place: (usize, usize),
    },
}

impl FetchError {
    pub(super) fn roots(cause: reqwest::Error) -> Self {
        Self::Roots { cause: chain(&cause.without_url()) }
    }

    pub(super) fn setup(cause: reqwest::Error) -> Self {
        Self::Setup { cause: chain(&cause.without_url()) }
    }

    /// Sorts what the client said about an exchange.
    pub(super) fn transport(address: &ProviderUrl, limit: Duration, cause: reqwest::Error) -> Self {
        let at = address.without_query();
        let cause = cause.without_url();
        if cause.is_timeout() {
            return Self::Slow { at, limit };
        }
        match certificate_error(&cause) {
            Some(error) => Self::Untrusted { at, cause: error.to_string().into() },
            None => Self::Unreachable { at, cause: chain(&cause) },
        }
    }
}

/// The causes of an error, the last one last, each once.
fn chain(error: &dyn Error) -> Box<str> {
    let mut text = String::new();
    let mut next = Some(error);
    while let Some(error) = next {
        let part = error.to_string();
        if !text.ends_with(&part) {
            // Writing to a text does not fail.
            let _ = write!(text, "{}{part}", if text.is_empty() { "" } else { ": " });
        }
        next = error.source();
    }
    text.into()
}

/// What the verifier of certificates said, wherever in the chain it is.
fn certificate_error<'e>(error: &'e (dyn Error + 'static)) -> Option<&'e rustls::Error> {
    let mut next = Some(error);
    while let Some(error) = next {
        // An I/O error hides what it wraps from `source`.
        let inner = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        let found = error.downcast_ref().or_else(|| inner.and_then(|inner| inner.downcast_ref()));
        if let Some(error @ (rustls::Error::InvalidCertificate(_) | rustls::Error::NoCertificatesPresented)) = found {
            return Some(error);
        }
        next = inner.map_or_else(|| error.source(), |inner| Some(inner as &(dyn Error + 'static)));
    }
    None
}
