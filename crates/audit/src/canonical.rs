//! The text of a record: the one form that is hashed, kept and handed out.
//!
//! One line of JSON without spaces, first the record's number and the hash of the text before it, then its fields in
//! the order of [`AuditRecord`]. Every character that acts on a terminal is escaped, so the text itself is safe to show.

use std::{fmt, io, ops::Range};

use aws_lc_rs::digest;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use serde_json::ser::Formatter;

use crate::{AuditRecord, Event, Moment, text::acts};

/// SHA-256 of a record's text. Written as 64 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Hash(pub [u8; 32]);

impl Hash {
    /// What the first record has in place of the hash of the one before.
    pub const NONE: Self = Self([0; 32]);

    /// Of a record's text.
    pub fn of(text: &str) -> Self {
        let mut hash = [0; 32];
        hash.copy_from_slice(digest::digest(&digest::SHA256, text.as_bytes()).as_ref());
        Self(hash)
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let mut text = [0; 64];
        for (byte, pair) in self.0.iter().zip(text.chunks_exact_mut(2)) {
            pair[0] = DIGITS[usize::from(byte >> 4)];
            pair[1] = DIGITS[usize::from(byte & 15)];
        }
        formatter.write_str(std::str::from_utf8(&text).map_err(|_| fmt::Error)?)
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

impl std::str::FromStr for Hash {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let mut hash = [0; 32];
        if text.len() != 64 || !text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')) {
            return Err(());
        }
        for (byte, pair) in hash.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
            let pair = std::str::from_utf8(pair).map_err(|_| ())?;
            *byte = u8::from_str_radix(pair, 16).map_err(|_| ())?;
        }
        Ok(Self(hash))
    }
}

impl Serialize for Hash {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Hash {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        text.parse().map_err(|()| de::Error::custom("expected 64 hexadecimal digits"))
    }
}

/// What joins a record's text to the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub(crate) struct Link {
    pub(crate) id: u64,
    pub(crate) previous: Hash,
    pub(crate) time: Moment,
    pub(crate) event: Event,
}

impl Link {
    /// Reads it from a record's text; `None` if that is none.
    pub(crate) fn read(text: &str) -> Option<Self> {
        serde_json::from_str(text).ok()
    }
}

/// Writes a record's text.
pub(crate) fn write(id: u64, previous: Hash, record: &AuditRecord) -> String {
    let mut text = format!("{{\"id\":{id},\"previous\":\"{previous}\",").into_bytes();
    let at = text.len();
    let mut serializer = serde_json::Serializer::with_formatter(&mut text, Safe);
    // A record is texts and numbers in memory: there is nothing in it that JSON can not say.
    let _ = record.serialize(&mut serializer);
    // Its own brace is the one that is already there.
    text.remove(at);
    String::from_utf8(text).unwrap_or_default()
}

/// JSON without spaces, in which nothing acts.
struct Safe;

impl Formatter for Safe {
    fn write_string_fragment<W: ?Sized + io::Write>(&mut self, writer: &mut W, fragment: &str) -> io::Result<()> {
        // Nearly every text is plain.
        if fragment.bytes().all(|byte| (0x20..0x7f).contains(&byte)) {
            return writer.write_all(fragment.as_bytes());
        }
        let mut plain: Range<usize> = 0..0;
        for (at, character) in fragment.char_indices() {
            if acts(character) {
                writer.write_all(&fragment.as_bytes()[plain.start..at])?;
                for unit in character.encode_utf16(&mut [0; 2]) {
                    write!(writer, "\\u{unit:04x}")?;
                }
                plain.start = at + character.len_utf8();
            }
            plain.end = at + character.len_utf8();
        }
        writer.write_all(&fragment.as_bytes()[plain.start..])
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{Action, Basis, Decision, Kind, Principal};

    fn full() -> AuditRecord {
        AuditRecord {
            time: Moment::from_micros(1_795_265_496_000_123),
            decision: Some(Decision::Allowed),
            principal: Some(Principal {
                kind: Kind::User,
                provider: "corp".into(),
                subject: "248".into(),
                name: "alice@example.com".into(),
                groups: Box::default(),
            }),
            basis: Some(Basis::Session("s1".into())),
            source: Some(([10, 1, 2, 3], 40_000).into()),
            port: Some("web".into()),
            route: Some("web/shop".into()),
            service: Some("shop".into()),
            action: Some(Action::Request { method: "GET".into(), host: "shop.example.com".into(), path: "/x".into() }),
            policies: Box::new(["web/shop allow".into()]),
            grant: Some("g-7".into()),
            request: Some("r-1".into()),
            first: Some(Moment::from_micros(1)),
            last: Some(Moment::from_micros(2)),
            requests: 3,
            bytes_in: 4,
            bytes_out: 5,
            reason: Some("because".into()),
            ..AuditRecord::new(Event::Decision)
        }
    }

    #[test]
    fn a_record_has_one_text() {
        let text = write(7, Hash::NONE, &full());
        let zeros = "0".repeat(64);
        assert_eq!(
            text,
            format!(
                r#"{{"id":7,"previous":"{zeros}","time":"2026-11-21T12:51:36.000123Z","event":"decision","decision":"allowed","principal":{{"kind":"user","provider":"corp","subject":"248","name":"alice@example.com"}},"basis":{{"session":"s1"}},"source":"10.1.2.3:40000","port":"web","route":"web/shop","service":"shop","action":{{"request":{{"method":"GET","host":"shop.example.com","path":"/x"}}}},"policies":["web/shop allow"],"grant":"g-7","request":"r-1","first":"1970-01-01T00:00:00.000001Z","last":"1970-01-01T00:00:00.000002Z","requests":3,"bytes_in":4,"bytes_out":5,"reason":"because"}}"#
            )
        );
        assert_eq!(serde_json::from_str::<AuditRecord>(&text).unwrap(), full());
    }

    #[test]
    fn hashes_are_those_of_sha256sum() {
        let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(Hash::of("abc").to_string(), abc);
        assert_eq!(abc.parse(), Ok(Hash::of("abc")));
        for wrong in ["", "ab", &abc.to_uppercase(), &abc.replace('b', "ä")] {
            assert_eq!(wrong.parse::<Hash>(), Err(()));
        }
    }

    proptest! {
        #[test]
        fn whatever_a_client_sends_is_kept_and_does_nothing(name in ".{0,40}", path in any::<String>(), id in 1_u64..) {
            let mut record = full();
            record.principal.as_mut().unwrap().name = name.into();
            record.action = Some(Action::Request { method: "GET".into(), host: "h".into(), path: path.into() });
            record.bound();
            let text = write(id, Hash::of("x"), &record);
            prop_assert!(!text.chars().any(acts), "{}", text);
            prop_assert_eq!(serde_json::from_str::<AuditRecord>(&text).unwrap(), record);
            let link = Link::read(&text).unwrap();
            prop_assert_eq!((link.id, link.previous), (id, Hash::of("x")));
        }

        #[test]
        fn no_text_harms_the_reader(text in any::<String>()) {
            Link::read(&text);
        }
    }
}
