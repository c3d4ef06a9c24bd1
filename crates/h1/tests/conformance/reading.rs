//! Bytes read as the proxy reads them, over a whole connection or a whole body. Also used by the fuzz targets.

use std::fmt::Write;

use portcullis_h1::{
    ChunkError, ChunkedDecoder, Fields, Framing, HeadScanner, Limits, RequestError, RequestHead, ResponseError,
    ResponseHead, Span, Target, Version,
};

/// One message, in words: start line, what was made of it, fields.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Message {
    /// See [`request_words`] and [`response_words`].
    pub(crate) words: String,
    /// Method and target of a request, the scheme in lower case and an empty path as `/`; status of a response.
    pub(crate) start: String,
    /// `name: value`, as they came, `struck ` before those that are struck.
    pub(crate) fields: Vec<String>,
    pub(crate) body: Vec<u8>,
    pub(crate) trailers: Vec<u8>,
}

/// How a connection ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End<E> {
    /// The bytes ended between two messages.
    Between,
    /// The bytes ended within a message.
    Within,
    /// The last message said that no other follows.
    Last,
    Refused(E),
}

/// A connection on which bytes arrive in parts.
struct Arriving<'a> {
    bytes: &'a [u8],
    /// Up to here they have been dealt with.
    consumed: usize,
    /// Up to here they have arrived.
    arrived: usize,
    /// Lengths of the reads, over and over.
    reads: Vec<usize>,
    next_read: usize,
}

impl<'a> Arriving<'a> {
    fn new(bytes: &'a [u8], reads: &[usize]) -> Self {
        let reads = if reads.is_empty() { vec![bytes.len().max(1)] } else { reads.to_vec() };
        Self { bytes, consumed: 0, arrived: 0, reads, next_read: 0 }
    }

    fn buffer(&self) -> &'a [u8] {
        &self.bytes[self.consumed..self.arrived]
    }

    /// False: there are no more bytes.
    fn read(&mut self) -> bool {
        let before = self.arrived;
        let length = self.reads[self.next_read % self.reads.len()].max(1);
        self.next_read += 1;
        self.arrived = self.bytes.len().min(self.arrived + length);
        self.arrived > before
    }
}

/// Reads requests until the end. `reads` are the lengths of the reads, repeated as needed; none: all at once.
pub(crate) fn requests(bytes: &[u8], reads: &[usize], limits: &Limits) -> (Vec<Message>, End<RequestError>) {
    let mut connection = Arriving::new(bytes, reads);
    let mut head = RequestHead::default();
    let mut messages = Vec::new();
    loop {
        let mut scanner = HeadScanner::default();
        let end = loop {
            match head.read(&mut scanner, connection.buffer(), limits) {
                Ok(Some(end)) => break end,
                Ok(None) if connection.read() => {}
                // An empty line alone is not the beginning of a request.
                Ok(None) if connection.buffer() == b"\r\n" => return (messages, End::Between),
                Ok(None) if connection.buffer().is_empty() => return (messages, End::Between),
                Ok(None) => return (messages, End::Within),
                Err(error) => return (messages, End::Refused(error)),
            }
        };
        let text = &connection.buffer()[..end];
        let (words, start) = (request_words(&head, text), request_start(&head, text));
        let fields = field_lines(&head.fields, text);
        connection.consumed += end;
        match read_body(&mut connection, head.framing) {
            Ok((body, trailers)) => messages.push(Message { words, start, fields, body, trailers }),
            Err(BodyEnd::Within) => return (messages, End::Within),
            Err(BodyEnd::Refused(error)) => return (messages, End::Refused(RequestError::BadChunk(error))),
        }
        if !head.keep_alive {
            return (messages, End::Last);
        }
    }
}

/// Reads responses to `method` until the end, interim ones too.
pub(crate) fn responses(
    bytes: &[u8],
    reads: &[usize],
    method: &[u8],
    limits: &Limits,
) -> (Vec<Message>, End<ResponseError>) {
    let mut connection = Arriving::new(bytes, reads);
    let mut head = ResponseHead::default();
    let mut messages = Vec::new();
    loop {
        let mut scanner = HeadScanner::default();
        let end = loop {
            match head.read(&mut scanner, connection.buffer(), method, limits) {
                Ok(Some(end)) => break end,
                Ok(None) if connection.read() => {}
                Ok(None) if connection.buffer().is_empty() => return (messages, End::Between),
                Ok(None) => return (messages, End::Within),
                Err(error) => return (messages, End::Refused(error)),
            }
        };
        let text = &connection.buffer()[..end];
        let (words, start) = (response_words(&head, text), head.status.to_string());
        let fields = field_lines(&head.fields, text);
        connection.consumed += end;
        match read_body(&mut connection, head.framing) {
            Ok((body, trailers)) => messages.push(Message { words, start, fields, body, trailers }),
            Err(BodyEnd::Within) => return (messages, End::Within),
            Err(BodyEnd::Refused(error)) => return (messages, End::Refused(ResponseError::BadChunk(error))),
        }
        if head.status >= 200 && !head.keep_alive {
            return (messages, End::Last);
        }
    }
}

/// How a body ended badly.
enum BodyEnd {
    Within,
    Refused(ChunkError),
}

/// Body and trailers.
type Content = (Vec<u8>, Vec<u8>);

fn read_body(connection: &mut Arriving<'_>, framing: Framing) -> Result<Content, BodyEnd> {
    match framing {
        Framing::None => Ok(Content::default()),
        Framing::Length(length) => {
            while (connection.buffer().len() as u64) < length {
                if !connection.read() {
                    return Err(BodyEnd::Within);
                }
            }
            let body = connection.buffer()[..length as usize].to_vec();
            connection.consumed += body.len();
            Ok((body, Vec::new()))
        }
        Framing::UntilClose => {
            while connection.read() {}
            let body = connection.buffer().to_vec();
            connection.consumed += body.len();
            Ok((body, Vec::new()))
        }
        Framing::Chunked => {
            let mut decoder = ChunkedDecoder::default();
            let mut body = Vec::new();
            loop {
                let progress = decoder.decode(connection.buffer()).map_err(BodyEnd::Refused)?;
                body.extend_from_slice(&connection.buffer()[progress.consumed - progress.data..progress.consumed]);
                connection.consumed += progress.consumed;
                if progress.done {
                    return Ok((body, decoder.trailers().to_vec()));
                }
                if progress.data == 0 && !connection.read() {
                    return Err(BodyEnd::Within);
                }
            }
        }
    }
}

/// What became of a chunked body.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Decoded {
    /// Data, trailer lines, and how many bytes the whole coding took.
    Whole(Vec<u8>, Vec<u8>, usize),
    /// More bytes are needed; the data so far.
    Partial(Vec<u8>),
    Refused(ChunkError),
}

/// Decodes `bytes` as they arrive in reads of these lengths, over and over; none: all at once.
pub(crate) fn decode(bytes: &[u8], reads: &[usize]) -> Decoded {
    let mut decoder = ChunkedDecoder::default();
    let (mut consumed, mut arrived, mut data) = (0, 0, Vec::new());
    let mut lengths = reads.iter().copied().cycle();
    loop {
        match decoder.decode(&bytes[consumed..arrived]) {
            Err(error) => return Decoded::Refused(error),
            Ok(progress) => {
                assert!(progress.data <= progress.consumed && progress.consumed <= arrived - consumed);
                consumed += progress.consumed;
                data.extend_from_slice(&bytes[consumed - progress.data..consumed]);
                if progress.done {
                    return Decoded::Whole(data, decoder.trailers().to_vec(), consumed);
                }
                if progress.data > 0 {
                    continue;
                }
            }
        }
        assert_eq!(consumed, arrived, "a decoder that is not done takes all it is given");
        if arrived == bytes.len() {
            return Decoded::Partial(data);
        }
        arrived = bytes.len().min(arrived + lengths.next().unwrap_or(bytes.len()).max(1));
    }
}

/// RFC 9112 7.1 read in the plainest way: data, trailer lines, length of the whole coding. Bounds and forbidden
/// trailers are not its business.
pub(crate) fn reference(bytes: &[u8]) -> Option<(Vec<u8>, Vec<u8>, usize)> {
    let line_at = |at: usize| {
        let length = bytes.get(at..)?.windows(2).position(|pair| pair == b"\r\n")?;
        Some((std::str::from_utf8(&bytes[at..at + length]).ok()?, at + length + 2))
    };
    let (mut at, mut data) = (0, Vec::new());
    loop {
        let (line, next) = line_at(at)?;
        let size = u64::from_str_radix(line.split(';').next()?, 16).ok()? as usize;
        at = next;
        if size == 0 {
            break;
        }
        data.extend_from_slice(bytes.get(at..at + size)?);
        at += size;
        if bytes.get(at..at + 2)? != b"\r\n" {
            return None;
        }
        at += 2;
    }
    let trailers = at;
    loop {
        let length = bytes.get(at..)?.windows(2).position(|pair| pair == b"\r\n")?;
        at += length + 2;
        if length == 0 {
            return Some((data, bytes[trailers..at - 2].to_vec(), at));
        }
    }
}

/// `GET /path ?query host=a port=80 length=5 1.0 close upgrade=x expects trailers`, the usual left out.
fn request_words(head: &RequestHead, text: &[u8]) -> String {
    let show = |span: Span| String::from_utf8_lossy(span.of(text)).into_owned();
    let mut words = format!("{} {}", show(head.method), show(head.path));
    let mut say = |word: &str| words.extend([" ", word]);
    if let Some(query) = head.query {
        say(&format!("?{}", show(query)));
    }
    if head.form == Target::Absolute {
        say("absolute");
    }
    if let Some(host) = head.host {
        say(&format!("host={}", show(host)));
    }
    if let Some(port) = head.port {
        say(&format!("port={port}"));
    }
    match head.framing {
        Framing::None => {}
        framing => say(&framing_words(framing)),
    }
    if head.version == Version::Http10 {
        say("1.0");
    }
    if !head.keep_alive {
        say("close");
    }
    if let Some(upgrade) = head.upgrade {
        say(&format!("upgrade={}", show(upgrade)));
    }
    if head.expects_continue {
        say("expects");
    }
    if head.accepts_trailers {
        say("trailers");
    }
    words
}

fn request_start(head: &RequestHead, text: &[u8]) -> String {
    let show = |span: Span| String::from_utf8_lossy(span.of(text)).into_owned();
    let mut start = show(head.method) + " ";
    if let (Target::Absolute, Some(authority)) = (head.form, head.authority) {
        let is_https = show(head.target).to_ascii_lowercase().starts_with("https:");
        start.push_str(if is_https { "https://" } else { "http://" });
        start.push_str(&show(authority));
    }
    let path = show(head.path);
    start.push_str(if path.is_empty() { "/" } else { &path });
    if let Some(query) = head.query {
        start.extend(["?", &show(query)]);
    }
    start
}

/// `200 OK length=5 1.0 close`
fn response_words(head: &ResponseHead, text: &[u8]) -> String {
    let mut words = format!("{} {}", head.status, String::from_utf8_lossy(head.reason.of(text)));
    let _ = write!(words, " {}", framing_words(head.framing));
    if head.version == Version::Http10 {
        words.push_str(" 1.0");
    }
    if !head.keep_alive {
        words.push_str(" close");
    }
    words
}

fn framing_words(framing: Framing) -> String {
    match framing {
        Framing::None => "none".to_owned(),
        Framing::Length(length) => format!("length={length}"),
        Framing::Chunked => "chunked".to_owned(),
        Framing::UntilClose => "until-close".to_owned(),
    }
}

fn field_lines(fields: &Fields, text: &[u8]) -> Vec<String> {
    let line = |field: &portcullis_h1::Field| {
        let struck = if field.struck { "struck " } else { "" };
        let show = |span: Span| span.of(text).escape_ascii().to_string();
        format!("{struck}{}: {}", show(field.name), show(field.value))
    };
    fields.iter().map(line).collect()
}
