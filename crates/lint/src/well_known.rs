//! What well-known container images run, by the name of the image. For every format that names images.
//!
//! Only exact names: `postgres` is a database, `postgres-backup` is something else. What is not known is not guessed;
//! a port number may still tell ([`crate::sensitive`]).

mod table;

use crate::estate::Role;

pub use table::IMAGES;

/// What an image runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Software {
    /// Names of images, without registry and tag: `postgres` for any publisher, `mssql/server` for that one alone.
    pub images: &'static [&'static str],
    /// What it is called: `PostgreSQL`.
    pub name: &'static str,
    /// What it is for.
    pub purpose: Purpose,
    /// The TCP ports on which it serves its purpose out of the box; for an edge those of its visitors.
    pub ports: &'static [u16],
    /// Other TCP ports that steer it or tell about it: consoles, APIs, metrics.
    pub control_ports: &'static [u16],
}

/// What software is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// It belongs behind others: databases, caches, consoles and the like.
    Inner(Role),
    /// It stands in front of others, or serves visitors: proxies and web servers.
    Edge,
    /// It hands out a guarded part of the Docker socket.
    SocketProxy,
    /// Anything else whose ports are known.
    Application,
}

impl Software {
    /// Its role in the estate.
    pub fn role(&self) -> Option<Role> {
        match self.purpose {
            Purpose::Inner(role) => Some(role),
            Purpose::Edge | Purpose::SocketProxy | Purpose::Application => None,
        }
    }

    /// Whether a port is one that it is known to listen on.
    pub fn listens_on(&self, port: u16) -> bool {
        self.ports.contains(&port) || self.control_ports.contains(&port)
    }
}

/// What an image reference such as `docker.io/bitnami/redis:7@sha256:…` runs.
pub fn software(image: &str) -> Option<&'static Software> {
    let name = repository(image);
    let last = name.rsplit('/').next().unwrap_or(name);
    let is_exporter = last.ends_with("-exporter") || last.ends_with("_exporter");
    let names = |software: &&Software| {
        software.images.iter().any(|known| if known.contains('/') { *known == name } else { *known == last })
    };
    IMAGES.iter().find(names).or_else(|| is_exporter.then_some(&table::EXPORTER))
}

/// The reference without registry, tag and digest, and without Docker's own `library/`.
fn repository(image: &str) -> &str {
    let image = image.split('@').next().unwrap_or(image);
    let image = match image.rsplit_once(':') {
        Some((name, tag)) if !tag.contains('/') => name,
        _ => image,
    };
    let image = match image.split_once('/') {
        Some((registry, rest)) if registry.contains(['.', ':']) || registry == "localhost" => rest,
        _ => image,
    };
    image.strip_prefix("library/").unwrap_or(image)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_are_known_by_their_names() {
        for (image, expected) in [
            ("postgres", Some("PostgreSQL")),
            ("postgres:16-alpine", Some("PostgreSQL")),
            ("docker.io/library/postgres@sha256:0123", Some("PostgreSQL")),
            ("bitnami/postgresql:latest", Some("PostgreSQL")),
            ("registry.example.com:5000/team/postgres:1", Some("PostgreSQL")),
            ("localhost/redis", Some("Redis")),
            ("prodrigestivill/postgres-backup-local", None),
            ("oliver006/redis_exporter", Some("a metrics exporter")),
            ("mongo-express", Some("mongo-express")),
            ("portainer/portainer-ce:latest", Some("Portainer")),
            ("nginx:1.27", Some("nginx")),
            ("example/app", None),
            ("", None),
        ] {
            assert_eq!(software(image).map(|software| software.name), expected, "{image}");
        }
    }

    #[test]
    fn no_image_is_listed_twice() {
        let mut names: Vec<&str> = IMAGES.iter().flat_map(|software| software.images).copied().collect();
        names.sort_unstable();
        let repeated: Vec<&[&str]> = names.windows(2).filter(|pair| pair[0] == pair[1]).collect();
        assert!(repeated.is_empty(), "{repeated:?}");
    }
}
