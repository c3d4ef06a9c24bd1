//! Public keys: from a JWK (RFC 7517) or PEM, and what can be verified with them.

use std::fmt;

use aws_lc_rs::{
    digest::{SHA256, digest},
    rsa::PublicKeyComponents,
    signature::ParsedPublicKey,
};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use rustls::pki_types::{SubjectPublicKeyInfoDer, pem::PemObject};
use serde_json::{Map, Value};

use super::{Algorithm, Unverified};

/// SHA-256 of the canonical form of a JWK (RFC 7638): which key it is, whatever it is called.
pub(crate) type Thumbprint = [u8; 32];

/// Members that only a private or symmetric key has (RFC 7518 6.2.2, 6.3.2, 6.4).
const PRIVATE: [&str; 8] = ["d", "p", "q", "dp", "dq", "qi", "oth", "k"];

/// A public key, ready to verify with each algorithm that it fits and that is allowed, and with no other: an algorithm
/// that a token names can not make a key do what it is not for.
pub(crate) struct PublicKey {
    /// `kid`.
    pub(crate) id: Option<Box<str>>,
    /// Which key it is.
    pub(crate) thumbprint: Thumbprint,
    verifiers: Vec<(Algorithm, ParsedPublicKey)>,
}

impl PublicKey {
    /// A key of a key set. `Ok(None)`: a key that is for something else (encryption, an algorithm that is not allowed).
    /// An error says what is wrong with it.
    pub(crate) fn from_jwk(jwk: &Map<String, Value>, allowed: &[Algorithm]) -> Result<Option<Self>, &'static str> {
        if let Some(Value::String(purpose)) = jwk.get("use")
            && purpose != "sig"
        {
            return Ok(None);
        }
        if let Some(Value::Array(operations)) = jwk.get("key_ops")
            && !operations.iter().any(|operation| operation == "verify")
        {
            return Ok(None);
        }
        if text(jwk, "kty") == Some("oct") {
            return Err("it is symmetric: whoever can verify with it can also sign");
        }
        if PRIVATE.iter().any(|name| jwk.contains_key(*name)) {
            return Err("it is a private key, which is no secret any more once it is shown");
        }
        let shape = Shape::of(jwk)?;
        let named = text(jwk, "alg");
        let is_named = |algorithm: &Algorithm| named.is_none_or(|name| name.parse() == Ok(*algorithm));
        let fitting = shape.algorithms().iter().filter(|one| allowed.contains(one)).filter(|one| is_named(one));
        let parsed = fitting.map(|one| shape.parse(*one).map(|key| (*one, key)));
        let verifiers = parsed.collect::<Result<Vec<_>, _>>()?;
        let id = text(jwk, "kid").map(Into::into);
        Ok((!verifiers.is_empty()).then(|| Self { id, thumbprint: shape.thumbprint(), verifiers }))
    }

    /// A key in PEM (`BEGIN PUBLIC KEY`), for each allowed algorithm that it fits.
    fn from_spki(der: &[u8], allowed: &[Algorithm]) -> Result<Self, &'static str> {
        let parse = |one: &Algorithm| Some((*one, ParsedPublicKey::new(one.verification(), der).ok()?));
        let verifiers: Vec<_> = allowed.iter().filter_map(parse).collect();
        if verifiers.is_empty() {
            return Err("it fits none of the allowed algorithms");
        }
        // Not the thumbprint of RFC 7638, but one as good: it is compared only with those of the same file.
        Ok(Self { id: None, thumbprint: sha256(der), verifiers })
    }

    /// All keys of a text of `BEGIN PUBLIC KEY` blocks.
    pub(crate) fn from_pem(pem: &[u8], allowed: &[Algorithm]) -> Result<Vec<Self>, &'static str> {
        SubjectPublicKeyInfoDer::pem_slice_iter(pem)
            .map(|der| Self::from_spki(&der.map_err(|_| "it is no PEM")?, allowed))
            .collect()
    }

    /// Whether it can verify this algorithm.
    pub(crate) fn fits(&self, algorithm: Algorithm) -> bool {
        self.verifiers.iter().any(|(own, _)| *own == algorithm)
    }

    /// Whether this key has signed the token.
    pub(crate) fn verifies(&self, token: &Unverified<'_>) -> bool {
        let of_algorithm = self.verifiers.iter().find(|(own, _)| *own == token.algorithm);
        of_algorithm.is_some_and(|(_, key)| key.verify_sig(token.message.as_bytes(), &token.signature).is_ok())
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let algorithms: Vec<_> = self.verifiers.iter().map(|(algorithm, _)| algorithm).collect();
        formatter
            .debug_struct("PublicKey")
            .field("id", &self.id)
            .field("algorithms", &algorithms)
            .finish_non_exhaustive()
    }
}

/// The kinds of keys.
enum Shape {
    Rsa { n: Vec<u8>, e: Vec<u8> },
    Ec { curve: Curve, x: Vec<u8>, y: Vec<u8> },
    Ed25519 { x: Vec<u8> },
}

#[derive(Clone, Copy)]
struct Curve {
    name: &'static str,
    algorithm: Algorithm,
    /// Bytes of a coordinate.
    size: usize,
}

const CURVES: [Curve; 3] = [
    Curve { name: "P-256", algorithm: Algorithm::Es256, size: 32 },
    Curve { name: "P-384", algorithm: Algorithm::Es384, size: 48 },
    Curve { name: "P-521", algorithm: Algorithm::Es512, size: 66 },
];

impl Shape {
    fn of(jwk: &Map<String, Value>) -> Result<Self, &'static str> {
        match text(jwk, "kty") {
            Some("RSA") => Ok(Self::Rsa { n: bytes(jwk, "n")?, e: bytes(jwk, "e")? }),
            Some("EC") => {
                let curve = CURVES.into_iter().find(|curve| text(jwk, "crv") == Some(curve.name));
                let curve = curve.ok_or("its curve is not P-256, P-384 or P-521")?;
                let (x, y) = (bytes(jwk, "x")?, bytes(jwk, "y")?);
                if x.len() != curve.size || y.len() != curve.size {
                    return Err("its coordinates do not have the length of its curve (RFC 7518 6.2.1.2)");
                }
                Ok(Self::Ec { curve, x, y })
            }
            Some("OKP") if text(jwk, "crv") == Some("Ed25519") => Ok(Self::Ed25519 { x: bytes(jwk, "x")? }),
            Some("OKP") => Err("its curve is not Ed25519"),
            _ => Err("its `kty` is not RSA, EC or OKP"),
        }
    }

    fn algorithms(&self) -> &[Algorithm] {
        match self {
            Self::Rsa { .. } => &Algorithm::ALL[..6],
            Self::Ec { curve, .. } => std::slice::from_ref(&curve.algorithm),
            Self::Ed25519 { .. } => &[Algorithm::EdDsa],
        }
    }

    fn parse(&self, algorithm: Algorithm) -> Result<ParsedPublicKey, &'static str> {
        let rejected = |_| "its numbers are no key";
        match self {
            Self::Rsa { n, e } => {
                let parameters = algorithm.rsa().ok_or("an RSA key does not fit that algorithm")?;
                // Verifying refuses a shorter one too; here it can still be said.
                if !(256..=1024).contains(&n.len()) {
                    return Err("an RSA key must have 2048 to 8192 bits");
                }
                // With 1 a message would be its own signature; an even one belongs to no key.
                if e.len() > 8 || **e == [1] || e.last().is_none_or(|last| last % 2 == 0) {
                    return Err("its exponent is even, 1 or absurdly large");
                }
                PublicKeyComponents { n, e }.to_parsed_public_key(parameters).map_err(rejected)
            }
            Self::Ec { x, y, .. } => {
                let point = [&[4], &**x, &**y].concat();
                ParsedPublicKey::new(algorithm.verification(), point).map_err(rejected)
            }
            Self::Ed25519 { x } => ParsedPublicKey::new(algorithm.verification(), x).map_err(rejected),
        }
    }

    /// RFC 7638 3.2; RFC 8037 2. The members are in the order of their names.
    fn thumbprint(&self) -> Thumbprint {
        let encode = |bytes: &[u8]| BASE64_URL_SAFE_NO_PAD.encode(bytes);
        let canonical = match self {
            Self::Rsa { n, e } => format!(r#"{{"e":"{}","kty":"RSA","n":"{}"}}"#, encode(e), encode(n)),
            Self::Ec { curve, x, y } => {
                let (x, y) = (encode(x), encode(y));
                format!(r#"{{"crv":"{}","kty":"EC","x":"{x}","y":"{y}"}}"#, curve.name)
            }
            Self::Ed25519 { x } => format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{}"}}"#, encode(x)),
        };
        sha256(canonical.as_bytes())
    }
}

/// SHA-256.
pub(crate) fn sha256(bytes: &[u8]) -> [u8; 32] {
    let mut hash = [0; 32];
    hash.copy_from_slice(digest(&SHA256, bytes).as_ref());
    hash
}

fn text<'j>(jwk: &'j Map<String, Value>, name: &str) -> Option<&'j str> {
    jwk.get(name)?.as_str()
}

fn bytes(jwk: &Map<String, Value>, name: &str) -> Result<Vec<u8>, &'static str> {
    let text = text(jwk, name).ok_or("a member of it is missing")?;
    BASE64_URL_SAFE_NO_PAD.decode(text).map_err(|_| "a member of it is not base64url without padding")
}
