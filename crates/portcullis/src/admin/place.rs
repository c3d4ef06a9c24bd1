//! Where an admin port is.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::{Context, anyhow, bail};
use portcullis_config::{rule::RuleId, secret::Secret};
use portcullis_control::registration::{AdminPort, Registration, directories};
use portcullis_tls::{
    client::{Verify, client_config},
    material::{load_certificate, load_roots, system_roots},
    peer::PeerCertificate,
};
use rustls::{
    ClientConfig,
    pki_types::{CertificateDer, ServerName, pem::PemObject},
};

use super::token_file;

/// An admin port.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) transport: Transport,
    /// What the Host header says.
    pub(super) host: String,
    /// How people know it.
    name: String,
}

/// The admin port that a file leads to.
#[derive(Debug)]
pub(super) struct OfFile {
    pub(super) place: Place,
    /// The token that the file gives.
    pub(super) token: Option<Secret>,
    /// Why a reference of the file could not be resolved here, which may be that of the token.
    pub(super) missing_token: Option<String>,
}

/// How to get there.
#[derive(Debug)]
pub(super) enum Transport {
    Unix(PathBuf),
    /// `host:port`, resolved when connecting.
    Tcp(String),
    Tls(String, Box<Tls>),
}

/// TLS towards it.
#[derive(Debug)]
pub(super) struct Tls {
    pub(super) config: Arc<ClientConfig>,
    pub(super) name: ServerName<'static>,
}

/// What TLS needs, as far as the command line gives it.
#[derive(Debug)]
pub(super) struct Material {
    pub(super) ca: Option<PathBuf>,
    pub(super) certificate: Option<(PathBuf, PathBuf)>,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

impl Place {
    /// `unix:/path`, `/path`, `host:port`, `http://host:port` or `https://host:port`.
    pub(super) fn parse(text: &str, material: Material) -> anyhow::Result<Self> {
        let name = format!("admin port {text}");
        if let Some(path) = text.strip_prefix("unix:").or_else(|| text.starts_with('/').then_some(text)) {
            return Ok(Self { transport: Transport::Unix(path.into()), host: "localhost".to_owned(), name });
        }
        let (scheme, authority) = text.split_once("://").unwrap_or(("http", text));
        let authority = authority.trim_end_matches('/');
        let Some((host, port)) = authority.rsplit_once(':').filter(|(_, port)| port.parse::<u16>().is_ok()) else {
            bail!("`{text}` is no address of an admin port; write unix:/path, host:port or https://host:port");
        };
        let transport = match scheme {
            "http" => Transport::Tcp(authority.to_owned()),
            "https" => {
                let host = host.trim_start_matches('[').trim_end_matches(']');
                Transport::Tls(format!("{}:{port}", bracketed(host)), Box::new(Tls::new(host, None, material)?))
            }
            other => bail!("`{other}` is not spoken by admin ports; use http, https or unix"),
        };
        Ok(Self { transport, host: authority.to_owned(), name })
    }

    /// The admin port of the process that runs this file, with the token that the file gives. What the process itself
    /// has left in the runtime directory goes before what the file says: the file may be broken or ahead of it.
    pub(super) fn of_file(path: &Path, material: Material) -> anyhow::Result<OfFile> {
        let loaded = portcullis_config::load(path);
        let unresolved = loaded.findings.iter().find(|finding| finding.rule == RuleId::Substitution);
        let missing_token = unresolved.map(|finding| finding.message.clone());
        let declared = loaded.declared;
        let running = Registration::find(path).map(|registration| registration.admin_ports);
        let ports = match (&running, &declared) {
            (Some(ports), _) => ports.clone(),
            (None, Some(declared)) => AdminPort::all_of(declared),
            (None, None) => Vec::new(),
        };
        let shown = path.display();
        let Some(port) = nearest(&ports) else {
            if running.is_none() && declared.as_ref().is_none_or(|declared| !declared.unreadable.ports.is_empty()) {
                let places: Vec<String> = directories().iter().map(|place| place.display().to_string()).collect();
                bail!(
                    "{shown} can not be read, and no proxy that runs it has left a record in {}; `portcullis check \
                     {shown}` says what is wrong with the file, or name the admin port with --admin",
                    places.join(" or ")
                );
            }
            bail!("{shown} declares no port with `role: admin`, by which the proxy could be asked");
        };
        let name = format!("admin port `{}` of {shown}", port.name);
        let place = Self::of(port, &name, material)?;
        let token = declared.and_then(|declared| declared.admin.token).map(|token| token.value);
        Ok(OfFile { place, token: token.or_else(|| token_file::named_in(path)), missing_token })
    }

    fn of(port: &AdminPort, name: &str, material: Material) -> anyhow::Result<Self> {
        if let Some(path) = port.listen.strip_prefix("unix:") {
            let name = format!("{name} (unix:{path})");
            return Ok(Self { transport: Transport::Unix(path.into()), host: "localhost".to_owned(), name });
        }
        let address: SocketAddr = port.listen.parse().with_context(|| format!("`{}` is no address", port.listen))?;
        let address = reachable(address);
        let name = format!("{name} ({address})");
        let Some(certificate) = &port.certificate else {
            return Ok(Self { transport: Transport::Tcp(address.to_string()), host: address.to_string(), name });
        };
        // The certificate itself says by which name it wants to be verified.
        let certified = certified_name(certificate)?;
        let server = certified.unwrap_or_else(|| address.ip().to_string());
        let tls = Tls::new(&server, Some(certificate), material)?;
        let host = format!("{}:{}", bracketed(&server), address.port());
        Ok(Self { transport: Transport::Tls(address.to_string(), Box::new(tls)), host, name })
    }
}

/// A Unix socket asks for no token; loopback is nearer than any other address.
fn nearest(ports: &[AdminPort]) -> Option<&AdminPort> {
    ports.iter().min_by_key(|port| match port.listen.parse::<SocketAddr>() {
        Err(_) => 0,
        Ok(address) if address.ip().is_loopback() => 1,
        Ok(_) => 2,
    })
}

/// A wildcard is everywhere, so also here.
fn reachable(address: SocketAddr) -> SocketAddr {
    let ip: IpAddr = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}

fn bracketed(host: &str) -> String {
    if host.contains(':') { format!("[{host}]") } else { host.to_owned() }
}

fn certified_name(path: &Path) -> anyhow::Result<Option<String>> {
    let unreadable = || format!("can not read the certificate {}", path.display());
    let leaf = CertificateDer::from_pem_file(path).map_err(|error| anyhow!("{error}")).with_context(unreadable)?;
    let certificate = PeerCertificate::from_der(&leaf).with_context(unreadable)?;
    Ok(certificate.dns_sans.into_iter().find(|name| !name.starts_with("*.")))
}

impl Tls {
    /// Verified with the CA that was named; else with the certificate that the file shows, which is then its own
    /// authority or comes with its issuer; else with the system's.
    fn new(name: &str, shown: Option<&Path>, material: Material) -> anyhow::Result<Self> {
        let roots = match (&material.ca, shown) {
            (Some(ca), _) => load_roots(ca),
            (None, Some(shown)) => load_roots(shown),
            (None, None) => system_roots(),
        }?;
        let certificate = material.certificate.map(|(cert, key)| load_certificate(&cert, &key)).transpose()?;
        let config = client_config(&Verify::Roots(roots), certificate.as_ref(), &[b"http/1.1"])?;
        let name = ServerName::try_from(name.to_owned())
            .with_context(|| format!("`{name}` is no name that a certificate can be verified against"))?;
        Ok(Self { config, name })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Result<(String, String), String> {
        let material = Material { ca: None, certificate: None };
        let place = Place::parse(text, material).map_err(|error| error.to_string())?;
        let transport = match place.transport {
            Transport::Unix(path) => format!("unix {}", path.display()),
            Transport::Tcp(to) => format!("tcp {to}"),
            Transport::Tls(to, tls) => format!("tls {to} as {:?}", tls.name.to_str()),
        };
        Ok((transport, place.host))
    }

    #[test]
    fn addresses_are_written_as_people_write_them() {
        for (text, transport, host) in [
            ("unix:/run/portcullis.sock", "unix /run/portcullis.sock", "localhost"),
            ("/run/portcullis.sock", "unix /run/portcullis.sock", "localhost"),
            ("127.0.0.1:9900", "tcp 127.0.0.1:9900", "127.0.0.1:9900"),
            ("http://[::1]:9900/", "tcp [::1]:9900", "[::1]:9900"),
        ] {
            assert_eq!(parsed(text), Ok((transport.to_owned(), host.to_owned())), "{text}");
        }
        for text in ["", "localhost", "ftp://127.0.0.1:21", "127.0.0.1:99999"] {
            assert!(parsed(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_wildcard_is_reached_over_loopback() {
        let reached = |text: &str| reachable(text.parse().unwrap()).to_string();
        assert_eq!(reached("0.0.0.0:9900"), "127.0.0.1:9900");
        assert_eq!(reached("[::]:9900"), "[::1]:9900");
        assert_eq!(reached("10.0.0.1:9900"), "10.0.0.1:9900");
    }
}
