//! PC120 for HAProxy: words that are nearly those that decide about ports.

use super::super::{
    model::Instance,
    syntax::{SectionKind, Statement},
    words::Word,
};
use crate::{
    finding::{Edit, Finding, Safety},
    keys::{UNKNOWN_KEY, meant},
};

/// First words of the statements of a proxy, of all versions, with the prefixes that negate.
const STATEMENTS: &str = "\
    acl appsession backlog balance bind bind-process block capture clitcpka-cnt clitcpka-idle clitcpka-intvl \
    clitimeout compression contimeout cookie crt declare default default-server default_backend description disabled \
    dispatch dynamic-cookie-key email-alert enabled errorfile errorfiles errorloc errorloc302 errorloc303 \
    error-log-format external-check filter filter-sequence force-persist force-be-switch fullconn grace guid \
    hash-balance-factor hash-preserve-affinity hash-type http-after-response http-check http-error http-request \
    http-response http-reuse http-send-name-header id ignore-persist load-server-state-from-file log log-format \
    log-format-sd log-steps log-tag max-keep-alive-queue max-session-srv-conns maxconn mode monitor monitor-net \
    monitor-uri no option persist quic-initial rate-limit redirect redispatch reqadd reqallow reqdel reqdeny \
    reqiallow reqidel reqideny reqipass reqirep reqisetbe reqitarpit reqpass reqrep reqsetbe reqtarpit retries \
    retry-on rspadd rspdel rspdeny rspidel rspideny rspirep rsprep server server-state-file-name server-template \
    source srvexp srvtcpka-cnt srvtcpka-idle srvtcpka-intvl srvtimeout stats stick stick-table tcp-check tcp-request \
    tcp-response timeout transparent unique-id-format unique-id-header use-fcgi-app use-server use_backend";

/// Those of other sections, as far as they are common.
const OTHER_STATEMENTS: &str = "\
    51degrees-data-file accepted_payload_size ca-base chroot command cpu-map crt-base daemon debug dgram-bind docroot \
    expose-experimental-directives extra-field external-check fd-hard-limit format gid group h1-case-adjust \
    hard-stop-after hold http-error index insecure-fork-wanted insecure-setuid-wanted issuers-chain-path key-base \
    limited-quic localpeer log-send-hostname lua-load lua-load-per-thread lua-prepend-path mailer master-worker \
    max-age max-object-size maxcompcpuusage maxcomprate maxconnrate maxlen maxpipes maxsessrate maxsslconn \
    maxsslrate maxzlibmem module-load module-path mworker-max-reloads nameserver namespace nbproc nbthread \
    noepoll noevports nogetaddrinfo nokqueue nopoll noreuseport nosplice numa-cpu-mapping parse-resolv-conf \
    path-info peer pidfile presetenv process-vary profiling.tasks quiet resetenv resolve_retries ring server-state-base \
    set-dumpable set-var setcap setenv size spread-checks ssl-default-bind-ciphers ssl-default-bind-ciphersuites \
    ssl-default-bind-options ssl-default-server-ciphers ssl-default-server-ciphersuites ssl-default-server-options \
    ssl-dh-param-file ssl-engine ssl-load-extra-files ssl-mode-async ssl-server-verify strict-limits table \
    thread-groups total-max-size uid ulimit-n unix-bind unsetenv user busy-polling anonkey cluster-secret \
    default-path log-stderr";

/// Whether a line of a configuration may begin with a word.
pub(in super::super) fn is_first_word(word: &str) -> bool {
    SectionKind::of(word).is_some()
        || word.starts_with("tune.")
        || is_statement(word)
        || OTHER_STATEMENTS.split_ascii_whitespace().any(|known| known == word)
}

fn is_statement(word: &str) -> bool {
    STATEMENTS.split_ascii_whitespace().any(|known| known == word)
}

/// Options of `bind` that stand alone or before a value.
const BIND_OPTIONS: &str = "\
    accept-netscaler-cip accept-proxy allow-0rtt alpn backlog ca-file ca-ignore-err ca-sign-file ca-sign-pass ca- \
    verify-file cc ciphers ciphersuites client-sigalgs crl-file crt crt-ignore-err crt-list curves default-crt \
    defer-accept ecdhe ech expose-fd force-sslv3 force-tlsv10 force-tlsv11 force-tlsv12 force-tlsv13 generate- \
    certificates gid group guid-prefix id idle-ping interface ktls label level maxconn mode mss name namespace \
    nbconn nice no-alpn no-ca-names no-sslv3 no-strict-sni no-tls-tickets no-tlsv10 no-tlsv11 no-tlsv12 no-tlsv13 \
    npn prefer-client-ciphers process proto quic-cc-algo quic-force-retry quic-socket severity-output shards \
    sigalgs ssl ssl-max-ver ssl-min-ver strict-sni tcp-md5sig tcp-ss tcp-ut tfo thread tls-ticket-keys tls-tickets \
    transparent uid user";

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
    if word.open.is_some() || is_statement(text) {
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
            && !is_bind_option(text)
            && !BIND_WORDS.contains(&text)
            && meant(text, &BIND_WORDS).is_some()
    })?;
    let before = statement.words.iter().take_while(|other| other.span != word.span).last();
    let is_value = before
        .is_some_and(|before| matches!(before.text.as_str(), "name" | "namespace" | "interface" | "user" | "group"));
    let meant = meant(&word.text, &BIND_WORDS).filter(|_| !is_value)?;
    Some(told(word, meant, format!("HAProxy knows no option `{}` of `bind`; `{meant}` was probably meant", word.text)))
}

fn is_bind_option(word: &str) -> bool {
    BIND_OPTIONS.split_ascii_whitespace().any(|known| known == word)
}

fn told(word: &Word, meant: &str, message: String) -> Finding {
    let edit = Edit { span: word.span, replacement: meant.to_owned() };
    Finding::new(&UNKNOWN_KEY, word.span, message).fix(Safety::NeedsReview, format!("write `{meant}`"), vec![edit])
}
