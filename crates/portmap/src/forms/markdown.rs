//! `PORTS.md`: which port must be open, for whom, and why. Stable, so that it can be committed and compared.

use std::fmt::Write;

use super::{mermaid, numbers, text};
use crate::map::{Map, State};

pub(super) fn draw(map: &Map) -> String {
    let is_joined = map.ports.iter().any(|row| row.state != State::Declared);
    let mut page = "# Ports\n\nWritten by `portcullis map --format markdown`; do not edit.\n\n".to_owned();
    if map.ports.is_empty() {
        page.push_str("No port is declared.\n");
        return page;
    }
    let state = if is_joined { (" state |", " --- |") } else { ("", "") };
    let _ = writeln!(page, "| from | port | role | who may pass | when | leads to | declared at |{}", state.0);
    let _ = writeln!(page, "| --- | --- | --- | --- | --- | --- | --- |{}", state.1);
    for row in &map.ports {
        let none = row.passages.is_empty().then_some(None);
        for passage in row.passages.iter().map(Some).chain(none) {
            let place = passage.and_then(|passage| passage.place.as_ref()).or(row.place.as_ref());
            let role = [row.role, row.protocol].into_iter().flatten().collect::<Vec<_>>().join(" ");
            let _ = write!(
                page,
                "| {} | `{}` | {} | {} | {} | {} | {} |",
                row.reach,
                cell(&row.socket()),
                role,
                cell(&text::who(row, passage)),
                cell(passage.map(|passage| passage.when.as_str()).unwrap_or_default()),
                cell(&text::leads_to(row, passage)),
                cell(&place.map(crate::Place::short).unwrap_or_default()),
            );
            if is_joined {
                let _ = write!(page, " {} {} |", row.state.word(), cell(&row.processes.join(", ")));
            }
            page.push('\n');
        }
    }
    if !map.ranges.is_empty() {
        page.push_str("\n## Ranges\n\n");
        for range in &map.ranges {
            let _ = writeln!(page, "- {} ({})", cell(&numbers::summary(range)), cell(&range.place.short()));
        }
    }
    if map.ports.len() <= mermaid::READABLE {
        let _ = write!(page, "\n## Picture\n\n```mermaid\n{}```\n", mermaid::draw(map));
    }
    page
}

/// Text that stays in its cell and is nothing but text.
fn cell(text: &str) -> String {
    text.replace('\\', "\\\\").replace('|', "\\|").replace(['\n', '\r'], " ").replace('<', "&lt;")
}
