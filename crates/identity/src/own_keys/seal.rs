//! Texts that only this proxy can write and read.

use aws_lc_rs::{
    aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey},
    rand,
};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};

use super::{KeyError, KeyRing, Rotation};
use crate::vault::Vault;

/// First byte of what is sealed. Another form of it would have another.
const FORM: u8 = 1;
/// Form, number of the key, nonce.
const HEAD: usize = 1 + 4 + NONCE_LEN;

const DAY: u64 = 24 * 3600;

/// Seals with AES-256-GCM and a random nonce: of one key far fewer than 2^32 things are sealed in its day.
#[derive(Debug)]
pub(crate) struct Seal {
    keys: KeyRing<RandomizedNonceKey>,
}

impl Seal {
    /// What is sealed may be valid for so many seconds.
    pub(crate) fn new(valid_for: u64) -> Self {
        let rotation = Rotation { purpose: "seal", replaced_after: DAY, used_after: 60, valid_for };
        let make = || {
            let mut key = vec![0; 32];
            rand::fill(&mut key).ok().map(|()| key)
        };
        Self { keys: KeyRing::new(rotation, make, |key| RandomizedNonceKey::new(&AES_256_GCM, key).ok()) }
    }

    /// Learns and rotates keys.
    pub(crate) async fn keep(&self, vault: &Vault, now: u64) -> Result<(), KeyError> {
        self.keys.keep(vault, now).await
    }

    /// Seals. It opens again only for the same purpose and the same `bound` (a host, an id). `None` without a key.
    pub(crate) fn close(&self, purpose: &str, bound: &str, plain: &[u8], now: u64) -> Option<Vec<u8>> {
        let key = self.keys.current(now)?;
        let mut inner = plain.to_vec();
        let nonce = key.material.seal_in_place_append_tag(aad(purpose, bound), &mut inner).ok()?;
        let mut sealed = Vec::with_capacity(HEAD + inner.len());
        sealed.push(FORM);
        sealed.extend_from_slice(&key.id.to_be_bytes());
        sealed.extend_from_slice(nonce.as_ref());
        sealed.extend_from_slice(&inner);
        Some(sealed)
    }

    /// Opens what was sealed. `None` for everything else.
    pub(crate) fn open(&self, purpose: &str, bound: &str, sealed: &[u8]) -> Option<Vec<u8>> {
        let (form, rest) = sealed.split_first()?;
        let (id, rest) = rest.split_first_chunk::<4>()?;
        let (nonce, inner) = rest.split_first_chunk::<NONCE_LEN>()?;
        if *form != FORM {
            return None;
        }
        let key = self.keys.find(u32::from_be_bytes(*id))?;
        let mut inner = inner.to_vec();
        let length = key.material.open_in_place(Nonce::from(nonce), aad(purpose, bound), &mut inner).ok()?.len();
        inner.truncate(length);
        Some(inner)
    }

    /// [`Self::close`], as text for a cookie or a form.
    pub(crate) fn close_text(&self, purpose: &str, bound: &str, plain: &[u8], now: u64) -> Option<String> {
        self.close(purpose, bound, plain, now).map(|sealed| BASE64_URL_SAFE_NO_PAD.encode(sealed))
    }

    /// [`Self::open`] of a text of at most so many bytes.
    pub(crate) fn open_text(&self, purpose: &str, bound: &str, text: &str, longest: usize) -> Option<Vec<u8>> {
        if text.len() > longest {
            return None;
        }
        self.open(purpose, bound, &BASE64_URL_SAFE_NO_PAD.decode(text).ok()?)
    }
}

/// Purposes are fixed words without NUL, so that no two pairs give the same bytes.
fn aad(purpose: &str, bound: &str) -> Aad<Vec<u8>> {
    Aad::from([purpose.as_bytes(), b"\0", bound.as_bytes()].concat())
}

#[cfg(test)]
mod tests {
    use portcullis_store::Store;
    use proptest::prelude::*;

    use super::*;

    async fn seal() -> (Seal, Vault) {
        let vault = Vault::new(Store::in_memory().unwrap());
        let seal = Seal::new(1000);
        seal.keep(&vault, 1000).await.unwrap();
        (seal, vault)
    }

    #[tokio::test]
    async fn what_is_sealed_opens_only_unchanged_and_only_for_what_it_is_meant_for() {
        let (seal, vault) = seal().await;
        let text = seal.close_text("session", "a.example", b"secret", 1000).unwrap();
        assert_eq!(seal.open_text("session", "a.example", &text, 500).as_deref(), Some(b"secret".as_slice()));
        assert_eq!(seal.open_text("login", "a.example", &text, 500), None);
        assert_eq!(seal.open_text("session", "b.example", &text, 500), None);
        assert_eq!(seal.open_text("session", "a.example", &text, text.len() - 1), None);
        assert_ne!(seal.close_text("session", "a.example", b"secret", 1000).unwrap(), text, "a nonce each");
        let sealed = BASE64_URL_SAFE_NO_PAD.decode(&text).unwrap();
        for at in 0..sealed.len() {
            let mut tampered = sealed.clone();
            tampered[at] ^= 1;
            assert_eq!(seal.open("session", "a.example", &tampered), None, "byte {at}");
            assert_eq!(seal.open("session", "a.example", &sealed[..at]), None, "cut at {at}");
        }
        let restarted = Seal::new(1000);
        restarted.keep(&vault, 1001).await.unwrap();
        assert!(restarted.open_text("session", "a.example", &text, 500).is_some(), "a restart changes nothing");
    }

    #[test]
    fn no_text_makes_it_panic() {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let (seal, _vault) = runtime.block_on(seal());
        proptest!(|(text in "\\PC{0,200}", bytes in proptest::collection::vec(any::<u8>(), 0..200))| {
            prop_assert_eq!(seal.open_text("session", "a", &text, 4096), None);
            prop_assert_eq!(seal.open("session", "a", &bytes), None);
        });
    }
}
