//! For Graphviz.

use std::{collections::BTreeSet, fmt::Write};

use super::text::plain;
use crate::map::{Map, State};

pub(super) fn draw(map: &Map) -> String {
    let mut graph = "digraph ports {\n  rankdir=LR;\n  node [shape=box, style=\"rounded,filled\", fillcolor=white, fontname=\"sans-serif\", fontsize=11];\n  edge [fontname=\"sans-serif\", fontsize=9];\n".to_owned();
    let zones: BTreeSet<&str> = map.ports.iter().map(|row| row.reach).collect();
    for zone in zones {
        let _ = writeln!(graph, "  \"zone {zone}\" [label=\"{zone}\", shape=ellipse];");
    }
    for row in &map.ports {
        let port = quoted(&row.socket());
        let colour = match (row.state, row.role) {
            (State::Undeclared | State::Wider, _) => "#fbdcdc",
            (State::Dead, _) => "#eeeeee",
            (_, Some("admin" | "metrics")) => "#ece7f8",
            _ if row.reach == "internet" => "#fde8d7",
            _ => "#e0edfb",
        };
        let style = if row.transport == "udp" { ", style=\"rounded,filled,dotted\"" } else { "" };
        let label = quoted(&format!("{}\n{}", row.socket(), plain(&row.title)));
        let _ = writeln!(graph, "  {port} [label={label}, fillcolor=\"{colour}\"{style}];");
        let _ = writeln!(graph, "  \"zone {}\" -> {port};", row.reach);
        for passage in &row.passages {
            let service = quoted(&plain(&passage.service));
            let _ = writeln!(graph, "  {port} -> {service} [label={}];", quoted(&passage.when));
            for endpoint in &passage.endpoints {
                let _ =
                    writeln!(graph, "  {service} -> {} [arrowhead=dot];", quoted(&format!("at {}", endpoint.address)));
            }
        }
    }
    graph.push_str("}\n");
    graph
}

/// A quoted string of the DOT language; a line end within becomes one of the label.
fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n").replace('\r', ""))
}
