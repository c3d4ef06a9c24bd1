//! Why nobody was proven.

use std::fmt;

/// Why a request proves nobody.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NotProven {
    /// It shows nothing that the providers asked could judge.
    Nobody,
    /// It shows something, and that is no proof.
    Refused(Refusal),
    /// It could not be judged: the provider, or the store, can not be reached. Never a reason to let anyone pass.
    Unavailable(Box<str>),
}

/// A proof that was refused. `detail` is for the log: it says what was expected and found, never a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// A stable word for logs and metrics: `expired`, `wrong-audience`, `bad-signature`.
    pub reason: &'static str,
    /// One sentence for the log.
    pub detail: Box<str>,
    /// The error code that RFC 6750 3.1, RFC 9449 7.1 tell the client: `invalid_token`, `use_dpop_nonce`.
    pub error: &'static str,
    /// A nonce that the client must use in its next DPoP proof (RFC 9449 8).
    pub dpop_nonce: Option<Box<str>>,
}

/// A text from outside as it may stand in a log: short, in quotes, on one line.
pub(crate) fn shown(text: &str) -> String {
    const LONGEST: usize = 80;
    match text.char_indices().nth(LONGEST) {
        None => format!("{text:?}"),
        Some((end, _)) => format!("{:?}…", &text[..end]),
    }
}

impl Refusal {
    /// A token that can not be used (`invalid_token`).
    pub fn token(reason: &'static str, detail: impl Into<Box<str>>) -> Self {
        Self { reason, detail: detail.into(), error: "invalid_token", dpop_nonce: None }
    }

    /// A DPoP proof that is none (RFC 9449 7.1, `invalid_dpop_proof`).
    pub fn proof(reason: &'static str, detail: impl Into<Box<str>>) -> Self {
        Self { reason, detail: detail.into(), error: "invalid_dpop_proof", dpop_nonce: None }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}", self.reason, self.detail)
    }
}

impl From<Refusal> for NotProven {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl fmt::Display for NotProven {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nobody => formatter.write_str("the request shows no proof of identity"),
            Self::Refused(refusal) => refusal.fmt(formatter),
            Self::Unavailable(why) => write!(formatter, "identity can not be judged: {why}"),
        }
    }
}
