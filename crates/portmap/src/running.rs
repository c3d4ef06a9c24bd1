//! Joining the map with what a running proxy says of itself.

use portcullis_lint::estate::{Address, Reach};

use crate::map::{Endpoint, Map, Passage, Row, State};

/// What runs.
#[derive(Debug, Clone, Default)]
pub struct Running {
    /// Its ports.
    pub ports: Vec<RunningPort>,
    /// The services behind them.
    pub services: Vec<RunningService>,
}

/// A port of a running proxy.
#[derive(Debug, Clone)]
pub struct RunningPort {
    /// Its name.
    pub name: String,
    /// `0.0.0.0:443`, `unix:/run/portcullis.sock`.
    pub listen: String,
    /// `public`, `internal`, `admin`, `metrics`.
    pub role: String,
    /// What it speaks.
    pub protocol: String,
    /// Names of the services that its routes lead to.
    pub services: Vec<String>,
}

/// A service of a running proxy.
#[derive(Debug, Clone)]
pub struct RunningService {
    /// Its name.
    pub name: String,
    /// Each with whether it gets traffic, and the word for it.
    pub endpoints: Vec<(String, bool, String)>,
}

impl Map {
    /// Says of every declared port of Portcullis whether the proxy has it open, and of every endpoint whether it is up;
    /// adds what runs and is declared nowhere.
    pub fn join_running(&mut self, running: &Running) {
        let mut is_declared = vec![false; running.ports.len()];
        for row in self.ports.iter_mut().filter(|row| row.role.is_some()) {
            let listen = row.listen();
            let found = running.ports.iter().position(|port| port.listen == listen);
            match found {
                Some(index) => is_declared[index] = true,
                None => row.state = State::Dead,
            }
            if found.is_some() && row.state == State::Declared {
                row.state = State::Live;
            }
            for passage in &mut row.passages {
                join_passage(passage, running);
            }
        }
        // What sockets say is open there has a name now.
        let is_open = |row: &Row, listen: &str| row.place.is_none() && row.listen() == listen;
        for (port, _) in running.ports.iter().zip(is_declared).filter(|(_, is_declared)| !is_declared) {
            let Some(fresh) = row(port, running) else { continue };
            match self.ports.iter_mut().find(|row| is_open(row, &port.listen)) {
                Some(known) => *known = Row { processes: std::mem::take(&mut known.processes), ..fresh },
                None => self.ports.push(fresh),
            }
        }
        self.ports.sort_by_key(Row::order);
    }
}

fn join_passage(passage: &mut Passage, running: &Running) {
    let service = running.services.iter().find(|service| format!("service `{}`", service.name) == passage.service);
    for endpoint in &mut passage.endpoints {
        let known =
            service.and_then(|service| service.endpoints.iter().find(|(address, ..)| *address == endpoint.address));
        match known {
            // Nobody listens there, whatever the proxy believes.
            Some(_) if endpoint.state == State::Dead => {}
            Some((_, true, _)) => endpoint.state = State::Live,
            Some((_, false, word)) => {
                endpoint.state = State::Dead;
                endpoint.processes.push(format!("{word}, says the proxy"));
            }
            None => {}
        }
    }
}

/// The row of a port that no file declares.
fn row(port: &RunningPort, running: &Running) -> Option<Row> {
    let Ok(address) = port.listen.parse::<std::net::SocketAddr>() else { return socket_row(port) };
    let role = ["public", "internal", "admin", "metrics"].into_iter().find(|role| *role == port.role);
    let protocol = ["tcp", "tls", "http", "https"].into_iter().find(|protocol| *protocol == port.protocol);
    let of_port = |service: &&RunningService| port.services.contains(&service.name);
    Some(Row {
        address: Address::Ip(address.ip()).to_string(),
        ports: address.port().to_string(),
        number: address.port(),
        transport: "tcp".to_owned(),
        reach: Address::Ip(address.ip()).scope().map_or("unknown", |scope| Reach::of(scope).word()),
        title: format!("port `{}` of the running proxy", port.name),
        role,
        protocol,
        who: "see its routes".to_owned(),
        accepted: None,
        place: None,
        passages: running.services.iter().filter(of_port).map(passage).collect(),
        state: State::Undeclared,
        processes: Vec::new(),
        listener: None,
    })
}

fn socket_row(port: &RunningPort) -> Option<Row> {
    let role = ["admin", "metrics"].into_iter().find(|role| *role == port.role)?;
    port.listen.starts_with("unix:").then(|| Row {
        address: port.listen.clone(),
        ports: String::new(),
        number: 0,
        transport: "unix".to_owned(),
        reach: Reach::Host.word(),
        title: format!("port `{}` of the running proxy", port.name),
        role: Some(role),
        protocol: None,
        who: "its own user and root".to_owned(),
        accepted: None,
        place: None,
        passages: Vec::new(),
        state: State::Undeclared,
        processes: Vec::new(),
        listener: None,
    })
}

fn passage(service: &RunningService) -> Passage {
    let endpoint = |(address, is_in, _): &(String, bool, String)| Endpoint {
        address: address.clone(),
        processes: Vec::new(),
        state: if *is_in { State::Live } else { State::Dead },
        place: None,
    };
    Passage {
        when: String::new(),
        who: "anyone".to_owned(),
        service: format!("service `{}`", service.name),
        ports: Vec::new(),
        endpoints: service.endpoints.iter().map(endpoint).collect(),
        leads_to: Vec::new(),
        place: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_runs_and_is_declared_nowhere_is_a_row_with_its_services() {
        let running = Running {
            ports: vec![RunningPort {
                name: "web".to_owned(),
                listen: "127.0.0.1:80".to_owned(),
                role: "internal".to_owned(),
                protocol: "http".to_owned(),
                services: vec!["shop".to_owned()],
            }],
            services: vec![RunningService {
                name: "shop".to_owned(),
                endpoints: vec![("127.0.0.1:3000".to_owned(), false, "down".to_owned())],
            }],
        };
        let mut map = Map::default();
        map.join_running(&running);
        let [row] = map.ports.as_slice() else { panic!("{map:?}") };
        assert_eq!((row.socket().as_str(), row.state), ("127.0.0.1:80/tcp", State::Undeclared));
        assert_eq!(row.passages[0].endpoints[0].state, State::Dead);
    }
}
