//! Host names and patterns of them.

use std::net::{Ipv4Addr, Ipv6Addr};

use super::port_number;
use crate::{declared::HostPattern, read::mistake::Mistake};

/// A DNS name or IP address without port: lower case, no trailing dot. IPv6 keeps its brackets.
pub(crate) fn host_name(text: &str) -> Result<String, Mistake> {
    const EXPECTED: &str = "a host name such as shop.example.com";
    let mistake = |message: &str| Mistake::new(message, EXPECTED);
    if let Some(inside) = text.strip_prefix('[') {
        let address = inside.strip_suffix(']').and_then(|inside| inside.parse::<Ipv6Addr>().ok());
        return address.map(|address| format!("[{address}]")).ok_or_else(|| mistake("is not an IPv6 address"));
    }
    if text.parse::<Ipv6Addr>().is_ok() {
        return Err(mistake("lacks the brackets of an IPv6 address").help(format!("write `\"[{text}]\"`")));
    }
    if !text.is_ascii() {
        return Err(mistake("is not ASCII").help("write internationalised names in punycode: xn--..."));
    }
    if text.contains("://") || text.contains('/') {
        return Err(mistake("is a URL, not a host").help("write the host alone; the path goes under `path:`"));
    }
    if let Some((host, port)) = text.split_once(':') {
        let mistake = mistake("has a port, which a host does not");
        let is_number = !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
        return Err(if is_number { mistake.help(format!("did you mean `{host}`?")) } else { mistake });
    }
    let name = text.strip_suffix('.').unwrap_or(text).to_ascii_lowercase();
    if name.is_empty() {
        return Err(mistake("is empty"));
    }
    if name.contains('*') {
        return Err(
            mistake("has `*` in the wrong place").help("`*` stands alone or for the first labels: *.example.com")
        );
    }
    if name.len() > 253 {
        return Err(mistake("is longer than 253 characters"));
    }
    let all_digits = name.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    if all_digits && name.parse::<Ipv4Addr>().is_err() {
        return Err(mistake("is neither a name nor an IPv4 address"));
    }
    match name.split('.').find_map(label_mistake) {
        Some(message) => Err(mistake(message)),
        None => Ok(name),
    }
}

/// A host with or without port, as a `Host` header has it (RFC 9110 7.2).
pub(crate) fn authority(text: &str) -> Result<String, Mistake> {
    match text.rsplit_once(':') {
        Some((host, port)) if !text.ends_with(']') && (host.ends_with(']') || !host.contains(':')) => {
            Ok(format!("{}:{}", host_name(host)?, port_number(port)?))
        }
        _ => host_name(text),
    }
}

/// `*`, `*.example.com` or a host name.
pub(crate) fn host_pattern(text: &str) -> Result<HostPattern, Mistake> {
    if text == "*" {
        return Ok(HostPattern::Any);
    }
    if let Some(suffix) = text.strip_prefix("*.") {
        let suffix = host_name(suffix)?;
        if suffix.starts_with('[') || suffix.parse::<Ipv4Addr>().is_ok() {
            return Err(Mistake::new("is a wildcard of an address", "a name such as *.example.com"));
        }
        return Ok(HostPattern::Suffix(suffix));
    }
    host_name(text).map(HostPattern::Exact)
}

/// What is wrong with one label (RFC 1123 2.1, and `_` as container names have it).
fn label_mistake(label: &str) -> Option<&'static str> {
    if label.is_empty() {
        Some("has an empty label")
    } else if label.len() > 63 {
        Some("has a label of more than 63 characters")
    } else if label.starts_with('-') || label.ends_with('-') {
        Some("has a label that begins or ends with `-`")
    } else if !label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_') {
        Some("has a character that no host name has")
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_authority_may_have_a_port() {
        for (text, expected) in [
            ("Shop.internal:8080", Some("shop.internal:8080")),
            ("shop", Some("shop")),
            ("[::1]:80", Some("[::1]:80")),
            ("[::1]", Some("[::1]")),
            ("::1", None),
            ("shop:", None),
            ("shop:http", None),
            ("a b", None),
        ] {
            assert_eq!(authority(text).ok().as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn patterns_are_in_the_form_in_which_hosts_are_compared() {
        let suffix = |name: &str| Some(HostPattern::Suffix(name.to_owned()));
        let exact = |name: &str| Some(HostPattern::Exact(name.to_owned()));
        for (text, expected) in [
            ("*", Some(HostPattern::Any)),
            ("Shop.Example.COM.", exact("shop.example.com")),
            ("*.Example.com", suffix("example.com")),
            ("localhost", exact("localhost")),
            ("my_app", exact("my_app")),
            ("10.0.0.1", exact("10.0.0.1")),
            ("[::1]", exact("[::1]")),
            ("[0:0::1]", exact("[::1]")),
            ("xn--bcher-kva.example", exact("xn--bcher-kva.example")),
            ("bücher.example", None),
            ("::1", None),
            ("shop.example.com:443", None),
            ("https://shop.example.com", None),
            ("shop.*.com", None),
            ("*shop.com", None),
            ("*.10.0.0.1", None),
            ("a..b", None),
            (".", None),
            ("", None),
            ("-a.b", None),
            ("a b", None),
            ("10.0.0.256", None),
        ] {
            assert_eq!(host_pattern(text).ok(), expected, "{text}");
        }
    }
}
