//! Findings as people and programs read them.

use std::collections::BTreeMap;

use annotate_snippets::{
    Annotation, AnnotationKind, Group, Level, Renderer, Snippet, normalize_untrusted_str, renderer::DecorStyle,
};

use crate::{
    finding::{Finding, FindingRecord},
    rule::Severity,
    sources::Sources,
    span::{FileId, Span},
};

/// How a report is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// ASCII, for pipes and files.
    Plain,
    /// Colours and lines, for terminals.
    Coloured,
}

/// All findings, each with the line that it speaks of, a caret, what was expected and what to do. Ends with a line
/// end unless there is no finding.
pub fn render(findings: &[Finding], sources: &Sources, style: Style) -> String {
    let renderer = match style {
        Style::Plain => Renderer::plain(),
        Style::Coloured => Renderer::styled().decor_style(DecorStyle::Unicode),
    };
    let mut report = String::new();
    for finding in findings {
        report.push_str(&renderer.render(&[group(finding, sources)]));
        report.push_str("\n\n");
    }
    report.truncate(report.trim_end().len());
    if !report.is_empty() {
        report.push('\n');
    }
    report
}

/// The findings for programs; the field names are an interface.
pub fn records<'a>(findings: &'a [Finding], sources: &Sources) -> Vec<FindingRecord<'a>> {
    findings.iter().map(|finding| FindingRecord::new(finding, sources)).collect()
}

/// `2 errors, 1 warning`; `no findings`.
pub fn summary(findings: &[Finding]) -> String {
    let count = |severity, word: &str| {
        let count = findings.iter().filter(|finding| finding.severity == severity).count();
        match count {
            0 => None,
            1 => Some(format!("1 {word}")),
            _ => Some(format!("{count} {word}s")),
        }
    };
    let counts = [count(Severity::Error, "error"), count(Severity::Warning, "warning")];
    let counts: Vec<String> = counts.into_iter().flatten().collect();
    if counts.is_empty() { "no findings".to_owned() } else { counts.join(", ") }
}

fn group<'a>(finding: &'a Finding, sources: &'a Sources) -> Group<'a> {
    let level = match finding.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
    };
    let mut group =
        level.primary_title(finding.message.as_str()).id(finding.rule.id()).elements(snippets(finding, sources));
    if let Some(help) = &finding.help {
        group = group.element(Level::HELP.message(normalize_untrusted_str(help)));
    }
    group
}

/// One snippet for each stretch of lines: places far apart in one file are not drawn as one.
fn snippets<'a>(finding: &'a Finding, sources: &'a Sources) -> Vec<Snippet<'a, Annotation<'a>>> {
    const NEAR: usize = 200;
    let places = std::iter::once((AnnotationKind::Primary, finding.span, finding.label.as_str()))
        .chain(finding.related.iter().map(|(span, label)| (AnnotationKind::Context, *span, label.as_str())));
    let mut stretches: Vec<Stretch<'_>> = Vec::new();
    for (kind, span, label) in places {
        let line = sources.position(span).line;
        let near = stretches
            .iter_mut()
            .find(|stretch| stretch.file == span.file && line + NEAR > stretch.last && line < stretch.first + NEAR);
        let place = Place { kind, span, label };
        match near {
            Some(stretch) => {
                stretch.first = stretch.first.min(line);
                stretch.last = stretch.last.max(line);
                stretch.places.push(place);
            }
            None => stretches.push(Stretch { file: span.file, first: line, last: line, places: vec![place] }),
        }
    }
    stretches.into_iter().map(|stretch| stretch.snippet(sources)).collect()
}

/// Lines of one file, from 1, both inclusive.
struct Stretch<'a> {
    file: FileId,
    first: usize,
    last: usize,
    places: Vec<Place<'a>>,
}

struct Place<'a> {
    kind: AnnotationKind,
    span: Span,
    label: &'a str,
}

impl<'a> Stretch<'a> {
    fn snippet(self, sources: &'a Sources) -> Snippet<'a, Annotation<'a>> {
        let (text, start) = sources.excerpt(self.file, self.first, self.last);
        let annotations: Vec<_> = self
            .places
            .iter()
            .map(|place| {
                let from = (place.span.start as usize).saturating_sub(start).min(text.len());
                // A place of several lines is shown by its first.
                let line_end = text[from..].find(['\r', '\n']).map_or(text.len(), |end| from + end);
                let to = (place.span.end as usize).saturating_sub(start).clamp(from, line_end);
                let label = (!place.label.is_empty()).then(|| normalize_untrusted_str(place.label));
                place.kind.span(from..to).label(label)
            })
            .collect();
        Snippet::source(text)
            .line_start(self.first)
            .path(sources.path(self.file).display().to_string())
            .annotations(annotations)
    }
}

/// Number of findings of each rule, for summaries and tests.
pub fn count_by_rule(findings: &[Finding]) -> BTreeMap<&'static str, usize> {
    let mut counts = BTreeMap::new();
    for finding in findings {
        *counts.entry(finding.rule.id()).or_default() += 1;
    }
    counts
}
