//! What the file says about proving who calls.

use std::{path::PathBuf, time::Duration};

use crate::{secret::Secret, span::Spanned};

/// `identity:` who proves who is calling, and what services are told of it.
#[derive(Debug, Default)]
pub struct Identity {
    /// `providers:` in the order in which they are asked.
    pub providers: Vec<Provider>,
    /// Names of providers that are declared but could not be read; each has a finding of its own.
    pub unreadable: Vec<String>,
    /// `session:` how long a login lasts.
    pub session: SessionTimes,
    /// `assertion:` what services get.
    pub assertion: AssertionSettings,
}

/// Who proves identities of one kind.
#[derive(Debug)]
pub struct Provider {
    /// Its name, which stands in logs, policies and paths.
    pub name: Spanned<String>,
    /// How it does it.
    pub kind: ProviderKind,
    /// Which of the things that it says are believed to be what.
    pub claims: ClaimNames,
    /// `ca:` PEM file with further CAs that its TLS certificate may come from.
    pub ca: Option<Spanned<PathBuf>>,
}

/// The one key of a provider that says what it is.
#[derive(Debug)]
pub enum ProviderKind {
    /// `oidc: https://id.example.com`: people log in there with a browser.
    Oidc {
        /// The issuer, exactly as its discovery document and tokens name it.
        issuer: Spanned<String>,
        /// `client-id:`
        client_id: Spanned<String>,
        /// `client-secret:`; a public client has none.
        client_secret: Option<Spanned<Secret>>,
        /// `scopes:` beyond `openid`; default `email`, `profile`.
        scopes: Vec<Spanned<String>>,
        /// `refresh:` how often claims are asked for again; default 5 minutes.
        refresh: Option<Spanned<Duration>>,
    },
    /// `jwt: https://id.example.com`: machines show signed tokens of this issuer.
    Jwt {
        /// The issuer, exactly as tokens name it.
        issuer: Spanned<String>,
        /// `audience:` any of these must be meant.
        audiences: Vec<Spanned<String>>,
        /// `algorithms:` default all asymmetric ones that the keys fit.
        algorithms: Vec<Spanned<TokenAlgorithm>>,
        /// `keys:` a URL or a file with a JWK set; default what the issuer's discovery document names.
        keys: Option<Spanned<KeySource>>,
        /// `proof: required`: tokens must be bound to a key of the caller (RFC 9449, RFC 8705).
        proof: Option<Spanned<ProofOfPossession>>,
        /// `leeway:` how far clocks may differ; default 1 minute.
        leeway: Option<Spanned<Duration>>,
    },
    /// `introspection: https://id.example.com/introspect`: opaque tokens, judged by whoever made them (RFC 7662).
    Introspection {
        /// Where to ask.
        endpoint: Spanned<String>,
        /// `client-id:`
        client_id: Spanned<String>,
        /// `client-secret:`
        client_secret: Option<Spanned<Secret>>,
        /// `cache:` how long an answer is believed; default 30 seconds.
        cache: Option<Spanned<Duration>>,
    },
    /// `local: true`: people that Portcullis itself knows (`portcullis user add`).
    Local,
    /// `tokens: true`: API keys and service tokens that Portcullis itself made (`portcullis token create`).
    Tokens,
    /// `aws: https://sts.amazonaws.com`: workloads that prove an AWS identity by a presigned request.
    Aws {
        /// The STS endpoint.
        endpoint: Spanned<String>,
        /// `server:` the name of this proxy that a request must be signed for.
        server: Spanned<String>,
        /// `roles:` patterns of ARNs that are believed, `*` for any characters.
        roles: Vec<Spanned<String>>,
    },
}

/// Names of claims.
#[derive(Debug, Default)]
pub struct ClaimNames {
    /// `groups:` claim with the groups; dots lead into objects. Default `groups`.
    pub groups: Option<Spanned<String>>,
    /// `name:` claim with the name by which `allow: { users: … }` knows people. Default: the verified e-mail address, else `sub`.
    pub name: Option<Spanned<String>>,
    /// `claims:` further claims that policies and routes may ask for.
    pub further: Vec<Spanned<String>>,
}

/// Where the keys come from that tokens are verified with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeySource {
    /// A JWK set that is asked for again and again.
    Url(String),
    /// A file with a JWK set.
    File(PathBuf),
}

/// Asymmetric signature algorithms of tokens (RFC 7518 3.1, RFC 8037); there is no other kind, so that a public key can
/// never be taken for a shared secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TokenAlgorithm {
    /// RSA PKCS#1 with SHA-256.
    Rs256,
    /// RSA PKCS#1 with SHA-384.
    Rs384,
    /// RSA PKCS#1 with SHA-512.
    Rs512,
    /// RSA PSS with SHA-256.
    Ps256,
    /// RSA PSS with SHA-384.
    Ps384,
    /// RSA PSS with SHA-512.
    Ps512,
    /// ECDSA on P-256.
    Es256,
    /// ECDSA on P-384.
    Es384,
    /// Ed25519.
    EdDsa,
}

/// Whether a token alone is proof enough.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ProofOfPossession {
    /// A token that is bound to a key needs the proof, another one does not.
    Optional,
    /// Only tokens that are bound to a key, with the proof.
    Required,
}

/// `session: { idle: 1h, lifetime: 12h }`
#[derive(Debug, Default)]
pub struct SessionTimes {
    /// `idle:` ends a login that nobody uses.
    pub idle: Option<Spanned<Duration>>,
    /// `lifetime:` ends every login.
    pub lifetime: Option<Spanned<Duration>>,
}

/// `assertion: { header: x-portcullis-assertion, lifetime: 1m }`
#[derive(Debug, Default)]
pub struct AssertionSettings {
    /// `header:` the header in which services get the signed claims.
    pub header: Option<Spanned<String>>,
    /// `lifetime:` of one assertion.
    pub lifetime: Option<Spanned<Duration>>,
    /// `issuer:` how this proxy calls itself in it.
    pub issuer: Option<Spanned<String>>,
}
