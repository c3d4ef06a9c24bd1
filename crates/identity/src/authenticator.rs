//! Who is calling, by whatever the request shows: the providers of the file, asked in order.
//!
//! Owns: the choice of the provider that judges, and what outlives a reload ([`Registry`]): keys that were fetched,
//! proofs that were seen.
//!
//! Invariant: a provider that is not asked proves nobody. What one provider refuses, another of those asked may still
//! prove; where none does, the first refusal is the answer, and a provider that could not judge is no reason to pass.

use std::{
    fmt,
    path::PathBuf,
    sync::{Arc, Mutex, OnceLock, PoisonError, Weak},
};

use bytes::Bytes;
use http::{Response, StatusCode};

use crate::{
    Basis, ClientCertificate, Kind, NotProven, OpenError, PageRequest, PeopleSettings, Presented, Principal, Refusal,
    Standing,
    assertion::Assertion,
    aws::{AwsProvider, AwsSettings},
    dpop::{Dpop, DpopSettings},
    fetch::Fetcher,
    introspection::{IntrospectionProvider, IntrospectionSettings},
    jwt::{JwtProvider, JwtSettings},
    keys::KeyTable,
    local::LocalProvider,
    oidc::{OidcProvider, OidcSettings},
    pages::{self, PeopleProvider},
    people::{House, Open, People, Shared},
};

/// A provider of one [`Authenticator`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ProviderId(u16);

impl ProviderId {
    /// Its place among the providers of the authenticator.
    pub fn number(self) -> u16 {
        self.0
    }
}

/// Who proves identities of one kind.
#[derive(Debug)]
pub enum Provider {
    /// Signed tokens of an issuer.
    Jwt(Box<JwtProvider>),
    /// Opaque tokens, which whoever made them judges.
    Introspection(Box<IntrospectionProvider>),
    /// AWS identities.
    Aws(Box<AwsProvider>),
    /// Keys of the proxy's own.
    Keys(Arc<KeyTable>),
    /// People that the proxy itself knows.
    Local(Local),
    /// People who log in at a provider with pages of its own.
    Oidc(Arc<OidcProvider>),
}

/// People that the proxy itself knows: made when the store is open, and kept as long as some plan has it, so that who
/// guesses passwords is not forgotten by a reload.
#[derive(Debug, Default)]
pub struct Local(OnceLock<Arc<LocalProvider>>);

/// The providers of one plan.
#[derive(Debug)]
pub struct Authenticator {
    providers: Vec<(Arc<str>, Arc<Provider>)>,
    dpop: Arc<Dpop>,
    people: Option<People>,
}

impl Authenticator {
    /// Of these providers, by name, in the order of the file; without `people`, nobody logs in and no service is told
    /// anything. An error if the system gives no random numbers.
    pub fn new(
        providers: Vec<(Arc<str>, Arc<Provider>)>,
        registry: &Registry,
        people: Option<PeopleSettings>,
    ) -> Result<Self, &'static str> {
        Ok(Self { providers, dpop: registry.dpop()?, people: people.map(People::new) })
    }

    /// Opens what logins and assertions need, before the plan of these providers runs: on the control plane, whose
    /// runtime serves them from then on. `place` is where the store lies.
    pub async fn open(&self, registry: &Registry, place: Option<PathBuf>) -> Result<(), OpenError> {
        let Some(people) = &self.people else { return Ok(()) };
        people.open(&registry.people, place, |house| self.for_people(house)).await
    }

    /// Whether there are pages of ours and assertions at all.
    pub fn has_pages(&self) -> bool {
        self.people.is_some()
    }

    /// Those of these providers that people log in at.
    pub fn for_login<'a>(&'a self, asked: &'a [ProviderId]) -> impl Iterator<Item = &'a Arc<str>> {
        let of = |id: &ProviderId| self.providers.get(usize::from(id.0));
        let is_for_people = |provider: &Provider| matches!(provider, Provider::Local(_) | Provider::Oidc(_));
        asked.iter().filter_map(of).filter(move |(_, provider)| is_for_people(provider)).map(|(name, _)| name)
    }

    /// Answers a request for one of our pages, on the runtime of the control plane.
    pub async fn page(&self, asked: PageRequest) -> Response<Bytes> {
        match self.opened() {
            Some(open) => open.page(asked).await,
            None => pages::problem(StatusCode::SERVICE_UNAVAILABLE, "logins are not ready yet"),
        }
    }

    /// What a service is told of a sender. Good for several requests: see [`Assertion::valid_until`].
    pub fn assertion(&self, standing: &Standing, service: &str) -> Option<Assertion> {
        self.opened()?.assertions.header_for(standing, service)
    }

    fn opened(&self) -> Option<&Open> {
        self.people.as_ref()?.opened()
    }

    fn for_people(&self, house: &House) -> Result<Vec<PeopleProvider>, OpenError> {
        let mut found = Vec::new();
        for (name, provider) in &self.providers {
            match &**provider {
                Provider::Local(local) => found.push(PeopleProvider::Local(local.opened(name, house)?)),
                Provider::Oidc(provider) => found.push(PeopleProvider::Oidc(Arc::clone(provider))),
                _ => {}
            }
        }
        Ok(found)
    }

    /// The provider of that name.
    pub fn provider(&self, name: &str) -> Option<ProviderId> {
        let at = self.providers.iter().position(|(known, _)| **known == *name)?;
        u16::try_from(at).ok().map(ProviderId)
    }

    /// Who is calling, as far as these providers can tell. May wait for one of them.
    ///
    /// A standing that is bound to a key counts for this request, and for each further one, only after
    /// [`check_request`](Self::check_request).
    pub async fn prove(&self, presented: &Presented, asked: &[ProviderId]) -> Result<Arc<Standing>, NotProven> {
        let mut answer = NotProven::Nobody;
        for (name, provider) in self.in_order(asked) {
            let judged = match &**provider {
                Provider::Jwt(provider) => provider.prove(presented).await,
                Provider::Introspection(_) | Provider::Aws(_) => self.ask(provider, presented).await,
                Provider::Keys(table) => table.prove(presented),
                Provider::Local(_) | Provider::Oidc(_) => self.by_session(name, presented),
            };
            match judged {
                Ok(standing) => return Ok(standing),
                Err(not_proven) => answer = first(answer, not_proven),
            }
        }
        // A token that nobody believes is not made good by a certificate: whoever shows both means both.
        match &presented.certificate {
            Some(certificate) if answer == NotProven::Nobody => Ok(Arc::new(of_certificate(certificate))),
            _ => Err(answer),
        }
    }

    /// Those that are asked, in the order of the file, but introspection last: it takes every text for a token, also
    /// those that another provider would know.
    fn in_order<'a>(&'a self, asked: &'a [ProviderId]) -> impl Iterator<Item = &'a (Arc<str>, Arc<Provider>)> {
        let all = move || asked.iter().filter_map(|id| self.providers.get(usize::from(id.0)));
        let is_last = |(_, provider): &&(Arc<str>, Arc<Provider>)| matches!(**provider, Provider::Introspection(_));
        all().filter(move |known| !is_last(known)).chain(all().filter(is_last))
    }

    /// Asks somebody elsewhere, with connections that are kept: they belong to the runtime of the control plane, and
    /// not to that of a worker.
    async fn ask(&self, provider: &Arc<Provider>, presented: &Presented) -> Result<Arc<Standing>, NotProven> {
        let Some(open) = self.opened() else {
            return Err(NotProven::Unavailable("providers are not ready yet".into()));
        };
        let (provider, presented) = (Arc::clone(provider), presented.clone());
        let asking = open.house.runtime.spawn(async move {
            match &*provider {
                Provider::Introspection(provider) => provider.prove(&presented).await,
                Provider::Aws(provider) => provider.prove(&presented).await,
                _ => Err(NotProven::Nobody),
            }
        });
        asking.await.unwrap_or_else(|_| Err(NotProven::Unavailable("asking the provider broke off".into())))
    }

    /// Whoever has logged in at this provider.
    fn by_session(&self, provider: &str, presented: &Presented) -> Result<Arc<Standing>, NotProven> {
        if presented.session.is_none() {
            return Err(NotProven::Nobody);
        }
        let Some(open) = self.opened() else { return Err(NotProven::Unavailable("logins are not ready yet".into())) };
        let standing = open.house.sessions.prove(presented)?;
        if *standing.principal.provider == *provider {
            return Ok(standing);
        }
        let detail = format!("the login is one at `{}`, which is not asked here", standing.principal.provider);
        Err(Refusal::token("other-provider", detail).into())
    }

    /// Whether this request may rely on a standing that is bound to a key or a certificate. Exactly once for each
    /// request, see [`Dpop::check_request`].
    pub fn check_request(&self, standing: &Standing, presented: &Presented) -> Result<(), Refusal> {
        self.dpop.check_request(standing, presented)
    }

    /// The tables of keys that want to be told of changes.
    pub fn key_tables(&self) -> Vec<Arc<KeyTable>> {
        let tables = self.providers.iter().filter_map(|(_, provider)| match &**provider {
            Provider::Keys(table) => Some(Arc::clone(table)),
            _ => None,
        });
        tables.collect()
    }

    /// Keeps what providers publish fresh, for ever: run it as a task of the control plane.
    pub async fn keep_fresh(&self) {
        let mut tasks = tokio::task::JoinSet::new();
        let sessions = self.opened().map(|open| Arc::clone(&open.house.sessions));
        for (_, provider) in &self.providers {
            let (provider, sessions) = (Arc::clone(provider), sessions.clone());
            tasks.spawn(async move {
                match (&*provider, sessions) {
                    (Provider::Jwt(provider), _) => provider.keep_keys_fresh().await,
                    (Provider::Introspection(provider), _) => provider.keep_fresh().await,
                    (Provider::Oidc(provider), Some(sessions)) => match Arc::clone(provider).tend(sessions).await {},
                    _ => {}
                }
            });
        }
        if let (Some(open), Some(sessions)) = (self.opened(), sessions) {
            let assertions = Arc::clone(&open.assertions);
            tasks.spawn(async move { match sessions.tend().await {} });
            tasks.spawn(async move { match assertions.tend().await {} });
        }
        while tasks.join_next().await.is_some() {}
    }
}

/// A more telling answer is kept: what was refused, then who could not judge, then nothing.
fn first(known: NotProven, next: NotProven) -> NotProven {
    let is_of_another =
        |answer: &NotProven| matches!(answer, NotProven::Refused(refusal) if refusal.reason == "wrong-issuer");
    match (&known, &next) {
        (NotProven::Nobody, _) => next,
        (_, NotProven::Nobody) => known,
        _ if is_of_another(&known) => next,
        (NotProven::Unavailable(_), NotProven::Refused(_)) if !is_of_another(&next) => next,
        _ => known,
    }
}

/// A program that has shown its certificate. Its provider is called `certificate`.
fn of_certificate(certificate: &ClientCertificate) -> Standing {
    let spiffe = certificate.names.iter().find(|name| name.starts_with("spiffe://"));
    let subject = spiffe.or(certificate.names.first()).unwrap_or(&certificate.subject);
    // `spiffe://house/shop` is `shop` to whoever writes policies.
    let path = spiffe.and_then(|id| id.strip_prefix("spiffe://")?.split_once('/')).map(|(_, path)| path);
    let principal = Principal {
        kind: Kind::Workload,
        provider: "certificate".into(),
        subject: subject.clone(),
        name: path.filter(|path| !path.is_empty()).map_or_else(|| subject.clone(), Into::into),
        email: None,
        groups: Box::default(),
        claims: std::collections::BTreeMap::new(),
    };
    Standing::new(principal, Basis::Certificate(certificate.thumbprint), certificate.not_after)
}

/// What outlives a plan: providers whose settings stay the same keep their keys and their memory.
#[derive(Default)]
pub struct Registry {
    dpop: Mutex<Option<Arc<Dpop>>>,
    known: Mutex<Vec<(Vec<u8>, Weak<Provider>)>>,
    people: Shared,
}

impl Local {
    fn opened(&self, name: &Arc<str>, house: &House) -> Result<Arc<LocalProvider>, OpenError> {
        if let Some(provider) = self.0.get() {
            return Ok(Arc::clone(provider));
        }
        let made = Arc::new(LocalProvider::new(Arc::clone(name), house.vault.clone())?);
        Ok(Arc::clone(self.0.get_or_init(|| made)))
    }
}

impl Registry {
    /// The judge of proofs, one for the whole process. An error if the system gives no random numbers.
    fn dpop(&self) -> Result<Arc<Dpop>, &'static str> {
        let mut dpop = self.dpop.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(dpop) = &*dpop {
            return Ok(Arc::clone(dpop));
        }
        let made = Arc::new(Dpop::new(DpopSettings::default())?);
        *dpop = Some(Arc::clone(&made));
        Ok(made)
    }

    /// The provider with these settings: the one that runs, or a new one. `extra` is what the settings do not show of
    /// themselves: bytes of keys and authorities.
    pub fn jwt(&self, settings: JwtSettings, extra: &[u8], fetcher: Fetcher) -> Result<Arc<Provider>, String> {
        let key = [format!("{settings:?}").as_bytes(), extra].concat();
        self.known(key, || Ok(Arc::new(Provider::Jwt(Box::new(JwtProvider::new(settings, fetcher)?)))))
    }

    /// See [`jwt`](Self::jwt).
    pub fn introspection(&self, settings: IntrospectionSettings, extra: &[u8], fetcher: Fetcher) -> Arc<Provider> {
        let key = [format!("{settings:?}").as_bytes(), settings.credentials.secret.expose().as_bytes(), extra].concat();
        let make = || {
            let provider = IntrospectionProvider::new(settings, fetcher);
            Ok::<_, std::convert::Infallible>(Arc::new(Provider::Introspection(Box::new(provider))))
        };
        self.known(key, make).unwrap_or_else(|never| match never {})
    }

    /// See [`jwt`](Self::jwt).
    pub fn aws(&self, settings: AwsSettings, extra: &[u8], fetcher: Fetcher) -> Result<Arc<Provider>, &'static str> {
        let key = [format!("{settings:?}").as_bytes(), extra].concat();
        self.known(key, || Ok(Arc::new(Provider::Aws(Box::new(AwsProvider::new(settings, fetcher)?)))))
    }

    /// See [`jwt`](Self::jwt).
    pub fn oidc(&self, settings: OidcSettings, extra: &[u8], fetcher: Fetcher) -> Result<Arc<Provider>, String> {
        let secret = settings.client_secret.as_ref().map_or("", |secret| secret.expose());
        let key = [format!("{settings:?}").as_bytes(), secret.as_bytes(), extra].concat();
        self.known(key, || Ok(Arc::new(Provider::Oidc(Arc::new(OidcProvider::new(settings, fetcher)?)))))
    }

    /// People that the proxy itself knows, under this name.
    pub fn local(&self, name: &Arc<str>) -> Arc<Provider> {
        let key = [b"local ", name.as_bytes()].concat();
        let make = || Ok::<_, std::convert::Infallible>(Arc::new(Provider::Local(Local::default())));
        self.known(key, make).unwrap_or_else(|never| match never {})
    }

    /// The keys of the proxy's own, under this name.
    pub fn keys(&self, name: &Arc<str>) -> Arc<Provider> {
        let key = [b"keys ", name.as_bytes()].concat();
        let make =
            || Ok::<_, std::convert::Infallible>(Arc::new(Provider::Keys(Arc::new(KeyTable::new(Arc::clone(name))))));
        self.known(key, make).unwrap_or_else(|never| match never {})
    }

    fn known<E>(&self, key: Vec<u8>, make: impl FnOnce() -> Result<Arc<Provider>, E>) -> Result<Arc<Provider>, E> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.retain(|(_, provider)| provider.strong_count() > 0);
        if let Some(provider) = known.iter().find(|(of, _)| *of == key).and_then(|(_, provider)| provider.upgrade()) {
            return Ok(provider);
        }
        let provider = make()?;
        known.push((key, Arc::downgrade(&provider)));
        Ok(provider)
    }
}

impl fmt::Debug for Registry {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Registry").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spiffe_id_is_known_by_its_path() {
        let certificate = ClientCertificate {
            thumbprint: [7; 32],
            subject: "CN=shop".into(),
            names: ["shop".into(), "spiffe://house/shop/web".into()].into(),
            not_after: u64::MAX,
        };
        let standing = of_certificate(&certificate);
        assert_eq!((&*standing.principal.subject, &*standing.principal.name), ("spiffe://house/shop/web", "shop/web"));
    }

    #[test]
    fn the_most_telling_answer_is_kept() {
        let refused = |reason| NotProven::Refused(Refusal::token(reason, "…"));
        let unavailable = NotProven::Unavailable("down".into());
        for (known, next, expected) in [
            (NotProven::Nobody, refused("expired"), refused("expired")),
            (refused("expired"), NotProven::Nobody, refused("expired")),
            (refused("wrong-issuer"), refused("expired"), refused("expired")),
            (refused("expired"), refused("wrong-issuer"), refused("expired")),
            (refused("wrong-issuer"), unavailable.clone(), unavailable.clone()),
            (unavailable.clone(), refused("wrong-issuer"), unavailable.clone()),
        ] {
            assert_eq!(first(known, next), expected);
        }
    }
}
