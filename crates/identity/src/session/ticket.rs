//! What is in the session cookie: a random number and two times, sealed.

use std::fmt;

use aws_lc_rs::{digest, rand};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};

use crate::{cookie::Cookie, own_keys::Seal, site::Site};

/// Of the random number.
const SECRET: usize = 32;
/// The number, when it was made, when it ends.
const PLAIN: usize = SECRET + 8 + 8;
/// A cookie of ours has 124 characters; nothing longer is looked at.
const LONGEST: usize = 256;

/// The bearer's half of a session.
pub(super) struct Ticket {
    secret: [u8; SECRET],
    created: u64,
    /// In seconds since 1970.
    pub(super) expires: u64,
}

impl Ticket {
    /// A new one, that nobody can guess. `None` if the system gives no random bytes.
    pub(super) fn new(created: u64, expires: u64) -> Option<Self> {
        let mut secret = [0; SECRET];
        rand::fill(&mut secret).ok()?;
        Some(Self { secret, created, expires })
    }

    /// The public name of its session. From it the secret can not be told.
    pub(super) fn id(&self) -> String {
        let hash = digest::digest(&digest::SHA256, &self.secret);
        BASE64_URL_SAFE_NO_PAD.encode(&hash.as_ref()[..16])
    }

    /// The cookie's value.
    pub(super) fn close(&self, seal: &Seal, site: Site<'_>, now: u64) -> Option<String> {
        let mut plain = Vec::with_capacity(PLAIN);
        plain.extend_from_slice(&self.secret);
        plain.extend_from_slice(&self.created.to_be_bytes());
        plain.extend_from_slice(&self.expires.to_be_bytes());
        seal.close_text(Cookie::Session.name(site), site.host(), &plain, now)
    }

    /// What is in a cookie, if this proxy made it for this host and this way of getting there.
    pub(super) fn open(cookie: &str, seal: &Seal, site: Site<'_>) -> Option<Self> {
        let plain = seal.open_text(Cookie::Session.name(site), site.host(), cookie, LONGEST)?;
        let (secret, times) = plain.split_first_chunk::<SECRET>()?;
        let (created, expires) = times.split_first_chunk::<8>()?;
        let time = |bytes: [u8; 8]| u64::from_be_bytes(bytes);
        Some(Self { secret: *secret, created: time(*created), expires: time(expires.try_into().ok()?) })
    }
}

/// Never shows the secret.
impl fmt::Debug for Ticket {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Ticket").field("id", &self.id()).field("expires", &self.expires).finish_non_exhaustive()
    }
}
