//! `identity:`
#![allow(dead_code, reason = "only the shape of these types is used")]

use schemars::JsonSchema;

use super::{
    scalar::{Boolean, Duration, File, OneOf, Scalar, Secret, Text},
    shape::{Many, Named},
};
use crate::{declared, declared::Word, defaults, read::written};

/// Who proves who is calling, and what services are told of it.
#[derive(JsonSchema)]
#[schemars(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct Identity {
    /// By name, in the order in which they are asked.
    providers: Option<Named<Provider>>,
    /// How long a login lasts.
    session: Option<SessionTimes>,
    /// What services get.
    assertion: Option<AssertionSettings>,
}

/// Who proves identities of one kind: exactly one of `oidc`, `jwt`, `introspection`, `local`, `tokens`, `aws`.
#[derive(JsonSchema)]
#[schemars(rename_all = "kebab-case", deny_unknown_fields)]
struct Provider {
    /// Issuer at which people log in with a browser.
    oidc: Option<Scalar<Text>>,
    /// Issuer whose signed tokens machines show.
    jwt: Option<Scalar<Text>>,
    /// Where opaque tokens are judged (RFC 7662).
    introspection: Option<Scalar<Text>>,
    /// People that Portcullis itself knows (`portcullis user add`).
    local: Option<Scalar<Boolean>>,
    /// API keys and service tokens that Portcullis itself made (`portcullis token create`).
    tokens: Option<Scalar<Boolean>>,
    /// STS endpoint at which presigned requests prove an AWS identity.
    aws: Option<Scalar<Text>>,
    /// Of `oidc` and `introspection`: how the provider knows this proxy.
    client_id: Option<Scalar<Text>>,
    /// Of `oidc` and `introspection`; never in clear text, but `${env:NAME}` or `${file:PATH}`. Default: a public client.
    client_secret: Option<Scalar<Secret>>,
    /// Of `oidc`: what is asked for beyond `openid`.
    #[schemars(extend("default" = "email, profile"))]
    scopes: Option<Many<Scalar<Text>>>,
    /// Of `oidc`: how often claims are asked for again, so that a change of groups takes effect.
    #[schemars(extend("default" = written(defaults::CLAIMS_REFRESH)))]
    refresh: Option<Scalar<Duration>>,
    /// Of `jwt`: any of these must be meant by a token.
    audience: Option<Many<Scalar<Text>>>,
    /// Of `jwt`: signature algorithms that are believed; asymmetric ones only. Default: all of them.
    algorithms: Option<Many<OneOf<declared::TokenAlgorithm>>>,
    /// Of `jwt`: URL or file of a JWK set. Default: what the issuer's discovery document names.
    keys: Option<Scalar<Text>>,
    /// Of `jwt`: whether tokens must be bound to a key of the caller (RFC 9449, RFC 8705).
    #[schemars(extend("default" = declared::ProofOfPossession::Optional.word()))]
    proof: Option<OneOf<declared::ProofOfPossession>>,
    /// Of `jwt`: how far clocks may differ.
    #[schemars(extend("default" = written(defaults::TOKEN_LEEWAY)))]
    leeway: Option<Scalar<Duration>>,
    /// Of `introspection`: how long an answer is believed.
    #[schemars(extend("default" = written(defaults::INTROSPECTION_CACHE)))]
    cache: Option<Scalar<Duration>>,
    /// Of `aws`: name of this proxy that a request must be signed for (`x-portcullis-server`).
    server: Option<Scalar<Text>>,
    /// Of `aws`: ARNs that are believed, `*` for any characters.
    roles: Option<Many<Scalar<Text>>>,
    /// Claim with the groups; dots lead into objects.
    #[schemars(extend("default" = defaults::GROUPS_CLAIM))]
    groups: Option<Scalar<Text>>,
    /// Claim with the name that `allow.users` knows people by. Default: the verified e-mail address, else `sub`.
    name: Option<Scalar<Text>>,
    /// Further claims that policies and routes may ask for.
    claims: Option<Many<Scalar<Text>>>,
    /// PEM file with further CAs that the provider's TLS certificate may come from.
    ca: Option<Scalar<File>>,
}

/// How long a login lasts.
#[derive(JsonSchema)]
#[schemars(rename_all = "kebab-case", deny_unknown_fields)]
struct SessionTimes {
    /// Ends a login that nobody uses.
    #[schemars(extend("default" = written(defaults::SESSION_IDLE)))]
    idle: Option<Scalar<Duration>>,
    /// Ends every login.
    #[schemars(extend("default" = written(defaults::SESSION_LIFETIME)))]
    lifetime: Option<Scalar<Duration>>,
}

/// What services get.
#[derive(JsonSchema)]
#[schemars(rename_all = "kebab-case", deny_unknown_fields)]
struct AssertionSettings {
    /// Header with the signed claims.
    #[schemars(extend("default" = defaults::ASSERTION_HEADER))]
    header: Option<Scalar<Text>>,
    /// Of one assertion.
    #[schemars(extend("default" = written(defaults::ASSERTION_LIFETIME)))]
    lifetime: Option<Scalar<Duration>>,
    /// How this proxy calls itself in it.
    #[schemars(extend("default" = defaults::ASSERTION_ISSUER))]
    issuer: Option<Scalar<Text>>,
}
