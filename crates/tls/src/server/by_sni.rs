//! Which certificate is shown to whom.

use std::{collections::HashMap, fmt, sync::Arc};

use rustls::{
    SignatureScheme,
    server::{ClientHello, ResolvesServerCert},
    sign::CertifiedKey,
};

use crate::material::Certificate;

/// Certificates by name.
pub(super) struct BySni {
    /// By lower-case name without trailing dot.
    exact: HashMap<String, Vec<Arc<CertifiedKey>>>,
    /// By what follows `*.`.
    wildcard: HashMap<String, Vec<Arc<CertifiedKey>>>,
    /// All, in the order of the file: for who names none of them.
    default: Vec<Arc<CertifiedKey>>,
}

impl BySni {
    pub(super) fn new(certificates: &[Arc<Certificate>]) -> Self {
        let mut found = Self { exact: HashMap::new(), wildcard: HashMap::new(), default: Vec::new() };
        let Some(first) = certificates.first() else { return found };
        for certificate in certificates {
            for name in &certificate.names {
                let (of, name) = match name.strip_prefix("*.") {
                    Some(rest) => (&mut found.wildcard, rest),
                    None => (&mut found.exact, name.as_str()),
                };
                of.entry(name.to_owned()).or_default().push(Arc::clone(&certificate.key));
            }
            // The same names with another kind of key (ECDSA beside RSA) belong to the default too.
            if certificate.names == first.names {
                found.default.push(Arc::clone(&certificate.key));
            }
        }
        found
    }

    fn candidates(&self, name: Option<&str>) -> &[Arc<CertifiedKey>] {
        let by_name = |name: &str| {
            let name = name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase();
            let by_wildcard = || name.split_once('.').and_then(|(_, rest)| self.wildcard.get(rest));
            self.exact.get(&name).or_else(by_wildcard)
        };
        name.and_then(by_name).unwrap_or(&self.default)
    }
}

impl ResolvesServerCert for BySni {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        choose(self.candidates(hello.server_name()), hello.signature_schemes())
    }
}

/// The first with whose key the client can deal; if there is none, the handshake fails by the first.
fn choose(candidates: &[Arc<CertifiedKey>], schemes: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
    let fitting = candidates.iter().find(|candidate| candidate.key.choose_scheme(schemes).is_some());
    fitting.or(candidates.first()).cloned()
}

impl fmt::Debug for BySni {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BySni")
            .field("exact", &self.exact.keys())
            .field("wildcard", &self.wildcard.keys())
            .finish_non_exhaustive()
    }
}
