//! Logins while the program runs: what all plans share of them, and the desk at which a worker asks for one of our pages.
//!
//! Owns: opening the store for sessions and assertion keys, once for all plans; the runtime on which pages are answered
//! and providers are asked; how many pages are answered at once.
//!
//! Must not know: which route asks for what ([`crate::Authenticator`] is told), nor connections.
//!
//! Invariant: until it is opened nobody is proven by a session and nothing is asserted. Pages hash passwords and ask
//! providers, so they are answered by the runtime that opened this, never by a worker.

use std::{
    net::IpAddr,
    path::PathBuf,
    sync::{Arc, OnceLock},
};

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use portcullis_store::{Store, StoreError};
use tokio::{
    runtime::Handle,
    sync::{OnceCell, Semaphore},
};

use crate::{
    KeyError,
    assertion::{AssertionSettings, Assertions},
    local::PasswordError,
    pages::{self, PageContext, Pages, PeopleProvider},
    session::{SessionSettings, Sessions},
    site::Site,
    vault::Vault,
};

/// Pages that are answered at once, in the whole process; past it, people are asked to try again.
const PAGES_AT_ONCE: usize = 128;

/// How logins are kept and services are told, as the file says it.
#[derive(Debug, Clone)]
pub struct PeopleSettings {
    /// How long a login lasts.
    pub session: SessionSettings,
    /// What services are told of those who call.
    pub assertion: AssertionSettings,
}

/// Why logins could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Nothing tells where the store lies.
    #[error("no place for the store of logins and signing keys is known; set PORTCULLIS_STORE to a file")]
    NoPlace,
    /// It can not be opened.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Its keys can not be read or made.
    #[error("the store of logins and signing keys can not be used: {0}")]
    Keys(#[from] KeyError),
    /// The system gives no random bytes.
    #[error("passwords can not be checked: {0}")]
    Passwords(#[from] PasswordError),
    /// The program ends.
    #[error("the program is ending")]
    Closing,
}

/// A request for one of our pages, and where it came in.
#[derive(Debug)]
pub struct PageRequest {
    /// All of it; of cookies, ours are enough.
    pub request: Request<Bytes>,
    /// `http` or `https`, by what the port itself speaks.
    pub scheme: &'static str,
    /// Host in lower case with the port number, if one was given.
    pub authority: Box<str>,
    /// Where the client is.
    pub source: Option<IpAddr>,
    /// Names of the providers that are offered there.
    pub providers: Vec<Arc<str>>,
}

/// What every plan shares, opened when the first one needs it.
#[derive(Debug, Default)]
pub(crate) struct Shared(OnceCell<Arc<House>>);

/// The store, the sessions in it, and who serves them.
#[derive(Debug)]
pub(crate) struct House {
    pub(crate) vault: Vault,
    pub(crate) sessions: Arc<Sessions>,
    pub(crate) runtime: Handle,
    pages: Arc<Semaphore>,
}

impl Shared {
    /// The one house of the process. Where it can not be opened now, the next plan tries again.
    pub(crate) async fn open(
        &self,
        place: Option<PathBuf>,
        settings: SessionSettings,
    ) -> Result<Arc<House>, OpenError> {
        let make = async || {
            let place = place.ok_or(OpenError::NoPlace)?;
            let opened = tokio::task::spawn_blocking(move || Store::open(&place)).await;
            let vault = Vault::new(opened.map_err(|_| OpenError::Closing)??);
            let sessions = Arc::new(Sessions::open(vault.clone(), settings).await?);
            let pages = Arc::new(Semaphore::new(PAGES_AT_ONCE));
            Ok::<_, OpenError>(Arc::new(House { vault, sessions, runtime: Handle::current(), pages }))
        };
        self.0.get_or_try_init(make).await.map(Arc::clone)
    }
}

/// Logins of one plan.
#[derive(Debug)]
pub(crate) struct People {
    settings: PeopleSettings,
    open: OnceLock<Open>,
}

/// Logins of one plan that runs.
#[derive(Debug)]
pub(crate) struct Open {
    pub(crate) house: Arc<House>,
    pub(crate) assertions: Arc<Assertions>,
    pages: Arc<Pages>,
}

impl People {
    pub(crate) fn new(settings: PeopleSettings) -> Self {
        Self { settings, open: OnceLock::new() }
    }

    /// What is there, once it was opened.
    pub(crate) fn opened(&self) -> Option<&Open> {
        self.open.get()
    }

    /// Opens the store, or joins those who have; `providers` are made with it.
    pub(crate) async fn open(
        &self,
        shared: &Shared,
        place: Option<PathBuf>,
        providers: impl FnOnce(&House) -> Result<Vec<PeopleProvider>, OpenError>,
    ) -> Result<(), OpenError> {
        if self.open.get().is_some() {
            return Ok(());
        }
        let house = shared.open(place, self.settings.session).await?;
        let assertions = Arc::new(Assertions::open(house.vault.clone(), self.settings.assertion.clone()).await?);
        let providers = providers(&house)?;
        house.sessions.configure(self.settings.session);
        let pages = Pages { sessions: Arc::clone(&house.sessions), providers, assertions: Arc::clone(&assertions) };
        // Whoever was faster has made the same.
        let _ = self.open.set(Open { house, assertions, pages: Arc::new(pages) });
        Ok(())
    }
}

impl Open {
    /// Answers a request for one of our pages. Whoever asks may go away meanwhile: what was begun is done.
    pub(crate) async fn page(&self, asked: PageRequest) -> Response<Bytes> {
        let Ok(place) = Arc::clone(&self.house.pages).try_acquire_owned() else {
            return pages::problem(StatusCode::SERVICE_UNAVAILABLE, "many people log in at this moment; try again");
        };
        let pages = Arc::clone(&self.pages);
        let answering = self.house.runtime.spawn(async move {
            let _place = place;
            let PageRequest { request, scheme, authority, source, providers } = asked;
            let site = Site { scheme, authority: &authority };
            pages.handle(request, &PageContext { site, source, providers: &providers }).await
        });
        let broken = |_| pages::problem(StatusCode::INTERNAL_SERVER_ERROR, "the page could not be made");
        answering.await.unwrap_or_else(broken)
    }
}
