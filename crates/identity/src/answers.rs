//! What a provider said about a credential, for a short time.
//!
//! Invariants: one question at a time about one credential, however many requests show it; a bounded number of questions
//! at a time in all; a bounded number of answers remembered. That nobody could be asked is not remembered, and is never an
//! answer.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::{sync::Semaphore, time::Instant};

use crate::{NotProven, Refusal, Secret, Standing, standing::now};

/// How long a request waits for others to be done asking.
const PATIENCE: Duration = Duration::from_secs(2);
/// At least this long between two sweeps for what is over.
const SWEEP: Duration = Duration::from_secs(1);

/// How much is asked and remembered.
#[derive(Debug, Clone)]
pub struct AnswerBounds {
    /// For how long a yes is believed without asking again.
    pub fresh: Duration,
    /// For how long a no is.
    pub refused: Duration,
    /// How many answers are remembered.
    pub remembered: usize,
    /// How many questions are under way at a time.
    pub at_once: usize,
}

impl Default for AnswerBounds {
    fn default() -> Self {
        Self { fresh: Duration::from_secs(30), refused: Duration::from_secs(10), remembered: 10_000, at_once: 32 }
    }
}

pub(crate) struct Answers {
    bounds: AnswerBounds,
    entries: Mutex<Entries>,
    questions: Semaphore,
}

#[derive(Default)]
struct Entries {
    by_hash: HashMap<[u8; 32], Arc<Entry>>,
    swept: Option<Instant>,
}

/// One credential.
struct Entry {
    credential: Secret,
    /// Held while asking.
    asking: tokio::sync::Mutex<()>,
    answer: Mutex<Option<Answer>>,
}

#[derive(Clone)]
struct Answer {
    of: Instant,
    said: Result<Arc<Standing>, Refusal>,
}

impl Answers {
    pub(crate) fn new(bounds: AnswerBounds) -> Self {
        let questions = Semaphore::new(bounds.at_once.max(1));
        Self { bounds, entries: Mutex::default(), questions }
    }

    /// What is known of the credential with this hash, or else what `ask` finds out.
    pub(crate) async fn get(
        &self,
        hash: [u8; 32],
        credential: &str,
        ask: impl AsyncFnOnce() -> Result<Standing, NotProven>,
    ) -> Result<Arc<Standing>, NotProven> {
        let entry = self.entry(hash, credential);
        if let Some(answer) = self.fresh(&entry) {
            return answer.map_err(NotProven::Refused);
        }
        let _alone = entry.asking.lock().await;
        if let Some(answer) = self.fresh(&entry) {
            return answer.map_err(NotProven::Refused);
        }
        self.ask(&entry, ask).await
    }

    /// The credentials on which anything still rests, and whose answer is no longer fresh: to be asked about again.
    pub(crate) fn stale(&self) -> Vec<([u8; 32], Secret)> {
        let entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        let relied_on = entries.by_hash.iter().filter(|(_, entry)| {
            let answer = entry.answer.lock().unwrap_or_else(PoisonError::into_inner);
            answer.as_ref().is_some_and(|answer| {
                answer.of.elapsed() >= self.bounds.fresh / 2
                    && answer
                        .said
                        .as_ref()
                        .is_ok_and(|standing| Arc::strong_count(standing) > 1 && standing.stands(now()))
            })
        });
        relied_on.map(|(hash, entry)| (*hash, entry.credential.clone())).collect()
    }

    /// Asks, whatever is known; for [`Self::stale`] ones.
    pub(crate) async fn renew(&self, hash: [u8; 32], ask: impl AsyncFnOnce() -> Result<Standing, NotProven>) {
        let entry = self.entries.lock().unwrap_or_else(PoisonError::into_inner).by_hash.get(&hash).cloned();
        if let Some(entry) = entry {
            let _alone = entry.asking.lock().await;
            let _ = self.ask(&entry, ask).await;
        }
    }

    /// For how long a yes is believed.
    pub(crate) fn freshness(&self) -> Duration {
        self.bounds.fresh
    }

    async fn ask(
        &self,
        entry: &Entry,
        ask: impl AsyncFnOnce() -> Result<Standing, NotProven>,
    ) -> Result<Arc<Standing>, NotProven> {
        let turn = tokio::time::timeout(PATIENCE, self.questions.acquire()).await;
        let Ok(Ok(_turn)) = turn else {
            return Err(NotProven::Unavailable("too many questions to the provider are under way".into()));
        };
        let said = match ask().await {
            Ok(standing) => Ok(standing),
            Err(NotProven::Refused(refusal)) => Err(refusal),
            Err(other) => return Err(other),
        };
        let mut answer = entry.answer.lock().unwrap_or_else(PoisonError::into_inner);
        let before = answer.take().and_then(|before| before.said.ok());
        let said = match (before, said) {
            // The same as before, so what rests on it may go on as before.
            (Some(before), Ok(standing)) if self.goes_on(&before, &standing) => Ok(before),
            (Some(before), Ok(standing)) => {
                before.supersede();
                Ok(Arc::new(standing))
            }
            (None, Ok(standing)) => Ok(Arc::new(standing)),
            (before, Err(refusal)) => {
                if let Some(before) = before {
                    before.end();
                }
                Err(refusal)
            }
        };
        *answer = Some(Answer { of: Instant::now(), said: said.clone() });
        said.map_err(NotProven::Refused)
    }

    /// Whether the earlier standing may stay in place of the new one: it says the same, and there is time enough to let
    /// those who rely on it know of a longer one before it ends.
    fn goes_on(&self, before: &Standing, new: &Standing) -> bool {
        let now = now();
        let soon = now + 2 * self.bounds.fresh.as_secs();
        let time_fits = new.expires == before.expires || (new.expires > before.expires && before.expires > soon);
        before.says_as(new) && before.stands(now) && time_fits
    }

    fn fresh(&self, entry: &Entry) -> Option<Result<Arc<Standing>, Refusal>> {
        let answer = entry.answer.lock().unwrap_or_else(PoisonError::into_inner).clone()?;
        let is_fresh = match &answer.said {
            Ok(standing) => answer.of.elapsed() < self.bounds.fresh && standing.stands(now()),
            Err(_) => answer.of.elapsed() < self.bounds.refused,
        };
        is_fresh.then_some(answer.said)
    }

    /// The entry of a credential. Where there is no room, one that nobody remembers: it is asked about, and forgotten.
    fn entry(&self, hash: [u8; 32], credential: &str) -> Arc<Entry> {
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(entry) = entries.by_hash.get(&hash) {
            return Arc::clone(entry);
        }
        let entry = Arc::new(Entry {
            credential: Secret::new(credential),
            asking: tokio::sync::Mutex::default(),
            answer: Mutex::default(),
        });
        if entries.by_hash.len() >= self.bounds.remembered && entries.swept.is_none_or(|at| at.elapsed() >= SWEEP) {
            entries.swept = Some(Instant::now());
            entries.by_hash.retain(|_, entry| Arc::strong_count(entry) > 1 || self.is_worth_keeping(entry));
        }
        if entries.by_hash.len() < self.bounds.remembered {
            entries.by_hash.insert(hash, Arc::clone(&entry));
        }
        entry
    }

    fn is_worth_keeping(&self, entry: &Entry) -> bool {
        let answer = entry.answer.lock().unwrap_or_else(PoisonError::into_inner);
        let is_relied_on = |answer: &Answer| {
            answer.said.as_ref().is_ok_and(|standing| Arc::strong_count(standing) > 1 && standing.stands(now()))
        };
        let is_relied_on = answer.as_ref().is_some_and(is_relied_on);
        drop(answer);
        is_relied_on || self.fresh(entry).is_some()
    }
}
