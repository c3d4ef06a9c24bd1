//! nginx configurations: tokens → directives → includes put in → servers → rules and facts.
//!
//! Reads a main file with all that it includes, and parts whose main file is not among the files. Does not decide
//! requests: locations are not matched, programs in Lua are passed over.

mod access;
mod facts;
mod include;
mod instances;
mod lexer;
mod listen;
mod model;
mod pass;
mod proxied;
mod rules;
mod tree;
mod variables;

use std::{collections::HashSet, path::Path};

use crate::{
    Part,
    format::{Format, is_prose_or_program},
    inputs::{FileId, Inputs},
    proxied::Proxied,
};

/// nginx configurations.
pub(crate) static FORMAT: Format = Format { name: "nginx", recognises, check, rules: rules::RULES };

/// How many bytes of a file are looked at to recognise it.
const LOOKED_AT: usize = 256 * 1024;

/// Directives of which any configuration has one.
const DIRECTIVES: [&str; 20] = [
    "listen",
    "server_name",
    "proxy_pass",
    "fastcgi_pass",
    "proxy_set_header",
    "allow",
    "deny",
    "worker_processes",
    "worker_connections",
    "include",
    "root",
    "return",
    "add_header",
    "ssl_certificate",
    "default",
    "try_files",
    "stub_status",
    "grpc_pass",
    "uwsgi_pass",
    "server",
];

/// A block that nginx has, and a directive that ends in `;`, in a file that is no text for people and no program.
fn recognises(path: &Path, text: &str) -> bool {
    if is_prose_or_program(path) {
        return false;
    }
    let (mut block, mut directive) = (false, false);
    for line in text[..text.floor_char_boundary(LOOKED_AT)].lines() {
        let line = line.trim_start();
        let name = first_word(line);
        block |= match name {
            "server" | "http" | "events" | "stream" | "mail" => line[name.len()..].trim_start().starts_with('{'),
            "upstream" | "geo" | "split_clients" => line.contains('{') && !line.contains(['=', ':']),
            "location" | "map" | "limit_except" => line.contains('{'),
            _ => false,
        };
        let inside = line.split_once('{').map_or("", |(_, inside)| first_word(inside.trim_start()));
        directive |= line.contains(';') && (DIRECTIVES.contains(&name) || DIRECTIVES.contains(&inside));
        // `name = value;` is another language with braces.
        if line.contains(" = ") && line.ends_with(';') && !line.contains('(') && name != "set" {
            return false;
        }
        if block && directive {
            return true;
        }
    }
    false
}

fn first_word(text: &str) -> &str {
    text.split([' ', '\t', '{', ';']).next().unwrap_or("")
}

fn check(inputs: &Inputs, files: &[FileId]) -> Part {
    let mut part = Part::default();
    let mut told = HashSet::new();
    let (instances, findings) = instances::of(inputs, files);
    part.findings.extend(findings);
    for instance in &instances {
        part.findings.extend(rules::check(instance));
        part.facts.absorb(facts::of(instance, inputs, &mut told));
    }
    part
}

/// What configurations do, for those who want the same.
pub(crate) fn proxied(inputs: &Inputs, files: &[FileId]) -> Proxied {
    let mut whole = Proxied::default();
    for instance in &instances::of(inputs, files).0 {
        whole.absorb(proxied::of(instance));
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
            ("nginx.conf", "events {}\nhttp {\n  server {\n    listen 80;\n  }\n}\n", true),
            ("nginx.conf", "events {}\nhttp { include sites/*; }\n", true),
            ("site", "server {\n    listen 80;\n}\n", true),
            ("default.conf.template", "server{\n    listen ${PORT};\n}\n", true),
            ("app.j2", "upstream app {\n  server {{ host }}:80;\n}\n", true),
            ("locations.conf", "location /x {\n  proxy_pass http://x;\n}\n", true),
            ("haproxy.cfg", "listen x\n  bind :80\n  server a 10.0.0.1:80\n", false),
            ("named.conf", "zone \"x\" {\n  type master;\n};\n", false),
            ("dhcpd.conf", "subnet 10.0.0.0 netmask 255.0.0.0 {\n  range 10.0.0.1 10.0.0.2;\n}\n", false),
            ("README.md", "server {\n listen 80;\n}\n", false),
            ("app.js", "const server = {\n  listen: 80,\n};\n", false),
            ("worker.inc", "upstream \"local\" {\n  default = yes;\n  hosts = \"x:1\";\n}\n", false),
            ("logstash.conf", "input {\n  http {\n    port => 80\n  }\n}\n", false),
        ] {
            assert_eq!(recognises(Path::new(name), text), expected, "{name}");
        }
    }
}
