//! What would happen to one request: the steps of the proxy, with the plan that it would run.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::Arc,
};

use anyhow::{Context, anyhow, bail};
use hyper::Uri;
use portcullis_config::{declared::ListenAddress, path};
use portcullis_control::{Reading, Rejection};
use portcullis_kernel::{
    inventory::{self, OpenSocket},
    namespace::Namespace,
};
use portcullis_plan::{Action, HeaderLookup, Plan, PortPlan, Protocol, RoutePlan, Traffic};
use portcullis_policy::Identity;
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use super::{Answer, Explain, access};
use crate::{file, verdict::Verdict};

/// An address of the documentation (RFC 5737): somebody on the internet.
const SOMEBODY: IpAddr = IpAddr::V4(Ipv4Addr::new(203, 0, 113, 7));

/// Other routes of the port that are shown.
const SHOWN: usize = 8;

/// The request, taken apart.
pub(super) struct Request<'a> {
    pub(super) host: String,
    pub(super) path: Vec<u8>,
    query: Option<String>,
    pub(super) source: IpAddr,
    headers: Vec<(String, String)>,
    /// Who sends it, if that is proven.
    pub(super) identity: Option<Identity>,
    /// When, in seconds since 1970.
    pub(super) now: u64,
    pub(super) arguments: &'a Explain,
}

/// Header lines given as arguments.
struct Headers<'a>(&'a [(String, String)]);

impl HeaderLookup for Headers<'_> {
    fn any(&self, name: &str, test: &mut dyn FnMut(&[u8]) -> bool) -> bool {
        self.0.iter().filter(|(own, _)| own.eq_ignore_ascii_case(name)).any(|(_, value)| test(value.as_bytes()))
    }
}

/// Walks the request through the file.
pub(super) fn explain(arguments: &Explain) -> anyhow::Result<Answer> {
    let uri: Uri = arguments.subject().parse().with_context(|| format!("{} is no URL", arguments.subject()))?;
    let path = file::existing(arguments.config.clone())?;
    let reading = Reading::of(&path);
    let registries = reading.registries();
    let plan = match reading.compile(&registries) {
        Ok(candidate) => candidate.plan,
        Err(Rejection::Findings { .. }) => {
            bail!("{} does not load; `portcullis check {0}` says why", path.display())
        }
        Err(other) => return Err(other.into()),
    };
    let mut answer = Answer::new(&format!("{} {}", arguments.method, arguments.subject()));
    let verdict = if walk(&mut answer, &plan, &uri, arguments)? { Verdict::Fine } else { Verdict::Findings };
    answer.verdict = Some(verdict);
    Ok(answer)
}

/// Whether the request is served. Each step says what it found, and the one that refuses what would change it.
fn walk(answer: &mut Answer, plan: &Plan, uri: &Uri, arguments: &Explain) -> anyhow::Result<bool> {
    let Some(port) = port(answer, plan, uri, arguments)? else { return Ok(false) };
    let request = request(plan, uri, arguments)?;
    if !may_connect(answer, port, request.source) {
        return Ok(false);
    }
    if let Some(number) = port.redirect_https {
        if !port.redirect_hosts.admit(&request.host) {
            let found = format!("404, no route of the https port on {number} names the host {}", request.host);
            answer.say("answer", found, Some("name it by `host:` of a route of the https port".to_owned()));
            return Ok(false);
        }
        answer.say("answer", format!("redirect to https on port {number}"), None);
        return Ok(true);
    }
    answer.say("path", format!("compared and sent as {}", String::from_utf8_lossy(&request.path)), None);
    let Some(route) = route(answer, plan, port, &request) else { return Ok(false) };
    if !access::may_pass(answer, plan, port, route, &request) {
        return Ok(false);
    }
    action(answer, route);
    Ok(true)
}

fn request<'a>(plan: &Plan, uri: &Uri, arguments: &'a Explain) -> anyhow::Result<Request<'a>> {
    let mut normal = Vec::new();
    let form = path::normalise(uri.path().as_bytes(), &mut normal)
        .map_err(|error| anyhow!("the path {} would be answered with 400: {error}", uri.path()))?;
    if form == path::Normal::Unchanged {
        normal = uri.path().as_bytes().to_vec();
    }
    let header = |line: &String| {
        let (name, value) =
            line.split_once(':').with_context(|| format!("`{line}` is no header; write \"Name: value\""))?;
        Ok((name.trim().to_owned(), value.trim().to_owned()))
    };
    Ok(Request {
        host: uri.host().unwrap_or_default().trim_end_matches('.').to_ascii_lowercase(),
        path: normal,
        query: uri.query().map(str::to_owned),
        source: arguments.from.unwrap_or(SOMEBODY),
        headers: arguments.header.iter().map(header).collect::<anyhow::Result<_>>()?,
        identity: access::sender(plan, arguments)?,
        now: moment(arguments.at.as_deref())?,
        arguments,
    })
}

/// In seconds since 1970; now, if nothing is said.
fn moment(said: Option<&str>) -> anyhow::Result<u64> {
    let at = match said {
        Some(said) => OffsetDateTime::parse(said, &Rfc3339)
            .with_context(|| format!("`{said}` is no time; write 2026-05-04T09:30:00+02:00"))?,
        None => OffsetDateTime::now_utc(),
    };
    u64::try_from(at.unix_timestamp()).context("before 1970 nobody asked")
}

/// The port that it comes to: the one that is named, or the one with the number of the URL.
fn port<'p>(
    answer: &mut Answer,
    plan: &'p Plan,
    uri: &Uri,
    arguments: &Explain,
) -> anyhow::Result<Option<&'p PortPlan>> {
    let is_tls = match uri.scheme_str() {
        Some("https" | "wss") => true,
        Some("http" | "ws") => false,
        other => bail!("{} is no URL of HTTP", other.unwrap_or_default()),
    };
    let number = uri.port_u16().unwrap_or(if is_tls { 443 } else { 80 });
    let data = || plan.ports.iter().filter(|port| port.is_data_port());
    let found = match &arguments.on {
        Some(name) => data().find(|port| *port.name == **name),
        None => data().find(|port| number_of(port) == Some(number)),
    };
    let Some(port) = found else {
        let known: Vec<String> = data()
            .filter(|port| matches!(port.protocol, Protocol::Http | Protocol::Https(_)))
            .map(|port| format!("{} ({})", port.name, number_of(port).map_or_else(String::new, |n| n.to_string())))
            .collect();
        let wanted = arguments.on.clone().unwrap_or_else(|| format!("number {number}"));
        answer.say("port", format!("there is no data port {wanted}; HTTP ports are {}", known.join(", ")), None);
        return Ok(None);
    };
    let role = port.role_name();
    answer.say("port", format!("{} ({role} {}) on {}", port.name, port.protocol.name(), address(port)), None);
    let speaks_tls = matches!(port.protocol, Protocol::Https(_));
    if !matches!(port.protocol, Protocol::Http | Protocol::Https(_)) {
        answer.say("port", format!("it speaks {}, not HTTP", port.protocol.name()), None);
        return Ok(None);
    }
    if speaks_tls != is_tls {
        let text = if speaks_tls { "it speaks TLS: write https://" } else { "it speaks no TLS: write http://" };
        answer.say("port", text, None);
        return Ok(None);
    }
    Ok(Some(port))
}

fn number_of(port: &PortPlan) -> Option<u16> {
    match &port.listen {
        ListenAddress::Tcp(address) => Some(address.port()),
        ListenAddress::Unix(_) => None,
    }
}

fn address(port: &PortPlan) -> String {
    match &port.listen {
        ListenAddress::Tcp(address) => address.to_string(),
        ListenAddress::Unix(path) => path.display().to_string(),
    }
}

fn may_connect(answer: &mut Answer, port: &PortPlan, source: IpAddr) -> bool {
    if port.deny.contains(source) {
        answer.say("source", format!("{source} is refused: the port's `deny:` names it"), None);
        return false;
    }
    if port.from.as_ref().is_some_and(|from| !from.contains(source)) {
        answer.say("source", format!("{source} is refused: the port's `from:` does not name it; add it there"), None);
        return false;
    }
    answer.say("source", format!("the port's lists let {source} connect"), None);
    if let ListenAddress::Tcp(address) = &port.listen {
        reach(answer, *address, source);
    }
    true
}

/// What no list says: whether that source comes to the address at all, and whether somebody is there now.
fn reach(answer: &mut Answer, address: SocketAddr, source: IpAddr) {
    if address.ip().is_loopback() && !source.is_loopback() {
        let text =
            format!("but {source} does not come to {address}: a loopback address is reached from this host alone");
        answer.say("source", text, None);
    }
    if !is_open(&inventory::listeners(&Namespace::own()).sockets, address) {
        answer.say("port", format!("NOBODY LISTENS on {address} of this host now; `portcullis run` opens it"), None);
    }
}

fn is_open(listening: &[OpenSocket], address: SocketAddr) -> bool {
    let takes = |bound: IpAddr| bound == address.ip() || bound.is_unspecified();
    listening.iter().any(|socket| socket.address.port() == address.port() && takes(socket.address.ip()))
}

fn route<'p>(answer: &mut Answer, plan: &Plan, port: &'p PortPlan, request: &Request<'_>) -> Option<&'p RoutePlan> {
    let principal = access::before_routing(plan, port, request);
    let traffic = Traffic {
        source: request.source,
        sni: Some(&request.host),
        host: &request.host,
        path: &request.path,
        query: request.query.as_deref().map(str::as_bytes),
        method: request.arguments.method.as_bytes(),
        headers: &Headers(&request.headers),
        certificate_names: &request.arguments.certificate,
        principal: principal.as_ref(),
    };
    let found = port.routes.find(&traffic);
    let mut others: Vec<&str> = port
        .routes
        .routes()
        .filter(|other| found.is_none_or(|found| !Arc::ptr_eq(found, other)))
        .map(|route| route.pattern.as_str())
        .collect();
    others.sort_unstable();
    match found {
        Some(route) => answer.say("route", format!("{} takes it", route.name), None),
        None => answer.say("route", "no route takes it: 404", None),
    }
    for other in others.iter().take(SHOWN) {
        answer.say("not", (*other).to_owned(), None);
    }
    if others.len() > SHOWN {
        answer.say("not", format!("and {} more", others.len() - SHOWN), None);
    }
    found.map(|route| &**route)
}

fn action(answer: &mut Answer, route: &RoutePlan) {
    let service = match &route.action {
        Action::Forward(service) => service,
        Action::Redirect(redirect) => {
            let target = format!("{}{}", redirect.base, redirect.path.as_deref().unwrap_or("(the same path)"));
            answer.say("answer", format!("{} to {target}", redirect.status), None);
            return;
        }
        Action::Respond(respond) => {
            answer.say("answer", format!("{}, {} bytes of the file", respond.status, respond.body.len()), None);
            return;
        }
    };
    answer.say("service", service.name.to_string(), None);
    let listening = inventory::listeners(&Namespace::own());
    for endpoint in &service.endpoints {
        let shown = endpoint.label.to_string();
        let state = match shown.parse::<SocketAddr>() {
            Ok(address) if address.ip().is_loopback() => {
                if is_open(&listening.sockets, address) {
                    ", somebody listens"
                } else {
                    ", NOBODY LISTENS there on this host"
                }
            }
            _ => "",
        };
        answer.say("endpoint", format!("{shown}{state}"), None);
    }
}
