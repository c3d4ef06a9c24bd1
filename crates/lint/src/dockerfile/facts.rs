//! What a Dockerfile tells the estate: the ports of each image that can be built from it.

use std::path::Path;

use super::{
    image::{Dockerfile, When},
    port::parse,
    words::Value,
};
use crate::{
    estate::{Copied, Image, WorkloadPort},
    sensitive,
};

/// Images that expose nothing themselves, by the last part of their name.
const SILENT: [&str; 28] = [
    "alpine",
    "amazoncorretto",
    "amazonlinux",
    "bun",
    "busybox",
    "centos",
    "clojure",
    "debian",
    "deno",
    "elixir",
    "erlang",
    "fedora",
    "golang",
    "gradle",
    "groovy",
    "haskell",
    "maven",
    "node",
    "openjdk",
    "perl",
    "python",
    "rockylinux",
    "ruby",
    "rust",
    "scratch",
    "swift",
    "eclipse-temurin",
    "ubuntu",
];

/// What any of its stages copies by name. `COPY . .` takes everything and says nothing of what is used.
pub(super) fn copied(file: &Path, dockerfile: &Dockerfile) -> Vec<Copied> {
    let sources = dockerfile.stages.iter().flat_map(|stage| &stage.copied);
    let named = sources.filter(|source| !matches!(source.trim_matches('/'), "." | "" | "./" | "*"));
    let plain = named.filter(|source| !source.contains("://") && !source.starts_with("<<"));
    plain.map(|source| Copied { dockerfile: file.to_owned(), source: source.into() }).collect()
}

/// One for each stage.
pub(super) fn images(file: &Path, dockerfile: &Dockerfile) -> Vec<Image> {
    let image = |index| image(file, dockerfile, index);
    (0..dockerfile.stages.len()).filter_map(image).collect()
}

fn image(file: &Path, dockerfile: &Dockerfile, index: usize) -> Option<Image> {
    let stage = dockerfile.stages.get(index)?;
    let is_last = index + 1 == dockerfile.stages.len();
    let mut stages: Vec<String> = stage.name.iter().cloned().collect();
    stages.push(index.to_string());
    stages.extend(is_last.then(String::new));
    let mut ports = Vec::new();
    let mut ports_are_complete = dockerfile.foundation(index).is_some_and(is_silent);
    let exposed = dockerfile.lineage(index).flat_map(|stage| &stage.exposed);
    for exposed in exposed.filter(|exposed| exposed.when == When::Now) {
        let parsed = match &exposed.word.value {
            Value::Known(word) => parse(word).ok(),
            Value::Unknown(_) => None,
        };
        let Some((span, transport)) = parsed else {
            ports_are_complete = false;
            continue;
        };
        let known = sensitive::telling(span.first, transport).filter(|_| span.count() == 1);
        let role = known.and_then(|known| known.class.role());
        ports.push(WorkloadPort { ports: span, transport, name: None, role, place: exposed.word.span });
    }
    Some(Image { file: file.to_owned(), stages, ports, ports_are_complete, place: stage.place })
}

/// Whether an image is known to expose nothing: `python:3.12-slim`, `docker.io/library/node`.
fn is_silent(image: &Value) -> bool {
    let Value::Known(image) = image else { return false };
    let name = image.rsplit('/').next().unwrap_or(image);
    let name = name.split([':', '@']).next().unwrap_or(name);
    let is_library = !image.contains('/') || image.contains("/library/");
    (is_library && SILENT.contains(&name)) || image.starts_with("gcr.io/distroless/")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inputs::FileId;

    #[test]
    fn images_have_the_ports_of_their_stages() {
        let text = "FROM python:3 AS base\nEXPOSE 8000\nFROM base AS web\nEXPOSE 80/tcp 53/udp\nFROM nginx\nEXPOSE 81\n\
                    FROM base\nEXPOSE $X";
        let dockerfile = Dockerfile::read(FileId(0), text);
        let told: Vec<String> = images(Path::new("Dockerfile"), &dockerfile)
            .iter()
            .map(|image| {
                let ports: Vec<String> = image.ports.iter().map(|port| port.ports.to_string()).collect();
                format!("{}: {} {}", image.stages.join("|"), ports.join(" "), image.ports_are_complete)
            })
            .collect();
        assert_eq!(told, ["base|0: 8000 true", "web|1: 80 53 8000 true", "2: 81 false", "3|: 8000 false"]);
    }

    #[test]
    fn what_is_copied_by_name_is_known() {
        let text = "FROM nginx\nCOPY . .\nCOPY --chown=1 nginx.conf conf/*.conf /etc/nginx/\nCOPY --from=x /a /b\n\
                    ADD [\"a b\", \"/c\"]\nADD https://x/y /z\nCOPY $X /y\n";
        let dockerfile = Dockerfile::read(FileId(0), text);
        let copied = copied(Path::new("Dockerfile"), &dockerfile);
        let sources: Vec<&Path> = copied.iter().map(|copied| copied.source.as_path()).collect();
        assert_eq!(sources, ["nginx.conf", "conf/*.conf", "a b"].map(Path::new));
    }

    #[test]
    fn only_well_known_images_are_known_to_be_silent() {
        for (image, expected) in [
            ("python:3.12-slim", true),
            ("docker.io/library/node@sha256:1", true),
            ("scratch", true),
            ("gcr.io/distroless/base", true),
            ("bitnami/node", false),
            ("nginx", false),
        ] {
            assert_eq!(is_silent(&Value::Known(image.to_owned())), expected, "{image}");
        }
        assert!(!is_silent(&Value::Unknown("X".to_owned())));
    }
}
