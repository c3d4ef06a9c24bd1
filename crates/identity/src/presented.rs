//! What a request shows of its sender, as far as any proof may need it.

use std::{fmt, net::IpAddr};

/// An owned, bounded copy of what a request shows. Made where the request is, judged elsewhere.
///
/// Whoever makes it has already refused what is ambiguous: two `Authorization` or `DPoP` lines, two cookies with the
/// session's name.
#[derive(Clone, Default)]
pub struct Presented {
    /// Value of `Authorization`, as it came.
    pub authorization: Option<Box<str>>,
    /// Value of the session cookie.
    pub session: Option<Box<str>>,
    /// Value of `DPoP` (RFC 9449 4.1).
    pub dpop: Option<Box<str>>,
    /// The proven client certificate.
    pub certificate: Option<ClientCertificate>,
    /// Method of the request.
    pub method: Box<str>,
    /// `http` or `https`, by what the port itself speaks.
    pub scheme: &'static str,
    /// Host in lower case with the port number, if one was given.
    pub authority: Box<str>,
    /// Path in normal form, without query.
    pub path: Box<str>,
    /// Where the client is, after a trusted PROXY header.
    pub source: Option<IpAddr>,
}

/// How a token is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scheme {
    /// Whoever has it may use it (RFC 6750).
    Bearer,
    /// Only with the proof of a key (RFC 9449 7.1).
    Dpop,
}

impl Presented {
    /// The token in `Authorization`, if it is of a scheme that shows one (RFC 9110 11.4; schemes have no case).
    pub fn token(&self) -> Option<(Scheme, &str)> {
        let (scheme, token) = self.authorization.as_deref()?.split_once(' ')?;
        let scheme = match scheme {
            _ if scheme.eq_ignore_ascii_case("bearer") => Scheme::Bearer,
            _ if scheme.eq_ignore_ascii_case("dpop") => Scheme::Dpop,
            _ => return None,
        };
        let token = token.trim_matches(' ');
        (!token.is_empty()).then_some((scheme, token))
    }
}

/// A client certificate that the TLS handshake has proven.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientCertificate {
    /// SHA-256 of its DER form (RFC 8705 3.1).
    pub thumbprint: [u8; 32],
    /// Its subject as text: `CN=shop,O=Example`.
    pub subject: Box<str>,
    /// Subject CN, DNS, e-mail and URI names.
    pub names: Box<[Box<str>]>,
    /// When it ends, in seconds since 1970.
    pub not_after: u64,
}

/// Says which credentials there are, and never what they are.
impl fmt::Debug for Presented {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Presented")
            .field("authorization", &self.authorization.is_some())
            .field("session", &self.session.is_some())
            .field("dpop", &self.dpop.is_some())
            .field("certificate", &self.certificate)
            .field("method", &self.method)
            .field("authority", &self.authority)
            .field("path", &self.path)
            .field("source", &self.source)
            .finish_non_exhaustive()
    }
}
