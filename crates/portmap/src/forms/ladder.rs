//! The exposure ladder: a line for each port, from as far away as it can be reached to what lies behind it.

use std::fmt::Write;

use super::text;
use crate::map::{Map, Row, State};

/// Width of the whole picture.
pub(super) const WIDTH: usize = 1240;
const LINE: usize = 26;
const LADDER_LEFT: usize = 250;
const STEP: usize = 96;
const TARGET_LEFT: usize = LADDER_LEFT + 3 * STEP + 28;

/// The steps, farthest first.
const STEPS: [(&str, &str); 3] = [("internet", "internet"), ("private", "private nets"), ("host", "this host")];

/// A drawing and its height.
pub(super) struct Drawing {
    pub(super) svg: String,
    pub(super) height: usize,
}

/// Draws from `top` downwards.
pub(super) fn draw(map: &Map, top: usize) -> Drawing {
    let mut svg = String::new();
    let mut y = top;
    for (reach, title, note) in [
        ("internet", "Open to the internet", "wildcard or public address"),
        ("unknown", "Not known", "the address is decided elsewhere"),
        ("private", "Open to private networks", "private address"),
        ("host", "This host only", "loopback"),
    ] {
        let rows: Vec<&Row> = map.ports.iter().filter(|row| row.reach == reach).collect();
        if rows.is_empty() {
            continue;
        }
        let ports = if rows.len() == 1 { "port" } else { "ports" };
        let _ = writeln!(
            svg,
            "<text class=\"group\" x=\"24\" y=\"{}\">{title}</text><text class=\"note\" x=\"{LADDER_LEFT}\" y=\"{}\">{} {ports}, {note}</text>",
            y + 18,
            y + 18,
            rows.len()
        );
        y += 30;
        for row in rows {
            y += line(&mut svg, row, y);
        }
        y += 16;
    }
    let body = std::mem::take(&mut svg);
    for (index, (_, title)) in STEPS.iter().enumerate() {
        let x = LADDER_LEFT + index * STEP;
        let _ = writeln!(
            svg,
            "<rect class=\"step s{index}\" x=\"{x}\" y=\"{}\" width=\"{STEP}\" height=\"{}\"/>",
            top - 22,
            y - top + 14
        );
        let _ = writeln!(svg, "<text class=\"head\" x=\"{}\" y=\"{}\">{title}</text>", x + STEP / 2, top - 8);
    }
    let _ = writeln!(svg, "<text class=\"head left\" x=\"24\" y=\"{}\">port</text>", top - 8);
    let _ = writeln!(svg, "<text class=\"head left\" x=\"{TARGET_LEFT}\" y=\"{}\">what lies behind</text>", top - 8);
    svg.push_str(&body);
    Drawing { svg, height: y - top }
}

/// One port; returns its height. Its routes stand below each other.
fn line(svg: &mut String, row: &Row, y: usize) -> usize {
    let targets = targets(row);
    let height = LINE.max(18 * targets.len() + 8);
    let class = class(row);
    let middle = y + 13;
    let from = STEPS.iter().position(|(reach, _)| *reach == row.reach).unwrap_or(0);
    let (left, right) = (LADDER_LEFT + from * STEP + STEP / 2, LADDER_LEFT + 3 * STEP + 14);
    let _ = writeln!(svg, "<g class=\"row {class}\"><title>{}</title>", escaped(&tooltip(row)));
    let _ = writeln!(svg, "<rect class=\"hit\" x=\"16\" y=\"{y}\" width=\"{}\" height=\"{height}\"/>", WIDTH - 32);
    let _ = writeln!(
        svg,
        "<text class=\"socket\" x=\"24\" y=\"{}\">{}</text>",
        middle + 4,
        escaped(&cut(&row.socket(), 30))
    );
    let _ = writeln!(svg, "<path class=\"way\" d=\"M{left} {middle}H{right}\"/>");
    for index in from..STEPS.len() {
        let x = LADDER_LEFT + index * STEP + STEP / 2;
        let radius = if index == from { 6 } else { 3 };
        let _ = writeln!(svg, "<circle class=\"rung\" cx=\"{x}\" cy=\"{middle}\" r=\"{radius}\"/>");
    }
    let _ = writeln!(svg, "<path class=\"arrow\" d=\"M{right} {}l8 5l-8 5z\"/>", middle - 5);
    for (index, (what, how)) in targets.iter().enumerate() {
        let y = middle + 4 + index * 18;
        let what = cut(what, 62);
        let _ = writeln!(
            svg,
            "<text class=\"target\" x=\"{TARGET_LEFT}\" y=\"{y}\">{}<tspan class=\"how\" dx=\"10\">{}</tspan></text>",
            escaped(&what),
            escaped(&cut(how, 92usize.saturating_sub(what.chars().count())))
        );
    }
    svg.push_str("</g>\n");
    height
}

/// What lies behind, and for whom; each route a line.
fn targets(row: &Row) -> Vec<(String, String)> {
    let badge = match row.state {
        State::Undeclared => Some(format!("not declared{}", by(&row.processes))),
        State::Dead => Some("nobody listens".to_owned()),
        State::Wider => Some("listens wider than declared".to_owned()),
        State::Live | State::Declared => None,
    };
    let what_is_it = [row.role, row.protocol].into_iter().flatten().collect::<Vec<_>>().join(" ");
    if row.passages.is_empty() {
        let title = if row.place.is_none() { row.processes.join(", ") } else { text::plain(&row.title) };
        let title = if title.is_empty() { "unknown process".to_owned() } else { title };
        let how = [Some(what_is_it), badge, Some(text::who(row, None))].into_iter().flatten();
        return vec![(title, joined(how))];
    }
    let line = |passage: &crate::map::Passage| {
        let how =
            [Some(what_is_it.clone()), badge.clone(), Some(passage.when.clone()), Some(text::who(row, Some(passage)))];
        (text::leads_to(row, Some(passage)), joined(how.into_iter().flatten()))
    };
    row.passages.iter().map(line).collect()
}

fn joined(parts: impl Iterator<Item = String>) -> String {
    parts.filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" · ")
}

fn by(processes: &[String]) -> String {
    if processes.is_empty() { String::new() } else { format!(": {}", processes.join(", ")) }
}

/// How a port is drawn: by what is wrong with it, what it is for, and from where it can be reached.
pub(super) fn class(row: &Row) -> &'static str {
    match (row.state, row.role) {
        (State::Undeclared | State::Wider, _) => "wrong",
        (State::Dead, _) => "dead",
        (_, Some("admin" | "metrics")) => "control",
        _ if row.reach == "internet" => "exposed",
        _ => "inside",
    }
}

fn tooltip(row: &Row) -> String {
    let place = row
        .place
        .as_ref()
        .map_or_else(|| "declared nowhere".to_owned(), |place| format!("declared at {}", place.short()));
    let mut text = format!("{}\n{}\n{}, {place}", row.socket(), text::plain(&row.title), row.state.word());
    for process in &row.processes {
        let _ = write!(text, "\n{process}");
    }
    for passage in &row.passages {
        let place = passage.place.as_ref().map_or_else(|| "declared nowhere".to_owned(), crate::Place::short);
        let _ = write!(text, "\n{} ({place})", text::leads_to(row, Some(passage)));
    }
    text
}

/// A text of at most so many characters.
pub(super) fn cut(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    let kept: String = text.chars().take(most.saturating_sub(1)).collect();
    format!("{kept}…")
}

/// Text within XML and HTML. Control characters, which XML 1.0 does not allow, are left out.
pub(super) fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            '\n' | '\t' => escaped.push(character),
            control if control.is_control() => {}
            '\u{fffe}' | '\u{ffff}' => {}
            other => escaped.push(other),
        }
    }
    escaped
}
