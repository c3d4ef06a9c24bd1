//! For spreadsheets (RFC 4180): a line for each port and each way behind it.

use crate::map::{Map, Passage, Row};

const HEADER: [&str; 14] = [
    "address",
    "ports",
    "transport",
    "reach",
    "role",
    "protocol",
    "who",
    "when",
    "service",
    "internal ports",
    "endpoints",
    "state",
    "processes",
    "declared at",
];

pub(super) fn draw(map: &Map) -> String {
    let mut text = String::new();
    line(&mut text, HEADER.map(str::to_owned));
    for row in &map.ports {
        if row.passages.is_empty() {
            line(&mut text, cells(row, None));
        }
        for passage in &row.passages {
            line(&mut text, cells(row, Some(passage)));
        }
    }
    text
}

fn cells(row: &Row, passage: Option<&Passage>) -> [String; 14] {
    let endpoints = passage.map(|p| p.endpoints.iter().map(|e| e.address.as_str()).collect::<Vec<_>>().join(" "));
    [
        row.address.clone(),
        row.ports.clone(),
        row.transport.clone(),
        row.reach.to_owned(),
        row.role.unwrap_or_default().to_owned(),
        row.protocol.unwrap_or_default().to_owned(),
        super::text::who(row, passage),
        passage.map(|passage| passage.when.clone()).unwrap_or_default(),
        passage.map_or_else(|| row.title.clone(), |passage| passage.service.clone()),
        passage.map(|passage| passage.ports.join(" ")).unwrap_or_default(),
        endpoints.unwrap_or_default(),
        row.state.word().to_owned(),
        row.processes.join(" "),
        passage
            .and_then(|passage| passage.place.as_ref())
            .or(row.place.as_ref())
            .map(crate::Place::short)
            .unwrap_or_default(),
    ]
}

fn line(text: &mut String, cells: [String; 14]) {
    text.push_str(&cells.map(|cell| quoted(&cell)).join(","));
    text.push_str("\r\n");
}

/// Quoted where the RFC asks for it; and a cell that a spreadsheet would take for a formula is made text.
fn quoted(cell: &str) -> String {
    let guarded = if cell.starts_with(['=', '+', '-', '@', '\t', '\r']) { format!("'{cell}") } else { cell.to_owned() };
    if guarded.contains(['"', ',', '\n', '\r']) { format!("\"{}\"", guarded.replace('"', "\"\"")) } else { guarded }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_stay_cells() {
        for (cell, expected) in [
            ("plain", "plain"),
            ("a,b", "\"a,b\""),
            ("say \"x\"", "\"say \"\"x\"\"\""),
            ("=cmd()", "'=cmd()"),
            ("-1", "'-1"),
        ] {
            assert_eq!(quoted(cell), expected);
        }
    }
}
