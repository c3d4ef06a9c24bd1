//! The HTTP/1 codec: bytes in, heads and body chunks out. No socket, no clock, no allocation once warm.
//!
//! Owns: where a head ends ([`HeadScanner`]), what it says ([`RequestHead::read`], [`ResponseHead::read`]), how its body
//! is framed ([`Framing`]), chunked coding both ways ([`ChunkedDecoder`], [`chunked`]), and the reasons for which a
//! message is refused ([`RequestError`], [`ResponseError`]).
//!
//! Must not know: connections, routes, what a proxy adds or removes beyond what RFC 9110 7.6.1 makes hop-by-hop.
//!
//! Invariants: a head that is accepted has exactly one reading (RFC 9112 6.3 and 11.2: whatever could be framed in
//! two ways is refused, also where the RFC would let us repair it); the result does not depend on how the bytes were
//! split into reads; no input panics; all work is linear in the bytes received.

mod authority;
pub mod chunked;
mod error;
mod fields;
mod framing;
mod request;
mod response;
mod scan;

pub use authority::{Authority, parse_authority};
pub use chunked::{ChunkError, ChunkedDecoder, Progress};
pub use error::{RequestError, ResponseError};
pub use fields::{Field, Fields, Known, Span, tokens};
pub use framing::Framing;
pub use request::{RequestHead, Target, Version};
pub use response::ResponseHead;
pub use scan::{HeadScanner, Scan};

/// Bounds of a head.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Start line and header lines, bytes.
    pub head_bytes: usize,
    /// Header lines, at most [`Limits::MAX_FIELDS`].
    pub fields: usize,
    /// Request target, bytes.
    pub target_bytes: usize,
}

impl Limits {
    /// More header lines than this are never parsed, whatever the configuration says.
    pub const MAX_FIELDS: usize = 256;
}

impl Default for Limits {
    /// 16 KiB head, 100 lines, 8 KiB target.
    fn default() -> Self {
        Self { head_bytes: 16 * 1024, fields: 100, target_bytes: 8 * 1024 }
    }
}
