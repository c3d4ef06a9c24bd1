//! The PROXY protocol, versions 1 and 2 (HAProxy `doc/proxy-protocol.txt`; section numbers are of that document).
//!
//! Whether a sender may be believed is not decided here: parse only what comes from a declared source.

mod version_1;
mod version_2;
mod write;

use std::net::{IpAddr, SocketAddr};

pub use version_1::LONGEST as LONGEST_V1;
pub use version_2::LONGEST_PAYLOAD as LONGEST_V2_PAYLOAD;
pub use write::{write_v1, write_v1_unknown, write_v2, write_v2_local};

/// What the bytes so far are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Parsed {
    /// The beginning of a header. All bytes so far belong to it.
    Incomplete,
    /// A header without addresses that count (v1 `UNKNOWN`, v2 `LOCAL` or a family that is not TCP): the connection
    /// speaks for itself. Addresses that stand in it all the same are ignored.
    Local {
        /// Length of the header, bytes; the protocol begins after it.
        consumed: usize,
    },
    /// A proxied TCP connection. An IPv6 address that maps an IPv4 one is given as the IPv4 one, so that no CIDR list
    /// can be passed by writing an address in its other form.
    Proxied {
        /// Length of the header, bytes; the protocol begins after it.
        consumed: usize,
        /// The client.
        source: SocketAddr,
        /// What the client connected to.
        destination: SocketAddr,
    },
}

/// Why the bytes are not a PROXY header.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ProxyError {
    /// Neither signature: the sender speaks its protocol at once.
    #[error("no PROXY header")]
    Missing,
    /// More bytes than are accepted: [`LONGEST_V1`] or [`LONGEST_V2_PAYLOAD`].
    #[error("the PROXY v{version} header is longer than {limit} bytes")]
    TooLong {
        /// 1 or 2.
        version: u8,
        /// What is accepted.
        limit: usize,
    },
    /// Bytes that are not of the grammar.
    #[error("malformed PROXY v{version} header: {why}")]
    Malformed {
        /// 1 or 2.
        version: u8,
        /// What does not hold.
        why: &'static str,
    },
}

/// Parses the header at the beginning of `bytes`; what follows it is not looked at.
pub fn parse(bytes: &[u8]) -> Result<Parsed, ProxyError> {
    let begins = |signature: &[u8]| {
        let known = bytes.len().min(signature.len());
        bytes[..known] == signature[..known]
    };
    if begins(version_2::SIGNATURE) {
        version_2::parse(bytes)
    } else if begins(version_1::SIGNATURE) {
        version_1::parse(bytes)
    } else {
        Err(ProxyError::Missing)
    }
}

fn proxied(consumed: usize, source: (IpAddr, u16), destination: (IpAddr, u16)) -> Parsed {
    let socket = |(address, port): (IpAddr, u16)| SocketAddr::new(address.to_canonical(), port);
    Parsed::Proxied { consumed, source: socket(source), destination: socket(destination) }
}
