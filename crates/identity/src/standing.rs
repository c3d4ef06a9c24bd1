//! A proven identity and what it rests on.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU8, AtomicU64, Ordering},
    },
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use tokio::sync::Notify;

use crate::Principal;

/// That a sender is a principal, until when, and on what it rests. Shared by everything that relies on it: caches of
/// workers, open tunnels, sessions. Whoever ends it ends it for all at once.
#[derive(Debug)]
pub struct Standing {
    /// Who it is.
    pub principal: Arc<Principal>,
    /// What it rests on.
    pub basis: Basis,
    /// When it ends by itself, in seconds since 1970.
    pub expires: u64,
    /// What the sender has to prove anew with each request that relies on it; see [`crate::dpop::Dpop::check_request`].
    pub bound_to: Option<Binding>,
    /// The services that it may be used for; `None`: all of them, as far as the policy goes.
    pub services: Option<Box<[Box<str>]>>,
    state: AtomicU8,
    /// In seconds since 1970; 0: never.
    last_use: AtomicU64,
    changed: Notify,
}

/// What an identity rests on: the handle by which it is ended early, and by which the audit names it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Basis {
    /// A login session, by its public id (not the secret in the cookie).
    Session(Box<str>),
    /// A signed token of a provider, by its `jti`, if it has one.
    Token(Option<Box<str>>),
    /// An API key or service token of ours, by its public id.
    Key(Box<str>),
    /// A client certificate, by its SHA-256.
    Certificate([u8; 32]),
    /// A proof of an AWS identity.
    Aws,
}

/// The key without which a token is worth nothing (RFC 7800 3.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Binding {
    /// A key that signs a DPoP proof for each request, by its SHA-256 thumbprint (RFC 9449 6.1).
    Key([u8; 32]),
    /// The client certificate of the connection, by its SHA-256 (RFC 8705 3.1).
    Certificate([u8; 32]),
}

/// Whether a standing still stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum State {
    /// It stands, as long as it has not expired.
    Current = 0,
    /// A newer one of the same basis has taken its place (claims were refreshed): look it up again.
    Superseded = 1,
    /// It was ended: logged out, revoked, removed. What relies on it closes.
    Ended = 2,
}

impl Standing {
    /// A standing that has just been proven. `expires` is in seconds since 1970.
    pub fn new(principal: Principal, basis: Basis, expires: u64) -> Self {
        Self {
            principal: Arc::new(principal),
            basis,
            expires,
            bound_to: None,
            services: None,
            state: AtomicU8::new(State::Current as u8),
            last_use: AtomicU64::new(0),
            changed: Notify::new(),
        }
    }

    /// The same, good only together with the proof of a key.
    #[must_use]
    pub fn bound_to(mut self, binding: Option<Binding>) -> Self {
        self.bound_to = binding;
        self
    }

    /// The same, for these services alone.
    #[must_use]
    pub fn limited_to(mut self, services: Option<Box<[Box<str>]>>) -> Self {
        self.services = services;
        self
    }

    /// Whether it may be used for this service at all.
    pub fn covers(&self, service: &str) -> bool {
        self.services.as_ref().is_none_or(|services| services.iter().any(|own| **own == *service))
    }

    /// Whether it can be relied on at this moment (seconds since 1970).
    pub fn stands(&self, now: u64) -> bool {
        self.state.load(Ordering::Relaxed) == State::Current as u8 && now < self.expires
    }

    /// Whether the other one, just proven, says the same of the same sender, but perhaps for longer.
    pub(crate) fn says_as(&self, other: &Self) -> bool {
        self.principal == other.principal
            && self.basis == other.basis
            && self.bound_to == other.bound_to
            && self.services == other.services
    }

    /// Notes that it was relied on at this moment (seconds since 1970): a login that nobody uses ends. Whoever keeps a
    /// standing in a cache says so with every request that it answers by it; it costs a load, and once a second a store.
    pub fn used(&self, now: u64) {
        if self.last_use.load(Ordering::Relaxed) < now {
            self.last_use.fetch_max(now, Ordering::Relaxed);
        }
    }

    /// When it was last relied on, in seconds since 1970.
    pub fn last_use(&self) -> u64 {
        self.last_use.load(Ordering::Relaxed)
    }

    /// Its state, without regard to time.
    pub fn state(&self) -> State {
        match self.state.load(Ordering::Acquire) {
            0 => State::Current,
            1 => State::Superseded,
            _ => State::Ended,
        }
    }

    /// Ends it for everything that relies on it.
    pub fn end(&self) {
        self.leave(State::Ended);
    }

    /// Says that a newer standing of the same basis has taken its place.
    pub fn supersede(&self) {
        self.leave(State::Superseded);
    }

    /// Waits until it is superseded or ended, or has expired.
    pub async fn gone(&self) -> State {
        loop {
            let changed = self.changed.notified();
            let state = self.state();
            if state != State::Current {
                return state;
            }
            let left = (UNIX_EPOCH + Duration::from_secs(self.expires)).duration_since(SystemTime::now());
            let Ok(left) = left else { return State::Ended };
            // At most an hour at once: the wall clock may be set while this waits.
            if tokio::time::timeout(left.min(Duration::from_hours(1)), changed).await.is_err() && !self.stands(now()) {
                return State::Ended;
            }
        }
    }

    /// What has ended is never current again.
    fn leave(&self, state: State) {
        self.state.fetch_max(state as u8, Ordering::AcqRel);
        self.changed.notify_waiters();
    }
}

/// Seconds since 1970.
pub(crate) fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Kind;

    fn standing(expires: u64) -> Standing {
        let principal = Principal {
            kind: Kind::User,
            provider: "corp".into(),
            subject: "1".into(),
            name: "alice@example.com".into(),
            email: None,
            groups: Box::default(),
            claims: std::collections::BTreeMap::new(),
        };
        Standing::new(principal, Basis::Token(None), expires)
    }

    #[test]
    fn a_standing_ends_with_its_time_and_never_comes_back() {
        let now = now();
        assert!(standing(now + 60).stands(now));
        assert!(!standing(now).stands(now));
        let ended = standing(now + 60);
        ended.end();
        ended.supersede();
        assert_eq!(ended.state(), State::Ended);
        assert!(!ended.stands(now));
    }

    #[tokio::test]
    async fn whoever_waits_learns_of_the_end() {
        let standing = Arc::new(standing(now() + 60));
        let waiting = tokio::spawn({
            let standing = Arc::clone(&standing);
            async move { standing.gone().await }
        });
        tokio::task::yield_now().await;
        standing.end();
        assert_eq!(waiting.await.ok(), Some(State::Ended));
    }
}
