//! Hashing passwords: Argon2id with the parameters of OWASP's Password Storage Cheat Sheet.

use argon2::{
    Algorithm, Argon2, Params, Version,
    password_hash::{PasswordHasher, PasswordVerifier, phc::PasswordHash},
};

use crate::Secret;

/// 19 MiB, two passes, one lane.
const MEMORY_KIB: u32 = 19 * 1024;
const PASSES: u32 = 2;
const LANES: u32 = 1;

/// Characters that a password has at least. There are no rules beyond length (NIST SP 800-63B-4, 3.1.1.2).
const SHORTEST: usize = 12;
/// Bytes that it has at most: hashing must not be made long by whoever sends it.
pub(super) const LONGEST: usize = 1024;

/// Why a password can not be taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PasswordError {
    /// Too easy to guess.
    #[error("a password has at least {SHORTEST} characters; a sentence of a few words is easy to remember")]
    Short,
    /// More than anybody types.
    #[error("a password has at most {LONGEST} bytes")]
    Long,
    /// The system gives no random bytes, or no memory.
    #[error("cannot hash a password: the system gives no random bytes or no memory")]
    System,
}

/// Whether it may become somebody's password.
pub fn check_strength(password: &Secret) -> Result<(), PasswordError> {
    let text = password.expose();
    if text.len() > LONGEST {
        return Err(PasswordError::Long);
    }
    if text.chars().count() < SHORTEST {
        return Err(PasswordError::Short);
    }
    Ok(())
}

/// A PHC string, with a salt of its own.
pub(super) fn hash(password: &Secret) -> Result<Secret, PasswordError> {
    let hash = argon2()?.hash_password(password.expose().as_bytes()).map_err(|_| PasswordError::System)?;
    Ok(Secret::new(hash.to_string()))
}

/// Whether the hash is that of the password. Takes the same time for each password.
pub(super) fn verify(password: &Secret, hash: &Secret) -> bool {
    // What is too long is no password; hashing something else keeps the time the same.
    let (password, is_possible) = match password.expose() {
        text if text.len() <= LONGEST => (text, true),
        _ => ("", false),
    };
    let (Ok(argon2), Ok(hash)) = (argon2(), PasswordHash::new(hash.expose())) else { return false };
    argon2.verify_password(password.as_bytes(), &hash).is_ok() && is_possible
}

fn argon2() -> Result<Argon2<'static>, PasswordError> {
    let params = Params::new(MEMORY_KIB, PASSES, LANES, None).map_err(|_| PasswordError::System)?;
    Ok(Argon2::new(Algorithm::Argon2id, Version::V0x13, params))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_says_how_it_was_made_and_each_has_its_own_salt() {
        let password = Secret::new("correct horse battery");
        let (one, other) = (hash(&password).unwrap(), hash(&password).unwrap());
        assert!(one.expose().starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{}", one.expose());
        assert_ne!(one.expose(), other.expose());
        assert!(verify(&password, &one));
        assert!(!verify(&Secret::new("correct horse batterz"), &one));
        assert!(!verify(&Secret::new("x".repeat(LONGEST + 1)), &one));
        assert!(!verify(&password, &Secret::new("no hash")));
    }

    #[test]
    fn a_password_is_long_and_not_endless() {
        for (password, expected) in [
            ("short", Err(PasswordError::Short)),
            ("elf zeichen", Err(PasswordError::Short)),
            ("zwölf zeich.", Ok(())),
            (&"x".repeat(1025), Err(PasswordError::Long)),
        ] {
            assert_eq!(check_strength(&Secret::new(password)), expected, "{password}");
        }
    }
}
