//! Who proves who is calling: the providers of the file, made ready.

use std::{path::PathBuf, sync::Arc, time::Duration};

use portcullis_config::{
    declared::{self, ClaimNames, KeySource, ProviderKind, TokenAlgorithm},
    defaults,
    finding::Finding,
    rule::RuleId,
    span::{Span, Spanned},
};
use portcullis_identity::{
    Authenticator, Kind, PeopleSettings, Provider, Secret,
    assertion::AssertionSettings,
    aws::{ArnPattern, AwsRule, AwsSettings},
    fetch::{ClientCredentials, FetchSettings, Fetcher, ProviderUrl},
    introspection::{AnswerBounds, IntrospectionSettings},
    jwt::{self, Algorithm, ClaimMapping, ClaimPath, JwtSettings, KeyTimes, Tokens},
    oidc::{OidcSettings, UserInfo},
    session::SessionSettings,
};

use super::Compiler;

/// Every provider, or none if the file declares none. One that cannot be made ready is a finding.
pub(super) fn compile(compiler: &mut Compiler<'_>) -> Option<Arc<Authenticator>> {
    let declared = &compiler.declared.identity;
    if declared.providers.is_empty() && !compiler.declared.ports.iter().any(|port| port.clients.is_some()) {
        return None;
    }
    let mut providers = Vec::new();
    for said in &declared.providers {
        match provider(compiler, said) {
            Ok(Some(provider)) => providers.push((Arc::from(said.name.as_str()), provider)),
            Ok(None) => {}
            Err((span, message)) => {
                let message = format!("provider `{}`: {message}", *said.name);
                compiler.findings.push(Finding::new(RuleId::ProviderUnusable, span, message));
            }
        }
    }
    let place = declared.providers.first().map(|provider| provider.name.span);
    // Without providers, certificates alone prove who calls, and no store is needed.
    let people = (!declared.providers.is_empty()).then(|| people(declared));
    match (Authenticator::new(providers, &compiler.registries.identity, people), place) {
        (Ok(authenticator), _) => Some(Arc::new(authenticator)),
        (Err(why), Some(span)) => {
            compiler.findings.push(Finding::new(RuleId::ProviderUnusable, span, why));
            None
        }
        // Without it nobody is proven, and whoever asks for identity lets nobody pass.
        (Err(_), None) => None,
    }
}

/// The header in which services are told of those who call, if there is anybody to tell of.
pub(super) fn assertion_header(declared: &declared::Declared) -> Option<Box<[u8]>> {
    let identity = &declared.identity;
    let said = identity.assertion.header.as_ref().map_or(defaults::ASSERTION_HEADER, |header| header.as_str());
    (!identity.providers.is_empty()).then(|| said.as_bytes().into())
}

fn people(declared: &declared::Identity) -> PeopleSettings {
    let said = |duration: Option<Spanned<Duration>>, default| duration.map_or(default, |duration| duration.value);
    let (session, assertion) = (&declared.session, &declared.assertion);
    PeopleSettings {
        session: SessionSettings {
            idle: said(session.idle, defaults::SESSION_IDLE),
            lifetime: said(session.lifetime, defaults::SESSION_LIFETIME),
            ..SessionSettings::default()
        },
        assertion: AssertionSettings {
            issuer: assertion.issuer.as_ref().map_or(defaults::ASSERTION_ISSUER, |issuer| issuer.as_str()).into(),
            lifetime: said(assertion.lifetime, defaults::ASSERTION_LIFETIME),
        },
    }
}

type Wrong = (Span, String);

fn provider(compiler: &mut Compiler<'_>, said: &declared::Provider) -> Result<Option<Arc<Provider>>, Wrong> {
    let roots = said.ca.as_ref().map(|ca| read(compiler, ca)).transpose()?;
    let settings = FetchSettings { extra_roots: roots.clone(), ..FetchSettings::default() };
    let whole = said.ca.as_ref().map_or(said.name.span, |ca| ca.span);
    let fetcher = Fetcher::new(&settings).map_err(|error| (whole, error.to_string()))?;
    let claims = claims(&said.claims)?;
    match &said.kind {
        ProviderKind::Jwt { issuer, audiences, algorithms, keys, leeway, .. } => {
            let (keys, mut extra) = key_source(compiler, issuer, keys.as_ref())?;
            extra.extend(roots.unwrap_or_default());
            let settings = JwtSettings {
                name: said.name.as_str().into(),
                issuer: issuer.as_str().into(),
                audiences: audiences.iter().map(|audience| audience.as_str().into()).collect(),
                algorithms: signature_algorithms(algorithms),
                keys,
                key_times: KeyTimes::default(),
                tokens: Tokens::default(),
                claims,
                leeway: leeway.map_or(defaults::TOKEN_LEEWAY, |leeway: Spanned<Duration>| leeway.value),
                kind: Kind::Workload,
            };
            let provider = compiler.registries.identity.jwt(settings, &extra, fetcher);
            provider.map(Some).map_err(|message| (issuer.span, message))
        }
        ProviderKind::Tokens => Ok(Some(compiler.registries.identity.keys(&said.name.as_str().into()))),
        ProviderKind::Introspection { endpoint, client_id, client_secret, cache } => {
            let Some(secret) = client_secret else {
                return Err((client_id.span, "it is asked with a secret: add `client-secret`".to_owned()));
            };
            let fresh = cache.map_or(defaults::INTROSPECTION_CACHE, |cache: Spanned<Duration>| cache.value);
            let bounds = AnswerBounds { fresh, ..AnswerBounds::default() };
            let settings = IntrospectionSettings {
                name: said.name.as_str().into(),
                address: url(endpoint, endpoint.span)?,
                credentials: ClientCredentials {
                    id: client_id.as_str().into(),
                    secret: Secret::new(secret.value.expose()),
                },
                issuer: None,
                audiences: Vec::new(),
                claims,
                kind: Kind::Workload,
                leeway: defaults::TOKEN_LEEWAY,
                bounds,
            };
            let roots = roots.unwrap_or_default();
            Ok(Some(compiler.registries.identity.introspection(settings, &roots, fetcher)))
        }
        ProviderKind::Aws { endpoint, server, roles } => {
            let rule = |role: &Spanned<String>| {
                let arn = role.parse::<ArnPattern>().map_err(|error| (role.span, error.to_string()))?;
                Ok::<_, Wrong>(AwsRule { arn, name: None, groups: Vec::new() })
            };
            let settings = AwsSettings {
                name: said.name.as_str().into(),
                endpoint: url(endpoint, endpoint.span)?,
                server: server.as_str().into(),
                rules: roles.iter().map(rule).collect::<Result<_, _>>()?,
                longest: LONGEST_PRESIGNED,
                leeway: defaults::TOKEN_LEEWAY,
                bounds: AnswerBounds::default(),
            };
            let provider = compiler.registries.identity.aws(settings, &roots.unwrap_or_default(), fetcher);
            provider.map(Some).map_err(|message| (server.span, message.to_owned()))
        }
        ProviderKind::Oidc { issuer, client_id, client_secret, scopes, refresh } => {
            let scope = |scope: &Spanned<String>| scope.as_str().into();
            let settings = OidcSettings {
                name: said.name.as_str().into(),
                issuer: issuer.as_str().into(),
                client_id: client_id.as_str().into(),
                client_secret: client_secret.as_ref().map(|secret| Secret::new(secret.value.expose())),
                scopes: if scopes.is_empty() {
                    defaults::OIDC_SCOPES.iter().map(|scope| (*scope).into()).collect()
                } else {
                    scopes.iter().map(scope).collect()
                },
                refresh: refresh.map_or(defaults::CLAIMS_REFRESH, |refresh: Spanned<Duration>| refresh.value),
                user_info: UserInfo::Asked,
                claims,
                algorithms: Algorithm::ALL.to_vec(),
                leeway: defaults::TOKEN_LEEWAY,
            };
            let provider = compiler.registries.identity.oidc(settings, &roots.unwrap_or_default(), fetcher);
            provider.map(Some).map_err(|message| (issuer.span, message))
        }
        ProviderKind::Local => Ok(Some(compiler.registries.identity.local(&said.name.as_str().into()))),
    }
}

/// How long a presigned request may be good for: as long as those of the EKS authenticator.
const LONGEST_PRESIGNED: Duration = Duration::from_mins(15);

fn url(text: &str, span: Span) -> Result<ProviderUrl, Wrong> {
    text.parse::<ProviderUrl>().map_err(|error| (span, error.to_string()))
}

fn key_source(
    compiler: &mut Compiler<'_>,
    issuer: &Spanned<String>,
    said: Option<&Spanned<KeySource>>,
) -> Result<(jwt::KeySource, Vec<u8>), Wrong> {
    Ok(match said.map(|keys| (&keys.value, keys.span)) {
        None => (jwt::KeySource::Discovery(url(issuer, issuer.span)?), Vec::new()),
        Some((KeySource::Url(text), span)) => (jwt::KeySource::Url(url(text, span)?), Vec::new()),
        Some((KeySource::File(path), span)) => {
            let bytes = read(compiler, &Spanned::new(path.clone(), span))?;
            (jwt::KeySource::Fixed(bytes.clone()), bytes)
        }
    })
}

fn signature_algorithms(said: &[Spanned<TokenAlgorithm>]) -> Vec<Algorithm> {
    let one = |algorithm: &Spanned<TokenAlgorithm>| match algorithm.value {
        TokenAlgorithm::Rs256 => Algorithm::Rs256,
        TokenAlgorithm::Rs384 => Algorithm::Rs384,
        TokenAlgorithm::Rs512 => Algorithm::Rs512,
        TokenAlgorithm::Ps256 => Algorithm::Ps256,
        TokenAlgorithm::Ps384 => Algorithm::Ps384,
        TokenAlgorithm::Ps512 => Algorithm::Ps512,
        TokenAlgorithm::Es256 => Algorithm::Es256,
        TokenAlgorithm::Es384 => Algorithm::Es384,
        TokenAlgorithm::EdDsa => Algorithm::EdDsa,
    };
    if said.is_empty() { Algorithm::ALL.to_vec() } else { said.iter().map(one).collect() }
}

fn claims(said: &ClaimNames) -> Result<ClaimMapping, Wrong> {
    let path = |name: &Spanned<String>| name.parse::<ClaimPath>().map_err(|error| (name.span, error.to_string()));
    Ok(ClaimMapping {
        groups: said.groups.as_ref().map(path).transpose()?,
        name: said.name.as_ref().map(path).transpose()?,
        extra: said.further.iter().map(path).collect::<Result<_, _>>()?,
    })
}

/// Longest file of keys, bytes: some thousand of them.
const LONGEST: u64 = 4 * 1024 * 1024;

/// A file that a provider needs; a repaired one is a change.
fn read(compiler: &mut Compiler<'_>, file: &Spanned<PathBuf>) -> Result<Vec<u8>, Wrong> {
    compiler.watch(&file.value);
    portcullis_files::read(&file.value, LONGEST).map_err(|error| (file.span, format!("{}: {error}", file.display())))
}
