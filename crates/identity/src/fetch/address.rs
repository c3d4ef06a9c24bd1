//! Addresses of providers.

use std::{fmt, net::IpAddr, ops::Deref, str::FromStr};

use url::{Host, Url};

use super::FetchError;

/// The address of a page of a provider: `https`, or `http` on the loopback; without user and fragment.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct ProviderUrl(Url);

impl ProviderUrl {
    /// The same without its query, which may hold what is nobody's business: for errors and logs.
    pub fn without_query(&self) -> Box<str> {
        let mut url = self.0.clone();
        url.set_query(None);
        String::from(url).into()
    }

    /// Another page of the same provider: `/.well-known/openid-configuration` below an issuer.
    pub fn below(&self, path: &str) -> Result<Self, FetchError> {
        let base = self.without_query();
        format!("{}/{}", base.trim_end_matches('/'), path.trim_start_matches('/')).parse()
    }

    /// Where a redirect leads, if it stays within the origin.
    pub(super) fn follow(&self, to: &str) -> Result<Self, FetchError> {
        let elsewhere = |to: &str| FetchError::Redirected { at: self.without_query(), to: to.into() };
        let next = self.0.join(to).map_err(|_| elsewhere("what is no address"))?;
        if next.origin() != self.0.origin() {
            return Err(elsewhere(&next.origin().ascii_serialization()));
        }
        Self::checked(next)
    }

    fn checked(mut url: Url) -> Result<Self, FetchError> {
        url.set_fragment(None);
        let refused = |why| FetchError::Address { what: Self(url.clone()).without_user(), why };
        if !url.username().is_empty() || url.password().is_some() {
            return Err(refused("an address must not hold a user or a password"));
        }
        match url.scheme() {
            "https" if url.has_host() => Ok(Self(url)),
            "http" if is_loopback(&url) => Ok(Self(url)),
            "http" => Err(refused("write https://; plain http is for loopback addresses alone")),
            _ => Err(refused("an address starts with https://")),
        }
    }

    fn without_user(self) -> Box<str> {
        let mut url = self.0;
        // These fail where an address can not have a user, and then there is none.
        let _ = url.set_username("");
        let _ = url.set_password(None);
        Self(url).without_query()
    }
}

impl FromStr for ProviderUrl {
    type Err = FetchError;

    fn from_str(text: &str) -> Result<Self, FetchError> {
        let no_url = |_| FetchError::Address { what: Box::default(), why: "write it as https://host/path" };
        Self::checked(text.parse().map_err(no_url)?)
    }
}

impl Deref for ProviderUrl {
    type Target = Url;

    fn deref(&self) -> &Url {
        &self.0
    }
}

impl fmt::Display for ProviderUrl {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.without_query())
    }
}

impl fmt::Debug for ProviderUrl {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

/// Names of the loopback, as RFC 6761 6.3 keeps them.
fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(Host::Ipv4(address)) => IpAddr::from(address).is_loopback(),
        Some(Host::Ipv6(address)) => IpAddr::from(address).is_loopback(),
        None => false,
    }
}
