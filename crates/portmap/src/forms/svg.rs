//! A picture of its own: the exposure ladder, and the ranges below it.

use std::{collections::BTreeMap, fmt::Write};

use super::{
    ladder::{self, WIDTH, cut, escaped},
    numbers::{self, COLUMNS, Cell},
};
use crate::map::{Map, Range};

const CELL: usize = 9;
const GRID_LEFT: usize = 84;
/// Lines of one range; of a larger one only those are drawn on which something stands.
const MAX_LINES: usize = 10;
/// Colours of owners, in turn.
const OWNERS: usize = 8;

/// Plain colours, since many viewers know no variables; the page puts its own over them.
const STYLE: &str = "\
.paper{fill:#fff}text{font:13px ui-sans-serif,system-ui,'Segoe UI',sans-serif;fill:#1c2430}\
.title{font-size:20px;font-weight:650}.sub,.note,.how{fill:#64748b}.how,.note{font-size:12px}\
.group{font-weight:650}.head{font-size:11px;text-anchor:middle;fill:#64748b;letter-spacing:.04em}\
.left{text-anchor:start}.socket{font-family:ui-monospace,'SF Mono',Menlo,Consolas,monospace;font-size:12.5px}\
.step{fill:#f1f5f9}.s1{fill:#f8fafc}.hit{fill:transparent}.row:hover .hit{fill:#94a3b822}\
.way{stroke-width:3;fill:none}.rung{stroke-width:2}\
.exposed .way{stroke:#ea7317}.exposed .rung,.exposed .arrow{fill:#ea7317}\
.inside .way{stroke:#2f7fd3}.inside .rung,.inside .arrow{fill:#2f7fd3}\
.control .way{stroke:#8a63d2}.control .rung,.control .arrow{fill:#8a63d2}\
.wrong .way{stroke:#dc2626}.wrong .rung,.wrong .arrow{fill:#dc2626}.wrong text{fill:#dc2626}\
.dead .way{stroke:#94a3b8;stroke-dasharray:4 4}.dead .rung{fill:#fff;stroke:#94a3b8}.dead .arrow{fill:#94a3b8}\
.dead text{fill:#64748b}\
.free{fill:#e8edf3}.pin{fill:#cbd8e6}.res{fill:#94a3b8}.tick{font-size:10px;fill:#64748b;text-anchor:end}\
.o0{fill:#ea7317}.o1{fill:#2f7fd3}.o2{fill:#2ba36b}.o3{fill:#d9467c}.o4{fill:#8a63d2}.o5{fill:#c79a0a}.o6{fill:#0e9aa7}.o7{fill:#a1582b}";

pub(super) fn draw(map: &Map) -> String {
    let (body, height) = body(map);
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" width=\"{WIDTH}\" height=\"{height}\" role=\"img\" aria-label=\"port map\">\n\
         <style>{STYLE}</style>\n<rect class=\"paper\" width=\"{WIDTH}\" height=\"{height}\"/>\n{body}</svg>\n"
    )
}

fn body(map: &Map) -> (String, usize) {
    let mut body = String::new();
    let exposed = map.ports.iter().filter(|row| row.reach == "internet").count();
    let _ = writeln!(body, "<text class=\"title\" x=\"24\" y=\"36\">Port map</text>");
    let total = map.ports.len();
    let word = if total == 1 { "port" } else { "ports" };
    let _ =
        writeln!(body, "<text class=\"sub\" x=\"24\" y=\"58\">{total} {word}, {exposed} open to the internet</text>");
    legend(&mut body, map);
    let ladder = ladder::draw(map, 108);
    body.push_str(&ladder.svg);
    let mut y = 108 + ladder.height + 12;
    for range in &map.ranges {
        y += self::range(&mut body, range, y) + 26;
    }
    (body, y + 12)
}

/// Only what is in the picture is explained.
fn legend(svg: &mut String, map: &Map) {
    let mut x = 470;
    for (class, text) in [
        ("exposed", "open to the internet"),
        ("inside", "internal"),
        ("control", "admin, metrics"),
        ("wrong", "not as declared"),
        ("dead", "nobody listens"),
    ] {
        if map.ports.iter().any(|row| ladder::class(row) == class) {
            let _ = writeln!(
                svg,
                "<g class=\"{class}\"><path class=\"way\" d=\"M{x} 32h22\"/><circle class=\"rung\" cx=\"{x}\" cy=\"32\" r=\"5\"/></g>\
                 <text class=\"note\" x=\"{}\" y=\"36\">{text}</text>",
                x + 30
            );
            x += 46 + 7 * text.len();
        }
    }
}

/// The grid of a range; returns its height.
fn range(svg: &mut String, range: &Range, top: usize) -> usize {
    let _ = writeln!(
        svg,
        "<text class=\"group\" x=\"24\" y=\"{}\">{}</text>",
        top + 14,
        escaped(&cut(&numbers::summary(range), 150))
    );
    let mut colours: BTreeMap<&str, usize> = BTreeMap::new();
    for (_, owner) in &range.owners {
        let next = colours.len() % OWNERS;
        colours.entry(owner).or_insert(next);
    }
    let cells: Vec<(u16, Cell<'_>)> = numbers::cells(range).collect();
    let lines: Vec<&[(u16, Cell<'_>)]> = cells.chunks(COLUMNS).collect();
    let is_all = lines.len() <= MAX_LINES;
    let is_special = |line: &&&[(u16, Cell<'_>)]| is_all || line.iter().any(|(_, cell)| matches!(cell, Cell::Owned(_)));
    let mut y = top + 26;
    for line in lines.iter().filter(is_special).take(4 * MAX_LINES) {
        let first = line.first().map_or(0, |(port, _)| *port);
        let _ = writeln!(svg, "<text class=\"tick\" x=\"{}\" y=\"{}\">{first}</text>", GRID_LEFT - 8, y + CELL - 1);
        grid_line(svg, line, y, &colours);
        y += CELL + 2;
    }
    let mut x = GRID_LEFT;
    for (owner, colour) in colours.iter().take(10) {
        let _ = writeln!(
            svg,
            "<rect class=\"o{colour}\" x=\"{x}\" y=\"{}\" width=\"9\" height=\"9\" rx=\"2\"/><text class=\"note\" x=\"{}\" y=\"{}\">{}</text>",
            y + 6,
            x + 14,
            y + 14,
            escaped(&cut(owner, 16))
        );
        x += 26 + 7 * owner.chars().count().min(16);
    }
    y - top + if colours.is_empty() { 0 } else { 16 }
}

/// Neighbours that are alike are one rectangle, so that a grid of thousands stays small.
fn grid_line(svg: &mut String, line: &[(u16, Cell<'_>)], y: usize, colours: &BTreeMap<&str, usize>) {
    let mut index = 0;
    while index < line.len() {
        let (port, cell) = line[index];
        let run = line[index..].iter().take_while(|(_, other)| *other == cell).count();
        let (class, text) = match cell {
            Cell::Owned(owner) => (format!("o{}", colours.get(owner).copied().unwrap_or(0)), owner.to_owned()),
            Cell::Reserved(why) => ("res".to_owned(), format!("reserved: {why}")),
            Cell::Pinned => ("pin".to_owned(), "pinned".to_owned()),
            Cell::Free => ("free".to_owned(), "free".to_owned()),
        };
        let last = port + run as u16 - 1;
        let numbers = if run == 1 { port.to_string() } else { format!("{port}-{last}") };
        let _ = writeln!(
            svg,
            "<rect class=\"{class}\" x=\"{}\" y=\"{y}\" width=\"{}\" height=\"{CELL}\" rx=\"2\"><title>{numbers} {}</title></rect>",
            GRID_LEFT + index * (CELL + 2),
            run * (CELL + 2) - 2,
            escaped(&text)
        );
        index += run;
    }
}
