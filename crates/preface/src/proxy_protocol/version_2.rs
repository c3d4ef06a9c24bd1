//! The binary header of version 2 (section 2.2).

use std::net::IpAddr;

use super::{Parsed, ProxyError, proxied};

/// Longest payload that is accepted, bytes: addresses and TLVs. The protocol would allow 65,535, which is memory for
/// an attacker; what real senders add (ALPN, authority, a certificate's names, cloud ids) stays far below this.
pub const LONGEST_PAYLOAD: usize = 4096;

pub(super) const SIGNATURE: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";

/// Signature, version and command, family, payload length.
pub(super) const FIXED: usize = 16;

pub(super) const COMMAND_LOCAL: u8 = 0x20;
pub(super) const COMMAND_PROXY: u8 = 0x21;
pub(super) const FAMILY_UNSPECIFIED: u8 = 0x00;
pub(super) const FAMILY_TCP4: u8 = 0x11;
pub(super) const FAMILY_TCP6: u8 = 0x21;
/// UDP over both, Unix streams and datagrams.
const OTHER_FAMILIES: [u8; 4] = [0x12, 0x22, 0x31, 0x32];

const TLV_CRC32C: u8 = 0x03;

pub(super) fn parse(bytes: &[u8]) -> Result<Parsed, ProxyError> {
    let Some(&[command, family, high, low]) = bytes.get(SIGNATURE.len()..FIXED) else {
        return Ok(Parsed::Incomplete);
    };
    if !matches!(command, COMMAND_LOCAL | COMMAND_PROXY) {
        return Err(malformed("unknown version or command"));
    }
    let length = usize::from(u16::from_be_bytes([high, low]));
    if length > LONGEST_PAYLOAD {
        return Err(ProxyError::TooLong { version: 2, limit: FIXED + LONGEST_PAYLOAD });
    }
    let consumed = FIXED + length;
    let Some(header) = bytes.get(..consumed) else { return Ok(Parsed::Incomplete) };
    // LOCAL: whatever family and addresses follow are the sender's own business (section 2.2); believing them lets a
    // health checker's header choose the client address (sozu PR#1334).
    if command == COMMAND_LOCAL {
        return Ok(Parsed::Local { consumed });
    }
    let payload = &header[FIXED..];
    match family {
        FAMILY_TCP4 => {
            let (source, rest) = split::<4>(payload)?;
            let (destination, rest) = split::<4>(rest)?;
            with_ports(header, source.into(), destination.into(), rest)
        }
        FAMILY_TCP6 => {
            let (source, rest) = split::<16>(payload)?;
            let (destination, rest) = split::<16>(rest)?;
            with_ports(header, source.into(), destination.into(), rest)
        }
        // These name no TCP client.
        FAMILY_UNSPECIFIED => Ok(Parsed::Local { consumed }),
        family if OTHER_FAMILIES.contains(&family) => Ok(Parsed::Local { consumed }),
        _ => Err(malformed("unknown address family")),
    }
}

/// `rest` is what follows the addresses in `header`: ports, then TLVs.
fn with_ports(header: &[u8], source: IpAddr, destination: IpAddr, rest: &[u8]) -> Result<Parsed, ProxyError> {
    let (source_port, rest) = split::<2>(rest)?;
    let (destination_port, tlvs) = split::<2>(rest)?;
    check_tlvs(header, tlvs)?;
    let (source_port, destination_port) = (u16::from_be_bytes(source_port), u16::from_be_bytes(destination_port));
    Ok(proxied(header.len(), (source, source_port), (destination, destination_port)))
}

fn split<const LENGTH: usize>(bytes: &[u8]) -> Result<([u8; LENGTH], &[u8]), ProxyError> {
    bytes.split_first_chunk().map(|(first, rest)| (*first, rest)).ok_or(malformed("no room for the addresses"))
}

/// Of the TLVs only the checksum is used (section 2.2.3: a receiver that knows it must verify it), but all must be
/// whole.
fn check_tlvs(header: &[u8], tlvs: &[u8]) -> Result<(), ProxyError> {
    let mut rest = tlvs;
    while let [kind, high, low, tail @ ..] = rest {
        let length = usize::from(u16::from_be_bytes([*high, *low]));
        let (value, tail) = tail.split_at_checked(length).ok_or(malformed("a TLV is longer than the header"))?;
        if *kind == TLV_CRC32C {
            let sent: [u8; 4] = value.try_into().map_err(|_| malformed("a checksum that is not four bytes long"))?;
            let at = header.len() - tail.len() - sent.len();
            if u32::from_be_bytes(sent) != checksum(header, at) {
                return Err(malformed("the checksum is wrong"));
            }
        }
        rest = tail;
    }
    if rest.is_empty() { Ok(()) } else { Err(malformed("a TLV without length")) }
}

/// CRC-32C (RFC 9260 appendix A) of the header, in which the checksum's own four bytes at `at` count as zero. Bit by
/// bit: headers are short, and a table would be longer than this.
fn checksum(header: &[u8], at: usize) -> u32 {
    let bytes = header.iter().enumerate().map(|(index, &byte)| if (at..at + 4).contains(&index) { 0 } else { byte });
    !bytes.fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(byte), |crc, _| (crc >> 1) ^ if crc & 1 == 1 { 0x82F6_3B78 } else { 0 })
    })
}

fn malformed(why: &'static str) -> ProxyError {
    ProxyError::Malformed { version: 2, why }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_is_crc_32c() {
        // The check value of the CRC catalogues; the zeroed bytes lie outside.
        assert_eq!(checksum(b"123456789", 9), 0xE306_9283);
        assert_eq!(checksum(b"12\xff\xff\xff\xff789", 2), checksum(b"12\0\0\0\x00789", 2));
    }
}
