//! The form of a presigned `GetCallerIdentity` request (AWS Signature Version 4, in the query).

use std::fmt;

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use time::{PrimitiveDateTime, macros::format_description};
use url::Url;

use super::SERVER_HEADER;
use crate::{
    Refusal,
    fetch::{FetchError, ProviderUrl},
    jwt::MAX_TOKEN_BYTES,
    refusal::shown,
};

/// How such a token begins.
pub const PREFIX: &str = "portcullis-aws-v1.";

/// The parameters that there may be, in the order in which they are sent. All but the last have to be there; each once,
/// in exactly this spelling: who compares names without case reads `action` and `Action` as one, and STS as two.
const PARAMETERS: [&str; 9] = [
    "Action",
    "Version",
    "X-Amz-Algorithm",
    "X-Amz-Credential",
    "X-Amz-Date",
    "X-Amz-Expires",
    "X-Amz-SignedHeaders",
    "X-Amz-Signature",
    "X-Amz-Security-Token",
];

/// A request that has the form of one to our STS, for our server. Whether its signature is right, STS says.
pub struct Presigned {
    /// Values, in the order of [`PARAMETERS`].
    values: [Option<String>; PARAMETERS.len()],
    /// When it was signed, in seconds since 1970.
    signed: u64,
    /// For how many seconds it says that it counts.
    lifetime: u64,
}

impl Presigned {
    /// Reads a token.
    pub fn parse(token: &str, endpoint: &ProviderUrl) -> Result<Self, Refusal> {
        let malformed = |why: &str| Refusal::token("malformed", format!("the AWS token: {why}"));
        if token.len() > MAX_TOKEN_BYTES {
            return Err(Refusal::token("too-large", format!("the token is longer than {MAX_TOKEN_BYTES} bytes")));
        }
        let encoded = token.strip_prefix(PREFIX).ok_or_else(|| malformed("another prefix"))?;
        let decoded = BASE64_URL_SAFE_NO_PAD.decode(encoded.trim_end_matches('='));
        let address = decoded.ok().and_then(|bytes| String::from_utf8(bytes).ok());
        let address = address.ok_or_else(|| malformed("not base64url of an address"))?;
        let url = Url::parse(&address).map_err(|_| malformed("not an address"))?;
        check_place(&url, endpoint)?;
        let values = parameters(&url).map_err(|why| malformed(&why))?;
        let value = |name: &str| {
            let place = PARAMETERS.iter().position(|own| *own == name);
            place.and_then(|place| values[place].as_deref()).unwrap_or_default()
        };
        for (name, expected) in
            [("Action", "GetCallerIdentity"), ("Version", "2011-06-15"), ("X-Amz-Algorithm", "AWS4-HMAC-SHA256")]
        {
            if value(name) != expected {
                return Err(malformed(&format!("{name} is {}, expected {expected}", shown(value(name)))));
            }
        }
        check_signed_headers(value("X-Amz-SignedHeaders"))?;
        let date = value("X-Amz-Date");
        check_credential(value("X-Amz-Credential"), date).map_err(malformed)?;
        let signature = value("X-Amz-Signature");
        if signature.len() != 64 || !signature.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(malformed("X-Amz-Signature is not 64 hexadecimal digits"));
        }
        let signed = moment(date).ok_or_else(|| malformed("X-Amz-Date is not such as 20260131T235959Z"))?;
        let lifetime = number(value("X-Amz-Expires")).ok_or_else(|| malformed("X-Amz-Expires is not a number"))?;
        Ok(Self { values, signed, lifetime })
    }

    /// When it ends, if it counts now. `longest` and `leeway` in seconds.
    pub(super) fn ends(&self, now: u64, longest: u64, leeway: u64) -> Result<u64, Refusal> {
        if self.signed > now.saturating_add(leeway) {
            let detail = format!("signed {} s ahead of this host's clock; see that both are right", self.signed - now);
            return Err(Refusal::token("from-the-future", detail));
        }
        let end = self.signed.saturating_add(self.lifetime.min(longest));
        if now >= end {
            let detail = format!("signed {} s ago, for {} s (of at most {longest})", now - self.signed, self.lifetime);
            return Err(Refusal::token("expired", detail));
        }
        Ok(end)
    }

    /// The address to ask: the endpoint's own, with the checked parameters and nothing else.
    pub(super) fn address(&self, endpoint: &ProviderUrl) -> Result<ProviderUrl, FetchError> {
        let mut url = Url::clone(endpoint);
        let given = PARAMETERS.iter().zip(&self.values);
        let pairs = given.filter_map(|(name, value)| value.as_deref().map(|value| (*name, value)));
        url.query_pairs_mut().clear().extend_pairs(pairs);
        url.as_str().parse()
    }
}

/// It is a credential for as long as it counts.
impl fmt::Debug for Presigned {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Presigned").field("signed", &self.signed).finish_non_exhaustive()
    }
}

/// Our endpoint, to the letter: scheme, host, port, path.
fn check_place(url: &Url, endpoint: &ProviderUrl) -> Result<(), Refusal> {
    let is_ours = url.origin() == endpoint.origin()
        && url.path() == endpoint.path()
        && url.username().is_empty()
        && url.password().is_none()
        && url.fragment().is_none();
    if is_ours {
        return Ok(());
    }
    let place = shown(&format!("{}{}", url.origin().ascii_serialization(), url.path()));
    Err(Refusal::token("wrong-endpoint", format!("the request is for {place}, expected {endpoint}")))
}

/// The values of the parameters, each once.
fn parameters(url: &Url) -> Result<[Option<String>; PARAMETERS.len()], String> {
    let mut values: [Option<String>; PARAMETERS.len()] = Default::default();
    for (name, value) in url.query_pairs() {
        let place = PARAMETERS.iter().position(|own| *own == name);
        let place = place.ok_or_else(|| format!("a parameter {} does not belong to it", shown(&name)))?;
        if !value.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(format!("{} has blanks or characters outside of ASCII", PARAMETERS[place]));
        }
        if values[place].replace(value.into_owned()).is_some() {
            return Err(format!("{} is there twice", PARAMETERS[place]));
        }
    }
    let optional = PARAMETERS.len() - 1;
    match values[..optional].iter().position(Option::is_none) {
        Some(missing) => Err(format!("{} is missing", PARAMETERS[missing])),
        None => Ok(values),
    }
}

/// The host, and the name of the server for which it was signed: without that one, a request that was made for any other
/// service would do.
fn check_signed_headers(list: &str) -> Result<(), Refusal> {
    let refused = |why: String| Err(Refusal::token("not-bound-to-server", why));
    let mut headers: Vec<_> = list.split(';').collect();
    headers.sort_unstable();
    match *headers {
        ["host", SERVER_HEADER] => Ok(()),
        _ if !headers.contains(&SERVER_HEADER) => {
            refused(format!("{SERVER_HEADER} is not among the signed headers {}", shown(list)))
        }
        _ => refused(format!("the signed headers are {}, expected host;{SERVER_HEADER}", shown(list))),
    }
}

/// `AKID/20260131/eu-central-1/sts/aws4_request`.
fn check_credential(credential: &str, date: &str) -> Result<(), &'static str> {
    let parts: Vec<_> = credential.split('/').collect();
    let [key, day, region, service, end] = *parts else { return Err("X-Amz-Credential does not have five parts") };
    let is_word = |text: &str| {
        (1..=128).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    if !is_word(key) || !is_word(region) || service != "sts" || end != "aws4_request" {
        return Err("X-Amz-Credential is not for sts");
    }
    if date.get(..8) != Some(day) {
        return Err("X-Amz-Credential is for another day than X-Amz-Date");
    }
    Ok(())
}

fn moment(text: &str) -> Option<u64> {
    let form = format_description!("[year][month][day]T[hour][minute][second]Z");
    let is_plain = text.len() == 16 && text.bytes().filter(u8::is_ascii_digit).count() == 14;
    let time = PrimitiveDateTime::parse(text, form).ok().filter(|_| is_plain)?;
    time.assume_utc().unix_timestamp().try_into().ok()
}

fn number(text: &str) -> Option<u64> {
    let is_plain = (1..=6).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|number| is_plain && *number > 0)
}
