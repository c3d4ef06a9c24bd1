//! Helm templates, which become manifests and are none: one word for each chart.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use crate::{
    finding::Finding,
    inputs::{FileId, Inputs, Span},
    reading::UNRESOLVED,
};

/// What is not read, a finding for each chart.
pub(super) fn told(inputs: &Inputs, templates: &[FileId]) -> Vec<Finding> {
    let mut by_chart: BTreeMap<PathBuf, Vec<FileId>> = BTreeMap::new();
    for file in templates {
        by_chart.entry(chart(inputs.path(*file))).or_default().push(*file);
    }
    by_chart.iter().filter_map(|(chart, files)| of_chart(inputs, chart, files)).collect()
}

fn of_chart(inputs: &Inputs, chart: &Path, files: &[FileId]) -> Option<Finding> {
    let file = *files.iter().min_by_key(|file| inputs.path(**file))?;
    let start = inputs.text(file).find("{{")? as u32;
    let message = match files.len() {
        1 => "a template is not read: it becomes a manifest when it is rendered".to_owned(),
        count => format!("{count} templates are not read: they become manifests when they are rendered"),
    };
    let name = if chart.as_os_str().is_empty() { Path::new(".") } else { chart };
    Some(
        Finding::unknown(&UNRESOLVED, Span { file, start, end: start + 2 }, message)
            .label("a template")
            .help(format!("check what it renders to: `helm template {} | portcullis check -`", name.display())),
    )
}

/// Whether a file lies where a chart has its templates.
pub(super) fn is_in_chart(path: &Path) -> bool {
    path.parent().is_some_and(|folder| folder.components().any(|part| part.as_os_str() == "templates"))
}

/// The folder above `templates`, or the template's own.
fn chart(path: &Path) -> PathBuf {
    let folder = path.parent().unwrap_or(Path::new(""));
    let templates = folder.ancestors().find(|folder| folder.file_name().is_some_and(|name| name == "templates"));
    templates.and_then(Path::parent).unwrap_or(folder).to_owned()
}
