//! The keys of a provider, kept fresh.
//!
//! Invariants: at most one fetch at a time, and not more often than [`KeyTimes::pause`] however many unknown keys are
//! named; a fetch that fails takes nothing away; keys that nobody could confirm for [`KeyTimes::keep`] count as none; a
//! standing that rests on a key ends when the provider no longer lists that key.

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, PoisonError, RwLock, Weak},
    time::Duration,
};

use serde::Deserialize;
use tokio::time::Instant;

use super::{
    Algorithm, Unverified,
    key::Thumbprint,
    key_set::{KeySet, NoKey},
};
use crate::{
    NotProven, Standing,
    fetch::{Fetcher, ProviderUrl},
};

/// When keys are fetched and forgotten.
#[derive(Debug, Clone)]
pub struct KeyTimes {
    /// They are fetched anew this often.
    pub refresh: Duration,
    /// Between two fetches for an unknown `kid`, and after a failure; doubled with each further failure, up to
    /// `refresh`.
    pub pause: Duration,
    /// For how long keys are believed that nobody could confirm, because the provider can not be reached.
    pub keep: Duration,
}

impl Default for KeyTimes {
    fn default() -> Self {
        Self {
            refresh: Duration::from_mins(10),
            pause: Duration::from_secs(10),
            // A night's outage of the provider does not stop the services; a key that leaked is not good for weeks.
            keep: Duration::from_hours(12),
        }
    }
}

/// From where keys come.
#[derive(Clone)]
pub enum KeySource {
    /// A JWKS document.
    Url(ProviderUrl),
    /// The `jwks_uri` of the issuer's `/.well-known/openid-configuration` (OpenID Connect Discovery 4).
    Discovery(ProviderUrl),
    /// A JWKS document or PEM public keys, as bytes.
    Fixed(Vec<u8>),
}

impl fmt::Debug for KeySource {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Url(url) => write!(formatter, "Url({url})"),
            Self::Discovery(url) => write!(formatter, "Discovery({url})"),
            Self::Fixed(_) => formatter.write_str("Fixed"),
        }
    }
}

pub(crate) struct KeyRing {
    provider: Arc<str>,
    issuer: Box<str>,
    source: KeySource,
    times: KeyTimes,
    algorithms: Vec<Algorithm>,
    fetcher: Fetcher,
    loaded: RwLock<Option<Loaded>>,
    /// Held while fetching: single flight.
    attempts: tokio::sync::Mutex<Attempts>,
    resting: Mutex<Resting>,
}

#[derive(Clone)]
struct Loaded {
    keys: Arc<KeySet>,
    /// When the provider confirmed them last.
    confirmed: Instant,
    /// Counts the fetches that succeeded.
    generation: u64,
}

#[derive(Default)]
struct Attempts {
    last: Option<Instant>,
    failures: u32,
    /// Why the last one failed.
    error: Option<Box<str>>,
}

/// Which standings rest on which key.
#[derive(Default)]
struct Resting {
    by_key: HashMap<Thumbprint, Vec<Weak<Standing>>>,
    /// How many there may be before those that are gone are thrown out.
    bound: usize,
    count: usize,
}

/// OpenID Connect Discovery 3, as far as it is needed.
#[derive(Deserialize)]
struct Metadata {
    issuer: String,
    jwks_uri: String,
}

impl KeyRing {
    /// A ring that has fetched nothing yet; fixed keys are there at once, and an error says if they can not be read.
    pub(crate) fn new(
        provider: Arc<str>,
        issuer: Box<str>,
        source: KeySource,
        times: KeyTimes,
        algorithms: Vec<Algorithm>,
        fetcher: Fetcher,
    ) -> Result<Self, String> {
        let loaded = match &source {
            KeySource::Fixed(text) => {
                let keys = Arc::new(KeySet::parse(text, &algorithms, &provider)?);
                Some(Loaded { keys, confirmed: Instant::now(), generation: 0 })
            }
            KeySource::Url(_) | KeySource::Discovery(_) => None,
        };
        Ok(Self {
            provider,
            issuer,
            source,
            times,
            algorithms,
            fetcher,
            loaded: RwLock::new(loaded),
            attempts: tokio::sync::Mutex::default(),
            resting: Mutex::default(),
        })
    }

    /// Which key has signed the token. Asks the provider if the key is not known, within the bounds.
    pub(crate) async fn signer(&self, token: &Unverified<'_>) -> Result<Thumbprint, NotProven> {
        let current = self.current();
        let refusal = match &current {
            Some(loaded) => match loaded.keys.signer(token) {
                Ok(key) => return Ok(key.thumbprint),
                Err(NoKey::Refused(refusal)) => return Err(refusal.into()),
                Err(NoKey::Unknown(refusal)) => Some(refusal),
            },
            None => None,
        };
        if matches!(self.source, KeySource::Fixed(_)) {
            return Err(refusal.map_or(NotProven::Nobody, NotProven::Refused));
        }
        let known = current.map(|loaded| loaded.generation);
        if let Err(why) = self.fetch_once(known).await {
            return Err(NotProven::Unavailable(why));
        }
        let newer = self.current().filter(|loaded| Some(loaded.generation) != known);
        match (newer, refusal) {
            (Some(loaded), _) => match loaded.keys.signer(token) {
                Ok(key) => Ok(key.thumbprint),
                Err(NoKey::Unknown(refusal) | NoKey::Refused(refusal)) => Err(refusal.into()),
            },
            (None, Some(refusal)) => Err(refusal.into()),
            (None, None) => Err(NotProven::Unavailable("the provider's keys could not be fetched yet".into())),
        }
    }

    /// Ends the standing when the provider gives up the key.
    pub(crate) fn rests_on(&self, key: Thumbprint, standing: &Arc<Standing>) {
        let mut resting = self.resting.lock().unwrap_or_else(PoisonError::into_inner);
        resting.add(key, Arc::downgrade(standing));
        drop(resting);
        // The key may have gone between the signature's check and now.
        let has_gone = self.current().is_none_or(|loaded| !loaded.keys.holds(&key));
        if has_gone {
            standing.end();
        }
    }

    /// Fetches at the regular times, for ever.
    pub(crate) async fn keep_fresh(&self) {
        if matches!(self.source, KeySource::Fixed(_)) {
            return std::future::pending().await;
        }
        loop {
            let known =
                self.loaded.read().unwrap_or_else(PoisonError::into_inner).as_ref().map(|loaded| loaded.generation);
            let _ = self.fetch_once(known).await;
            let wait = {
                let attempts = self.attempts.lock().await;
                if attempts.failures == 0 { self.times.refresh } else { self.pause(attempts.failures) }
            };
            tokio::time::sleep(wait).await;
        }
    }

    /// The keys, unless they are too old to be believed.
    fn current(&self) -> Option<Loaded> {
        let loaded = self.loaded.read().unwrap_or_else(PoisonError::into_inner).clone()?;
        let is_fixed = matches!(self.source, KeySource::Fixed(_));
        (is_fixed || loaded.confirmed.elapsed() < self.times.keep).then_some(loaded)
    }

    /// Fetches, unless somebody just did. An error: the provider can not be asked, now or within the pause.
    async fn fetch_once(&self, known: Option<u64>) -> Result<(), Box<str>> {
        let mut attempts = self.attempts.lock().await;
        if self.current().is_some_and(|loaded| Some(loaded.generation) != known) {
            return Ok(()); // somebody else did, while this waited
        }
        if attempts.last.is_some_and(|last| last.elapsed() < self.pause(attempts.failures)) {
            return attempts.error.clone().map_or(Ok(()), Err);
        }
        attempts.last = Some(Instant::now());
        match self.fetch().await {
            Ok(keys) => {
                attempts.failures = 0;
                attempts.error = None;
                self.load(keys);
                Ok(())
            }
            Err(why) => {
                attempts.failures = attempts.failures.saturating_add(1);
                let why: Box<str> = format!("the keys of {}: {why}", self.provider).into();
                tracing::warn!(provider = &*self.provider, failures = attempts.failures, %why, "keys not fetched");
                attempts.error = Some(why.clone());
                Err(why)
            }
        }
    }

    async fn fetch(&self) -> Result<KeySet, String> {
        let address = match &self.source {
            KeySource::Url(address) => address.clone(),
            KeySource::Discovery(issuer) => self.discover(issuer).await?,
            KeySource::Fixed(_) => return Err("they are fixed".to_owned()),
        };
        let answer = self.fetcher.get(&address, http::HeaderMap::new()).await.map_err(|error| error.to_string())?;
        if !answer.status.is_success() {
            return Err(format!("{address} answered {}", answer.status.as_u16()));
        }
        KeySet::parse(&answer.body, &self.algorithms, &self.provider).map_err(|why| format!("{address}: {why}"))
    }

    async fn discover(&self, issuer: &ProviderUrl) -> Result<ProviderUrl, String> {
        let said = |error: crate::fetch::FetchError| error.to_string();
        let address = issuer.below("/.well-known/openid-configuration").map_err(said)?;
        let metadata: Metadata = self.fetcher.get_json(&address).await.map_err(said)?;
        // Discovery 4.3: or else one tenant of a provider could speak for another.
        if *metadata.issuer != *self.issuer {
            let found = crate::refusal::shown(&metadata.issuer);
            return Err(format!("{address} says that its issuer is {found}; write exactly that as the issuer"));
        }
        metadata.jwks_uri.parse().map_err(said)
    }

    fn load(&self, keys: KeySet) {
        let keys = Arc::new(keys);
        let mut loaded = self.loaded.write().unwrap_or_else(PoisonError::into_inner);
        let generation = loaded.as_ref().map_or(1, |loaded| loaded.generation + 1);
        *loaded = Some(Loaded { keys: Arc::clone(&keys), confirmed: Instant::now(), generation });
        drop(loaded);
        let mut resting = self.resting.lock().unwrap_or_else(PoisonError::into_inner);
        resting.by_key.retain(|key, standings| {
            if keys.holds(key) {
                return true;
            }
            standings.iter().filter_map(Weak::upgrade).for_each(|standing| standing.end());
            false
        });
    }

    fn pause(&self, failures: u32) -> Duration {
        let doubled = self.times.pause.saturating_mul(1 << failures.saturating_sub(1).min(16));
        doubled.min(self.times.refresh.max(self.times.pause))
    }
}

impl Resting {
    const LEAST: usize = 256;

    fn add(&mut self, key: Thumbprint, standing: Weak<Standing>) {
        self.by_key.entry(key).or_default().push(standing);
        self.count += 1;
        if self.count > self.bound.max(Self::LEAST) {
            for standings in self.by_key.values_mut() {
                standings.retain(|standing| standing.strong_count() > 0);
            }
            self.count = self.by_key.values().map(Vec::len).sum();
            self.bound = 2 * self.count;
        }
    }
}

impl fmt::Debug for KeyRing {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("KeyRing").field("source", &self.source).finish_non_exhaustive()
    }
}
