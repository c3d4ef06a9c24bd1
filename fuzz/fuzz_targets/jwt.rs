//! Tokens: no panic, and what is read of the claims is bounded and names nobody by an address that is not verified.
#![no_main]

use libfuzzer_sys::fuzz_target;
use portcullis_identity::{
    Kind,
    jwt::{ClaimMapping, Unverified},
};

fuzz_target!(|text: &str| {
    let Ok(token) = Unverified::parse(text) else { return };
    let Ok(claims) = token.claims() else { return };
    let Ok(principal) = ClaimMapping::default().principal(&"fuzz".into(), Kind::User, &claims) else { return };
    assert!(principal.email.is_none() || claims.get("email_verified").is_some());
    assert!(principal.groups.is_sorted());
});
