//! A table for a terminal.

use std::fmt::Write;

use comfy_table::{ContentArrangement, Table, presets};

use super::numbers;
use crate::map::{Map, Passage, Row, State};

pub(super) fn draw(map: &Map) -> String {
    let is_joined = map.ports.iter().any(|row| row.state != State::Declared);
    let mut header = vec!["FROM", "ADDRESS", "ROLE", "WHO", "WHEN", "LEADS TO", "DECLARED AT"];
    if is_joined {
        header.insert(6, "STATE");
        header.insert(7, "PROCESS");
    }
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled).force_no_tty();
    table.set_header(header);
    for row in &map.ports {
        for (index, passage) in passages(row).enumerate() {
            table.add_row(cells(row, passage, index == 0, is_joined));
        }
    }
    let mut text =
        if map.ports.is_empty() { "no port is declared\n".to_owned() } else { format!("{}\n", table.trim_fmt()) };
    for range in &map.ranges {
        let _ = writeln!(text, "\n{}", numbers::summary(range));
        text.push_str(&numbers::grid(range));
    }
    for unseen in &map.unseen {
        let _ = writeln!(text, "not seen: {unseen}");
    }
    text
}

fn passages(row: &Row) -> impl Iterator<Item = Option<&Passage>> {
    let none = row.passages.is_empty().then_some(None);
    row.passages.iter().map(Some).chain(none)
}

/// Of a port with several routes only the first line says what is the same for all.
fn cells(row: &Row, passage: Option<&Passage>, is_first: bool, is_joined: bool) -> Vec<String> {
    let first = |text: String| if is_first { text } else { String::new() };
    let role = match (row.role, row.protocol) {
        (Some(role), Some(protocol)) => format!("{role} {protocol}"),
        (role, _) => role.unwrap_or_default().to_owned(),
    };
    let place = passage.and_then(|passage| passage.place.as_ref()).or(row.place.as_ref());
    let mut cells = vec![
        first(row.reach.to_owned()),
        first(row.socket()),
        first(role),
        who(row, passage),
        passage.map(|passage| passage.when.clone()).unwrap_or_default(),
        leads_to(row, passage),
        place.map(crate::Place::short).unwrap_or_default(),
    ];
    if is_joined {
        cells.insert(6, first(row.state.word().to_owned()));
        cells.insert(7, first(row.processes.join(", ")));
    }
    cells
}

/// Who may pass: what the port asks, and what the route asks beyond that.
pub(super) fn who(row: &Row, passage: Option<&Passage>) -> String {
    let of_route = passage.map_or("anyone", |passage| passage.who.as_str());
    let who = match (row.who.as_str(), of_route) {
        ("anyone", route) => route.to_owned(),
        (port, "anyone") => port.to_owned(),
        (port, route) => format!("{port}; {route}"),
    };
    match &row.accepted {
        Some(reason) => format!("{who} (accepted: {reason})"),
        None => who,
    }
}

/// `service shop:3000 at 127.0.0.1:3000`.
pub(super) fn leads_to(row: &Row, passage: Option<&Passage>) -> String {
    let Some(passage) = passage else { return plain(&row.title) };
    let mut text = plain(&passage.service);
    if !passage.ports.is_empty() && !text.contains(':') {
        let _ = write!(text, ":{}", passage.ports.join(","));
    }
    if !passage.endpoints.is_empty() {
        let endpoint = |endpoint: &crate::map::Endpoint| match endpoint.state {
            State::Dead => format!("{} (nobody listens)", endpoint.address),
            _ => endpoint.address.clone(),
        };
        let endpoints: Vec<String> = passage.endpoints.iter().map(endpoint).collect();
        let _ = write!(text, " at {}", endpoints.join(", "));
    }
    if !passage.leads_to.is_empty() {
        let _ = write!(text, " → {}", plain(&passage.leads_to.join(", ")));
    }
    text
}

/// Backticks are for Markdown.
pub(super) fn plain(text: &str) -> String {
    text.replace('`', "")
}
