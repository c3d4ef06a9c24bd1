//! What others must do so that exactly the declared ports are open: firewall, units, manifests, and the same proxy in
//! the words of other proxies.
//!
//! Owns: one module for each kind of artefact, which writes it from what is declared, and says what it could not
//! express. Nothing is left out in silence: a reader of the result must be able to rely on it.
//!
//! Must not know: the machine, the network, or whether the other tools are there. The same file gives the same
//! artefacts.

mod ci;
mod compose;
mod flows;
mod haproxy;
mod kubernetes;
mod nftables;
mod nginx;
mod systemd;
mod terraform;
mod text;

use std::collections::BTreeMap;

use portcullis_config::declared::Declared;

/// A kind of artefact.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A ruleset for `nft -f`.
    Nftables,
    /// Hardened units that may bind exactly the declared ports.
    Systemd,
    /// A Compose file in which only the proxy publishes ports.
    Compose,
    /// Deployment, Services and NetworkPolicies.
    Kubernetes,
    /// AWS security groups.
    Terraform,
    /// The same ports and routes for HAProxy, as far as it can.
    Haproxy,
    /// The same ports and routes for nginx, as far as it can.
    Nginx,
    /// A GitHub workflow that checks the files of every change.
    Github,
    /// The same for GitLab.
    Gitlab,
}

/// What the file does not say and an artefact needs.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Ports that stay open besides the declared ones, such as 22 for who administrates the host.
    pub keep: Vec<u16>,
    /// Images of services by name, for Compose and Kubernetes; and of the proxy under `portcullis`.
    pub images: BTreeMap<String, String>,
    /// Commands of services by name, for systemd: the first word is an absolute path.
    pub commands: BTreeMap<String, String>,
    /// Absolute path of the program, for units.
    pub program: String,
    /// Path of the configuration file as the artefact is to name it.
    pub file: String,
}

/// One file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Artefact {
    /// Name of the file, relative; folders are joined by `/`.
    pub name: String,
    /// Its whole text.
    pub text: String,
}

/// All files of a kind, and what they cannot say.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Generated {
    /// At least one.
    pub artefacts: Vec<Artefact>,
    /// What is declared and could not be expressed, or what the operator must do.
    pub notes: Vec<String>,
}

/// Writes the artefacts of a kind. What is declared must have passed its checks.
pub fn generate(declared: &Declared, kind: Kind, options: &Options) -> Generated {
    match kind {
        Kind::Nftables => nftables::generate(declared, options),
        Kind::Systemd => systemd::generate(declared, options),
        Kind::Compose => compose::generate(declared, options),
        Kind::Kubernetes => kubernetes::generate(declared, options),
        Kind::Terraform => terraform::generate(declared),
        Kind::Haproxy => haproxy::generate(declared),
        Kind::Nginx => nginx::generate(declared),
        Kind::Github => ci::github(),
        Kind::Gitlab => ci::gitlab(),
    }
}
