//! Certificates and CAs: what `tls:` and `clients:` say.

use std::path::PathBuf;

use super::{
    mapping::Mapping,
    mistake::{Mistake, did_you_mean, nearest, word},
    reader::Reader,
    values,
};
use crate::{
    declared::{CertificateFiles, Clients, PortTls, ServiceTls, Verify},
    span::Spanned,
    yaml::Node,
};

/// `tls:` of a port.
pub(super) fn port_tls(reader: &mut Reader<'_>, node: &Node<'_>, what: &str) -> Option<PortTls> {
    reader.mapping(node, "PortTls", &format!("`tls` of {what}"), |map| {
        let given = map.node("certificates");
        let certificates = given.map(|node| map.reader.list(node, certificate_files)).unwrap_or_default();
        let passthrough = map.value("passthrough", values::boolean);
        let minimum = map.value("minimum", word);
        let is_readable = [("certificates", !certificates.is_empty()), ("passthrough", passthrough.is_some())];
        let is_readable = is_readable.into_iter().all(|(key, is_read)| is_read || !map.says(key));
        is_readable.then_some(PortTls { certificates, passthrough, minimum })
    })?
}

/// `clients:` of a port.
pub(super) fn clients(reader: &mut Reader<'_>, node: &Node<'_>, what: &str) -> Option<Clients> {
    reader.mapping(node, "Clients", &format!("`clients` of {what}"), |map| {
        let certificate = map.required("certificate", word);
        let ca = path(map, "ca");
        let crl = path(map, "crl");
        // What is misspelt or cannot be read is not missing: without it more clients would be believed than was meant.
        let is_lost =
            [("ca", ca.is_none()), ("crl", crl.is_none())].into_iter().any(|(key, none)| none && map.says(key));
        if is_lost {
            return None;
        }
        Some(Clients { certificate: certificate?, ca, crl })
    })?
}

/// `tls:` of a service.
pub(super) fn service_tls(reader: &mut Reader<'_>, node: &Node<'_>, what: &str) -> Option<ServiceTls> {
    reader.mapping(node, "ServiceTls", &format!("`tls` of {what}"), |map| {
        let said = map.node("verify").is_some();
        let verify = map.value("verify", verify);
        let ca = path(map, "ca");
        let name = map.value("name", values::host_name);
        let certificate = map.optional("certificate", certificate_files);
        if (ca.is_none() && map.says("ca")) || (!said && map.says("verify")) {
            return None;
        }
        let assumed = if ca.is_some() { Verify::Ca } else { Verify::System };
        let verify = if said { verify? } else { Spanned::new(assumed, map.span()) };
        Some(ServiceTls { verify, ca, name, certificate })
    })?
}

/// A path that is relative to the file that names it.
pub(super) fn path(map: &mut Mapping<'_, '_, '_>, key: &'static str) -> Option<Spanned<PathBuf>> {
    map.optional(key, |reader, node| {
        let directory = reader.directory;
        reader.value(node, |text| {
            if text.is_empty() || text.contains('\0') {
                return Err(Mistake::new("is not a path", "the path of a file"));
            }
            Ok(directory.join(text))
        })
    })
}

fn certificate_files(reader: &mut Reader<'_>, node: &Node<'_>) -> Option<CertificateFiles> {
    reader.mapping(node, "CertificateFiles", "a certificate", |map| {
        let is_complete = map.require("cert") & map.require("key");
        let (cert, key) = (path(map, "cert"), path(map, "key"));
        if is_complete { Some(CertificateFiles { cert: cert?, key: key? }) } else { None }
    })?
}

fn verify(text: &str) -> Result<Verify, Mistake> {
    const EXPECTED: &str = "system, ca, internal or off";
    match text {
        "system" => Ok(Verify::System),
        "ca" | "internal" => Ok(Verify::Ca),
        "off" => Ok(Verify::Off),
        _ if text.contains(['/', '.']) => {
            Err(Mistake::new("is a path", EXPECTED).help(format!("write `verify: ca` and `ca: {text}`")))
        }
        _ => {
            let mistake = Mistake::new("does not say whose certificates are believed", EXPECTED);
            Err(match nearest(text, ["system", "ca", "internal", "off"].into_iter()) {
                Some(near) => mistake.help(did_you_mean(near)),
                None => mistake,
            })
        }
    }
}
