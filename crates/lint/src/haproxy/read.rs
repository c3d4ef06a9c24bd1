//! From sections to the model: inheritance, listening addresses, servers.

use std::{collections::HashMap, sync::OnceLock};

use super::{
    address::{self, Address, Internet, Use},
    model::{Bind, Bound, Instance, Program, Proxy, ProxyKind, Refused, Server, Socket, SocketKind},
    syntax::{Document, Section, SectionKind, Statement},
    words::Word,
};

/// More addresses than any process listens on or connects to. What is beyond is told of by the bound on lines.
const MAX_ADDRESSES: usize = 200_000;

impl Instance {
    /// Adds a file behind those that were added before: `defaults` of one file hold on into the next.
    pub(crate) fn add(&mut self, document: Document) {
        self.templated |= document.templated;
        for section in document.sections {
            self.section(section);
        }
    }

    fn section(&mut self, section: Section) {
        match section.kind {
            SectionKind::Global => self.global(section),
            SectionKind::Defaults => self.proxy(ProxyKind::Defaults, section),
            SectionKind::Frontend => self.proxy(ProxyKind::Frontend, section),
            SectionKind::Backend => self.proxy(ProxyKind::Backend, section),
            SectionKind::Listen => self.proxy(ProxyKind::Listen, section),
            SectionKind::Peers => self.peers(section),
            SectionKind::LogForward => self.log_forward(section),
            SectionKind::Program => {
                let name = section.header.text(1).to_owned();
                let command = section.statements.into_iter().find(|statement| statement.begins(&["command"]));
                self.programs.extend(command.map(|command| Program { name, command }));
            }
            SectionKind::Ring | SectionKind::Other => self.others.extend(section.statements),
        }
    }

    fn global(&mut self, section: Section) {
        self.is_whole = true;
        for statement in section.statements {
            if statement.begins(&["stats", "socket"]) {
                self.socket(SocketKind::Control, String::new(), statement.clone(), 2, Use::Listen);
            }
            self.global.push(statement);
        }
    }

    fn proxy(&mut self, kind: ProxyKind, section: Section) {
        let header = section.header;
        let name = header.words.get(1).filter(|word| kind != ProxyKind::Defaults || word.text != "from");
        let name = name.unwrap_or(&header.words[0]).clone();
        let from = header.option(1, "from");
        self.is_whole |= kind == ProxyKind::Defaults;
        let mut proxy = Proxy {
            kind,
            name,
            inherits: self.defaults(kind, from),
            statements: Vec::new(),
            binds: Vec::new(),
            servers: Vec::new(),
            branches: header.branches.clone(),
            acls: HashMap::new(),
            asked: OnceLock::new(),
        };
        // Up to HAProxy 1.8 the addresses of `listen` and `frontend` could stand on the line itself.
        if matches!(kind, ProxyKind::Listen | ProxyKind::Frontend)
            && header.words.get(2).is_some_and(|word| word.text.contains(':'))
        {
            proxy.binds.push(self.bind(header, 2, Use::Listen));
        }
        for statement in section.statements {
            match statement.text(0) {
                "bind" if statement.words.len() > 1 => proxy.binds.push(self.bind(statement.clone(), 1, Use::Listen)),
                "server" if statement.words.len() > 2 => proxy.servers.extend(self.server(&statement, 1, 2)),
                "server-template" if statement.words.len() > 3 => {
                    proxy.servers.extend(self.server(&statement, 1, 3));
                }
                "acl" => proxy.acls.entry(statement.text(1).to_owned()).or_default().push(proxy.statements.len()),
                "dispatch" if statement.words.len() > 1 => proxy.servers.extend(self.server(&statement, 0, 1)),
                _ => {}
            }
            proxy.statements.push(statement);
        }
        if matches!(kind, ProxyKind::Backend | ProxyKind::Listen) {
            self.backends.entry(proxy.name.text.clone()).or_insert(self.proxies.len());
        }
        self.proxies.push(proxy);
    }

    /// The named defaults, or the last ones that were said.
    fn defaults(&self, kind: ProxyKind, from: Option<&Word>) -> Option<usize> {
        let is_defaults = |proxy: &Proxy| proxy.kind == ProxyKind::Defaults;
        match from {
            Some(from) => self.proxies.iter().rposition(|proxy| is_defaults(proxy) && proxy.name.text == from.text),
            None if kind == ProxyKind::Defaults => None,
            None => self.proxies.iter().rposition(is_defaults),
        }
    }

    fn peers(&mut self, section: Section) {
        let name = section.header.text(1).to_owned();
        for statement in section.statements {
            match statement.text(0) {
                "bind" if statement.words.len() > 1 => {
                    self.socket(SocketKind::Peers, name.clone(), statement, 1, Use::Listen);
                }
                "peer" if statement.words.len() > 2 => {
                    self.socket(SocketKind::Peer, name.clone(), statement, 2, Use::Listen);
                }
                _ => self.others.push(statement),
            }
        }
    }

    fn log_forward(&mut self, section: Section) {
        let name = section.header.text(1).to_owned();
        for statement in section.statements {
            match statement.text(0) {
                "bind" if statement.words.len() > 1 => {
                    self.socket(SocketKind::Logs, name.clone(), statement, 1, Use::Listen);
                }
                "dgram-bind" if statement.words.len() > 1 => {
                    self.socket(SocketKind::Logs, name.clone(), statement, 1, Use::ListenDatagram);
                }
                _ => self.others.push(statement),
            }
        }
    }

    fn socket(&mut self, kind: SocketKind, section: String, statement: Statement, at: usize, usage: Use) {
        if statement.words.len() > at {
            let bind = self.bind(statement, at, usage);
            self.sockets.push(Socket { kind, section, bind });
        }
    }

    /// Reads the addresses of a word; those that cannot be are told of and left out.
    fn bind(&mut self, statement: Statement, at: usize, usage: Use) -> Bind {
        let word = &statement.words[at];
        let addresses =
            address::list(&word.text).filter_map(|(offset, text)| self.address(word, offset, text, usage)).collect();
        Bind { addresses, statement, options: at + 1 }
    }

    fn server(&mut self, statement: &Statement, name_at: usize, at: usize) -> Option<Server> {
        let word = &statement.words[at];
        let bound = self.address(word, 0, &word.text, Use::Connect)?;
        Some(Server { name: statement.text(name_at).to_owned(), bound, statement: statement.clone() })
    }

    fn address(&mut self, word: &Word, offset: usize, text: &str, usage: Use) -> Option<Bound> {
        self.addresses += 1;
        if self.addresses > MAX_ADDRESSES {
            return None;
        }
        let span = word.part(offset, offset + text.len());
        match address::parse(text, usage) {
            Ok(address) => {
                let host_span = match &address {
                    Address::Internet(Internet { host_at: (from, to), .. }) if word.is_verbatim() => {
                        Some(word.part(offset + from, offset + to))
                    }
                    _ => None,
                };
                Some(Bound { text: text.to_owned(), span, address, host_span })
            }
            Err(refusal) => {
                let span = word.part(offset + refusal.at.0, offset + refusal.at.1);
                self.refused.push(Refused { refusal, text: text.to_owned(), span });
                None
            }
        }
    }
}
