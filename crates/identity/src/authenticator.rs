//! Who is calling, by whatever the request shows: the providers of the file, asked in order.
//!
//! Owns: the choice of the provider that judges, and what outlives a reload ([`Registry`]): keys that were fetched,
//! proofs that were seen.
//!
//! Invariant: a provider that is not asked proves nobody. What one provider refuses, another of those asked may still
//! prove; where none does, the first refusal is the answer, and a provider that could not judge is no reason to pass.

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError, Weak},
};

use crate::{
    Basis, ClientCertificate, Kind, NotProven, Presented, Principal, Refusal, Standing,
    aws::{AwsProvider, AwsSettings},
    dpop::{Dpop, DpopSettings},
    fetch::Fetcher,
    introspection::{IntrospectionProvider, IntrospectionSettings},
    jwt::{JwtProvider, JwtSettings},
    keys::KeyTable,
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
}

/// The providers of one plan.
#[derive(Debug)]
pub struct Authenticator {
    providers: Vec<(Arc<str>, Arc<Provider>)>,
    dpop: Arc<Dpop>,
}

impl Authenticator {
    /// Of these providers, by name, in the order of the file. An error if the system gives no random numbers.
    pub fn new(providers: Vec<(Arc<str>, Arc<Provider>)>, registry: &Registry) -> Result<Self, &'static str> {
        Ok(Self { providers, dpop: registry.dpop()? })
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
        for id in asked {
            let Some((_, provider)) = self.providers.get(usize::from(id.0)) else { continue };
            let judged = match &**provider {
                Provider::Jwt(provider) => provider.prove(presented).await,
                Provider::Introspection(provider) => provider.prove(presented).await,
                Provider::Aws(provider) => provider.prove(presented).await,
                Provider::Keys(table) => table.prove(presented),
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
        for (_, provider) in &self.providers {
            let provider = Arc::clone(provider);
            tasks.spawn(async move {
                match &*provider {
                    Provider::Jwt(provider) => provider.keep_keys_fresh().await,
                    Provider::Introspection(provider) => provider.keep_fresh().await,
                    Provider::Aws(_) | Provider::Keys(_) => {}
                }
            });
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
