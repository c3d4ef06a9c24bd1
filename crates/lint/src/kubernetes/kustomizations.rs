//! Kustomizations that take in each other, which `kustomize build` refuses.

use std::path::{Path, PathBuf};

use super::read::Kustomization;
use crate::{circles, finding::Finding, inputs::Inputs, reading};

/// One finding, however many circles there are.
pub(super) fn circular(inputs: &Inputs, kustomizations: &[Kustomization]) -> Option<Finding> {
    const MAX_PLACES: usize = 3;
    let taken_in = kustomizations.iter().flat_map(|one| {
        let from = inputs.path(one.file).parent().unwrap_or(Path::new("")).to_owned();
        one.resources.iter().map(move |resource| {
            let to = inputs.beside(one.file, Path::new(&resource.value));
            (resource, (from.clone(), to))
        })
    });
    let (resources, arrows): (Vec<_>, Vec<(PathBuf, PathBuf)>) = taken_in.unzip();
    let is_circular = circles::circular(&arrows);
    let mut circular = resources.iter().zip(is_circular).filter(|(_, is_circular)| *is_circular);
    let (first, _) = circular.next()?;
    let message = format!("this kustomization takes itself in by `{}`, so Kustomize refuses it", first.value);
    let finding = Finding::new(&reading::SYNTAX, first.span, message);
    Some(circular.take(MAX_PLACES).fold(finding, |finding, (other, _)| finding.related(other.span, "and on the way")))
}
