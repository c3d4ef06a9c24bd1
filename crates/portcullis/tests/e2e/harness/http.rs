//! Requests that mean well, and responses read strictly.

use serde_json::Value;

use super::Raw;

/// A request on a connection of its own.
#[derive(Debug)]
#[must_use]
pub(crate) struct Request {
    connection: Raw,
    method: String,
    target: String,
    lines: Vec<String>,
    body: Vec<u8>,
}

impl Request {
    pub(crate) fn new(connection: Raw, method: &str, target: &str) -> Self {
        Self { connection, method: method.to_owned(), target: target.to_owned(), lines: Vec::new(), body: Vec::new() }
    }

    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.lines.push(format!("{name}: {value}"));
        self
    }

    pub(crate) fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    /// Sends it and reads the answer.
    #[track_caller]
    pub(crate) fn send(mut self) -> Response {
        let has_host = self.lines.iter().any(|line| line.to_ascii_lowercase().starts_with("host:"));
        let mut bytes = format!("{} {} HTTP/1.1\r\n", self.method, self.target);
        if !has_host {
            bytes.push_str("host: example.test\r\n");
        }
        for line in &self.lines {
            bytes.push_str(line);
            bytes.push_str("\r\n");
        }
        if !self.body.is_empty() {
            bytes.push_str(&format!("content-length: {}\r\n", self.body.len()));
        }
        bytes.push_str("\r\n");
        let mut bytes = bytes.into_bytes();
        bytes.extend_from_slice(&self.body);
        self.connection.send(bytes);
        self.connection.response_to(&self.method)
    }

    /// Sends it and insists on the status.
    #[track_caller]
    pub(crate) fn expects(self, status: u16) -> Response {
        let asked = format!("{} {}", self.method, self.target);
        let response = self.send();
        assert_eq!(response.status, status, "{asked} was answered with {:?}", response.text());
        response
    }
}

/// One response.
#[derive(Debug, Clone, Default)]
pub(crate) struct Response {
    pub(crate) status: u16,
    /// Lower-case names, in order.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
    /// The lines after the last chunk.
    pub(crate) trailers: Vec<(String, String)>,
    /// The sizes of the chunks that arrived.
    pub(crate) chunks: Vec<usize>,
}

impl Response {
    /// Reads one final or 101 response to a request with this method; interim ones must be read by themselves.
    #[track_caller]
    pub(crate) fn read(connection: &mut Raw, method: &str) -> Self {
        let head = connection.take_until(b"\r\n\r\n");
        let head = String::from_utf8(head).expect("a response head is text");
        let mut lines = head.split("\r\n");
        let start = lines.next().unwrap_or_default();
        let status = start.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.get(..3)).and_then(|code| code.parse().ok());
        let Some(status) = status else { panic!("not a status line: {start:?} in {head:?}") };
        let mut response = Self { status, headers: fields(lines), ..Self::default() };
        let is_bodiless = method == "HEAD" || status < 200 || status == 204 || status == 304;
        if is_bodiless {
            return response;
        }
        if response.header("transfer-encoding") == Some("chunked") {
            response.read_chunks(connection);
        } else if let Some(length) = response.header("content-length") {
            let length = length.parse().expect("content-length is a number");
            response.body = connection.take(length);
            assert_eq!(response.body.len(), length, "the body is as long as it was announced");
        } else {
            response.body = connection.rest();
        }
        response
    }

    fn read_chunks(&mut self, connection: &mut Raw) {
        loop {
            let line = String::from_utf8(connection.take_until(b"\r\n")).unwrap();
            let digits = line.trim_end().split(';').next().unwrap_or_default().to_owned();
            let size = usize::from_str_radix(&digits, 16).unwrap_or_else(|_| panic!("not a chunk size: {line:?}"));
            if size == 0 {
                break;
            }
            self.body.extend(connection.take(size));
            self.chunks.push(size);
            connection.expect("\r\n");
        }
        let mut lines = Vec::new();
        loop {
            let line = String::from_utf8(connection.take_until(b"\r\n")).unwrap();
            match line.trim_end() {
                "" => break,
                line => lines.push(line.to_owned()),
            }
        }
        self.trailers = fields(lines.iter().map(String::as_str));
    }

    /// The first header of that name (lower case).
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// Every header of that name (lower case).
    pub(crate) fn all(&self, name: &str) -> Vec<&str> {
        self.headers.iter().filter(|(known, _)| known == name).map(|(_, value)| value.as_str()).collect()
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {:?}", self.text()))
    }

    /// What the echo of a [`super::Web`] says of the request that reached it.
    #[track_caller]
    pub(crate) fn echo(&self) -> Echo {
        Echo(self.json())
    }
}

fn fields<'a>(lines: impl Iterator<Item = &'a str>) -> Vec<(String, String)> {
    lines
        .filter(|line| !line.is_empty())
        .map(|line| line.split_once(':').unwrap_or_else(|| panic!("not a header line: {line:?}")))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
        .collect()
}

/// The request as a service saw it.
#[derive(Debug)]
pub(crate) struct Echo(Value);

impl Echo {
    pub(crate) fn text(&self, field: &str) -> &str {
        self.0[field].as_str().unwrap_or_default()
    }

    pub(crate) fn number(&self, field: &str) -> u64 {
        self.0[field].as_u64().unwrap_or_default()
    }

    pub(crate) fn has_trailer(&self, line: &str) -> bool {
        self.0["trailers"].as_array().is_some_and(|lines| lines.iter().any(|known| known == line))
    }

    /// The first header of that name (lower case).
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.all(name).into_iter().next()
    }

    /// Every header of that name (lower case).
    pub(crate) fn all(&self, name: &str) -> Vec<&str> {
        let pairs = self.0["headers"].as_array().expect("an echo lists headers");
        pairs.iter().filter(|pair| pair[0] == name).filter_map(|pair| pair[1].as_str()).collect()
    }
}
