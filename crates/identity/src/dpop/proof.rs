//! One proof (RFC 9449 4.2, 4.3).

use url::{Position, Url};

use crate::{
    Presented, Refusal,
    jwt::{Algorithm, Claims, Unverified, key::PublicKey},
    refusal::shown,
};

/// The longest `jti`.
const MAX_ID_BYTES: usize = 256;

/// What a proof says, signed by the key that it brings along.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proof {
    /// SHA-256 thumbprint of its key (RFC 7638).
    pub key: [u8; 32],
    /// `jti`.
    pub id: Box<str>,
    /// `htm`.
    pub method: Box<str>,
    /// `htu`.
    pub target: Box<str>,
    /// `iat`, in seconds since 1970.
    pub issued: u64,
    /// `ath`.
    pub token_hash: Option<Box<str>>,
    /// `nonce`.
    pub nonce: Option<Box<str>>,
}

impl Proof {
    /// Reads a proof and checks its signature. That it is meant for a request, and by whom, is not yet said.
    pub fn read(text: &str, algorithms: &[Algorithm]) -> Result<Self, Refusal> {
        let as_proof = |refusal: Refusal| Refusal { error: "invalid_dpop_proof", ..refusal };
        let proof = Unverified::parse(text).map_err(as_proof)?;
        if proof.typ.as_deref() != Some("dpop+jwt") {
            return Err(Refusal::proof("wrong-type", "`typ` of the proof is not dpop+jwt"));
        }
        if !algorithms.contains(&proof.algorithm) {
            let detail = format!("the proof is signed with {}, allowed are {algorithms:?}", proof.algorithm);
            return Err(Refusal::proof("wrong-algorithm", detail));
        }
        let bad_key = |why: &str| Refusal::proof("bad-key", format!("the key of the proof: {why}"));
        let jwk = proof.key.as_ref().ok_or_else(|| bad_key("there is none (`jwk`)"))?;
        let key = PublicKey::from_jwk(jwk, &[proof.algorithm]).map_err(bad_key)?;
        let key = key.ok_or_else(|| bad_key("it does not fit the proof's algorithm"))?;
        if !key.verifies(&proof) {
            return Err(Refusal::proof("bad-signature", "the proof is not signed by the key that it brings"));
        }
        let claims = proof.claims().map_err(as_proof)?;
        let id = required(&claims, "jti")?;
        if id.len() > MAX_ID_BYTES {
            return Err(Refusal::proof("malformed", "the `jti` of the proof is too long"));
        }
        let issued = claims.time("iat").map_err(as_proof)?;
        Ok(Self {
            key: key.thumbprint,
            id,
            method: required(&claims, "htm")?,
            target: required(&claims, "htu")?,
            issued: issued.ok_or_else(|| Refusal::proof("malformed", "the proof has no `iat`"))?,
            token_hash: optional(&claims, "ath")?,
            nonce: optional(&claims, "nonce")?,
        })
    }

    /// Whether it is for this method and address (RFC 9449 4.3, 8 and 9).
    pub(super) fn check_request(&self, presented: &Presented) -> Result<(), Refusal> {
        if self.method != presented.method {
            let detail = format!("the proof is for {}, the request is {}", shown(&self.method), presented.method);
            return Err(Refusal::proof("wrong-method", detail));
        }
        let here = format!("{}://{}{}", presented.scheme, presented.authority, presented.path);
        if normal(&self.target).is_some_and(|target| Some(target) == normal(&here)) {
            return Ok(());
        }
        let detail = format!("the proof is for {}, the request is to {}", shown(&self.target), shown(&here));
        Err(Refusal::proof("wrong-target", detail))
    }

    /// Whether it was made just now.
    pub(super) fn check_time(&self, now: u64, window: u64, leeway: u64) -> Result<(), Refusal> {
        let age = now.saturating_sub(self.issued);
        if age > window {
            return Err(Refusal::proof("stale", format!("the proof is {age} s old, of at most {window}")));
        }
        let ahead = self.issued.saturating_sub(now);
        if ahead > leeway {
            let detail =
                format!("the proof is from {ahead} s ahead of this host's clock; see that both clocks are right");
            return Err(Refusal::proof("from-the-future", detail));
        }
        Ok(())
    }
}

/// An address without query and fragment, in normal form (RFC 3986 6.2.2, 6.2.3): the library lowers the case of scheme
/// and host, drops the scheme's own port and resolves dot segments; escapes are done here, as the proxy does them for
/// the path of the request.
fn normal(address: &str) -> Option<String> {
    let url = Url::parse(address).ok()?;
    if !matches!(url.scheme(), "http" | "https") || !url.username().is_empty() || url.password().is_some() {
        return None;
    }
    let mut text = url[..Position::BeforePath].to_owned();
    let mut rest = url.path();
    while let Some(at) = rest.find('%') {
        let (before, escape) = rest.split_at(at);
        text.push_str(before);
        let code = u8::from_str_radix(escape.get(1..3)?, 16).ok()?;
        if code.is_ascii_alphanumeric() || b"-._~".contains(&code) {
            text.push(char::from(code));
        } else {
            text.push_str(&escape[..3].to_ascii_uppercase());
        }
        rest = &escape[3..];
    }
    text.push_str(rest);
    Some(text)
}

fn required(claims: &Claims, name: &str) -> Result<Box<str>, Refusal> {
    let text = optional(claims, name)?.filter(|text| !text.is_empty());
    text.ok_or_else(|| Refusal::proof("malformed", format!("the proof has no `{name}`")))
}

fn optional(claims: &Claims, name: &str) -> Result<Option<Box<str>>, Refusal> {
    match claims.get(name) {
        None => Ok(None),
        Some(value) => match value.as_str() {
            Some(text) => Ok(Some(text.into())),
            None => Err(Refusal::proof("malformed", format!("`{name}` of the proof is not a text"))),
        },
    }
}
