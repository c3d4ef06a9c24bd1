//! The top of the file.
#![allow(dead_code, reason = "only the shape of these types is used")]

use schemars::JsonSchema;

use super::{
    audit::AuditChoice,
    grants::Grants,
    identity::Identity,
    port::{Port, PortLimits},
    route::Route,
    scalar::{Between, Bytes, Duration, File as Path, Host, Name, OneOf, Ports, Scalar, Secret, Text},
    service::{EjectChoice, Retries, Service},
    shape::{Many, Named},
};
use crate::{declared, declared::Word, defaults, read::written};

/// The file that says which ports there are, who may use them and what lies behind.
#[derive(JsonSchema)]
#[schemars(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct File {
    /// Further files with the same keys, relative to this one; `*` stands for any characters of the last component.
    include: Option<Many<Scalar<Text>>>,
    /// Data-plane threads. Default: as many as CPU affinity and the cgroup quota allow.
    workers: Option<Scalar<Between<1, 1024>>>,
    /// Named spans of port numbers, which do not overlap.
    ranges: Option<Named<Range>>,
    /// What Portcullis listens on, by name.
    ports: Option<Named<Port>>,
    /// What is reached through it, by name.
    services: Option<Named<Service>>,
    /// Which traffic of which port goes to which service, and who may pass.
    routes: Option<Many<Route>>,
    /// Who must, or must not, reach what, such as `public -/-> role:database`. Judged by `portcullis check`.
    #[schemars(rename = "assert")]
    assertions: Option<Many<Scalar<Text>>>,
    /// For every port and service that does not say otherwise.
    defaults: Option<Defaults>,
    /// Bounds of the whole process.
    limits: Option<ProcessLimits>,
    /// Access log and program log.
    log: Option<Log>,
    /// What the metrics ports show.
    metrics: Option<Metrics>,
    /// Who may use the admin ports.
    admin: Option<Admin>,
    /// Who proves who is calling, and what services are told of it.
    identity: Option<Identity>,
    /// Decisions of routes are recorded, so that nobody changes the record unseen. Default: only where a port or a route says so.
    audit: Option<AuditChoice>,
    /// Access that somebody asks for, and that ends by itself.
    grants: Option<Grants>,
    /// Files with Cedar policies of one's own, beside what `allow` and `deny` say.
    policies: Option<Many<Scalar<Path>>>,
    /// What `portcullis probe` leaves alone, and what helps it.
    probe: Option<Probe>,
}

/// A named span of port numbers, from which internal ports come.
#[derive(JsonSchema)]
#[schemars(rename_all = "kebab-case", deny_unknown_fields)]
struct Range {
    /// The numbers, both ends included.
    ports: Scalar<Ports>,
    /// Band for the numbers that services declare; the rest is handed out. Default: what is declared is not handed out.
    pinned: Option<Scalar<Ports>>,
    /// Numbers that are never handed out.
    reserve: Option<Many<Scalar<Ports>>>,
    /// Accepted departures from the rules, each with its reason.
    accept: Option<RangeAccept>,
}

/// Accepted departures of a range from the rules.
#[derive(JsonSchema)]
#[schemars(rename_all = "kebab-case", deny_unknown_fields)]
struct RangeAccept {
    /// Why numbers from 30000 to 32767, where Kubernetes opens node ports, are meant.
    node_ports: Option<Scalar<Text>>,
}

/// What holds for every port and service that does not say otherwise.
#[derive(JsonSchema)]
#[schemars(rename_all = "kebab-case", deny_unknown_fields)]
struct Defaults {
    /// `balance` of every service.
    balance: Option<OneOf<declared::Balance>>,
    /// `retries` of every service.
    retries: Option<Retries>,
    /// `eject` of every service.
    eject: Option<EjectChoice>,
    /// `limits` of every port.
    limits: Option<PortLimits>,
    /// `timeouts` of every port and service.
    timeouts: Option<DefaultTimeouts>,
}

/// Timeouts of ports and services together.
#[derive(JsonSchema)]
#[schemars(rename_all = "kebab-case", deny_unknown_fields)]
struct DefaultTimeouts {
    /// See `timeouts` of a port.
    handshake: Option<Scalar<Duration>>,
    /// See `timeouts` of a port.
    head: Option<Scalar<Duration>>,
    /// Of both: towards clients and towards endpoints.
    keep_alive: Option<Scalar<Duration>>,
    /// See `timeouts` of a service.
    connect: Option<Scalar<Duration>>,
    /// See `timeouts` of a service.
    response: Option<Scalar<Duration>>,
    /// See `timeouts` of a service.
    idle: Option<Scalar<Duration>>,
    /// See `timeouts` of a service.
    half_close: Option<Scalar<Duration>>,
}

/// Bounds of the whole process.
#[derive(JsonSchema)]
#[schemars(rename_all = "kebab-case", deny_unknown_fields)]
struct ProcessLimits {
    /// Client connections in all; the newest are refused beyond it.
    #[schemars(extend("default" = defaults::PROCESS_CONNECTIONS))]
    connections: Option<Scalar<Between<1, 4_294_967_295>>>,
    /// How long a drain or a stop waits for open connections; `0s` does not wait.
    #[schemars(extend("default" = written(defaults::DRAIN)))]
    drain: Option<Scalar<Duration>>,
}

/// Access log and program log.
#[derive(JsonSchema)]
#[schemars(rename_all = "kebab-case", deny_unknown_fields)]
struct Log {
    /// One record for each request or session.
    access: Option<AccessLog>,
    /// How much the program says about itself.
    #[schemars(extend("default" = defaults::LOG_LEVEL.word()))]
    level: Option<OneOf<declared::LogLevel>>,
}

/// Where access records go, and how they are written.
#[derive(JsonSchema)]
#[schemars(rename_all = "kebab-case", deny_unknown_fields)]
struct AccessLog {
    /// `stdout`, `off`, or the path of a file (with a slash), which is opened anew on SIGUSR1 and SIGHUP.
    #[schemars(extend("default" = "stdout"))]
    to: Option<Scalar<Text>>,
    /// One JSON object for each line, or text for people.
    #[schemars(extend("default" = defaults::ACCESS_LOG_FORMAT.word()))]
    format: Option<OneOf<declared::LogFormat>>,
    /// Bytes that wait for a slow sink, 64KiB to 1GiB; past it records are dropped and counted.
    #[schemars(extend("default" = "8MiB"))]
    buffer: Option<Scalar<Bytes>>,
}

/// What the metrics ports show.
#[derive(JsonSchema)]
#[schemars(rename_all = "kebab-case", deny_unknown_fields)]
struct Metrics {
    /// Upper bounds of the latency histograms, ascending, at most 24.
    #[schemars(extend("default" = defaults::BUCKETS.map(written).join(", ")))]
    buckets: Option<Many<Scalar<Duration>>>,
}

/// Who may use the admin ports.
#[derive(JsonSchema)]
#[schemars(rename_all = "kebab-case", deny_unknown_fields)]
struct Admin {
    /// Bearer token of 16 characters or more; never in clear text, but `${env:NAME}` or `${file:PATH}`.
    token: Option<Scalar<Secret>>,
}

/// What `portcullis probe` leaves alone, and what helps it.
#[derive(JsonSchema)]
#[schemars(rename_all = "kebab-case", deny_unknown_fields)]
struct Probe {
    /// Listeners that are none of this file's business.
    ignore: Option<Many<Ignored>>,
    /// Where a service sends back the headers that reached it.
    echo: Option<Echo>,
}

/// A listener that is none of this file's business.
#[derive(JsonSchema)]
#[schemars(rename_all = "kebab-case", deny_unknown_fields)]
struct Ignored {
    /// The number on which it listens.
    port: Scalar<Between<1, 65_535>>,
    /// The address on which it listens. Default: any.
    address: Option<Scalar<Text>>,
    /// What carries its bytes. Default: either.
    protocol: Option<OneOf<declared::Transport>>,
    /// Why it is left alone.
    because: Scalar<Text>,
}

/// Where a GET is answered with the headers that reached the service.
#[derive(JsonSchema)]
#[schemars(rename_all = "kebab-case", deny_unknown_fields)]
struct Echo {
    /// Name of the port.
    port: NameText,
    /// Host of the request. Default: the address.
    host: Option<Scalar<Host>>,
    /// Path of the request.
    path: Scalar<Text>,
}

/// The name of a port, service, range or route.
pub(super) type NameText = Scalar<Name>;
