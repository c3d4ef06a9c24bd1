//! HAProxy configurations: words → sections of statements → proxies, sockets and servers → rules and facts.
//!
//! Reads what HAProxy 1.5 to 3.x read, and templates of it as far as they can be read without their tool. Does not
//! decide requests: ACLs are read only so far as to tell whether something is asked of the caller.

mod access;
mod address;
mod facts;
mod instances;
mod model;
mod proxied;
mod read;
mod rules;
mod syntax;
mod words;

use std::path::Path;

use crate::{
    Part,
    format::{Format, is_prose_or_program},
    inputs::{FileId, Inputs},
    proxied::Proxied,
};

/// For the estate, which knows what is declared elsewhere.
pub(crate) use rules::STRAY_SERVER;

/// HAProxy configurations.
pub(crate) static FORMAT: Format = Format { name: "HAProxy", recognises, check, rules: rules::RULES };

/// How many bytes of a file are looked at to recognise it.
const LOOKED_AT: usize = 256 * 1024;

/// A section with a name and one of the statements that sections are made of, in a file that is no program and, for
/// the larger part, no text for people.
fn recognises(path: &Path, text: &str) -> bool {
    if is_prose_or_program(path) {
        return false;
    }
    let (mut section, mut statement) = (false, false);
    let (mut known, mut lines) = (0_usize, 0_usize);
    for line in text[..text.floor_char_boundary(LOOKED_AT)].lines() {
        let mut words = line.split_ascii_whitespace();
        let (first, second) = (words.next().unwrap_or(""), words.next().unwrap_or(""));
        if first.is_empty() || first.starts_with(['#', '.', '{', '<', '%']) {
            continue;
        }
        lines += 1;
        known += usize::from(rules::is_first_word(first));
        match first {
            "global" | "defaults" => section |= second.is_empty() || second.starts_with('#') || is_name(second),
            "frontend" | "backend" | "listen" | "peers" | "log-forward" | "resolvers" | "userlist" | "program"
            | "ring" => {
                section |= is_name(second);
            }
            "bind" => {
                let is_address = second.contains([':', '/', '@', '$', '<']) && !second.ends_with([';', '{']);
                statement |= is_address || second.starts_with("{{");
            }
            "server" | "server-template" => statement |= is_name(second) && words.next().is_some_and(is_address),
            "use_backend" | "default_backend" | "dgram-bind" => statement |= is_name(second),
            "mode" => statement |= matches!(second, "http" | "tcp"),
            "stats" => statement |= matches!(second, "socket" | "enable" | "uri" | "auth"),
            "timeout" => statement |= matches!(second, "client" | "server" | "connect" | "http-request"),
            "option" => statement |= matches!(second, "httplog" | "tcplog" | "dontlognull" | "forwardfor" | "httpchk"),
            "peer" | "nameserver" => statement |= words.next().is_some_and(|address| address.contains(':')),
            _ => {}
        }
    }
    // Every line of a configuration begins with a keyword; manuals have some that do.
    section && statement && known * 10 >= lines * 7
}

fn is_name(word: &str) -> bool {
    !word.is_empty() && !word.ends_with([';', '{', ':', ',', '(']) && !word.starts_with(['=', ':', '{', '('])
        || word.starts_with("{{")
}

fn is_address(word: &str) -> bool {
    word.contains([':', '.', '/', '$', '{', '<', '@']) && !word.ends_with([';', ',', '{'])
}

fn check(inputs: &Inputs, files: &[FileId]) -> Part {
    let mut part = Part::default();
    for (instance, findings) in instances::of(inputs, files) {
        part.findings.extend(findings);
        part.findings.extend(rules::check(&instance));
        part.facts.absorb(facts::of(&instance, inputs));
    }
    part
}

/// What configurations do, for those who want the same.
pub(crate) fn proxied(inputs: &Inputs, files: &[FileId]) -> Proxied {
    let mut whole = Proxied::default();
    for (instance, _) in instances::of(inputs, files) {
        whole.absorb(proxied::of(&instance));
    }
    whole.settle_redirects(proxied::ANY_TLS);
    whole
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_recognised_by_what_is_in_them() {
        for (name, text, expected) in [
            ("a.cfg", "frontend fe1\n    bind :80\n    default_backend servers1\n", true),
            ("haproxy.cfg.j2", "global\n  daemon\n{% if x %}\ndefaults\n  mode http\n", true),
            ("haproxy", "listen x\n bind {{ ip }}:80", true),
            ("nginx.conf", "server {\n listen 80;\n server_name x;\n}\nupstream backend { server a:80; }", false),
            ("default.vcl", "backend default {\n  .host = \"x\";\n}\n", false),
            ("README.md", "frontend x\n  bind :80\n", false),
            ("compose.yaml", "services:\n  frontend:\n    image: x\n", false),
            (
                "manual.txt",
                "frontend x\n  bind :80\nThis frontend takes what\ncomes from\nall the others, and more.\n",
                false,
            ),
            ("notes", "backend is down\nserver room is hot\n", false),
            ("setup.cfg", "[global]\nindex-url = x\n", false),
        ] {
            assert_eq!(recognises(Path::new(name), text), expected, "{name}");
        }
    }
}
