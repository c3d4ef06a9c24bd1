//! A flowchart that forges draw in Markdown.

use std::{collections::BTreeSet, fmt::Write};

use super::text::plain;
use crate::map::{Map, Row, State};

/// Ports up to which such a picture can be read.
pub(super) const READABLE: usize = 40;

pub(super) fn draw(map: &Map) -> String {
    let mut chart = "flowchart LR\n".to_owned();
    for (zone, title) in
        [("internet", "Internet"), ("private", "Private networks"), ("host", "This host"), ("unknown", "Unknown")]
    {
        if map.ports.iter().any(|row| row.reach == zone) {
            let _ = writeln!(chart, "  {zone}(({title}))");
        }
    }
    let mut services: BTreeSet<String> = BTreeSet::new();
    for (index, row) in map.ports.iter().enumerate() {
        let _ = writeln!(chart, "  p{index}[\"{}\"]", label(row));
        let edge = if row.state == State::Dead || row.transport == "udp" { "-.->" } else { "-->" };
        let _ = writeln!(chart, "  {} {edge} p{index}", row.reach);
        for passage in &row.passages {
            let service = node(&passage.service);
            services.insert(format!("  {service}[(\"{}\")]\n", text(&passage.service)));
            let when = if passage.when.is_empty() { String::new() } else { format!("|\"{}\"|", text(&passage.when)) };
            let _ = writeln!(chart, "  p{index} -->{when} {service}");
        }
    }
    chart.extend(services);
    for (index, row) in map.ports.iter().enumerate() {
        let class = match (row.state, row.role) {
            (State::Undeclared | State::Wider, _) => "wrong",
            (State::Dead, _) => "dead",
            (_, Some("admin" | "metrics")) => "control",
            _ if row.reach == "internet" => "exposed",
            _ => "inside",
        };
        let _ = writeln!(chart, "  class p{index} {class}");
    }
    chart.push_str("  classDef exposed fill:#fde8d7,stroke:#c2570c,color:#431407\n");
    chart.push_str("  classDef inside fill:#e0edfb,stroke:#2563a8,color:#10243d\n");
    chart.push_str("  classDef control fill:#ece7f8,stroke:#6d4bb5,color:#2a1a52\n");
    chart.push_str("  classDef wrong fill:#fbdcdc,stroke:#b91c1c,color:#450a0a\n");
    chart.push_str("  classDef dead fill:#eeeeee,stroke:#888888,color:#444444,stroke-dasharray:4\n");
    chart
}

fn label(row: &Row) -> String {
    let what = match (row.role, row.protocol) {
        (Some(role), Some(protocol)) => format!("{role} {protocol}"),
        _ => plain(&row.title),
    };
    format!("{}<br/>{}", text(&row.socket()), text(&what))
}

/// An identifier from a name; different names may share one only if they differ in signs alone.
fn node(name: &str) -> String {
    let word: String = name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
    format!("s_{word}")
}

/// Text within quotes.
fn text(text: &str) -> String {
    plain(text).replace('"', "#quot;").replace('<', "&lt;").replace('>', "&gt;").replace(['\n', '\r'], " ")
}
