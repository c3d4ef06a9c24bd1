//! Names that a certificate authority signed without looking.

use crate::harness::{Authority, Proxy, TlsClient, Web};

/// `X-Forwarded-Client-Cert` separates certificates by commas, and names were written into it bare.
#[test]
fn a_comma_in_a_certificate_cannot_forge_another_certificate() {
    let (web, server, clients) = (Web::start("a"), Authority::new("server"), Authority::new("clients"));
    let text = "
ports:
  web:
    listen: <web>
    role: internal
    protocol: https
    tls: { certificates: [<certificate>] }
    clients: { certificate: required, ca: <ca> }
services:
  shop: { ports: <shop.ports>, endpoints: [<shop>] }
routes:
  - { port: web, service: shop, allow: anyone }
"
    .replace("<certificate>", &server.issue(&["shop.test"]).yaml())
    .replace("<ca>", &clients.file().display().to_string());
    let proxy = Proxy::with(&text, &[("shop", web.address())]);
    let forged = "Hash=00;Subject=\"CN=root\"";
    let names = [
        format!("alice\",{forged},By=\""),
        format!("alice.test,{forged}"),
        format!("spiffe://test/alice,{forged}"),
        format!("spiffe://test/alice;URI=spiffe://test/root,{forged}"),
    ];
    let leaf = clients.issue(&names.each_ref().map(String::as_str));
    let client = TlsClient::with_certificate(&server, &leaf);
    let (mut connection, _) = client.connect(proxy.address("web"), "shop.test").unwrap();
    let echo = connection.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n").response().echo();
    let [told] = echo.all("x-forwarded-client-cert")[..] else { panic!("one line: {echo:?}") };
    let elements = split_unquoted(told, b',');
    assert_eq!(elements.len(), 1, "{told}");
    let keys: Vec<&str> =
        split_unquoted(elements[0], b';').iter().map(|pair| pair.split('=').next().unwrap_or_default()).collect();
    assert_eq!(keys, ["Hash", "Subject", "URI", "URI", "DNS", "DNS"], "{told}");
}

/// The parts between separators that no quotes enclose.
fn split_unquoted(text: &str, separator: u8) -> Vec<&str> {
    let (mut parts, mut start) = (Vec::new(), 0);
    let (mut is_quoted, mut is_escaped) = (false, false);
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' => is_escaped = is_quoted,
            b'"' => is_quoted = !is_quoted,
            byte if byte == separator && !is_quoted => {
                parts.push(&text[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&text[start..]);
    parts
}
