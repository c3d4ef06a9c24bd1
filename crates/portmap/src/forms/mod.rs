//! The forms in which a map is drawn: one file for each.

mod csv;
mod dot;
mod html;
mod json;
mod ladder;
mod markdown;
mod mermaid;
mod numbers;
mod svg;
mod text;

use crate::map::Map;

/// A form of output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// A table for a terminal.
    Text,
    /// `PORTS.md`.
    Markdown,
    /// A flowchart that forges draw in Markdown.
    Mermaid,
    /// A picture: the exposure ladder and the ranges.
    Svg,
    /// A page with the picture and everything that is known, in one file.
    Html,
    /// For Graphviz.
    Dot,
    /// For programs.
    Json,
    /// For spreadsheets; a line for each port and route.
    Csv,
}

/// The map in a form, with a line end.
pub fn draw(map: &Map, form: Form) -> String {
    match form {
        Form::Text => text::draw(map),
        Form::Markdown => markdown::draw(map),
        Form::Mermaid => mermaid::draw(map),
        Form::Svg => svg::draw(map),
        Form::Html => html::draw(map),
        Form::Dot => dot::draw(map),
        Form::Json => json::draw(map),
        Form::Csv => csv::draw(map),
    }
}
