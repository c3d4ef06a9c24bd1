//! `services:`
#![allow(dead_code, reason = "only the shape of these types is used")]

use schemars::{JsonSchema, Schema};

use super::{
    file::NameText,
    port::CertificateFiles,
    scalar::{
        Address, Between, Boolean, Duration, File, Host, Kind, OneOf, Percent, Ports, Scalar, Status, Text,
        words_or_reference,
    },
    shape::{Either, Many, Off, Only},
};
use crate::{declared, declared::Word, defaults, read::written};

/// Something that is reached through Portcullis, with the internal ports that it listens on.
#[derive(JsonSchema)]
#[schemars(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct Service {
    /// The internal port that every replica listens on.
    port: Option<Scalar<Between<1, 65_535>>>,
    /// The internal ports that replicas listen on, if there are several.
    ports: Option<Scalar<Ports>>,
    /// Name of the range within which they lie.
    range: Option<NameText>,
    /// How many replicas there may be.
    replicas: Option<Replicas>,
    /// Where its ports are: `host`, `netns:NAME`, or the name of another host.
    #[schemars(extend("default" = "host"))]
    space: Option<Scalar<Text>>,
    /// What it speaks.
    #[schemars(extend("default" = defaults::SERVICE_PROTOCOL.word()))]
    protocol: Option<OneOf<declared::ServiceProtocol>>,
    /// Where its replicas are. A bare host takes `port`; a port that is not declared is an error.
    endpoints: Many<EndpointChoice>,
    /// How the next endpoint is picked.
    #[schemars(extend("default" = defaults::BALANCE.word()))]
    balance: Option<OneOf<declared::Balance>>,
    /// Active checks. Default: none.
    health: Option<Health>,
    /// Passive ejection after consecutive failures, or `off`.
    eject: Option<EjectChoice>,
    /// Timeouts towards endpoints.
    timeouts: Option<ServiceTimeouts>,
    /// Retries of requests that failed before an answer.
    retries: Option<Retries>,
    /// TLS towards endpoints. Default: none.
    tls: Option<ServiceTls>,
    /// PROXY header that is sent ahead. Default: none.
    proxy_protocol: Option<OneOf<declared::ProxyProtocolOut>>,
    /// Which program serves it, where that is on this host: `portcullis probe` compares. Default: any.
    process: Option<ProcessChoice>,
    /// Idle connections that are kept for each endpoint and worker, 0 to 65536.
    #[schemars(extend("default" = defaults::IDLE_CONNECTIONS))]
    idle_connections: Option<Scalar<Between<0, 65_536>>>,
    /// How often host names of endpoints are looked up again; a second at least.
    #[schemars(extend("default" = written(defaults::RESOLVE)))]
    resolve: Option<Scalar<Duration>>,
}

/// How many replicas there may be.
#[derive(JsonSchema)]
#[schemars(rename_all = "kebab-case", deny_unknown_fields)]
struct Replicas {
    /// The most, 1 to 1000; ports for all of them must be there.
    max: Scalar<Between<1, 1_000>>,
}

/// The name of a command, or more.
type ProcessChoice = Either<Scalar<Text>, Process>;

/// Which program serves a service.
#[derive(JsonSchema)]
#[schemars(rename_all = "kebab-case", deny_unknown_fields)]
struct Process {
    /// Its command name, as `ps -o comm` shows it.
    command: Scalar<Text>,
    /// The user as whom it runs. Default: any.
    user: Option<Scalar<Text>>,
}

/// An address, or an address with a weight.
type EndpointChoice = Either<Scalar<Address>, Endpoint>;

/// One address that serves a service.
#[derive(JsonSchema)]
#[schemars(rename_all = "kebab-case", deny_unknown_fields)]
struct Endpoint {
    /// `10.0.0.7:3000`, `[::1]:3000`, `shop.internal:3000`, any of them without port, or `unix:/path`.
    address: Scalar<Address>,
    /// Share of the traffic, 0 to 256; 0 takes it out of balancing.
    #[schemars(extend("default" = defaults::WEIGHT))]
    weight: Option<Scalar<Between<0, 256>>>,
}

/// Active checks: exactly one of `http`, `tcp` and `tls`.
#[derive(JsonSchema)]
#[schemars(rename_all = "kebab-case", deny_unknown_fields)]
struct Health {
    /// `true`: a connection is enough.
    tcp: Option<Scalar<Boolean>>,
    /// `true`: a TLS handshake is enough.
    tls: Option<Scalar<Boolean>>,
    /// Path that is asked for with GET.
    http: Option<Scalar<Text>>,
    /// Host header of the check. Default: the service's name.
    host: Option<Scalar<Host>>,
    /// Statuses that count as healthy.
    #[schemars(extend("default" = "200-399"))]
    status: Option<Many<Scalar<Status>>>,
    /// Between two checks of one endpoint; some jitter is added.
    #[schemars(extend("default" = written(defaults::HEALTH_EVERY)))]
    every: Option<Scalar<Duration>>,
    /// For one check.
    #[schemars(extend("default" = written(defaults::HEALTH_TIMEOUT)))]
    timeout: Option<Scalar<Duration>>,
    /// Consecutive successes until up, 1 to 1000.
    #[schemars(extend("default" = defaults::HEALTH_RISE))]
    rise: Option<Scalar<Between<1, 1_000>>>,
    /// Consecutive failures until down, 1 to 1000.
    #[schemars(extend("default" = defaults::HEALTH_FALL))]
    fall: Option<Scalar<Between<1, 1_000>>>,
}

/// `off`, or when and for how long.
pub(super) type EjectChoice = Either<Only<Off>, Eject>;

/// Passive ejection.
#[derive(JsonSchema)]
#[schemars(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct Eject {
    /// Consecutive failures until it happens.
    #[schemars(extend("default" = defaults::EJECT_FAILURES))]
    failures: Option<Scalar<Between<1, 1_000_000>>>,
    /// How long the endpoint is left alone.
    #[schemars(extend("default" = written(defaults::EJECT_DURATION)))]
    r#for: Option<Scalar<Duration>>,
}

/// Timeouts towards endpoints.
#[derive(JsonSchema)]
#[schemars(rename_all = "kebab-case", deny_unknown_fields)]
struct ServiceTimeouts {
    /// TCP connect and TLS handshake to an endpoint.
    #[schemars(extend("default" = written(defaults::CONNECT_TIMEOUT)))]
    connect: Option<Scalar<Duration>>,
    /// From the request sent whole to the response head.
    #[schemars(extend("default" = written(defaults::RESPONSE_TIMEOUT)))]
    response: Option<Scalar<Duration>>,
    /// No byte in either direction. The first default is for HTTP bodies, the second for TCP sessions and tunnels.
    #[schemars(extend("default" = [defaults::BODY_IDLE_TIMEOUT, defaults::SESSION_IDLE_TIMEOUT].map(written).join(", ")))]
    idle: Option<Scalar<Duration>>,
    /// For the other side, after one side of a TCP session has closed.
    #[schemars(extend("default" = written(defaults::HALF_CLOSE_TIMEOUT)))]
    half_close: Option<Scalar<Duration>>,
    /// Idle connections to endpoints are closed after this.
    #[schemars(extend("default" = written(defaults::SERVICE_KEEP_ALIVE)))]
    keep_alive: Option<Scalar<Duration>>,
}

/// Retries of requests that failed before an answer.
#[derive(JsonSchema)]
#[schemars(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct Retries {
    /// Further attempts after the first, 0 to 10; 0 turns retries off.
    #[schemars(extend("default" = defaults::RETRY_ATTEMPTS))]
    attempts: Option<Scalar<Between<0, 10>>>,
    /// Retries as a share of requests.
    #[schemars(extend("default" = format!("{}%", defaults::RETRY_BUDGET.0)))]
    budget: Option<Scalar<Percent>>,
}

/// TLS towards endpoints.
#[derive(JsonSchema)]
#[schemars(rename_all = "kebab-case", deny_unknown_fields)]
struct ServiceTls {
    /// Whose certificates are believed: the operating system's roots, those of `ca` (`internal` says the same), or
    /// anyone's. Default: `ca` if `ca` is given, otherwise `system`.
    verify: Option<Scalar<Verify>>,
    /// PEM file with the CAs that are believed.
    ca: Option<Scalar<File>>,
    /// Name that is sent as SNI and checked. Default: the endpoint's host.
    name: Option<Scalar<Host>>,
    /// Client certificate that is shown to endpoints.
    certificate: Option<CertificateFiles>,
}

struct Verify;

impl Kind for Verify {
    const NAME: &'static str = "Verify";
    fn schema() -> Schema {
        words_or_reference(["system", "ca", "internal", "off"].into_iter().map(Into::into))
    }
}
