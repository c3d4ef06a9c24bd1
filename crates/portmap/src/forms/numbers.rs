//! The ranges of numbers: who has which.

use std::{collections::BTreeSet, fmt::Write};

use crate::map::Range;

/// Numbers in a line of the grid.
pub(super) const COLUMNS: usize = 100;

/// What a number is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cell<'r> {
    /// Declared by somebody.
    Owned(&'r str),
    /// Never handed out, and why.
    Reserved(&'r str),
    /// Kept for those who declare.
    Pinned,
    /// Can be handed out.
    Free,
}

/// What each number of a range is, in order.
pub(super) fn cells(range: &Range) -> impl Iterator<Item = (u16, Cell<'_>)> {
    (range.first..=range.last).map(|port| {
        let find = |list: &'_ [(u16, String)]| list.binary_search_by_key(&port, |(number, _)| *number).ok();
        let cell = if let Some(index) = find(&range.owners) {
            Cell::Owned(&range.owners[index].1)
        } else if let Some(index) = find(&range.reserved) {
            Cell::Reserved(&range.reserved[index].1)
        } else if range.pinned.is_some_and(|(first, last)| (first..=last).contains(&port)) {
            Cell::Pinned
        } else {
            Cell::Free
        };
        (port, cell)
    })
}

/// `range app 3000-3999: 2 of 1000 declared by shop, cart; 12 reserved`.
pub(super) fn summary(range: &Range) -> String {
    let owners: BTreeSet<&str> = range.owners.iter().map(|(_, owner)| owner.as_str()).collect();
    let total = usize::from(range.last - range.first) + 1;
    let by = match owners.len() {
        0 => String::new(),
        1..=6 => format!(" by {}", owners.into_iter().collect::<Vec<_>>().join(", ")),
        many => format!(" by {many} services"),
    };
    let pinned = range.pinned.map(|(first, last)| format!(", {first}-{last} pinned")).unwrap_or_default();
    let reserved =
        if range.reserved.is_empty() { String::new() } else { format!(", {} reserved", range.reserved.len()) };
    format!(
        "range {} {}-{}: {} of {total} declared{by}{pinned}{reserved}",
        range.name,
        range.first,
        range.last,
        range.owners.len()
    )
}

/// One character for each number: `#` declared, `x` reserved, `-` pinned, `.` free. Lines on which nothing is special
/// are left out.
pub(super) fn grid(range: &Range) -> String {
    let cells: Vec<(u16, Cell<'_>)> = cells(range).collect();
    let mut grid = String::new();
    for line in cells.chunks(COLUMNS) {
        if line.iter().any(|(_, cell)| matches!(cell, Cell::Owned(_) | Cell::Reserved(_))) {
            let mark = |(_, cell): &(u16, Cell<'_>)| match cell {
                Cell::Owned(_) => '#',
                Cell::Reserved(_) => 'x',
                Cell::Pinned => '-',
                Cell::Free => '.',
            };
            let marks: String = line.iter().map(mark).collect();
            let _ = writeln!(grid, "  {:>5} {marks}", line.first().map_or(0, |(port, _)| *port));
        }
    }
    grid
}
