//! What is read from certificates on both sides: names, times, digests.

use std::{
    fmt::Write,
    net::IpAddr,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use aws_lc_rs::digest;
use x509_parser::prelude::{FromDer, GeneralName, X509Certificate};

/// Parses a certificate that fills `der`.
pub(crate) fn parse(der: &[u8]) -> Option<X509Certificate<'_>> {
    let (rest, certificate) = X509Certificate::from_der(der).ok()?;
    rest.is_empty().then_some(certificate)
}

/// The alternative names of a certificate; none if it has no such extension, `None` if it has one that does not parse
/// or two.
pub(crate) fn alternative_names<'a>(certificate: &'a X509Certificate<'a>) -> Option<&'a [GeneralName<'a>]> {
    let extension = certificate.subject_alternative_name().ok()?;
    Some(extension.map(|names| names.value.general_names.as_slice()).unwrap_or_default())
}

/// An alternative name of the kind iPAddress (RFC 5280 4.2.1.6).
pub(crate) fn ip_address(bytes: &[u8]) -> Option<IpAddr> {
    let four = <[u8; 4]>::try_from(bytes).map(IpAddr::from);
    let six = || <[u8; 16]>::try_from(bytes).map(IpAddr::from);
    four.or_else(|_| six()).ok()
}

/// First and last moment of validity.
pub(crate) fn validity(certificate: &X509Certificate<'_>) -> (SystemTime, SystemTime) {
    let validity = certificate.validity();
    (time(validity.not_before.timestamp()), time(validity.not_after.timestamp()))
}

/// Seconds since 1970 as a time; what lies before is 1970.
pub(crate) fn time(seconds: i64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(u64::try_from(seconds).unwrap_or(0))
}

/// SHA-256, hexadecimal.
pub(crate) fn fingerprint(der: &[u8]) -> String {
    hex(&thumbprint(der))
}

/// SHA-256.
pub(crate) fn thumbprint(der: &[u8]) -> [u8; 32] {
    let mut bytes = [0; 32];
    bytes.copy_from_slice(digest::digest(&digest::SHA256, der).as_ref());
    bytes
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        // Writing to a string does not fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}
