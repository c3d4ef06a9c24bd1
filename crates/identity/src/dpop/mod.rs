//! That a token is used by whom it was given to: DPoP proofs (RFC 9449) and certificate-bound tokens (RFC 8705).
//!
//! Owns: the proof of each request, the memory of proofs that were seen, and the nonces that this proxy gives out.
//!
//! Must not know: whether the token itself is good; that is what the [`Standing`] says.
//!
//! Invariants:
//! - A proof counts once. It is remembered for as long as its time would let it count; where there is no room to remember
//!   one more, it is refused.
//! - The key of a proof is believed for nothing but this proof, and only if it is the one in the token.
//! - Nothing is shared between proxies or survives a restart: a proof is good once *for each proxy*, within its window.
//!   With nonces, which each proxy makes with a key of its own, it is good for one proxy alone.

mod nonce;
mod proof;
mod replay;
#[cfg(test)]
mod tests;

use std::time::Duration;

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use nonce::Nonces;
pub use proof::Proof;
use replay::{Replays, Seen};

use crate::{
    Binding, Presented, Refusal, Standing,
    jwt::{Algorithm, key::sha256},
    presented::Scheme,
    standing::now,
};

/// How proofs are judged.
#[derive(Debug, Clone)]
pub struct DpopSettings {
    /// How proofs may be signed.
    pub algorithms: Vec<Algorithm>,
    /// How old a proof may be.
    pub window: Duration,
    /// How far ahead of ours the client's clock may be.
    pub leeway: Duration,
    /// Whether a proof must hold a nonce of this proxy.
    pub nonces: NoncePolicy,
    /// How many proofs are remembered at most, 16 bytes and a little each.
    pub remembered: usize,
}

/// Whether a proof must hold a nonce that this proxy gave out (RFC 9449 9): one that was made in advance, with a key that
/// was stolen for a moment, is then worth nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum NoncePolicy {
    /// Not asked for; one that is there is still checked.
    #[default]
    Accepted,
    /// Asked for: who has none is refused with `use_dpop_nonce` and a fresh one.
    Required,
}

impl Default for DpopSettings {
    fn default() -> Self {
        Self {
            algorithms: Algorithm::ALL.to_vec(),
            window: Duration::from_mins(1),
            leeway: Duration::from_secs(5),
            nonces: NoncePolicy::default(),
            // About 8,000 requests a second for a minute.
            remembered: 1 << 19,
        }
    }
}

/// Judges proofs. Shared by all workers: what one has seen, none accepts again.
#[derive(Debug)]
pub struct Dpop {
    settings: DpopSettings,
    replays: Replays,
    nonces: Nonces,
}

impl Dpop {
    /// Remembers nothing yet. An error if the system gives no random numbers.
    pub fn new(settings: DpopSettings) -> Result<Self, &'static str> {
        let nonces = Nonces::new().map_err(|_| "the system gives no random numbers")?;
        let lifetime = settings.window.as_secs() + settings.leeway.as_secs() + 1;
        Ok(Self { replays: Replays::new(settings.remembered, lifetime), nonces, settings })
    }

    /// Whether this request may rely on the standing: that it comes from whom the token is bound to.
    ///
    /// To be called exactly once for each request, be the standing fresh from a provider or from a cache; a second call
    /// with the same request sees the same proof twice and refuses it. Quick and without I/O. A standing that is bound
    /// to nothing passes.
    pub fn check_request(&self, standing: &Standing, presented: &Presented) -> Result<(), Refusal> {
        self.check_at(standing, presented, now())
    }

    /// A nonce for the `DPoP-Nonce` of an answer, so that the client has it for its next request (RFC 9449 8.2).
    pub fn nonce(&self) -> Box<str> {
        self.nonces.fresh(now())
    }

    fn check_at(&self, standing: &Standing, presented: &Presented, now: u64) -> Result<(), Refusal> {
        let key = match standing.bound_to {
            None => return Ok(()),
            Some(Binding::Certificate(thumbprint)) => return check_certificate(thumbprint, presented),
            Some(Binding::Key(key)) => key,
        };
        let Some((Scheme::Dpop, token)) = presented.token() else {
            let detail = "the token is bound to a key and shown without proof: use the DPoP scheme";
            return Err(Refusal::token("bound-token-as-bearer", detail));
        };
        let shown = presented.dpop.as_deref();
        let shown = shown.ok_or_else(|| Refusal::proof("no-proof", "the request has no `DPoP` header"))?;
        let proof = Proof::read(shown, &self.settings.algorithms)?;
        if proof.key != key {
            return Err(Refusal::proof("wrong-key", "the proof is by another key than the token is bound to"));
        }
        proof.check_request(presented)?;
        proof.check_time(now, self.settings.window.as_secs(), self.settings.leeway.as_secs())?;
        if proof.token_hash.as_deref() != Some(&*BASE64_URL_SAFE_NO_PAD.encode(sha256(token.as_bytes()))) {
            return Err(Refusal::proof("wrong-token-hash", "`ath` is missing or not the hash of the token"));
        }
        self.check_nonce(&proof, now)?;
        match self.replays.see(&key, &proof.id, now) {
            Seen::First => Ok(()),
            Seen::Again => Err(Refusal::proof("replayed", "the proof was used before (`jti`)")),
            Seen::NoRoom => {
                tracing::warn!(remembered = self.settings.remembered, "no room to remember DPoP proofs; refusing");
                Err(Refusal::proof("too-many-proofs", "more proofs than can be remembered; try again in a minute"))
            }
        }
    }

    fn check_nonce(&self, proof: &Proof, now: u64) -> Result<(), Refusal> {
        let detail = match (&proof.nonce, self.settings.nonces) {
            (None, NoncePolicy::Accepted) => return Ok(()),
            (Some(nonce), _) if self.nonces.is_current(nonce, now) => return Ok(()),
            (None, NoncePolicy::Required) => "the proof has no nonce of this proxy",
            (Some(_), _) => "the nonce of the proof is not, or no longer, one of this proxy",
        };
        Err(Refusal {
            reason: "no-nonce",
            detail: detail.into(),
            error: "use_dpop_nonce",
            dpop_nonce: Some(self.nonces.fresh(now)),
        })
    }
}

/// RFC 8705 3: the certificate of this very connection.
fn check_certificate(thumbprint: [u8; 32], presented: &Presented) -> Result<(), Refusal> {
    match &presented.certificate {
        Some(certificate) if certificate.thumbprint == thumbprint => Ok(()),
        Some(_) => Err(Refusal::token("wrong-certificate", "the token is bound to another client certificate")),
        None => Err(Refusal::token("no-certificate", "the token is bound to a client certificate, and none is shown")),
    }
}
