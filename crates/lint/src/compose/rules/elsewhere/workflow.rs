//! Services of GitHub Actions jobs that start the project as well.

use std::path::Path;

use super::{Claim, Subject, folder_of, upwards};
use crate::{
    compose::port::{self, HostPort},
    inputs::FileId,
    yaml::{self, Node},
};

/// Workflows of one repository that are looked at.
const MAX_WORKFLOWS: usize = 200;

pub(super) fn claims(subject: &Subject<'_>, main: FileId) -> Vec<Claim> {
    let mut claims = Vec::new();
    for up in upwards() {
        let folder = subject.inputs.beside(main, &up.join(".github/workflows"));
        if !subject.inputs.may_list(&folder) {
            continue;
        }
        let root = subject.inputs.beside(main, &up);
        let mut files: Vec<_> = std::fs::read_dir(&folder).into_iter().flatten().flatten().map(|e| e.path()).collect();
        files.sort();
        for path in files.iter().filter(|path| crate::format::is_yaml(path)).take(MAX_WORKFLOWS) {
            let Ok(file) = subject.inputs.open(path) else { continue };
            // Cheap, and true of few.
            let text = subject.inputs.text(file);
            if text.contains("compose") && text.contains("services:") {
                claims.extend(of_workflow(subject, file, main, &root));
            }
        }
        break;
    }
    claims
}

fn of_workflow(subject: &Subject<'_>, file: FileId, main: FileId, root: &Path) -> Vec<Claim> {
    let read = yaml::parse(subject.inputs.text(file), file);
    let Some(jobs) = read.documents.first().and_then(|document| document.get("jobs")) else { return Vec::new() };
    let mut claims = Vec::new();
    for job in jobs.entries().iter().filter(|job| starts(subject, &job.value, main, root)) {
        for service in job.value.get("services").map(Node::entries).unwrap_or_default() {
            for item in service.value.get("ports").map(Node::items).unwrap_or_default() {
                let published = item.text().and_then(|text| port::short(text).ok()).map(|mapping| mapping.published);
                let Some(HostPort::Fixed(span)) = published else { continue };
                let by = format!("service `{}` of the job `{}`", service.key.text, job.key.text);
                claims.push(Claim { port: span.first, by, place: item.span });
            }
        }
    }
    claims
}

/// Whether a job starts the project whose main file this is.
fn starts(subject: &Subject<'_>, job: &Node<'_>, main: FileId, root: &Path) -> bool {
    let default = job.at(&["defaults", "run", "working-directory"]).and_then(Node::text).unwrap_or("");
    job.get("steps").map(Node::items).unwrap_or_default().iter().any(|step| {
        let Some(run) = step.get("run").and_then(Node::text) else { return false };
        let folder = root.join(step.get("working-directory").and_then(Node::text).unwrap_or(default));
        run.lines().any(|line| starts_here(subject, line, main, &folder))
    })
}

fn starts_here(subject: &Subject<'_>, line: &str, main: FileId, folder: &Path) -> bool {
    let words: Vec<&str> = line.split_whitespace().collect();
    let after = words.iter().position(|word| *word == "docker-compose").map(|place| place + 1);
    let after =
        after.or_else(|| words.windows(2).position(|pair| pair == ["docker", "compose"]).map(|place| place + 2));
    let Some(words) = after.and_then(|after| words.get(after..)) else { return false };
    if !words.iter().any(|word| matches!(*word, "up" | "run" | "start")) {
        return false;
    }
    let named = words.windows(2).find(|pair| matches!(pair[0], "-f" | "--file")).map(|pair| pair[1]);
    match named {
        Some(named) => tidy(&folder.join(named)) == subject.inputs.path(main),
        None => tidy(folder) == folder_of(subject, main),
    }
}

fn tidy(path: &Path) -> std::path::PathBuf {
    path.components().filter(|component| *component != std::path::Component::CurDir).collect()
}
