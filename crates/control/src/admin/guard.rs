//! Who may ask anything of a control port.
//!
//! Three questions, in this order: does a web page speak through the operator's browser (cross-origin requests, DNS
//! rebinding: CVE-2026-27589), is the caller who it must be, and is a command really one (JSON, which no plain form
//! can send).

use std::net::{IpAddr, SocketAddr};

use aws_lc_rs::{constant_time, digest};
use axum::http::{HeaderMap, Method, header, request::Parts, uri::Authority};
use portcullis_config::{
    declared::{ClientCertificate, Role},
    secret::Secret,
};
use portcullis_plan::PortPlan;

use crate::answers::{Problem, ProblemKind};

/// Who is at the other end of a connection.
#[derive(Debug, Clone)]
pub(crate) struct Caller {
    pub(crate) via: Via,
    pub(crate) tls: Option<CallerTls>,
}

/// How the caller came in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Via {
    Tcp(SocketAddr),
    /// Credentials of the process at the other end, from the kernel (`SO_PEERCRED`).
    Unix {
        uid: u32,
        pid: Option<i32>,
    },
}

/// TLS with the caller.
#[derive(Debug, Clone)]
pub(crate) struct CallerTls {
    pub(crate) version: String,
    pub(crate) cipher: String,
    pub(crate) is_resumed: bool,
    /// Name in the client certificate, which the handshake has verified.
    pub(crate) client: Option<String>,
}

/// What one control port asks of its callers.
#[derive(Debug)]
pub(crate) struct Door<'a> {
    pub(crate) role: Role,
    pub(crate) token: Option<&'a Secret>,
    /// Whether client certificates are asked for, so that a verified one counts.
    pub(crate) takes_certificates: bool,
    /// Names that the port goes by, besides addresses and `localhost`; lower case.
    pub(crate) names: Vec<String>,
    /// User of this process.
    pub(crate) own_uid: u32,
}

/// Why a request is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) kind: ProblemKind,
    pub(crate) detail: String,
}

impl Refusal {
    pub(crate) fn new(kind: ProblemKind, detail: impl Into<String>) -> Self {
        Self { kind, detail: detail.into() }
    }

    pub(crate) fn problem(&self) -> Problem {
        self.kind.with(self.detail.clone())
    }
}

impl<'a> Door<'a> {
    /// The door of this port under the plan that runs now.
    pub(crate) fn of(port: &PortPlan, token: Option<&'a Secret>) -> Self {
        let terminated = port.protocol.terminated();
        let certificates = terminated.map(|terminated| terminated.certificates.as_slice()).unwrap_or_default();
        let mut names: Vec<String> = certificates.iter().flat_map(|certificate| certificate.names.clone()).collect();
        names.extend(host_name());
        Self {
            role: port.role,
            token,
            takes_certificates: terminated.is_some_and(|terminated| terminated.clients != ClientCertificate::None),
            names,
            own_uid: rustix::process::geteuid().as_raw(),
        }
    }
}

/// Whether this request may be answered.
pub(crate) fn admit(door: &Door<'_>, caller: &Caller, request: &Parts) -> Result<(), Refusal> {
    refuse_web_pages(&request.headers)?;
    refuse_transfer_encoding(&request.headers)?;
    if door.role != Role::Admin {
        // Metrics are for scrapers, which present nothing; the port's address and `from:` say who reaches it.
        return Ok(());
    }
    match caller.via {
        Via::Unix { uid, .. } => refuse_foreign_users(door, uid)?,
        Via::Tcp(_) => {
            refuse_foreign_hosts(door, request)?;
            refuse_strangers(door, caller, &request.headers)?;
        }
    }
    refuse_forms(request)
}

/// A browser says on whose behalf it asks. Nothing that is served here is a web page, so any origin is a foreign one.
fn refuse_web_pages(headers: &HeaderMap) -> Result<(), Refusal> {
    if let Some(origin) = headers.get(header::ORIGIN) {
        let detail = format!("the request has the origin {origin:?}; call the API from a program, not from a page");
        return Err(Refusal::new(ProblemKind::CrossOrigin, detail));
    }
    match headers.get_all("sec-fetch-site").iter().find(|site| *site != "none" && *site != "same-origin") {
        Some(site) => {
            let detail = format!("a browser sent it for another site (Sec-Fetch-Site: {site:?})");
            Err(Refusal::new(ProblemKind::CrossOrigin, detail))
        }
        None => Ok(()),
    }
}

/// Two lengths of one body are an attack on whoever believes the other one (RFC 9112 6.1). The HTTP library has left
/// `Content-Length` out when it comes here; without `Transfer-Encoding`, which no command needs, there is only one.
fn refuse_transfer_encoding(headers: &HeaderMap) -> Result<(), Refusal> {
    if !headers.contains_key(header::TRANSFER_ENCODING) {
        return Ok(());
    }
    let detail = "send the body with `Content-Length` and without `Transfer-Encoding`";
    Err(Refusal::new(ProblemKind::TransferEncoding, detail))
}

/// DNS rebinding: a page whose name was made to resolve to this port has the same origin for the browser, and only
/// the Host betrays it.
fn refuse_foreign_hosts(door: &Door<'_>, request: &Parts) -> Result<(), Refusal> {
    let refusal = |detail: String| Err(Refusal::new(ProblemKind::ForeignHost, detail));
    let mut hosts = request.headers.get_all(header::HOST).iter();
    let (Some(host), None) = (hosts.next(), hosts.next()) else {
        return refusal("exactly one Host is needed".to_owned());
    };
    let named = host.to_str().ok().and_then(|host| host.parse::<Authority>().ok());
    let authorities = [named, request.uri.authority().cloned()];
    let [Some(_), _] = &authorities else { return refusal(format!("{host:?} is no host")) };
    match authorities.iter().flatten().find(|authority| !is_own_name(door, authority)) {
        Some(foreign) => {
            let foreign = foreign.host();
            refusal(format!(
                "`{foreign}` is not a name of this port; use its address, `localhost`, or a certificate's name"
            ))
        }
        None => Ok(()),
    }
}

fn is_own_name(door: &Door<'_>, authority: &Authority) -> bool {
    if authority.as_str().contains('@') {
        return false;
    }
    let host = authority.host();
    let address = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    address.parse::<IpAddr>().is_ok()
        || host.eq_ignore_ascii_case("localhost")
        || door.names.iter().any(|name| name.eq_ignore_ascii_case(host))
}

/// The file of the socket already keeps others out; whoever was let in by changed permissions is refused here.
fn refuse_foreign_users(door: &Door<'_>, uid: u32) -> Result<(), Refusal> {
    if uid == door.own_uid || uid == 0 {
        return Ok(());
    }
    let detail = format!("uid {uid} asks; only root and uid {} may", door.own_uid);
    Err(Refusal::new(ProblemKind::ForeignUser, detail))
}

/// A verified client certificate, or the token. A port that has neither lets nobody in.
fn refuse_strangers(door: &Door<'_>, caller: &Caller, headers: &HeaderMap) -> Result<(), Refusal> {
    let has_certificate = caller.tls.as_ref().is_some_and(|tls| tls.client.is_some());
    if door.takes_certificates && has_certificate {
        return Ok(());
    }
    let refusal = |detail: &str| Err(Refusal::new(ProblemKind::Unauthorized, detail));
    let Some(token) = door.token else {
        return refusal("this port asks for a client certificate, and none was shown");
    };
    let mut sent = headers.get_all(header::AUTHORIZATION).iter();
    let sent = match (sent.next(), sent.next()) {
        (Some(only), None) => only.as_bytes(),
        (None, _) => return refusal("send `Authorization: Bearer` with the token of `admin.token`"),
        (Some(_), Some(_)) => return refusal("more than one Authorization header"),
    };
    let sent = sent.split_at_checked(7).filter(|(scheme, _)| scheme.eq_ignore_ascii_case(b"bearer "));
    match sent {
        Some((_, sent)) if is_same(sent, token.expose().as_bytes()) => Ok(()),
        Some(_) => refusal("the token is wrong"),
        None => refusal("the Authorization is not a bearer token"),
    }
}

/// Compares in a time that tells nothing of either, not even their lengths.
fn is_same(sent: &[u8], expected: &[u8]) -> bool {
    let digest = |bytes| digest::digest(&digest::SHA256, bytes);
    constant_time::verify_slices_are_equal(digest(sent).as_ref(), digest(expected).as_ref()).is_ok()
}

/// A page can make a browser send forms and plain text anywhere without asking; JSON it can not (Fetch, "CORS-safelisted
/// request-header").
fn refuse_forms(request: &Parts) -> Result<(), Refusal> {
    if matches!(request.method, Method::GET | Method::HEAD) {
        return Ok(());
    }
    let sent = request.headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let essence = sent.split(';').next().unwrap_or_default().trim();
    if essence.eq_ignore_ascii_case("application/json") {
        return Ok(());
    }
    Err(Refusal::new(ProblemKind::NotJson, "send `Content-Type: application/json`, also with an empty body"))
}

fn host_name() -> Option<String> {
    let name = rustix::system::uname().nodename().to_str().ok()?.to_ascii_lowercase();
    (!name.is_empty()).then_some(name)
}

#[cfg(test)]
mod tests {
    use axum::http::Request;

    use super::*;

    const TOKEN: &str = "correct horse battery staple";

    fn door(token: &Secret) -> Door<'_> {
        Door { token: Some(token), ..tokenless() }
    }

    fn tokenless() -> Door<'static> {
        Door {
            role: Role::Admin,
            token: None,
            takes_certificates: false,
            names: vec!["admin.example.com".to_owned()],
            own_uid: 1000,
        }
    }

    fn tcp() -> Caller {
        Caller { via: Via::Tcp(([127, 0, 0, 1], 50000).into()), tls: None }
    }

    fn request(method: &str, headers: &[(&str, &str)]) -> Parts {
        let mut request = Request::builder().method(method).uri("/v1/status");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(()).unwrap().into_parts().0
    }

    fn verdict(method: &str, headers: &[(&str, &str)]) -> Option<ProblemKind> {
        let token = Secret::new(TOKEN.to_owned());
        admit(&door(&token), &tcp(), &request(method, headers)).err().map(|refusal| refusal.kind)
    }

    /// Method, headers, and why it is refused if it is.
    type Case<'a> = (&'a str, &'a [(&'a str, &'a str)], Option<ProblemKind>);

    const BEARER: (&str, &str) = ("authorization", "Bearer correct horse battery staple");

    #[test]
    fn only_programs_that_know_the_token_get_in() {
        use ProblemKind::{CrossOrigin, ForeignHost, NotJson, Unauthorized};
        let host = ("host", "127.0.0.1:9900");
        let cases: &[Case<'_>] = &[
            ("GET", &[host, BEARER], None),
            ("GET", &[host, ("authorization", "bearer correct horse battery staple")], None),
            ("GET", &[host], Some(Unauthorized)),
            ("GET", &[host, ("authorization", "Bearer correct horse battery stapl")], Some(Unauthorized)),
            ("GET", &[host, ("authorization", "Bearer ")], Some(Unauthorized)),
            ("GET", &[host, ("authorization", "Basic Y29ycmVjdA==")], Some(Unauthorized)),
            ("GET", &[host, BEARER, ("authorization", "Bearer x")], Some(Unauthorized)),
            ("GET", &[host, BEARER, ("origin", "http://evil.example")], Some(CrossOrigin)),
            ("GET", &[host, BEARER, ("origin", "null")], Some(CrossOrigin)),
            ("GET", &[host, BEARER, ("origin", "http://127.0.0.1:9900")], Some(CrossOrigin)),
            ("GET", &[host, BEARER, ("sec-fetch-site", "cross-site")], Some(CrossOrigin)),
            ("GET", &[host, BEARER, ("sec-fetch-site", "same-site")], Some(CrossOrigin)),
            ("GET", &[host, BEARER, ("sec-fetch-site", "none"), ("sec-fetch-site", "cross-site")], Some(CrossOrigin)),
            ("GET", &[host, BEARER, ("sec-fetch-site", "none")], None),
            ("GET", &[host, BEARER, ("sec-fetch-site", "same-origin")], None),
            ("POST", &[host, BEARER], Some(NotJson)),
            ("POST", &[host, BEARER, ("content-type", "text/plain")], Some(NotJson)),
            ("POST", &[host, BEARER, ("content-type", "application/x-www-form-urlencoded")], Some(NotJson)),
            ("POST", &[host, BEARER, ("content-type", "text/plain; application/json")], Some(NotJson)),
            ("POST", &[host, BEARER, ("content-type", "application/json; charset=utf-8")], None),
            ("POST", &[host, ("content-type", "application/json")], Some(Unauthorized)),
            ("GET", &[BEARER], Some(ForeignHost)),
            ("GET", &[host, host, BEARER], Some(ForeignHost)),
        ];
        for (method, headers, expected) in cases {
            assert_eq!(verdict(method, headers), *expected, "{method} {headers:?}");
        }
    }

    #[test]
    fn the_host_is_an_address_or_an_own_name() {
        for (host, is_own) in [
            ("127.0.0.1", true),
            ("10.1.2.3:9900", true),
            ("[::1]:9900", true),
            ("localhost:9900", true),
            ("LOCALHOST", true),
            ("Admin.Example.Com:443", true),
            ("rebind.evil.example:9900", false),
            ("localhost.evil.example", false),
            ("127.0.0.1.evil.example", false),
            ("evil@127.0.0.1", false),
            ("127.0.0.1@evil.example", false),
            ("", false),
            ("a b", false),
        ] {
            let expected = (!is_own).then_some(ProblemKind::ForeignHost);
            assert_eq!(verdict("GET", &[("host", host), BEARER]), expected, "{host}");
        }
    }

    #[test]
    fn an_absolute_target_is_held_to_the_same_names() {
        let token = Secret::new(TOKEN.to_owned());
        let mut parts = request("GET", &[("host", "127.0.0.1"), BEARER]);
        parts.uri = "http://rebind.evil.example/v1/status".parse().unwrap();
        let refusal = admit(&door(&token), &tcp(), &parts).unwrap_err();
        assert_eq!(refusal.kind, ProblemKind::ForeignHost);
    }

    #[test]
    fn a_unix_socket_is_for_its_own_user_and_root() {
        let door = tokenless();
        for (uid, expected) in [(1000, None), (0, None), (1001, Some(ProblemKind::ForeignUser))] {
            let caller = Caller { via: Via::Unix { uid, pid: None }, tls: None };
            let verdict = admit(&door, &caller, &request("GET", &[("host", "anything")])).err();
            assert_eq!(verdict.map(|refusal| refusal.kind), expected, "uid {uid}");
        }
    }

    #[test]
    fn a_verified_certificate_stands_in_for_the_token_only_where_the_port_asks_for_one() {
        let token = Secret::new(TOKEN.to_owned());
        let tls = |client: Option<&str>| CallerTls {
            version: "TLSv1.3".to_owned(),
            cipher: "TLS13_AES_256_GCM_SHA384".to_owned(),
            is_resumed: false,
            client: client.map(str::to_owned),
        };
        let request = request("GET", &[("host", "127.0.0.1")]);
        for (takes_certificates, client, expected) in
            [(true, Some("operator"), true), (true, None, false), (false, Some("operator"), false)]
        {
            let door = Door { takes_certificates, ..door(&token) };
            let caller = Caller { tls: Some(tls(client)), ..tcp() };
            assert_eq!(admit(&door, &caller, &request).is_ok(), expected);
        }
    }

    #[test]
    fn a_port_without_any_credentials_lets_nobody_in() {
        let refusal = admit(&tokenless(), &tcp(), &request("GET", &[("host", "127.0.0.1"), BEARER])).unwrap_err();
        assert_eq!(refusal.kind, ProblemKind::Unauthorized);
    }

    #[test]
    fn metrics_are_read_without_credentials_and_by_any_name_but_not_by_pages() {
        let door = Door { role: Role::Metrics, ..tokenless() };
        assert!(admit(&door, &tcp(), &request("GET", &[("host", "portcullis:9901")])).is_ok());
        assert!(admit(&door, &tcp(), &request("GET", &[("origin", "http://evil.example")])).is_err());
    }
}
