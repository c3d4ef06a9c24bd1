//! What the statements of a HAProxy configuration mean, as far as ports are concerned.

use std::{collections::HashMap, sync::OnceLock};

use super::{
    address::{Address, Host, Internet, Ports, Refusal, Transport},
    syntax::{Branch, Statement},
    words::Word,
};
use crate::{
    estate::Guard,
    inputs::{FileId, Span},
};

/// The files that one HAProxy process reads, in its order.
#[derive(Debug, Default)]
pub(crate) struct Instance {
    pub(crate) files: Vec<FileId>,
    pub(crate) global: Vec<Statement>,
    pub(crate) proxies: Vec<Proxy>,
    /// Sockets that are not those of proxies: the control socket, peers, log receivers.
    pub(crate) sockets: Vec<Socket>,
    pub(crate) programs: Vec<Program>,
    /// All statements, with those of sections that are not read further.
    pub(crate) others: Vec<Statement>,
    pub(crate) refused: Vec<Refused>,
    /// Whether it has what every process needs (`global` or `defaults`); otherwise more files belong to it.
    pub(crate) is_whole: bool,
    /// Whether another tool decides which lines there are.
    pub(crate) templated: bool,
    /// Index of the first proxy that takes traffic under a name.
    pub(crate) backends: HashMap<String, usize>,
    /// Addresses so far; those beyond a bound are left out.
    pub(crate) addresses: usize,
}

/// A `defaults`, `frontend`, `backend` or `listen` section.
#[derive(Debug)]
pub(crate) struct Proxy {
    pub(crate) kind: ProxyKind,
    pub(crate) name: Word,
    /// Index of the `defaults` section that it inherits from.
    pub(crate) inherits: Option<usize>,
    pub(crate) statements: Vec<Statement>,
    pub(crate) binds: Vec<Bind>,
    pub(crate) servers: Vec<Server>,
    pub(crate) branches: Vec<Branch>,
    /// Indices of the `acl` lines among the statements, by name.
    pub(crate) acls: HashMap<String, Vec<usize>>,
    /// What is asked of every caller, once it has been looked for.
    pub(crate) asked: OnceLock<Guard>,
}

/// The kinds of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ProxyKind {
    Defaults,
    Frontend,
    Backend,
    Listen,
}

impl ProxyKind {
    /// Its keyword.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Defaults => "defaults",
            Self::Frontend => "frontend",
            Self::Backend => "backend",
            Self::Listen => "listen",
        }
    }
}

/// A `bind` line, or the addresses on the line of an old `listen`.
#[derive(Debug, Clone)]
pub(crate) struct Bind {
    pub(crate) addresses: Vec<Bound>,
    pub(crate) statement: Statement,
    /// Index of the first word behind the addresses.
    pub(crate) options: usize,
}

/// One address of a list, and its place.
#[derive(Debug, Clone)]
pub(crate) struct Bound {
    pub(crate) text: String,
    pub(crate) span: Span,
    pub(crate) address: Address,
    /// The place of the host, which may be empty, where it can be told.
    pub(crate) host_span: Option<Span>,
}

/// A `server` line and its kin.
#[derive(Debug, Clone)]
pub(crate) struct Server {
    pub(crate) name: String,
    pub(crate) bound: Bound,
    pub(crate) statement: Statement,
}

/// A socket outside of proxies.
#[derive(Debug)]
pub(crate) struct Socket {
    pub(crate) kind: SocketKind,
    /// The name of its section, or empty.
    pub(crate) section: String,
    pub(crate) bind: Bind,
}

/// What it is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SocketKind {
    /// `stats socket`: commands that steer the process.
    Control,
    /// A `bind` of a `peers` section.
    Peers,
    /// A `peer` line: the peer whose name is that of the host listens there.
    Peer,
    /// A `bind` or `dgram-bind` of a `log-forward` section.
    Logs,
}

impl SocketKind {
    /// For people.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Control => "the control socket",
            Self::Peers | Self::Peer => "the peers",
            Self::Logs => "the log receiver",
        }
    }
}

/// A program that HAProxy starts beside itself.
#[derive(Debug)]
pub(crate) struct Program {
    pub(crate) name: String,
    /// The `command` line.
    pub(crate) command: Statement,
}

/// An address that HAProxy would not take.
#[derive(Debug)]
pub(crate) struct Refused {
    pub(crate) refusal: Refusal,
    pub(crate) text: String,
    pub(crate) span: Span,
}

impl Instance {
    /// What holds for a proxy: its own statements and, behind them, those of its defaults.
    pub(crate) fn effective<'a>(&'a self, proxy: &'a Proxy) -> impl Iterator<Item = &'a Statement> {
        let inherited = proxy.inherits.and_then(|index| self.proxies.get(index));
        proxy.statements.iter().chain(inherited.into_iter().flat_map(|defaults| &defaults.statements))
    }

    /// The last word on a keyword that may be said once: what the proxy says, or else its defaults.
    pub(crate) fn setting<'a>(&'a self, proxy: &'a Proxy, words: &[&str]) -> Option<&'a Statement> {
        let own = proxy.statements.iter().rfind(|statement| statement.begins(words));
        let inherited = || proxy.inherits.and_then(|index| self.proxies.get(index));
        own.or_else(|| inherited()?.statements.iter().rfind(|statement| statement.begins(words)))
    }

    /// Whether an `option` is on: `no option` takes it away again.
    pub(crate) fn option<'a>(&'a self, proxy: &'a Proxy, name: &str) -> Option<&'a Statement> {
        match (self.setting(proxy, &["option", name]), self.setting(proxy, &["no", "option", name])) {
            (Some(on), Some(off)) if off.span.file == on.span.file && off.span.start > on.span.start => None,
            (on, _) => on,
        }
    }

    /// HTTP unless `mode tcp` is said: the default of HAProxy is tcp, which files without a mode show by their words.
    pub(crate) fn mode(&self, proxy: &Proxy) -> Mode {
        match self.setting(proxy, &["mode"]).map(|statement| statement.text(1)) {
            Some("http" | "health") => Mode::Http,
            Some("tcp" | "log" | "spop" | "syslog") => Mode::Tcp,
            _ if self.effective(proxy).any(|statement| statement.text(0).starts_with("http-")) => Mode::Http,
            _ if self.is_whole => Mode::Tcp,
            _ => Mode::Unknown,
        }
    }

    /// The proxy that takes traffic under a name.
    pub(crate) fn backend(&self, name: &str) -> Option<&Proxy> {
        self.backends.get(name).and_then(|index| self.proxies.get(*index))
    }

    /// The lines of one ACL: those of the proxy and of its defaults.
    pub(crate) fn acl<'a>(&'a self, proxy: &'a Proxy, name: &'a str) -> impl Iterator<Item = &'a Statement> {
        let inherited = proxy.inherits.and_then(|index| self.proxies.get(index));
        [Some(proxy), inherited].into_iter().flatten().flat_map(move |proxy| {
            let lines = proxy.acls.get(name).into_iter().flatten();
            lines.filter_map(|index| proxy.statements.get(*index))
        })
    }

    /// `use_backend` and `default_backend` lines of a proxy, each with the word that names the backend.
    pub(crate) fn uses<'a>(&'a self, proxy: &'a Proxy) -> impl Iterator<Item = (&'a Statement, &'a Word)> {
        self.effective(proxy).filter_map(|statement| match statement.text(0) {
            "use_backend" | "default_backend" => Some((statement, statement.words.get(1)?)),
            _ => None,
        })
    }

    /// Proxies that listen and are not switched off.
    pub(crate) fn listening(&self) -> impl Iterator<Item = &Proxy> {
        let listens = |proxy: &&Proxy| matches!(proxy.kind, ProxyKind::Frontend | ProxyKind::Listen);
        self.proxies.iter().filter(listens).filter(|proxy| !self.is_disabled(proxy))
    }

    fn is_disabled(&self, proxy: &Proxy) -> bool {
        self.setting(proxy, &["disabled"]).is_some() && !proxy.statements.iter().any(|line| line.begins(&["enabled"]))
    }
}

impl Proxy {
    /// For people: "frontend `web`".
    pub(crate) fn title(&self) -> String {
        format!("{} `{}`", self.kind.word(), self.name.text)
    }
}

/// What a proxy speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    Http,
    Tcp,
    /// The file is a part of a whole that says it.
    Unknown,
}

impl Bind {
    /// Whether TLS is terminated here.
    pub(crate) fn has_tls(&self) -> bool {
        self.statement.has(self.options, "ssl")
    }

    /// Whether clients must show a certificate.
    pub(crate) fn asks_certificate(&self) -> bool {
        self.statement.option(self.options, "verify").is_some_and(|word| word.text == "required")
    }

    /// A word of its options.
    pub(crate) fn has(&self, option: &str) -> bool {
        self.statement.has(self.options, option)
    }

    /// The word behind one of its options.
    pub(crate) fn option(&self, name: &str) -> Option<&Word> {
        self.statement.option(self.options, name)
    }
}

impl Bound {
    /// The address, if it is one of the internet protocols.
    pub(crate) fn internet(&self) -> Option<&Internet> {
        match &self.address {
            Address::Internet(internet) => Some(internet),
            _ => None,
        }
    }

    /// First and last port, if they are known.
    pub(crate) fn span_of_ports(&self) -> Option<(u16, u16)> {
        match self.internet()?.ports {
            Ports::Span { first, last } => Some((first, last)),
            _ => None,
        }
    }

    /// Whether every interface is listened on.
    pub(crate) fn is_wildcard(&self) -> bool {
        self.internet().is_some_and(|internet| matches!(internet.host, Host::Ip(ip) if ip.is_unspecified()))
    }

    /// The variable that decides the host or the ports.
    pub(crate) fn is_open(&self) -> bool {
        match &self.address {
            Address::Open => true,
            Address::Internet(internet) => internet.host == Host::Open || internet.ports == Ports::Open,
            _ => false,
        }
    }

    /// Whether datagrams are taken.
    pub(crate) fn is_datagram(&self) -> bool {
        self.internet().is_some_and(|internet| internet.transport != Transport::Tcp)
    }
}
