//! Requests that a route takes.

use portcullis_config::{
    declared::{HostPattern, Matches, PathPattern, Route, ValuePattern},
    span::Spanned,
};

use super::door::Door;

/// A path that nobody has.
pub(super) const NOWHERE: &str = "/portcullis-probe";

/// Methods that ask and change nothing (RFC 9110 9.2.1), best first.
const SAFE: [&str; 3] = ["GET", "HEAD", "OPTIONS"];

/// A request of one line and these header lines, each with its line end.
pub(super) fn request(method: &str, target: &str, host: &str, lines: &str) -> Vec<u8> {
    let agent = "portcullis-probe";
    format!("{method} {target} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: {agent}\r\nConnection: close\r\n{lines}\r\n")
        .into_bytes()
}

/// What a request must be for a route to take it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Form {
    pub(super) method: String,
    pub(super) host: String,
    pub(super) target: String,
    /// Header lines, each with its line end.
    pub(super) lines: String,
}

impl Form {
    /// A request that the route takes, or why there is none that may be tried.
    pub(super) fn of(route: &Route, door: &Door<'_>) -> Result<Self, String> {
        let Matches { host, sni, path, methods, headers, query, .. } = &route.matches;
        let method = match methods.as_slice() {
            [] => "GET",
            methods => *SAFE
                .iter()
                .find(|safe| methods.iter().any(|method| method.value == **safe))
                .ok_or("it takes no method that changes nothing, so nothing was sent")?,
        };
        let path = match path.as_ref().map(|path| &path.value) {
            None => "/".to_owned(),
            Some(PathPattern::Exact(path) | PathPattern::Prefix(path)) => path.clone(),
            Some(PathPattern::Regex(_)) => {
                return Err("its path is an expression, and no example of it is known".to_owned());
            }
        };
        let host = match host.as_ref().or(sni.as_ref()).map(|host| &host.value) {
            Some(HostPattern::Exact(name)) => name.clone(),
            Some(HostPattern::Suffix(suffix)) => format!("portcullis-probe.{suffix}"),
            Some(HostPattern::Any) | None => door.host.clone(),
        };
        let line = |(name, pattern): &(Spanned<String>, Spanned<ValuePattern>)| {
            Ok::<_, String>(format!("{}: {}\r\n", name.value, example(&pattern.value)?))
        };
        let lines = headers.iter().map(line).collect::<Result<Vec<_>, _>>()?.concat();
        let parameter = |(name, pattern): &(Spanned<String>, Spanned<ValuePattern>)| {
            Ok::<_, String>(format!("{}={}", name.value, example(&pattern.value)?))
        };
        let parameters = query.iter().map(parameter).collect::<Result<Vec<_>, _>>()?;
        let target = if parameters.is_empty() { path } else { format!("{path}?{}", parameters.join("&")) };
        Ok(Self { method: method.to_owned(), host, target, lines })
    }

    /// The bytes, with further header lines.
    pub(super) fn bytes(&self, more: &str) -> Vec<u8> {
        request(&self.method, &self.target, &self.host, &format!("{}{more}", self.lines))
    }
}

fn example(pattern: &ValuePattern) -> Result<String, String> {
    match pattern {
        ValuePattern::Present => Ok("1".to_owned()),
        ValuePattern::Exact(value) => Ok(value.clone()),
        ValuePattern::Regex(_) => Err("a value that it asks for is an expression".to_owned()),
    }
}
