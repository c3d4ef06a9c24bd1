//! `ports:`
#![allow(dead_code, reason = "only the shape of these types is used")]

use schemars::JsonSchema;

use super::{
    file::NameText,
    scalar::{Between, Boolean, Bytes, Duration, File, Listen, Network, OneOf, Scalar, Text},
    shape::{Accepted, Many, Only},
};
use crate::{declared, declared::Word, defaults, read::written};

/// A socket that Portcullis listens on: address, role, protocol, TLS, limits, who may connect.
#[derive(JsonSchema)]
#[schemars(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct Port {
    /// IP address with port, or `unix:/path` (admin and metrics ports only).
    listen: Scalar<Listen>,
    /// What the port is for. Only `public` ports may listen on wildcard and public addresses.
    role: OneOf<declared::Role>,
    /// What it speaks. Required for public and internal ports; admin and metrics ports speak HTTP.
    protocol: Option<OneOf<declared::Protocol>>,
    /// Certificates, or pass-through.
    tls: Option<PortTls>,
    /// Client certificates.
    clients: Option<Clients>,
    /// Sources that may connect. Default: all.
    from: Option<Many<Scalar<Network>>>,
    /// Sources that may not connect, stronger than `from`.
    deny: Option<Many<Scalar<Network>>>,
    /// Name of an https port to which every request is redirected.
    redirect: Option<NameText>,
    /// Says that plain HTTP on a public port is meant.
    plaintext: Option<Only<Accepted>>,
    /// Accepted departures from the rules, each with its reason.
    accept: Option<Accept>,
    /// Sources that send a PROXY header, and must.
    proxy_protocol: Option<ProxyProtocolIn>,
    /// Bounds of this port.
    limits: Option<PortLimits>,
    /// Timeouts towards clients.
    timeouts: Option<PortTimeouts>,
    /// Providers that may prove who calls, in the order in which they are asked. Default: all.
    authenticate: Option<Many<NameText>>,
    /// Whether connections are recorded; with `required`, traffic waits for a slow log. `off` on public ports only.
    #[schemars(extend("default" = "on"))]
    log: Option<OneOf<declared::PortLog>>,
    /// Whether decisions are recorded in the audit; with `required`, what can not be recorded first is refused. Default: `on` if
    /// `audit` stands at the top of the file, else `off`.
    audit: Option<OneOf<declared::AuditNeed>>,
}

/// TLS with clients.
#[derive(JsonSchema)]
#[schemars(rename_all = "kebab-case", deny_unknown_fields)]
struct PortTls {
    /// Chosen by SNI; the first is for clients without SNI or with an unknown one.
    certificates: Option<Many<CertificateFiles>>,
    /// Route by the SNI of the ClientHello and pass TLS on as it is. Only with `protocol: tls`.
    #[schemars(extend("default" = false))]
    passthrough: Option<Scalar<Boolean>>,
    /// Oldest version that is spoken.
    #[schemars(extend("default" = defaults::TLS_MINIMUM.word()))]
    minimum: Option<OneOf<declared::TlsVersion>>,
}

/// A certificate and its key; paths are relative to the file that names them.
#[derive(JsonSchema)]
#[schemars(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct CertificateFiles {
    /// PEM file with the chain, the leaf first.
    cert: Scalar<File>,
    /// PEM file with the private key.
    key: Scalar<File>,
}

/// What is asked of clients during the TLS handshake.
#[derive(JsonSchema)]
#[schemars(rename_all = "kebab-case", deny_unknown_fields)]
struct Clients {
    /// `optional`: may come without; one that is shown must be valid.
    certificate: OneOf<declared::ClientCertificate>,
    /// PEM file with the CAs that are believed. Required unless `certificate: none`.
    ca: Option<Scalar<File>>,
    /// PEM file with the revocation lists of these CAs: whoever is on one is refused. Default: nobody is revoked.
    crl: Option<Scalar<File>>,
}

/// Accepted departures from the rules.
#[derive(JsonSchema)]
#[schemars(rename_all = "kebab-case", deny_unknown_fields)]
struct Accept {
    /// Why an internal, admin or metrics port listens on a wildcard or public address. Shown by every check.
    wildcard: Scalar<Text>,
}

/// PROXY headers (v1 and v2) from clients.
#[derive(JsonSchema)]
#[schemars(rename_all = "kebab-case", deny_unknown_fields)]
struct ProxyProtocolIn {
    /// Who sends it. Others are served without.
    from: Many<Scalar<Network>>,
}

/// Bounds of a port.
#[derive(JsonSchema)]
#[schemars(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct PortLimits {
    /// Open connections.
    #[schemars(extend("default" = defaults::PORT_CONNECTIONS))]
    connections: Option<Scalar<Between<1, 4_294_967_295>>>,
    /// Open connections of one source address (IPv6: one /64). The default is for public ports; others have no bound.
    #[schemars(extend("default" = defaults::CONNECTIONS_PER_SOURCE))]
    connections_per_source: Option<Scalar<Between<1, 4_294_967_295>>>,
    /// Request line and headers together, 512 bytes to 1MiB (431 beyond it).
    #[schemars(extend("default" = "16KiB"))]
    head_bytes: Option<Scalar<Bytes>>,
    /// Header lines, 1 to 10000 (431 beyond it).
    #[schemars(extend("default" = defaults::HEADERS))]
    headers: Option<Scalar<Between<1, 10_000>>>,
    /// Request target, 64 bytes to 1MiB (414 beyond it).
    #[schemars(extend("default" = "8KiB"))]
    target_bytes: Option<Scalar<Bytes>>,
    /// Request body (413 beyond it). Default: unlimited.
    body_bytes: Option<Scalar<Bytes>>,
    /// Bytes per second below which a peer whose body flows is dropped; 0 turns it off.
    #[schemars(extend("default" = defaults::MINIMUM_RATE))]
    minimum_rate: Option<Scalar<Bytes>>,
}

/// Timeouts towards clients.
#[derive(JsonSchema)]
#[schemars(rename_all = "kebab-case", deny_unknown_fields)]
struct PortTimeouts {
    /// PROXY header, ClientHello and TLS handshake together, from accept.
    #[schemars(extend("default" = written(defaults::HANDSHAKE_TIMEOUT)))]
    handshake: Option<Scalar<Duration>>,
    /// A whole request head, from its first byte.
    #[schemars(extend("default" = written(defaults::HEAD_TIMEOUT)))]
    head: Option<Scalar<Duration>>,
    /// Between two requests of a connection, and before the first.
    #[schemars(extend("default" = written(defaults::CLIENT_KEEP_ALIVE)))]
    keep_alive: Option<Scalar<Duration>>,
}
