//! PC120 for HAProxy: words that are nearly those that decide about ports.

use super::super::{model::Instance, syntax::Statement, words::Word};
use crate::{
    finding::{Edit, Finding, Safety},
    keys::{UNKNOWN_KEY, meant},
};

/// First words of the statements of a proxy, of all versions, with the prefixes that negate.
const STATEMENTS: [&str; 89] = [
    "acl",
    "appsession",
    "backlog",
    "balance",
    "bind",
    "bind-process",
    "block",
    "capture",
    "clitcpka-cnt",
    "clitcpka-idle",
    "clitcpka-intvl",
    "clitimeout",
    "compression",
    "contimeout",
    "cookie",
    "crt",
    "declare",
    "default",
    "default-server",
    "default_backend",
    "description",
    "disabled",
    "dispatch",
    "dynamic-cookie-key",
    "email-alert",
    "enabled",
    "errorfile",
    "errorfiles",
    "errorloc",
    "errorloc302",
    "errorloc303",
    "error-log-format",
    "external-check",
    "filter",
    "filter-sequence",
    "force-persist",
    "force-be-switch",
    "fullconn",
    "grace",
    "guid",
    "hash-balance-factor",
    "hash-preserve-affinity",
    "hash-type",
    "http-after-response",
    "http-check",
    "http-error",
    "http-request",
    "http-response",
    "http-reuse",
    "http-send-name-header",
    "id",
    "ignore-persist",
    "load-server-state-from-file",
    "log",
    "log-format",
    "log-format-sd",
    "log-steps",
    "log-tag",
    "max-keep-alive-queue",
    "max-session-srv-conns",
    "maxconn",
    "mode",
    "monitor",
    "monitor-net",
    "monitor-uri",
    "no",
    "option",
    "persist",
    "quic-initial",
    "rate-limit",
    "redirect",
    "redispatch",
    "retries",
    "retry-on",
    "server",
    "server-state-file-name",
    "server-template",
    "source",
    "srvtcpka-cnt",
    "srvtcpka-idle",
    "srvtcpka-intvl",
    "srvtimeout",
    "stats",
    "stick",
    "stick-table",
    "tcp-check",
    "tcp-request",
    "tcp-response",
    "timeout",
];

/// More of them, which are not to be taken for mistakes of others.
const MORE_STATEMENTS: [&str; 26] = [
    "reqadd",
    "reqallow",
    "reqdel",
    "reqdeny",
    "reqiallow",
    "reqidel",
    "reqideny",
    "reqipass",
    "reqirep",
    "reqitarpit",
    "reqpass",
    "reqrep",
    "reqtarpit",
    "rspadd",
    "rspdel",
    "rspdeny",
    "rspidel",
    "rspideny",
    "rspirep",
    "rsprep",
    "transparent",
    "unique-id-format",
    "unique-id-header",
    "use-fcgi-app",
    "use-server",
    "use_backend",
];

/// Options of `bind` that stand alone or before a value.
const BIND_OPTIONS: [&str; 79] = [
    "accept-netscaler-cip",
    "accept-proxy",
    "allow-0rtt",
    "alpn",
    "backlog",
    "ca-file",
    "ca-ignore-err",
    "ca-sign-file",
    "ca-sign-pass",
    "ca-verify-file",
    "cc",
    "ciphers",
    "ciphersuites",
    "client-sigalgs",
    "crl-file",
    "crt",
    "crt-ignore-err",
    "crt-list",
    "curves",
    "default-crt",
    "defer-accept",
    "ecdhe",
    "ech",
    "expose-fd",
    "force-sslv3",
    "force-tlsv10",
    "force-tlsv11",
    "force-tlsv12",
    "force-tlsv13",
    "generate-certificates",
    "gid",
    "group",
    "guid-prefix",
    "id",
    "idle-ping",
    "interface",
    "ktls",
    "label",
    "level",
    "maxconn",
    "mode",
    "mss",
    "name",
    "namespace",
    "nbconn",
    "nice",
    "no-alpn",
    "no-ca-names",
    "no-sslv3",
    "no-strict-sni",
    "no-tls-tickets",
    "no-tlsv10",
    "no-tlsv11",
    "no-tlsv12",
    "no-tlsv13",
    "npn",
    "prefer-client-ciphers",
    "process",
    "proto",
    "quic-cc-algo",
    "quic-force-retry",
    "quic-socket",
    "severity-output",
    "shards",
    "sigalgs",
    "ssl",
    "ssl-max-ver",
    "ssl-min-ver",
    "strict-sni",
    "tcp-md5sig",
    "tcp-ss",
    "tcp-ut",
    "tfo",
    "thread",
    "tls-ticket-keys",
    "tls-tickets",
    "transparent",
    "uid",
    "user",
];

/// Those that open or protect.
const BIND_WORDS: [&str; 7] = ["v4v6", "v6only", "verify", "accept-proxy", "namespace", "interface", "strict-sni"];

/// Statements that open or protect: only what is nearly one of these is told of.
const DECIDING: [&str; 12] = [
    "acl",
    "bind",
    "block",
    "default_backend",
    "http-request",
    "redirect",
    "server",
    "stats",
    "tcp-request",
    "use_backend",
    "option",
    "default-server",
];

pub(super) fn check(instance: &Instance, findings: &mut Vec<Finding>) {
    for proxy in &instance.proxies {
        for statement in &proxy.statements {
            findings.extend(statement.words.first().and_then(misspelt_statement));
        }
        for bind in &proxy.binds {
            findings.extend(misspelt_option(&bind.statement, bind.options));
        }
    }
}

fn misspelt_statement(word: &Word) -> Option<Finding> {
    let text = word.text.as_str();
    if word.open.is_some() || STATEMENTS.contains(&text) || MORE_STATEMENTS.contains(&text) {
        return None;
    }
    let meant = meant(text, &DECIDING)?;
    Some(told(word, meant, format!("HAProxy knows no statement `{text}`; `{meant}` was probably meant")))
}

/// Options are told from values by their place, which only a list of what takes a value would give; so a word counts
/// only if it is nearly one of the few that protect.
fn misspelt_option(statement: &Statement, from: usize) -> Option<Finding> {
    let word = statement.words.iter().skip(from).find(|word| {
        let text = word.text.as_str();
        word.open.is_none()
            && !BIND_OPTIONS.contains(&text)
            && !BIND_WORDS.contains(&text)
            && meant(text, &BIND_WORDS).is_some()
    })?;
    let before = statement.words.iter().take_while(|other| other.span != word.span).last();
    let is_value = before
        .is_some_and(|before| matches!(before.text.as_str(), "name" | "namespace" | "interface" | "user" | "group"));
    let meant = meant(&word.text, &BIND_WORDS).filter(|_| !is_value)?;
    Some(told(word, meant, format!("HAProxy knows no option `{}` of `bind`; `{meant}` was probably meant", word.text)))
}

fn told(word: &Word, meant: &str, message: String) -> Finding {
    let edit = Edit { span: word.span, replacement: meant.to_owned() };
    Finding::new(&UNKNOWN_KEY, word.span, message).fix(Safety::NeedsReview, format!("write `{meant}`"), vec![edit])
}
