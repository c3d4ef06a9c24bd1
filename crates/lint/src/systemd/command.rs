//! What the command line of a service says of ports. Only what can hardly mean anything else is taken.

use std::net::IpAddr;

use super::file::Entry;
use crate::inputs::Span;

/// A port that a program is told to listen on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Opened {
    /// `None` where it is not said.
    pub(crate) ip: Option<IpAddr>,
    /// `None` where the program decides.
    pub(crate) port: Option<u16>,
    /// The value that says so.
    pub(crate) span: Span,
    pub(crate) by: By,
}

/// Who opens it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum By {
    /// The program itself.
    Program,
    /// A container engine, for a container that it runs.
    Publication,
    /// A container engine, for those that steer it.
    EngineControl,
}

/// A word of a command line and its offset in the value.
struct Word {
    text: String,
    at: usize,
    /// Offset behind the last byte.
    end: usize,
}

/// Options that name an address or port to listen on.
const ADDRESS_OPTIONS: [&str; 24] = [
    "listen",
    "listen-address",
    "listen-addr",
    "listen-host",
    "bind",
    "bind-address",
    "bind-addr",
    "bind-host",
    "addr",
    "address",
    "host",
    "http",
    "http-addr",
    "http-address",
    "http-bind",
    "http-host",
    "http.addr",
    "web.listen-address",
    "server.address",
    "ip",
    "interface",
    "web-host",
    "server-host",
    "metrics-addr",
];

const PORT_OPTIONS: [&str; 12] = [
    "port",
    "listen-port",
    "http-port",
    "http.port",
    "https-port",
    "bind-port",
    "server-port",
    "server.port",
    "web-port",
    "grpc-port",
    "admin-port",
    "metrics-port",
];

/// Programs that connect; their options say where to.
const CLIENTS: [&str; 22] = [
    "ssh",
    "autossh",
    "mosh",
    "curl",
    "wget",
    "nc",
    "ncat",
    "mysql",
    "mysqldump",
    "mysqladmin",
    "psql",
    "pg_dump",
    "redis-cli",
    "mongo",
    "mongosh",
    "mongodump",
    "rsync",
    "ping",
    "telnet",
    "openssl",
    "ldapsearch",
    "mosquitto_pub",
];

/// The ports that an `Exec…=` line opens.
pub(crate) fn opened(entry: &Entry) -> Vec<Opened> {
    let words = split(&entry.value);
    let Some(first) = words.first() else { return Vec::new() };
    let program = first.text.trim_start_matches(['@', '-', ':', '+', '!', '|']);
    let program = program.rsplit('/').next().unwrap_or(program);
    if CLIENTS.contains(&program) {
        return Vec::new();
    }
    let says = |text: &str| words.iter().skip(1).any(|word| word.text == text);
    match program {
        "docker" | "podman" if says("run") || says("create") => published(entry, &words),
        "docker" | "dockerd" | "podman" => control(entry, &words),
        _ => listened(entry, &words),
    }
}

/// `--listen 0.0.0.0:80`, `--port=80`; an address and a port that stand apart are joined.
fn listened(entry: &Entry, words: &[Word]) -> Vec<Opened> {
    let mut opened: Vec<Opened> = Vec::new();
    let mut alone: Option<(IpAddr, Span)> = None;
    for (name, value, at) in options(words) {
        let span = entry.part(at, at + value.len());
        if ADDRESS_OPTIONS.contains(&name) {
            match endpoint(value) {
                Some((Some(ip), None)) => alone = Some((ip, span)),
                Some((ip, Some(port))) => opened.push(Opened { ip, port: Some(port), span, by: By::Program }),
                _ => {}
            }
        } else if PORT_OPTIONS.contains(&name)
            && let Ok(port @ 1..) = value.parse::<u16>()
        {
            opened.push(Opened { ip: None, port: Some(port), span, by: By::Program });
        }
    }
    if let Some((ip, span)) = alone {
        if opened.iter().all(|one| one.ip.is_some()) {
            opened.push(Opened { ip: Some(ip), port: None, span, by: By::Program });
        }
        for one in opened.iter_mut().filter(|one| one.ip.is_none()) {
            // The address is what a person would change.
            (one.ip, one.span) = (Some(ip), span);
        }
    }
    opened
}

/// `-H tcp://0.0.0.0:2375`, `system service tcp:0.0.0.0:8080`.
fn control(entry: &Entry, words: &[Word]) -> Vec<Opened> {
    let verified = words.iter().any(|word| word.text.starts_with("--tlsverify") && !word.text.ends_with("=false"));
    if verified {
        return Vec::new();
    }
    let mut opened = Vec::new();
    for word in words {
        let at = word.text.find("tcp:").filter(|at| *at == 0 || word.text[..*at].ends_with(['=', 'H']));
        let Some(at) = at else { continue };
        let address = word.text[at + 4..].trim_start_matches('/');
        if let Some((ip, port)) = endpoint(address) {
            let start = word.at + word.text.len() - address.len();
            let span = entry.part(start, start + address.len());
            opened.push(Opened { ip: ip.or(Some(IpAddr::from([0, 0, 0, 0]))), port, span, by: By::EngineControl });
        }
    }
    opened
}

/// `-p 8080:80`, `--publish 127.0.0.1:8080:80/tcp`.
fn published(entry: &Entry, words: &[Word]) -> Vec<Opened> {
    let mut opened = Vec::new();
    for (_, value, at) in options(words).filter(|(name, ..)| matches!(*name, "p" | "publish")) {
        let plain = value.split('/').next().unwrap_or(value);
        let Some((outside, _)) = plain.rsplit_once(':') else { continue };
        let (ip, port) = match outside.rsplit_once(':') {
            Some((ip, port)) => (ip.trim_matches(['[', ']']).parse().ok(), port),
            None => (Some(IpAddr::from([0, 0, 0, 0])), outside),
        };
        if let (Some(ip), Ok(port @ 1..)) = (ip, port.parse::<u16>()) {
            let span = entry.part(at, at + value.len());
            opened.push(Opened { ip: Some(ip), port: Some(port), span, by: By::Publication });
        }
    }
    opened
}

/// Options with their values: name, value, and the offset of the value.
fn options(words: &[Word]) -> impl Iterator<Item = (&str, &str, usize)> {
    words.iter().enumerate().skip(1).filter_map(|(index, word)| {
        let is_plain = word.end - word.at == word.text.len();
        let name = word.text.strip_prefix("--").or_else(|| word.text.strip_prefix('-'))?;
        match name.split_once('=') {
            Some((name, value)) if is_plain => Some((name, value, word.end - value.len())),
            Some(_) => None,
            None => {
                let next = words.get(index + 1).filter(|next| !next.text.starts_with("--"))?;
                (next.end - next.at == next.text.len()).then_some((name, next.text.as_str(), next.at))
            }
        }
    })
}

/// `0.0.0.0`, `0.0.0.0:80`, `:80`, `[::]:80`, `http://0.0.0.0:80`, `80`.
fn endpoint(value: &str) -> Option<(Option<IpAddr>, Option<u16>)> {
    let value = value.split_once("://").map_or(value, |(_, rest)| rest).trim_end_matches('/');
    if let Ok(ip) = value.parse::<IpAddr>() {
        return Some((Some(ip), None));
    }
    if let Ok(port @ 1..) = value.parse::<u16>() {
        return Some((None, Some(port)));
    }
    let (host, port) = value.rsplit_once(':')?;
    let port = port.parse::<u16>().ok().filter(|port| *port > 0)?;
    let host = host.trim_matches(['[', ']']);
    match host {
        "" | "*" => Some((Some(IpAddr::from([0, 0, 0, 0])), Some(port))),
        "localhost" => Some((Some(IpAddr::from([127, 0, 0, 1])), Some(port))),
        host => Some((Some(host.parse().ok()?), Some(port))),
    }
}

/// Words as systemd divides them; quotes are taken away, escapes are left.
fn split(value: &str) -> Vec<Word> {
    let mut words = Vec::new();
    let mut word: Option<Word> = None;
    let mut quote: Option<char> = None;
    for (at, character) in value.char_indices() {
        match (character, quote) {
            (' ' | '\t', None) => words.extend(word.take()),
            ('"' | '\'', None) => {
                quote = Some(character);
                word.get_or_insert_with(|| Word { text: String::new(), at, end: at });
            }
            (character, Some(open)) if character == open => quote = None,
            (character, _) => {
                word.get_or_insert_with(|| Word { text: String::new(), at, end: at }).text.push(character);
            }
        }
        if let Some(word) = &mut word {
            word.end = at + character.len_utf8();
        }
    }
    words.extend(word);
    words
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{inputs::FileId, systemd::file::parse};

    fn of(command: &str) -> Vec<String> {
        let text = format!("[Service]\nExecStart={command}\n");
        let file = parse(&text, FileId(0));
        opened(&file.entries[0])
            .into_iter()
            .map(|one| {
                let ip = one.ip.map_or("?".to_owned(), |ip| ip.to_string());
                let port = one.port.map_or("?".to_owned(), |port| port.to_string());
                format!("{ip} {port} {:?} `{}`", one.by, &text[one.span.start as usize..one.span.end as usize])
            })
            .collect()
    }

    #[test]
    fn ports_are_taken_from_options_that_say_them() {
        for (command, expected) in [
            ("/bin/x --listen 0.0.0.0:80", &["0.0.0.0 80 Program `0.0.0.0:80`"][..]),
            ("/bin/x --listen-address=:9090 -v", &["0.0.0.0 9090 Program `:9090`"]),
            ("/bin/x --web.listen-address=127.0.0.1:9100", &["127.0.0.1 9100 Program `127.0.0.1:9100`"]),
            ("/bin/x --host 0.0.0.0 --port 8000", &["0.0.0.0 8000 Program `0.0.0.0`"]),
            ("/bin/x --port=8000", &["? 8000 Program `8000`"]),
            ("/bin/x --bind [::]:443", &[":: 443 Program `[::]:443`"]),
            ("/bin/x --host 0.0.0.0", &["0.0.0.0 ? Program `0.0.0.0`"]),
            ("/bin/x --host db.example --user a", &[]),
            ("/bin/x --pidfile /run/x --port", &[]),
            ("/bin/x --port ${PORT}", &[]),
            ("/usr/bin/ssh -p 22 --port 80 host", &[]),
            (
                "/usr/bin/docker run --rm -p 8080:80 -p 127.0.0.1:5432:5432/tcp nginx",
                &["0.0.0.0 8080 Publication `8080:80`", "127.0.0.1 5432 Publication `127.0.0.1:5432:5432/tcp`"],
            ),
            ("/usr/bin/dockerd -H fd:// -H tcp://0.0.0.0:2375", &["0.0.0.0 2375 EngineControl `0.0.0.0:2375`"]),
            ("/usr/bin/dockerd --tlsverify -H tcp://0.0.0.0:2376", &[]),
            ("/usr/bin/dockerd --host=tcp://:2375", &["0.0.0.0 2375 EngineControl `:2375`"]),
            ("podman system service --time=0 tcp:0.0.0.0:8888", &["0.0.0.0 8888 EngineControl `0.0.0.0:8888`"]),
        ] {
            assert_eq!(of(command), expected, "{command}");
        }
    }

    proptest! {
        #[test]
        fn any_command_is_read(command in "[-a-z0-9 =:./\"'$ä]{0,60}") {
            let text = format!("[Service]\nExecStart={command}\n");
            if let Some(entry) = parse(&text, FileId(0)).entries.first() {
                for one in opened(entry) {
                    prop_assert!(text.get(one.span.start as usize..one.span.end as usize).is_some());
                }
            }
        }
    }
}
