//! The map as data.

use std::collections::HashMap;

use portcullis_lint::{
    estate::{
        Declaration, Facts, Forward, Guard, Listener, NumberRange, Reach, Space, Target, UnixSocket, Way, Workload,
        target_text, ways,
    },
    inputs::{Inputs, Span},
};
use serde::Serialize;

/// Everything that listens, and the ranges of numbers.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Map {
    /// The farthest reach first, then by port and address.
    pub ports: Vec<Row>,
    /// In the order of their numbers.
    pub ranges: Vec<Range>,
    /// What could not be looked at, if open sockets were joined.
    pub unseen: Vec<String>,
}

/// One port.
#[derive(Debug, Clone, Serialize)]
pub struct Row {
    /// `0.0.0.0`, `[::1]`; `unix:/run/portcullis.sock`.
    pub address: String,
    /// `443`, `8000-8010`; empty for a Unix socket.
    pub ports: String,
    /// The first of them.
    #[serde(skip)]
    pub number: u16,
    /// `tcp`, `udp`, `unix`.
    pub transport: String,
    /// From how far away it can be reached: `internet`, `private`, `host`, or `unknown`.
    pub reach: &'static str,
    /// What it is: "port `web`".
    pub title: String,
    /// `public`, `internal`, `admin`, `metrics`, of a port of Portcullis.
    pub role: Option<&'static str>,
    /// What it speaks, if that is said.
    pub protocol: Option<&'static str>,
    /// Who may pass at all: "anyone", "10.0.0.0/8", "client certificate".
    pub who: String,
    /// Why an address is accepted that its role forbids.
    pub accepted: Option<String>,
    /// Where it is declared; none for a port that is only found open.
    pub place: Option<Place>,
    /// What lies behind.
    pub passages: Vec<Passage>,
    /// Whether it is as declared.
    pub state: State,
    /// Who really listens: `nginx (pid 17, root)`.
    pub processes: Vec<String>,
    /// What ties a socket to its row.
    #[serde(skip)]
    pub(crate) listener: Option<Listener>,
}

/// What takes traffic from a port to a service.
#[derive(Debug, Clone, Serialize)]
pub struct Passage {
    /// Which traffic; empty for all.
    pub when: String,
    /// Who may pass here, beyond what the port asks.
    pub who: String,
    /// The service: "service `shop`".
    pub service: String,
    /// The internal ports.
    pub ports: Vec<String>,
    /// Where it is served: `127.0.0.1:3000`.
    pub endpoints: Vec<Endpoint>,
    /// What can be reached through it in the end, if that is more than the service itself.
    pub leads_to: Vec<String>,
    /// Where it is declared; none for what only a running proxy says.
    pub place: Option<Place>,
}

/// One place where a service is served.
#[derive(Debug, Clone, Serialize)]
pub struct Endpoint {
    /// `127.0.0.1:3000`.
    pub address: String,
    /// Who listens there, if open sockets were joined and it is on this host.
    pub processes: Vec<String>,
    /// Whether somebody does.
    pub state: State,
    /// Where it is declared; none for what only a running proxy says.
    pub place: Option<Place>,
}

/// Where something is declared.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Place {
    /// Path of the file.
    pub file: String,
    /// From 1.
    pub line: usize,
    /// In characters, from 1.
    pub column: usize,
}

impl Place {
    /// `portcullis.yaml:3`.
    pub fn short(&self) -> String {
        format!("{}:{}", self.file, self.line)
    }
}

/// Whether what is declared is so.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// It is declared; nobody looked.
    Declared,
    /// It is declared, and somebody listens.
    Live,
    /// It is declared, and nobody listens.
    Dead,
    /// It is declared, and what listens takes more than is declared.
    Wider,
    /// Somebody listens, and nobody declared it.
    Undeclared,
}

impl State {
    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Declared => "declared",
            Self::Live => "live",
            Self::Dead => "dead",
            Self::Wider => "wider than declared",
            Self::Undeclared => "undeclared",
        }
    }
}

/// A named span of numbers.
#[derive(Debug, Clone, Serialize)]
pub struct Range {
    /// Its name.
    pub name: String,
    /// Its first number.
    pub first: u16,
    /// Its last number.
    pub last: u16,
    /// First and last number of the pinned band, if there is one.
    pub pinned: Option<(u16, u16)>,
    /// Numbers that are declared, each with by whom.
    pub owners: Vec<(u16, String)>,
    /// Numbers that are never handed out, each with why.
    pub reserved: Vec<(u16, String)>,
    /// Where it is declared.
    pub place: Place,
}

impl Map {
    /// What the files say.
    pub fn of(facts: &Facts, inputs: &Inputs) -> Self {
        let all = ways(facts, inputs);
        let mut reader = Reader { inputs, facts, ways: HashMap::new() };
        for way in &all.ways {
            reader.ways.entry(way.listener.key.as_str()).or_default().push(way);
        }
        // What listens inside of a container is reached through what publishes it, and stands there.
        let is_outside = |listener: &&Listener| !matches!(listener.space, Space::Workload(_));
        let mut ports: Vec<Row> = facts.listeners.iter().filter(is_outside).map(|l| reader.row(l)).collect();
        ports.extend(facts.declarations.iter().filter_map(|said| Some(reader.socket_row(said, said.socket.as_ref()?))));
        ports.sort_by_key(Row::order);
        let mut ranges: Vec<Range> = facts.ranges.iter().map(|range| reader.range(range)).collect();
        ranges.sort_by_key(|range| (range.first, range.last));
        Self { ports, ranges, unseen: Vec::new() }
    }
}

impl Row {
    pub(crate) fn order(&self) -> (u8, u16, String, String, String) {
        let reach = match self.reach {
            "internet" => 0,
            "unknown" => 1,
            "private" => 2,
            _ => 3,
        };
        (reach, self.number, self.address.clone(), self.transport.clone(), self.title.clone())
    }

    /// `0.0.0.0:443/tcp`; `unix:/run/portcullis.sock`.
    pub fn socket(&self) -> String {
        if self.ports.is_empty() { self.address.clone() } else { format!("{}/{}", self.listen(), self.transport) }
    }

    /// `0.0.0.0:443`; `unix:/run/portcullis.sock`.
    pub(crate) fn listen(&self) -> String {
        if self.ports.is_empty() { self.address.clone() } else { format!("{}:{}", self.address, self.ports) }
    }
}

struct Reader<'a> {
    inputs: &'a Inputs,
    facts: &'a Facts,
    ways: HashMap<&'a str, Vec<&'a Way<'a>>>,
}

impl Reader<'_> {
    fn row(&self, listener: &Listener) -> Row {
        let declaration = self.facts.declarations.iter().find(|said| said.listener == listener.key);
        let forwards = self.facts.forwards.iter().filter(|forward| forward.from == listener.key);
        let mut passages: Vec<Passage> = forwards.map(|forward| self.passage(listener, forward)).collect();
        passages.extend(declaration.and_then(|said| self.redirect(listener, said)));
        Row {
            address: listener.address.to_string(),
            ports: listener.ports.to_string(),
            number: listener.ports.first,
            transport: listener.transport.to_string(),
            reach: listener.reach.map_or("unknown", Reach::word),
            title: listener.title.clone(),
            role: declaration.map(|said| said.role),
            protocol: declaration.map(|said| said.protocol),
            who: who(&listener.guard),
            accepted: declaration.and_then(|said| said.accepted.clone()),
            place: Some(self.place(listener.place)),
            passages,
            state: State::Declared,
            processes: Vec::new(),
            listener: Some(listener.clone()),
        }
    }

    /// A port of Portcullis that is a file on this host: the file's own mode says who may open it.
    fn socket_row(&self, said: &Declaration, socket: &UnixSocket) -> Row {
        Row {
            address: format!("unix:{}", socket.path),
            ports: String::new(),
            number: 0,
            transport: "unix".to_owned(),
            reach: Reach::Host.word(),
            title: socket.title.clone(),
            role: Some(said.role),
            protocol: Some(said.protocol),
            who: "its own user and root".to_owned(),
            accepted: said.accepted.clone(),
            place: Some(self.place(socket.place)),
            passages: Vec::new(),
            state: State::Declared,
            processes: Vec::new(),
            listener: None,
        }
    }

    fn passage(&self, listener: &Listener, forward: &Forward) -> Passage {
        let workload = match &forward.target {
            Target::Workload { key, .. } => self.facts.workloads.iter().find(|workload| workload.key == *key),
            _ => None,
        };
        let beyond: Vec<&Forward> = workload
            .map(|workload| self.facts.forwards.iter().filter(|forward| forward.from == workload.key).collect())
            .unwrap_or_default();
        Passage {
            when: forward.when.clone(),
            who: who(&forward.guard),
            service: workload.map_or_else(|| target_text(&forward.target), |workload| workload.title.clone()),
            ports: ports(forward, workload),
            endpoints: beyond.iter().map(|forward| self.endpoint(forward)).collect(),
            leads_to: self.leads_to(listener, forward, workload),
            place: Some(self.place(forward.place)),
        }
    }

    /// A port that sends everybody to another one.
    fn redirect(&self, listener: &Listener, said: &Declaration) -> Option<Passage> {
        let target = said.redirect.as_ref()?;
        Some(Passage {
            when: String::new(),
            who: "anyone".to_owned(),
            service: format!("redirect to port `{target}`"),
            ports: Vec::new(),
            endpoints: Vec::new(),
            leads_to: Vec::new(),
            place: Some(self.place(listener.place)),
        })
    }

    fn endpoint(&self, forward: &Forward) -> Endpoint {
        Endpoint {
            address: target_text(&forward.target),
            processes: Vec::new(),
            state: State::Declared,
            place: Some(self.place(forward.place)),
        }
    }

    /// The far ends of the ways that go through this forward.
    fn leads_to(&self, listener: &Listener, forward: &Forward, first: Option<&Workload>) -> Vec<String> {
        let ways = self.ways.get(listener.key.as_str()).map(Vec::as_slice).unwrap_or_default();
        let through = ways.iter().filter(|way| way.hops.get(1).is_some_and(|hop| hop.place == forward.place));
        let mut ends: Vec<String> = through
            .filter(|way| first.is_none_or(|first| first.key != way.workload.key))
            .map(|way| match way.port {
                Some(port) => format!("{}:{port}", way.workload.title),
                None => way.workload.title.clone(),
            })
            .collect();
        ends.sort();
        ends.dedup();
        ends
    }

    fn range(&self, range: &NumberRange) -> Range {
        Range {
            name: range.name.clone(),
            first: range.ports.first,
            last: range.ports.last,
            pinned: range.pinned.map(|pinned| (pinned.first, pinned.last)),
            owners: range.owners.clone(),
            reserved: range.reserved.clone(),
            place: self.place(range.place),
        }
    }

    fn place(&self, span: Span) -> Place {
        let at = self.inputs.position(span);
        Place { file: self.inputs.path(span.file).display().to_string(), line: at.line, column: at.column }
    }
}

fn ports(forward: &Forward, workload: Option<&Workload>) -> Vec<String> {
    match (&forward.target, workload) {
        (Target::Workload { port: Some(port), .. }, _) => vec![port.to_string()],
        (_, Some(workload)) => workload.ports.iter().map(|said| said.ports.to_string()).collect(),
        _ => Vec::new(),
    }
}

fn who(guard: &Guard) -> String {
    match guard {
        Guard::Open => "anyone".to_owned(),
        Guard::Sources(sources) if sources.len() > 3 => format!("{} networks", sources.len()),
        Guard::Sources(sources) => sources.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "),
        Guard::Identity(how) => how.clone(),
        Guard::Unknown => "unknown".to_owned(),
    }
}
