//! What a worker remembers of those who call: who showed what, and what was decided about them.
//!
//! Owns: the two memories and their bounds. Nothing in them outlives what it rests on: a proof goes with its
//! [`Standing`], a decision with its time, both with the plan.
//!
//! Must not know: how identities are proven ([`crate::authenticate`]), who may pass ([`crate::authorise`]).

use std::{
    cell::{Cell, RefCell},
    collections::HashMap,
    net::IpAddr,
    rc::Rc,
    sync::Arc,
};

use portcullis_grants::Grant;
use portcullis_identity::{ProviderId, Standing, assertion::Assertion};
use portcullis_policy::{Caller, RouteId};

/// Callers that one worker remembers. When there are more, it forgets all and proves them again.
const MOST_CALLERS: usize = 8192;
/// Decisions about one caller, and about all who prove nothing.
const MOST_DECISIONS: usize = 1024;

/// Of one worker.
#[derive(Debug, Default)]
pub(crate) struct Callers {
    generation: Cell<u64>,
    known: RefCell<HashMap<Box<[u8]>, Rc<Known>>>,
    anonymous: Decisions,
    open: Answer,
}

/// A caller whose identity is proven.
#[derive(Debug)]
pub(crate) struct Known {
    pub(crate) standing: Arc<Standing>,
    /// As policies see it.
    pub(crate) caller: Caller,
    /// Who vouches for it; `None` for a certificate.
    pub(crate) provider: Option<ProviderId>,
    pub(crate) decisions: Decisions,
    /// What services (by index) are told of it, until it is too old.
    pub(crate) assertions: RefCell<Vec<(usize, Assertion)>>,
}

/// Answers that hold for more than one request.
#[derive(Debug, Default)]
pub(crate) struct Decisions(RefCell<HashMap<Question, Answer>>);

/// Everything that a decision which is remembered may depend on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Question {
    pub(crate) route: RouteId,
    /// Index of the port.
    pub(crate) port: usize,
    pub(crate) source: IpAddr,
    /// SHA-256 of the client certificate.
    pub(crate) certificate: Option<[u8; 32]>,
    /// Number of the grant that the caller holds.
    pub(crate) grant: Option<u64>,
}

/// A decision. The default is that of a route that is open to everybody.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) allowed: bool,
    /// In seconds since 1970.
    pub(crate) until: u64,
    /// Which policies made it; none if no policy permits it.
    pub(crate) policies: Rc<[Box<str>]>,
    /// The grant without which it would be another.
    pub(crate) grant: Option<Arc<Grant>>,
}

impl Default for Answer {
    fn default() -> Self {
        Self { allowed: true, until: u64::MAX, policies: Rc::default(), grant: None }
    }
}

impl Callers {
    /// Forgets what was proven and decided under another plan.
    pub(crate) fn follow(&self, generation: u64) {
        if self.generation.replace(generation) != generation {
            self.known.borrow_mut().clear();
            self.anonymous.0.borrow_mut().clear();
        }
    }

    /// Who showed this, if that still stands.
    pub(crate) fn find(&self, shown: &[u8], now: u64) -> Option<Rc<Known>> {
        let known = Rc::clone(self.known.borrow().get(shown)?);
        if known.standing.stands(now) {
            return Some(known);
        }
        self.known.borrow_mut().remove(shown);
        None
    }

    pub(crate) fn remember(&self, shown: &[u8], known: Rc<Known>) {
        let mut all = self.known.borrow_mut();
        if all.len() >= MOST_CALLERS {
            all.clear();
        }
        all.insert(shown.into(), known);
    }

    /// The answer where everybody may pass.
    pub(crate) fn open(&self) -> &Answer {
        &self.open
    }

    /// Decisions about those who prove nothing.
    pub(crate) fn anonymous(&self) -> &Decisions {
        &self.anonymous
    }
}

impl Decisions {
    pub(crate) fn find(&self, question: &Question, now: u64) -> Option<Answer> {
        self.0.borrow().get(question).filter(|answer| now < answer.until).cloned()
    }

    pub(crate) fn remember(&self, question: Question, answer: Answer) {
        let mut all = self.0.borrow_mut();
        if all.len() >= MOST_DECISIONS {
            all.clear();
        }
        all.insert(question, answer);
    }
}
