//! The arguments that a container's program is started with.

use crate::{inputs::Span, kubernetes::model::Container};

/// `--name=value`, or `--name` and the word after it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Argument<'c> {
    /// Without its hyphens.
    pub(super) name: &'c str,
    pub(super) value: &'c str,
    /// The word that holds the value; of a line for a shell, all of the line.
    pub(super) span: Span,
}

/// Every argument that has a value.
pub(super) fn arguments(container: &Container) -> Vec<Argument<'_>> {
    let words: Vec<(&str, Span)> = container
        .words
        .iter()
        .flat_map(|word| word.split_whitespace().map(|part| (part.trim_matches(['"', '\'']), word.span)))
        .collect();
    let mut arguments = Vec::new();
    for (index, (word, span)) in words.iter().enumerate() {
        let Some(name) = word.strip_prefix('-').map(|rest| rest.trim_start_matches('-')) else { continue };
        if let Some((name, value)) = name.split_once('=') {
            arguments.push(Argument { name, value, span: *span });
        } else if let Some((value, span)) = words.get(index + 1).filter(|(next, _)| !next.starts_with('-')) {
            arguments.push(Argument { name, value, span: *span });
        }
    }
    arguments
}

/// Whether the container runs a program of this name, by its command or its image.
pub(super) fn runs(container: &Container, program: &str) -> bool {
    let base = |path: &str| path.rsplit('/').next().unwrap_or_default().to_owned();
    let is_image = container.image.as_ref().is_some_and(|image| {
        let name = base(image);
        let name = name.split([':', '@']).next().unwrap_or_default();
        name.strip_suffix("-amd64").or_else(|| name.strip_suffix("-arm64")).unwrap_or(name) == program
    });
    is_image || container.words.iter().flat_map(|word| word.split_whitespace()).any(|word| base(word) == program)
}
