//! What a route asks of traffic beyond port, host and path.

use std::net::IpAddr;

use portcullis_identity::Principal;
use regex::bytes::Regex;

use crate::AddressSet;

/// One request (or TCP session) as routing sees it. Everything is in the form in which it will be sent.
#[derive(Clone, Copy)]
pub struct Traffic<'a> {
    /// Client address, after a trusted PROXY header.
    pub source: IpAddr,
    /// SNI of the TLS handshake, lower case.
    pub sni: Option<&'a str>,
    /// Host without port, lower case, no trailing dot; empty if there is none.
    pub host: &'a str,
    /// Path in normal form, without query; empty for sessions.
    pub path: &'a [u8],
    /// Query without `?`.
    pub query: Option<&'a [u8]>,
    /// Method; empty for sessions.
    pub method: &'a [u8],
    /// Header lines.
    pub headers: &'a dyn HeaderLookup,
    /// Names on the proven client certificate; empty if there is none.
    pub certificate_names: &'a [String],
    /// Who calls, if that is proven already.
    pub principal: Option<&'a Principal>,
}

/// Read access to header lines, whatever the protocol version keeps them in.
pub trait HeaderLookup {
    /// Whether any line of this name (lower case) passes `test`.
    fn any(&self, name: &str, test: &mut dyn FnMut(&[u8]) -> bool) -> bool;
}

/// No headers: TCP sessions.
impl HeaderLookup for () {
    fn any(&self, _: &str, _: &mut dyn FnMut(&[u8]) -> bool) -> bool {
        false
    }
}

/// All that are present must hold. Empty is always true.
#[derive(Debug, Default)]
pub struct Conditions {
    /// SNI of a terminated TLS connection, as a host pattern.
    pub sni: Option<crate::table::HostTest>,
    /// Any of these methods; empty: any method.
    pub methods: Box<[Box<[u8]>]>,
    /// Header name to test; every line of that name that goes on to the service is asked.
    pub headers: Box<[(Box<str>, ValueTest)]>,
    /// Query parameter to test, name and value decoded.
    pub query: Box<[(Box<[u8]>, ValueTest)]>,
    /// Client addresses.
    pub from: Option<AddressSet>,
    /// The caller is in any of these groups; empty: whoever it is.
    pub groups: Box<[Box<str>]>,
    /// Claim to the values of which the caller has any.
    pub claims: Box<[ClaimTest]>,
}

/// A claim, and the values of which the caller must have any.
#[derive(Debug)]
pub struct ClaimTest {
    /// Its name.
    pub name: Box<str>,
    /// Never empty.
    pub values: Box<[Box<str>]>,
}

/// What a value must be.
#[derive(Debug)]
pub enum ValueTest {
    /// Anything.
    Present,
    /// Exactly this.
    Exact(Box<[u8]>),
    /// A match of the whole value.
    Regex(Regex),
}

impl ValueTest {
    fn holds(&self, value: &[u8]) -> bool {
        match self {
            Self::Present => true,
            Self::Exact(expected) => **expected == *value,
            Self::Regex(regex) => regex.is_match(value),
        }
    }

    /// The same for a value with escapes in it. Only a regular expression needs it in one piece.
    fn holds_decoded(&self, value: &[u8]) -> bool {
        match self {
            Self::Present => true,
            Self::Exact(expected) => decoded(value).eq(expected.iter().copied()),
            Self::Regex(_) if value.iter().any(|byte| matches!(byte, b'%' | b'+')) => {
                self.holds(&decoded(value).collect::<Vec<u8>>())
            }
            Self::Regex(_) => self.holds(value),
        }
    }
}

impl Conditions {
    /// Number of kinds that are present, by which routes with one host and path are ordered.
    pub fn count(&self) -> usize {
        usize::from(self.sni.is_some())
            + usize::from(!self.methods.is_empty())
            + self.headers.len()
            + self.query.len()
            + usize::from(self.from.is_some())
            + usize::from(!self.groups.is_empty())
            + self.claims.len()
    }

    /// Whether all hold. Cheap tests come first.
    pub fn hold(&self, traffic: &Traffic<'_>) -> bool {
        (self.methods.is_empty() || self.methods.iter().any(|method| **method == *traffic.method))
            && self.from.as_ref().is_none_or(|from| from.contains(traffic.source))
            && self.sni.as_ref().is_none_or(|sni| traffic.sni.is_some_and(|name| sni.holds(name)))
            && self.headers.iter().all(|(name, test)| traffic.headers.any(name, &mut |value| test.holds(value)))
            && self.query.iter().all(|(name, test)| query_holds(traffic.query, name, test))
            && (!self.asks_identity() || traffic.principal.is_some_and(|principal| self.fit(principal)))
    }

    /// Whether they can only be judged once it is proven who calls.
    pub fn asks_identity(&self) -> bool {
        !self.groups.is_empty() || !self.claims.is_empty()
    }

    /// Whether the caller is one of those that they ask for.
    fn fit(&self, principal: &Principal) -> bool {
        let has = |test: &ClaimTest| {
            principal.claims.get(&test.name).is_some_and(|own| own.iter().any(|value| test.values.contains(value)))
        };
        (self.groups.is_empty() || self.groups.iter().any(|group| principal.is_in(group)))
            && self.claims.iter().all(has)
    }
}

/// Names and values are compared as services read them (`application/x-www-form-urlencoded`): `+` is a space, `%XX` is
/// a byte, what is no escape stands for itself, and `&` alone separates.
fn query_holds(query: Option<&[u8]>, name: &[u8], test: &ValueTest) -> bool {
    let Some(query) = query else { return false };
    query.split(|&byte| byte == b'&').any(|pair| {
        let (key, value) = match pair.iter().position(|&byte| byte == b'=') {
            Some(at) => (&pair[..at], &pair[at + 1..]),
            None => (pair, &[][..]),
        };
        decoded(key).eq(name.iter().copied()) && test.holds_decoded(value)
    })
}

/// The bytes that a part of a query stands for.
fn decoded(part: &[u8]) -> impl Iterator<Item = u8> + '_ {
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let mut rest = part;
    std::iter::from_fn(move || {
        let (byte, after) = match rest {
            [b'%', high, low, after @ ..] if digit(*high).is_some() && digit(*low).is_some() => {
                (digit(*high)? << 4 | digit(*low)?, after)
            }
            [b'+', after @ ..] => (b' ', after),
            [byte, after @ ..] => (*byte, after),
            [] => return None,
        };
        rest = after;
        Some(byte)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holds(query: &str, name: &str, test: &ValueTest) -> bool {
        query_holds(Some(query.as_bytes()), name.as_bytes(), test)
    }

    #[test]
    fn query_parameters_are_compared_as_services_read_them() {
        let exact = |value: &str| ValueTest::Exact(value.as_bytes().into());
        let regex = |regex: &str| ValueTest::Regex(Regex::new(&format!("^(?:{regex})$")).unwrap());
        for (query, name, test, expected) in [
            ("debug=1", "debug", exact("1"), true),
            ("debug=1", "debug", exact("2"), false),
            ("a=0&debug=1&b", "debug", exact("1"), true),
            ("%64ebug=%31", "debug", exact("1"), true),
            ("d%65bu%67", "debug", ValueTest::Present, true),
            ("debug", "debug", exact(""), true),
            ("xdebug=1", "debug", ValueTest::Present, false),
            ("debug%3D1", "debug", ValueTest::Present, false),
            ("a=b%26debug", "debug", ValueTest::Present, false),
            ("a+b=c+d", "a b", exact("c d"), true),
            ("a%20b=c%20d", "a b", exact("c d"), true),
            ("a%2Bb=%2b", "a+b", exact("+"), true),
            ("name=%C3%BC", "name", exact("\u{fc}"), true),
            ("rate=100%", "rate", exact("100%"), true),
            ("rate=%zz%4", "rate", exact("%zz%4"), true),
            ("kind=%61bc", "kind", regex("[a-c]+"), true),
            ("kind=%61bc", "kind", regex("%61bc"), false),
            ("kind=a;debug=1", "debug", ValueTest::Present, false),
        ] {
            assert_eq!(holds(query, name, &test), expected, "{query} {name}");
        }
        assert!(!query_holds(None, b"debug", &ValueTest::Present));
    }

    proptest::proptest! {
        #[test]
        fn what_is_encoded_is_found_again(name in ".{1,8}", value in ".{0,8}") {
            let encode = |text: &str| text.bytes().fold(String::new(), |out, byte| format!("{out}%{byte:02x}"));
            let query = format!("x&{}={}&y=z", encode(&name), encode(&value));
            proptest::prop_assert!(holds(&query, &name, &ValueTest::Exact(value.as_bytes().into())));
        }

        #[test]
        fn arbitrary_bytes_never_panic(query: Vec<u8>) {
            query_holds(Some(&query), b"a", &ValueTest::Regex(Regex::new("^a$").unwrap()));
        }
    }
}
