//! Writing headers, for endpoints that want to know the client.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use super::version_2::{COMMAND_LOCAL, COMMAND_PROXY, FAMILY_TCP4, FAMILY_TCP6, FAMILY_UNSPECIFIED, SIGNATURE};

/// Appends a version 1 header. Addresses of two families are both written as IPv6, the IPv4 one mapped.
pub fn write_v1(source: SocketAddr, destination: SocketAddr, out: &mut Vec<u8>) {
    let (source, destination) = same_family(source, destination);
    let family = if source.is_ipv4() { "TCP4" } else { "TCP6" };
    let (from, to) = (source.ip(), destination.ip());
    let line = format!("PROXY {family} {from} {to} {} {}\r\n", source.port(), destination.port());
    out.extend_from_slice(line.as_bytes());
}

/// Appends a version 1 header that names nobody: for connections of the proxy itself (health checks) and clients
/// without an address (Unix sockets).
pub fn write_v1_unknown(out: &mut Vec<u8>) {
    out.extend_from_slice(b"PROXY UNKNOWN\r\n");
}

/// Appends a version 2 header, without TLVs. Addresses of two families are both written as IPv6, the IPv4 one mapped.
pub fn write_v2(source: SocketAddr, destination: SocketAddr, out: &mut Vec<u8>) {
    out.extend_from_slice(SIGNATURE);
    match same_family(source, destination) {
        (SocketAddr::V4(source), SocketAddr::V4(destination)) => {
            out.extend_from_slice(&[COMMAND_PROXY, FAMILY_TCP4, 0, 12]);
            out.extend_from_slice(&source.ip().octets());
            out.extend_from_slice(&destination.ip().octets());
        }
        (source, destination) => {
            out.extend_from_slice(&[COMMAND_PROXY, FAMILY_TCP6, 0, 36]);
            out.extend_from_slice(&widen(source.ip()).octets());
            out.extend_from_slice(&widen(destination.ip()).octets());
        }
    }
    out.extend_from_slice(&source.port().to_be_bytes());
    out.extend_from_slice(&destination.port().to_be_bytes());
}

/// Appends a version 2 header with the command LOCAL: for connections of the proxy itself (health checks) and clients
/// without an address (Unix sockets).
pub fn write_v2_local(out: &mut Vec<u8>) {
    out.extend_from_slice(SIGNATURE);
    out.extend_from_slice(&[COMMAND_LOCAL, FAMILY_UNSPECIFIED, 0, 0]);
}

/// Both plain IPv4 if both can be, else both IPv6.
fn same_family(source: SocketAddr, destination: SocketAddr) -> (SocketAddr, SocketAddr) {
    let canonical = |address: SocketAddr| SocketAddr::new(address.ip().to_canonical(), address.port());
    let (source, destination) = (canonical(source), canonical(destination));
    if source.is_ipv4() == destination.is_ipv4() {
        return (source, destination);
    }
    let wide = |address: SocketAddr| SocketAddr::new(widen(address.ip()).into(), address.port());
    (wide(source), wide(destination))
}

fn widen(address: IpAddr) -> Ipv6Addr {
    match address {
        IpAddr::V4(address) => address.to_ipv6_mapped(),
        IpAddr::V6(address) => address,
    }
}
