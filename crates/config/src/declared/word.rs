//! Closed sets of words, each with the text that the file uses.

use super::{
    AuditNeed, Balance, ClientCertificate, GrantNeed, LogFormat, LogLevel, PortLog, ProofOfPossession, Protocol,
    ProxyProtocolOut, Role, ServiceProtocol, TlsVersion, TokenAlgorithm, Transport, Weekday,
};

/// A value that is one word out of a closed set.
pub trait Word: Copy + PartialEq + 'static {
    /// What the word is, with its article: "a role".
    const WHAT: &'static str;
    /// Every word and its meaning, in the order in which help lists them.
    const WORDS: &'static [(&'static str, Self)];

    /// The value of a word.
    fn named(word: &str) -> Option<Self> {
        Self::WORDS.iter().find(|(known, _)| *known == word).map(|(_, value)| *value)
    }

    /// The word as the file writes it.
    fn word(self) -> &'static str {
        Self::WORDS.iter().find(|(_, value)| *value == self).map_or("", |(word, _)| word)
    }
}

impl Word for Role {
    const WHAT: &'static str = "a role";
    const WORDS: &'static [(&'static str, Self)] =
        &[("public", Self::Public), ("internal", Self::Internal), ("admin", Self::Admin), ("metrics", Self::Metrics)];
}

impl Word for Protocol {
    const WHAT: &'static str = "a protocol that ports speak";
    const WORDS: &'static [(&'static str, Self)] =
        &[("tcp", Self::Tcp), ("tls", Self::Tls), ("http", Self::Http), ("https", Self::Https)];
}

impl Word for TokenAlgorithm {
    const WHAT: &'static str = "an asymmetric signature algorithm";
    const WORDS: &'static [(&'static str, Self)] = &[
        ("RS256", Self::Rs256),
        ("RS384", Self::Rs384),
        ("RS512", Self::Rs512),
        ("PS256", Self::Ps256),
        ("PS384", Self::Ps384),
        ("PS512", Self::Ps512),
        ("ES256", Self::Es256),
        ("ES384", Self::Es384),
        ("EdDSA", Self::EdDsa),
    ];
}

impl Word for ProofOfPossession {
    const WHAT: &'static str = "a need for proof of possession";
    const WORDS: &'static [(&'static str, Self)] = &[("optional", Self::Optional), ("required", Self::Required)];
}

impl Word for GrantNeed {
    const WHAT: &'static str = "a need for a grant";
    const WORDS: &'static [(&'static str, Self)] = &[("required", Self::Required)];
}

impl Word for Weekday {
    const WHAT: &'static str = "a day of the week";
    const WORDS: &'static [(&'static str, Self)] = &[
        ("mon", Self::Monday),
        ("tue", Self::Tuesday),
        ("wed", Self::Wednesday),
        ("thu", Self::Thursday),
        ("fri", Self::Friday),
        ("sat", Self::Saturday),
        ("sun", Self::Sunday),
    ];
}

impl Word for TlsVersion {
    const WHAT: &'static str = "a TLS version";
    const WORDS: &'static [(&'static str, Self)] = &[("1.2", Self::Tls12), ("1.3", Self::Tls13)];
}

impl Word for ClientCertificate {
    const WHAT: &'static str = "a policy for client certificates";
    const WORDS: &'static [(&'static str, Self)] =
        &[("none", Self::None), ("optional", Self::Optional), ("required", Self::Required)];
}

impl Word for PortLog {
    const WHAT: &'static str = "a log policy";
    const WORDS: &'static [(&'static str, Self)] =
        &[("on", Self::On), ("off", Self::Off), ("required", Self::Required)];
}

impl Word for AuditNeed {
    const WHAT: &'static str = "a way to audit";
    const WORDS: &'static [(&'static str, Self)] =
        &[("on", Self::On), ("off", Self::Off), ("required", Self::Required)];
}

impl Word for ServiceProtocol {
    const WHAT: &'static str = "a protocol that services speak";
    const WORDS: &'static [(&'static str, Self)] = &[
        ("http", Self::Http),
        ("tcp", Self::Tcp),
        ("postgres", Self::Postgres),
        ("redis", Self::Redis),
        ("ssh", Self::Ssh),
    ];
}

impl Word for Transport {
    const WHAT: &'static str = "a transport";
    const WORDS: &'static [(&'static str, Self)] = &[("tcp", Self::Tcp), ("udp", Self::Udp)];
}

impl Word for Balance {
    const WHAT: &'static str = "a balancing policy";
    const WORDS: &'static [(&'static str, Self)] =
        &[("round-robin", Self::RoundRobin), ("least-requests", Self::LeastRequests)];
}

impl Word for ProxyProtocolOut {
    const WHAT: &'static str = "a version of the PROXY protocol";
    const WORDS: &'static [(&'static str, Self)] = &[("v1", Self::V1), ("v2", Self::V2)];
}

impl Word for LogFormat {
    const WHAT: &'static str = "a log format";
    const WORDS: &'static [(&'static str, Self)] = &[("json", Self::Json), ("text", Self::Text)];
}

impl Word for LogLevel {
    const WHAT: &'static str = "a log level";
    const WORDS: &'static [(&'static str, Self)] = &[
        ("error", Self::Error),
        ("warn", Self::Warn),
        ("info", Self::Info),
        ("debug", Self::Debug),
        ("trace", Self::Trace),
    ];
}
