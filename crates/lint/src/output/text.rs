//! For people.

use std::fmt::Write;

use annotate_snippets::{
    Annotation, AnnotationKind, Group, Level, Renderer, Snippet, normalize_untrusted_str, renderer::DecorStyle,
};
use portcullis_config::report::Style;

use super::{page, place, title, word};
use crate::{
    finding::{Finding, Verdict},
    inputs::{FileId, Inputs, Span},
    report::Report,
    rule::Severity,
};

pub(super) fn render(report: &Report, inputs: &Inputs, style: Style) -> String {
    let renderer = match style {
        Style::Plain => Renderer::plain(),
        Style::Coloured => Renderer::styled().decor_style(DecorStyle::Unicode),
    };
    let mut text = String::new();
    for finding in &report.findings {
        text.push_str(&renderer.render(&[group(finding, inputs)]));
        text.push_str("\n\n");
    }
    text.push_str(&report.summary());
    text.push('\n');
    text
}

pub(super) fn short(report: &Report, inputs: &Inputs) -> String {
    let mut text = String::new();
    for finding in &report.findings {
        let (path, line, column) = place(finding, inputs);
        let message = normalize_untrusted_str(&finding.message);
        let _ = writeln!(text, "{path}:{line}:{column}: {}: {message} [{}]", word(finding), finding.rule.id);
    }
    text.push_str(&report.summary());
    text.push('\n');
    text
}

fn group<'a>(finding: &'a Finding, inputs: &'a Inputs) -> Group<'a> {
    let is_own = !finding.rule.id.starts_with("PC");
    let level = match (finding.verdict, finding.severity) {
        (Verdict::Unknown, _) => Level::INFO.with_name("unknown"),
        // Portcullis' own file has the two words of every compiler: it loads, or it does not.
        (_, Severity::High) if is_own => Level::ERROR,
        (_, Severity::Low) if is_own => Level::WARNING,
        (_, Severity::Critical) => Level::ERROR.with_name("critical"),
        (_, Severity::High) => Level::ERROR.with_name("high"),
        (_, Severity::Medium) => Level::WARNING.with_name("medium"),
        (_, Severity::Low) => Level::WARNING.with_name("low"),
        (_, Severity::Info) => Level::NOTE.with_name("info"),
    };
    let mut group = level
        .primary_title(normalize_untrusted_str(&finding.message))
        .id(title(finding))
        .elements(snippets(finding, inputs));
    if let Some(fix) = &finding.fix {
        group = group.element(Level::HELP.message(normalize_untrusted_str(&fix.text)));
    }
    if !is_own && finding.verdict == Verdict::Wrong {
        group = group.element(Level::NOTE.message(format!("{} {}", finding.rule.why, page(finding))));
    }
    group
}

/// One snippet for each stretch of lines: places far apart in one file are not drawn as one.
fn snippets<'a>(finding: &'a Finding, inputs: &'a Inputs) -> Vec<Snippet<'a, Annotation<'a>>> {
    const NEAR: usize = 6;
    let places = std::iter::once((AnnotationKind::Primary, finding.span, finding.label.as_str()))
        .chain(finding.related.iter().map(|(span, label)| (AnnotationKind::Context, *span, label.as_str())));
    let mut stretches: Vec<Stretch<'_>> = Vec::new();
    for (kind, span, label) in places {
        let line = inputs.position(span).line;
        let near = stretches
            .iter_mut()
            .find(|stretch| stretch.file == span.file && line < stretch.last + NEAR && line + NEAR > stretch.first);
        if let Some(stretch) = near {
            stretch.first = stretch.first.min(line);
            stretch.last = stretch.last.max(line);
            stretch.places.push((kind, span, label));
        } else {
            let places = vec![(kind, span, label)];
            stretches.push(Stretch { file: span.file, first: line, last: line, places });
        }
    }
    stretches.into_iter().map(|stretch| stretch.snippet(inputs)).collect()
}

/// Lines of one file, from 1, both inclusive.
struct Stretch<'a> {
    file: FileId,
    first: usize,
    last: usize,
    places: Vec<(AnnotationKind, Span, &'a str)>,
}

impl<'a> Stretch<'a> {
    fn snippet(self, inputs: &'a Inputs) -> Snippet<'a, Annotation<'a>> {
        let (start, text) = inputs.lines(self.file, self.first, self.last);
        let annotation = |(kind, span, label): &(AnnotationKind, Span, &'a str)| {
            let from = floor(text, (span.start as usize).saturating_sub(start));
            // A place of several lines is shown by its first.
            let line_end = text[from..].find(['\r', '\n']).map_or(text.len(), |end| from + end);
            let to = floor(text, (span.end as usize).saturating_sub(start)).clamp(from, line_end);
            let label = (!label.is_empty()).then(|| normalize_untrusted_str(label));
            kind.span(from..to).label(label)
        };
        let annotations: Vec<_> = self.places.iter().map(annotation).collect();
        Snippet::source(text)
            .line_start(self.first)
            .path(inputs.path(self.file).display().to_string())
            .annotations(annotations)
    }
}

/// The nearest border of a character at or before an offset.
fn floor(text: &str, offset: usize) -> usize {
    let offset = offset.min(text.len());
    (0..=offset).rev().find(|offset| text.is_char_boundary(*offset)).unwrap_or(0)
}
