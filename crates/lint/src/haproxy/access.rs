//! Who is let in, as far as ACLs say: which sources, or which proof of identity.
//!
//! Deliberately small: it answers "is something asked of the caller", and never decides a request. What it cannot
//! read counts as [`Guard::Unknown`], which no rule takes for openness.

use ipnet::IpNet;

use super::{
    model::{Bind, Instance, Proxy},
    syntax::Statement,
    words::Word,
};
use crate::estate::Guard;

/// What a condition asks.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Asks {
    Sources(Vec<IpNet>),
    /// From where, but the addresses are in a file or computed.
    SomeSources,
    Identity(&'static str),
    /// Path, method, TLS and so on: nothing about the caller.
    Other,
}

/// One term of a condition.
struct Term {
    negated: bool,
    asks: Asks,
}

/// `if`, or `unless`, with alternatives of terms that hold together.
struct Condition {
    negated: bool,
    alternatives: Vec<Vec<Term>>,
}

/// What a listening address asks of everybody.
pub(super) fn at_bind(bind: &Bind) -> Guard {
    if bind.has_tls() && bind.asks_certificate() {
        return Guard::Identity("client certificate".to_owned());
    }
    Guard::Open
}

/// What a proxy asks of every connection or request, whatever it wants.
pub(super) fn at_proxy(instance: &Instance, proxy: &Proxy) -> Guard {
    proxy.asked.get_or_init(|| of_proxy(instance, proxy)).clone()
}

/// Whether a rule keeps callers out whom the guard of its proxy would let in.
pub(super) fn keeps_out_more(instance: &Instance, proxy: &Proxy, statement: &Statement) -> bool {
    let Some((verb, at)) = verb(statement) else { return statement.text(0) == "block" };
    let guard = at_proxy(instance, proxy);
    match (verb, condition(instance, proxy, statement, at)) {
        (Verb::Admit, _) => false,
        // It is the rest of `accept if { src … }`, or comes after a rule that refuses already.
        (Verb::Refuse, None) => refuses_by_others(instance, proxy),
        (Verb::Refuse, Some(condition)) => condition.refuses_all_but() != Some(guard),
        (Verb::Authenticate, condition) => {
            guard != Guard::Identity("basic auth".to_owned())
                || condition.is_some_and(|condition| !condition.names_only_callers())
        }
    }
}

/// Whether a rule with a condition, not one that refuses all the rest, makes the guard of a proxy.
fn refuses_by_others(instance: &Instance, proxy: &Proxy) -> bool {
    let first = instance.effective(proxy).find_map(|statement| {
        let (verb, at) = verb(statement)?;
        let condition = condition(instance, proxy, statement, at);
        match (verb, condition) {
            (Verb::Admit, _) => None,
            (Verb::Refuse, None) => Some(false),
            (Verb::Refuse, Some(condition)) => condition.refuses_all_but().map(|_| true),
            (Verb::Authenticate, condition) => {
                condition.is_none_or(|condition| condition.names_only_callers()).then_some(true)
            }
        }
    });
    first.unwrap_or(true)
}

fn of_proxy(instance: &Instance, proxy: &Proxy) -> Guard {
    let mut accepted: Option<Guard> = None;
    for statement in instance.effective(proxy) {
        let Some((verb, at)) = verb(statement) else { continue };
        let condition = condition(instance, proxy, statement, at);
        match (verb, condition) {
            // `accept if { src … }` followed by `reject` without a condition.
            (Verb::Admit, Some(condition)) => {
                if let Some(guard) = condition.admits() {
                    accepted = Some(merge(accepted, guard));
                }
            }
            (Verb::Refuse, None) => return accepted.unwrap_or(Guard::Unknown),
            (Verb::Refuse, Some(condition)) => {
                if let Some(guard) = condition.refuses_all_but() {
                    return guard;
                }
            }
            (Verb::Authenticate, condition) => {
                if condition.is_none_or(|condition| condition.names_only_callers()) {
                    return Guard::Identity("basic auth".to_owned());
                }
            }
            (Verb::Admit, None) => {}
        }
    }
    Guard::Open
}

/// What stands before a part of a proxy, such as its statistics: rules for some paths count as well, since which path
/// they mean is not read.
pub(super) fn at_part(instance: &Instance, proxy: &Proxy) -> Guard {
    let whole = at_proxy(instance, proxy);
    if whole != Guard::Open {
        return whole;
    }
    for statement in instance.effective(proxy) {
        let Some((verb, at)) = verb(statement) else { continue };
        let condition = condition(instance, proxy, statement, at);
        if verb == Verb::Authenticate {
            return Guard::Identity("basic auth".to_owned());
        }
        let asks = |term: &Term| term.asks != Asks::Other;
        if condition.is_some_and(|condition| condition.alternatives.iter().flatten().any(asks)) {
            return Guard::Unknown;
        }
    }
    Guard::Open
}

/// What the condition of one statement asks: that of `use-service`, `stats admin` or `use_backend`.
pub(super) fn at_statement(instance: &Instance, proxy: &Proxy, statement: &Statement, from: usize) -> Guard {
    condition(instance, proxy, statement, from).and_then(|condition| condition.admits()).unwrap_or(Guard::Open)
}

/// The condition behind a statement as it is written: `host_shop`, without `if`.
pub(super) fn text(statement: &Statement, from: usize) -> String {
    let words = statement.words.iter().skip(from).skip_while(|word| !is_condition_word(word));
    words.map(|word| word.text.as_str()).collect::<Vec<_>>().join(" ")
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Verb {
    Admit,
    Refuse,
    Authenticate,
}

/// What a rule of a proxy does, and from which word on its condition may stand.
fn verb(statement: &Statement) -> Option<(Verb, usize)> {
    let (action, at) = match statement.text(0) {
        "http-request" | "block" => (statement.text(1), 2),
        "stats" if statement.text(1) == "http-request" => (statement.text(2), 3),
        "tcp-request" => (statement.text(2), 3),
        _ => return None,
    };
    match action {
        "allow" | "accept" => Some((Verb::Admit, at)),
        "deny" | "reject" | "silent-drop" | "tarpit" => Some((Verb::Refuse, at)),
        "auth" => Some((Verb::Authenticate, at)),
        _ => None,
    }
}

fn is_condition_word(word: &Word) -> bool {
    word.text == "if" || word.text == "unless"
}

fn condition(instance: &Instance, proxy: &Proxy, statement: &Statement, from: usize) -> Option<Condition> {
    let at = from + statement.words.iter().skip(from).position(is_condition_word)?;
    let negated = statement.text(at) == "unless";
    let mut alternatives = vec![Vec::new()];
    let mut words = statement.words[at + 1..].iter().map(|word| word.text.as_str());
    let mut denied = false;
    while let Some(word) = words.next() {
        let name = match word {
            "||" | "or" => {
                alternatives.push(Vec::new());
                continue;
            }
            "!" => {
                denied = !denied;
                continue;
            }
            word => word.strip_prefix('!').inspect(|_| denied = !denied).unwrap_or(word),
        };
        let asks = if name == "{" {
            let inner: Vec<&str> = words.by_ref().take_while(|word| *word != "}").collect();
            criterion(&inner)
        } else {
            acl(instance, proxy, name)
        };
        if let Some(terms) = alternatives.last_mut() {
            terms.push(Term { negated: denied, asks });
        }
        denied = false;
    }
    Some(Condition { negated, alternatives })
}

/// All lines of one name stand for one ACL: any of them is enough.
fn acl(instance: &Instance, proxy: &Proxy, name: &str) -> Asks {
    match name {
        "LOCALHOST" => return Asks::Sources(vec![IpNet::new_assert([127, 0, 0, 0].into(), 8)]),
        "TRUE" | "FALSE" | "HTTP" | "METH_GET" => return Asks::Other,
        _ => {}
    }
    let mut together: Option<Asks> = None;
    for line in instance.acl(proxy, name) {
        let words: Vec<&str> = line.words.iter().skip(2).map(|word| word.text.as_str()).collect();
        let asks = criterion(&words);
        together = Some(match (together, asks) {
            (None, asks) => asks,
            (Some(Asks::Sources(mut nets)), Asks::Sources(more)) => {
                nets.extend(more);
                Asks::Sources(nets)
            }
            (Some(Asks::Sources(_) | Asks::SomeSources), Asks::SomeSources)
            | (Some(Asks::SomeSources), Asks::Sources(_)) => Asks::SomeSources,
            (Some(Asks::Identity(what)), Asks::Identity(_)) => Asks::Identity(what),
            _ => Asks::Other,
        });
    }
    together.unwrap_or(Asks::Other)
}

/// `src 10.0.0.0/8 192.168.0.0/16`, `http_auth(users)`, `path_beg /`.
fn criterion(words: &[&str]) -> Asks {
    let Some((fetch, patterns)) = words.split_first() else { return Asks::Other };
    let name = fetch.split(['(', ',']).next().unwrap_or(fetch);
    match name {
        "src" => {
            let nets: Vec<Option<IpNet>> = patterns.iter().map(|text| network(text)).collect();
            if nets.is_empty() || nets.iter().any(Option::is_none) {
                return Asks::SomeSources;
            }
            Asks::Sources(nets.into_iter().flatten().collect())
        }
        "http_auth" | "http_auth_group" => Asks::Identity("basic auth"),
        "ssl_c_used" | "ssl_c_verify" | "ssl_c_s_dn" | "ssl_c_i_dn" | "ssl_c_sha1" | "ssl_fc_has_crt" => {
            Asks::Identity("client certificate")
        }
        "jwt_verify" => Asks::Identity("token"),
        _ if fetch.contains("jwt_verify") || fetch.contains("authorization") => Asks::Identity("token"),
        "src_is_local" => Asks::SomeSources,
        _ if name.starts_with("hdr_ip") || name.starts_with("req.hdr_ip") => Asks::SomeSources,
        _ => Asks::Other,
    }
}

fn network(text: &str) -> Option<IpNet> {
    text.parse::<IpNet>().ok().or_else(|| text.parse::<std::net::IpAddr>().ok().map(IpNet::from)).map(|net| net.trunc())
}

impl Asks {
    fn guard(&self) -> Option<Guard> {
        match self {
            Self::Sources(nets) => Some(Guard::Sources(nets.clone())),
            Self::SomeSources => Some(Guard::Unknown),
            Self::Identity(what) => Some(Guard::Identity((*what).to_owned())),
            Self::Other => None,
        }
    }
}

impl Condition {
    /// Whom it is true for, if that is limited in every alternative.
    fn admits(&self) -> Option<Guard> {
        if self.negated {
            return None;
        }
        let mut together: Option<Guard> = None;
        for terms in &self.alternatives {
            let guard = terms.iter().filter(|term| !term.negated).find_map(|term| term.asks.guard())?;
            together = Some(merge(together, guard));
        }
        together
    }

    /// Who is left when all others are refused: `if !local`, `unless local`.
    fn refuses_all_but(&self) -> Option<Guard> {
        if self.negated {
            return Self { negated: false, alternatives: Vec::new() }.with(&self.alternatives).admits();
        }
        // One alternative that refuses by the caller alone is enough.
        self.alternatives.iter().find_map(|terms| match terms.as_slice() {
            [] => None,
            terms if terms.iter().all(|term| term.negated && term.asks != Asks::Other) => {
                terms.iter().filter_map(|term| term.asks.guard()).reduce(|a, b| merge(Some(a), b))
            }
            _ => None,
        })
    }

    fn with(mut self, alternatives: &[Vec<Term>]) -> Self {
        let copy = |term: &Term| Term { negated: term.negated, asks: term.asks.clone() };
        self.alternatives = alternatives.iter().map(|terms| terms.iter().map(copy).collect()).collect();
        self
    }

    /// Whether no term is about anything but the caller: `auth unless authenticated`.
    fn names_only_callers(&self) -> bool {
        self.alternatives.iter().flatten().all(|term| term.asks != Asks::Other)
    }
}

/// Either of two guards lets pass.
fn merge(a: Option<Guard>, b: Guard) -> Guard {
    match (a, b) {
        (None, b) => b,
        (Some(Guard::Sources(mut nets)), Guard::Sources(more)) => {
            nets.extend(more);
            Guard::Sources(nets)
        }
        (Some(Guard::Identity(what)), Guard::Identity(_)) => Guard::Identity(what),
        _ => Guard::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        haproxy::{syntax, words::Environment},
        inputs::FileId,
    };

    fn guard(lines: &str) -> Guard {
        let text = format!("defaults\nmode http\nfrontend x\n{lines}");
        let mut instance = Instance::default();
        instance.add(syntax::parse(&text, FileId(0), &mut Environment::default()));
        let proxy = instance.listening().next().unwrap();
        at_proxy(&instance, proxy)
    }

    #[test]
    fn what_is_asked_of_every_caller() {
        let sources = |nets: &[&str]| Guard::Sources(nets.iter().map(|net| net.parse().unwrap()).collect());
        let identity = |what: &str| Guard::Identity(what.to_owned());
        for (lines, expected) in [
            ("bind :80", Guard::Open),
            ("http-request deny if !{ src 10.0.0.0/8 }", sources(&["10.0.0.0/8"])),
            ("http-request deny unless { src 10.0.0.0/8 10.1.2.3 }", sources(&["10.0.0.0/8", "10.1.2.3/32"])),
            ("acl a src 10.0.0.0/8\nacl a src 192.168.0.0/16\nhttp-request deny if ! a", {
                sources(&["10.0.0.0/8", "192.168.0.0/16"])
            }),
            ("acl a src -f nets.lst\ntcp-request connection reject if !a", Guard::Unknown),
            (
                "tcp-request connection accept if { src 10.1.2.3 }\ntcp-request connection reject",
                sources(&["10.1.2.3/32"]),
            ),
            ("http-request deny if { path /admin } !{ src 10.0.0.0/8 }", Guard::Open),
            ("http-request deny if { path /admin }", Guard::Open),
            ("http-request deny if { src 203.0.113.7 }", Guard::Open),
            ("http-request auth realm x unless { http_auth(users) }", identity("basic auth")),
            ("http-request auth if { path /x }", Guard::Open),
            ("http-request deny unless LOCALHOST", sources(&["127.0.0.0/8"])),
            ("http-request deny if !a", Guard::Open),
        ] {
            assert_eq!(guard(lines), expected, "{lines}");
        }
    }
}
