//! `routes:`
#![allow(dead_code, reason = "only the shape of these types is used")]

use schemars::JsonSchema;

use super::{
    file::NameText,
    scalar::{Between, Boolean, Host, Network, OneOf, Scalar, Text},
    shape::{Anyone, Authenticated, Either, Many, Named, Only},
};
use crate::{declared, defaults};

/// The rule that takes traffic from a port to a service. The most specific host wins (exact, then the longest `*.`
/// suffix, then any), then the most specific path (exact, then regular expressions in file order, then the longest
/// prefix), then the route with more further conditions (sni, methods, headers, query, from).
#[derive(JsonSchema)]
#[schemars(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct Route {
    /// Name for logs, metrics and maps. Default: what it matches.
    name: Option<NameText>,
    /// Names of the ports that it takes traffic from.
    port: Many<NameText>,
    /// SNI of the TLS handshake: a name, `*.suffix` or `*`. On `tls` ports it stands for the host.
    sni: Option<Scalar<Host>>,
    /// Host of the request: a name, `*.suffix` or `*`. Default: any.
    host: Option<Scalar<Host>>,
    /// `/x` (exactly), `/x/*` (`/x` and below) or `~regex` (the whole path). Default: any.
    path: Option<Scalar<Text>>,
    /// `/x`: `/x` and below; another way to write `path: /x/*`.
    prefix: Option<Scalar<Text>>,
    /// Any of these methods, in upper case.
    methods: Option<Many<Scalar<Text>>>,
    /// Header to value: the text itself, `present` or `~regex`.
    headers: Option<Named<Scalar<Text>>>,
    /// Query parameter to value, as sent: the text itself, `present` or `~regex`.
    query: Option<Named<Scalar<Text>>>,
    /// Sources that this route is for; others fall to other routes.
    from: Option<Many<Scalar<Network>>>,
    /// Callers that this route is for, by their groups; others fall to other routes.
    groups: Option<Many<Scalar<Text>>>,
    /// Callers that this route is for, by claims of theirs: name to value, or to a list of values.
    claims: Option<Named<Many<Scalar<Text>>>>,
    /// Who may pass. Required, except on a redirect.
    allow: Option<AllowChoice>,
    /// Who may not pass, stronger than `allow`: sources, or a mapping.
    deny: Option<DenyChoice>,
    /// Providers that may prove who calls, in the order in which they are asked. Default: those of the port.
    authenticate: Option<Many<NameText>>,
    /// Header to what the service is told in it of the caller: `name`, `subject`, `email`, `groups`, `provider`, `claim:NAME`.
    tell: Option<Named<Scalar<Text>>>,
    /// Whether decisions are recorded in the audit; with `required`, what can not be recorded first is refused. Default: the port's.
    audit: Option<OneOf<declared::AuditNeed>>,
    /// Whether what proved the caller's identity (token, cookie) goes on to the service.
    #[schemars(extend("default" = false))]
    pass_credentials: Option<Scalar<Boolean>>,
    /// Name of the service to forward to.
    service: Option<NameText>,
    /// Where clients are sent instead.
    redirect: Option<RedirectChoice>,
    /// A fixed answer.
    respond: Option<Respond>,
    /// Changes of the request before it is forwarded.
    rewrite: Option<Rewrite>,
    /// Edits of the request's headers.
    request_headers: Option<HeaderEdits>,
    /// Edits of the response's headers.
    response_headers: Option<HeaderEdits>,
}

/// `anyone`, `authenticated`, or who.
type AllowChoice = Either<Either<Only<Anyone>, Only<Authenticated>>, Allow>;

/// Sources, or who.
type DenyChoice = Either<Many<Scalar<Network>>, Deny>;

/// Who may pass: all keys that are given must hold, within one key any value suffices.
#[derive(JsonSchema)]
#[schemars(rename_all = "kebab-case", deny_unknown_fields)]
struct Allow {
    /// Source addresses.
    from: Option<Many<Scalar<Network>>>,
    /// Names on the client certificate (subject CN, DNS or URI SAN); `*.suffix`; `any` for any certificate.
    certificates: Option<Many<Scalar<Text>>>,
    /// People, by the name that their provider gives them: usually the verified e-mail address.
    users: Option<Many<Scalar<Text>>>,
    /// Groups that the provider names; `PROVIDER/GROUP` means that provider's alone.
    groups: Option<Many<Scalar<Text>>>,
    /// Programs, by name.
    workloads: Option<Many<Scalar<Text>>>,
    /// Domains of verified e-mail addresses.
    domains: Option<Many<Scalar<Text>>>,
    /// Further claims: name to value, or to a list of values.
    claims: Option<Named<Many<Scalar<Text>>>>,
    /// When.
    time: Option<Times>,
    /// Only who holds a grant for the service at that moment.
    grant: Option<OneOf<declared::GrantNeed>>,
}

/// Who may not pass: any value of any key suffices.
#[derive(JsonSchema)]
#[schemars(rename_all = "kebab-case", deny_unknown_fields)]
struct Deny {
    /// Source addresses.
    from: Option<Many<Scalar<Network>>>,
    /// People, by name.
    users: Option<Many<Scalar<Text>>>,
    /// Groups.
    groups: Option<Many<Scalar<Text>>>,
    /// Programs, by name.
    workloads: Option<Many<Scalar<Text>>>,
    /// Domains of verified e-mail addresses.
    domains: Option<Many<Scalar<Text>>>,
    /// Further claims: name to value, or to a list of values.
    claims: Option<Named<Many<Scalar<Text>>>>,
}

/// When somebody may pass.
#[derive(JsonSchema)]
#[schemars(rename_all = "kebab-case", deny_unknown_fields)]
struct Times {
    /// Days of the week. Default: all.
    days: Option<Many<OneOf<declared::Weekday>>>,
    /// `08:00-18:00`; `22:00-06:00` goes on into the next day. Default: all day.
    hours: Option<Scalar<Text>>,
    /// Time zone whose clock is meant, by its name in the tz database: `Europe/Berlin`.
    #[schemars(extend("default" = "UTC"))]
    zone: Option<Scalar<Text>>,
}

/// A target, or a target with a status.
type RedirectChoice = Either<Scalar<Text>, Redirect>;

/// Where clients are sent.
#[derive(JsonSchema)]
#[schemars(rename_all = "kebab-case", deny_unknown_fields)]
struct Redirect {
    /// `https://host/path`, or `/path` on the same host. Without a path, the request's path and query are kept.
    to: Scalar<Text>,
    /// 301, 302, 303, 307 or 308.
    #[schemars(extend("default" = defaults::REDIRECT_STATUS))]
    status: Option<Scalar<Between<301, 308>>>,
}

/// A fixed answer.
#[derive(JsonSchema)]
#[schemars(rename_all = "kebab-case", deny_unknown_fields)]
struct Respond {
    /// 200 to 599.
    status: Scalar<Between<200, 599>>,
    /// Text of the answer. Default: none.
    body: Option<Scalar<Text>>,
    /// `Content-Type` of the answer.
    #[schemars(extend("default" = defaults::RESPOND_CONTENT_TYPE))]
    content_type: Option<Scalar<Text>>,
}

/// Changes of the request before it is forwarded.
#[derive(JsonSchema)]
#[schemars(rename_all = "kebab-case", deny_unknown_fields)]
struct Rewrite {
    /// Replaces the matched prefix, or the whole path of an exact match.
    path_prefix: Option<Scalar<Text>>,
    /// The Host that the service sees.
    host: Option<Scalar<Host>>,
}

/// Edits of headers. Those that Portcullis sets itself cannot be edited.
#[derive(JsonSchema)]
#[schemars(rename_all = "kebab-case", deny_unknown_fields)]
struct HeaderEdits {
    /// Replaces every line of that name.
    set: Option<Named<Scalar<Text>>>,
    /// Adds a line.
    append: Option<Named<Scalar<Text>>>,
    /// Removes every line of that name.
    remove: Option<Many<Scalar<Text>>>,
}
