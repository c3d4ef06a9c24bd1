//! What a token says, before anyone believes it.

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use serde_json::{Map, Value};

use super::{Algorithm, Claims};
use crate::{Refusal, refusal::shown, strict_json};

/// The longest token that is looked at.
pub const MAX_TOKEN_BYTES: usize = 8 * 1024;
/// The longest `kid`.
const MAX_KEY_ID_BYTES: usize = 256;

/// A signed token in compact form (RFC 7515 3.1), taken apart. Nothing of it is proven.
#[derive(Clone)]
pub struct Unverified<'t> {
    /// How it says that it is signed.
    pub algorithm: Algorithm,
    /// `typ` in lower case, without `application/` (RFC 7515 4.1.9).
    pub typ: Option<Box<str>>,
    /// `kid`: a name by which the key is looked up among those known, and nothing else.
    pub key_id: Option<Box<str>>,
    /// `jwk`. Only a DPoP proof may bring its key along; everything else never looks at it.
    pub(crate) key: Option<Map<String, Value>>,
    /// What is signed: header, dot, claims.
    pub(super) message: &'t str,
    claims: &'t str,
    pub(super) signature: Vec<u8>,
}

impl<'t> Unverified<'t> {
    /// Takes a token apart. `jku`, `x5u` and `x5c` are not even read: a key that a token names proves nothing.
    pub fn parse(token: &'t str) -> Result<Self, Refusal> {
        if token.len() > MAX_TOKEN_BYTES {
            let detail = format!("the token is {} bytes long, of at most {MAX_TOKEN_BYTES}", token.len());
            return Err(Refusal::token("too-large", detail));
        }
        let malformed = |detail: &str| Refusal::token("malformed", detail);
        let (message, signature) = token.rsplit_once('.').ok_or_else(|| malformed("no dot in the token"))?;
        let (header, claims) = message.split_once('.').ok_or_else(|| malformed("a token has two dots"))?;
        if claims.contains('.') {
            return Err(malformed("a signed token has two dots; encrypted ones (JWE) are not read"));
        }
        let header = decode(header, "header")?;
        let signature = decode(signature, "signature")?;
        let header = strict_json::object(&header).map_err(|why| malformed(&format!("its header: {why}")))?;
        // RFC 7515 4.1.11: what is critical must be understood, and none of the extensions is.
        if header.contains_key("crit") {
            return Err(malformed("its header has `crit`, and no extension is understood"));
        }
        let name = text(&header, "alg")?.ok_or_else(|| malformed("its header has no `alg`"))?;
        let algorithm = name.parse().map_err(|why| {
            Refusal::token("wrong-algorithm", format!("`alg` is {}, which is refused: {why}", shown(name)))
        })?;
        let key_id = text(&header, "kid")?;
        if key_id.is_some_and(|id| id.len() > MAX_KEY_ID_BYTES) {
            return Err(malformed("its `kid` is too long"));
        }
        let typ = text(&header, "typ")?.map(str::to_lowercase);
        Ok(Self {
            algorithm,
            typ: typ.map(|typ| typ.strip_prefix("application/").unwrap_or(&typ).into()),
            key_id: key_id.map(Into::into),
            key: header.get("jwk").and_then(Value::as_object).cloned(),
            message,
            claims,
            signature,
        })
    }

    /// What it claims.
    pub fn claims(&self) -> Result<Claims, Refusal> {
        Claims::parse(&decode(self.claims, "claims")?)
    }
}

/// Base64url without padding, and no second way to write the same (RFC 7515 2, RFC 4648 3.5).
fn decode(part: &str, what: &str) -> Result<Vec<u8>, Refusal> {
    BASE64_URL_SAFE_NO_PAD
        .decode(part)
        .map_err(|_| Refusal::token("malformed", format!("its {what} is not base64url without padding")))
}

fn text<'h>(header: &'h Map<String, Value>, name: &str) -> Result<Option<&'h str>, Refusal> {
    match header.get(name) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(Refusal::token("malformed", format!("`{name}` in its header is not a text"))),
    }
}
