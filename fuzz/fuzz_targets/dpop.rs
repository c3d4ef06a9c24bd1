//! DPoP proofs: no panic, whatever the key, the signature and the claims are.
#![no_main]

use libfuzzer_sys::fuzz_target;
use portcullis_identity::{dpop::Proof, jwt::Algorithm};

fuzz_target!(|text: &str| {
    if let Ok(proof) = Proof::read(text, &Algorithm::ALL) {
        assert!(!proof.id.is_empty());
    }
});
