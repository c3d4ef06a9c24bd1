//! The one normal form of request paths, in which they are compared and sent (RFC 3986 6.2.2).
//!
//! Shared with the data plane: a route's literal path and a request's path go through the same function, so that no
//! two readings of one path can differ. What two servers are known to read differently is refused, not repaired.

use thiserror::Error;

/// What [`normalise`] found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Normal {
    /// The path is in normal form already; nothing was written.
    Unchanged,
    /// The normal form is in `out`.
    Changed,
}

/// Why a path is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum PathError {
    /// It does not begin with `/`.
    #[error("a path begins with `/`")]
    NotAbsolute,
    /// `%` without two hexadecimal digits after it.
    #[error("`%` is not followed by two hexadecimal digits")]
    BrokenEscape,
    /// A control byte, raw or as `%00` to `%1F` and `%7F`.
    #[error("control characters are not allowed in a path")]
    Control,
    /// A space.
    #[error("a space in a path is written `%20`")]
    Space,
    /// A byte of 0x80 or above.
    #[error("characters outside of ASCII are percent-encoded in a path")]
    NotAscii,
    /// `\` or `%5C`, which some servers take for `/`.
    #[error("a backslash in a path means `/` to some servers")]
    Backslash,
    /// `%2F`, which some servers take for `/` and others do not.
    #[error("`%2F` in a path means `/` to some servers")]
    EncodedSlash,
    /// `#` or `?`, which end a path.
    #[error("`#` and `?` do not belong to a path")]
    Delimiter,
    /// `/..;x/` or `/.;x/`, which some servers take for dot segments and others do not.
    #[error("a dot segment with parameters means `..` to some servers")]
    DotSegmentParameters,
    /// More `..` than segments before them.
    #[error("`..` leads above the root")]
    AboveRoot,
}

/// Brings a path (without query) into normal form: percent-encoded unreserved characters are decoded, other escapes
/// are written with upper-case digits, `//` becomes `/`, dot segments are resolved.
///
/// `out` is written only for [`Normal::Changed`] and [`PathError`] (then with nothing of use). A path that is in
/// normal form already costs one scan and no allocation. The asterisk-form of OPTIONS is the caller's business.
pub fn normalise(raw: &[u8], out: &mut Vec<u8>) -> Result<Normal, PathError> {
    if is_normal(raw) {
        return Ok(Normal::Unchanged);
    }
    let Some((b'/', rest)) = raw.split_first() else { return Err(PathError::NotAbsolute) };
    out.clear();
    out.push(b'/');
    // Invariant of the loop: `out` ends with `/`, and what it holds is in normal form.
    let mut segments = rest.split(|&byte| byte == b'/').peekable();
    while let Some(segment) = segments.next() {
        let start = out.len();
        decode_segment(segment, out)?;
        match classify(&out[start..])? {
            Segment::Dot => out.truncate(start),
            Segment::DotDot => {
                out.truncate(start);
                out.pop();
                let parent = out.iter().rposition(|&byte| byte == b'/').ok_or(PathError::AboveRoot)?;
                out.truncate(parent + 1);
            }
            Segment::Name if segments.peek().is_some() => out.push(b'/'),
            Segment::Name | Segment::Empty => {}
        }
    }
    Ok(Normal::Changed)
}

/// Whether a path in normal form has parameters (`/a;v=1/b`), which some services leave out before they look what is
/// asked for, and others do not. `%3B` counts: who decodes first will take it for one.
pub fn has_parameters(normal: &[u8]) -> bool {
    normal.contains(&b';') || (normal.contains(&b'%') && normal.windows(3).any(|part| part == b"%3B"))
}

/// Appends a path in normal form as those services read it that leave parameters out: `/a;v=1/b` is `/a/b`.
pub fn push_without_parameters(normal: &[u8], out: &mut Vec<u8>) {
    let mut segments = normal.split(|&byte| byte == b'/').skip(1).peekable();
    out.push(b'/');
    while let Some(segment) = segments.next() {
        let semicolon = segment.iter().position(|&byte| byte == b';').unwrap_or(segment.len());
        let encoded = segment.windows(3).position(|part| part == b"%3B").unwrap_or(segment.len());
        let name = &segment[..semicolon.min(encoded)];
        out.extend_from_slice(name);
        // What has become empty is `//`, which is `/`.
        if segments.peek().is_some() && !name.is_empty() {
            out.push(b'/');
        }
    }
}

/// Whether nothing needs to be done.
fn is_normal(raw: &[u8]) -> bool {
    if raw.first() != Some(&b'/') {
        return false;
    }
    let mut at = 0;
    while let Some(&byte) = raw.get(at) {
        match CLASSES[usize::from(byte)] {
            Class::Plain => {}
            Class::Slash => match raw.get(at + 1) {
                Some(b'/') => return false,
                Some(b'.') if is_dot_segment(&raw[at + 2..]) => return false,
                _ => {}
            },
            Class::Percent => match raw.get(at + 1..at + 3).map(escape) {
                Some(Ok(Escape::Kept { upper_case: true, .. })) => at += 2,
                _ => return false,
            },
            Class::Refused(_) => return false,
        }
        at += 1;
    }
    true
}

/// What follows `/.`: whether the segment is `.` or `..`, also with parameters. An encoded dot is not normal anyway.
fn is_dot_segment(rest: &[u8]) -> bool {
    let rest = rest.strip_prefix(b".").unwrap_or(rest);
    matches!(rest, [] | [b'/' | b';', ..] | [b'%', b'3', b'B', ..])
}

/// Appends a segment with its escapes in normal form.
fn decode_segment(segment: &[u8], out: &mut Vec<u8>) -> Result<(), PathError> {
    let mut at = 0;
    while let Some(&byte) = segment.get(at) {
        match CLASSES[usize::from(byte)] {
            Class::Plain | Class::Slash => out.push(byte),
            Class::Percent => {
                let digits = segment.get(at + 1..at + 3).ok_or(PathError::BrokenEscape)?;
                match escape(digits)? {
                    Escape::Decoded(byte) => out.push(byte),
                    Escape::Kept { .. } => {
                        out.push(b'%');
                        out.extend(digits.iter().map(u8::to_ascii_uppercase));
                    }
                }
                at += 2;
            }
            Class::Refused(error) => return Err(error),
        }
        at += 1;
    }
    Ok(())
}

/// What a segment means.
enum Segment {
    Empty,
    Dot,
    DotDot,
    Name,
}

fn classify(segment: &[u8]) -> Result<Segment, PathError> {
    match segment {
        b"" => Ok(Segment::Empty),
        b"." => Ok(Segment::Dot),
        b".." => Ok(Segment::DotDot),
        _ => {
            let rest = segment.strip_prefix(b"..").or_else(|| segment.strip_prefix(b"."));
            match rest {
                Some([b';', ..] | [b'%', b'3', b'B', ..]) => Err(PathError::DotSegmentParameters),
                _ => Ok(Segment::Name),
            }
        }
    }
}

/// What an escape stands for in the normal form.
enum Escape {
    /// An unreserved character, written as itself.
    Decoded(u8),
    /// Anything else, with upper-case digits.
    Kept { upper_case: bool },
}

fn escape(digits: &[u8]) -> Result<Escape, PathError> {
    let &[high, low] = digits else { return Err(PathError::BrokenEscape) };
    let (Some(high_value), Some(low_value)) = (hexadecimal(high), hexadecimal(low)) else {
        return Err(PathError::BrokenEscape);
    };
    match high_value << 4 | low_value {
        0..=0x1F | 0x7F => Err(PathError::Control),
        b'/' => Err(PathError::EncodedSlash),
        b'\\' => Err(PathError::Backslash),
        byte if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) => Ok(Escape::Decoded(byte)),
        _ => Ok(Escape::Kept { upper_case: !high.is_ascii_lowercase() && !low.is_ascii_lowercase() }),
    }
}

fn hexadecimal(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        b'A'..=b'F' => Some(digit - b'A' + 10),
        _ => None,
    }
}

/// What a raw byte is.
#[derive(Clone, Copy)]
enum Class {
    Plain,
    Slash,
    Percent,
    Refused(PathError),
}

/// Characters outside of RFC 3986 that clients send all the same, such as `|` and `[`, are plain: no server reads them
/// as anything but themselves.
const CLASSES: [Class; 256] = {
    let mut classes = [Class::Plain; 256];
    let mut byte = 0;
    while byte < 256 {
        classes[byte] = match byte as u8 {
            b'/' => Class::Slash,
            b'%' => Class::Percent,
            b' ' => Class::Refused(PathError::Space),
            b'\\' => Class::Refused(PathError::Backslash),
            b'#' | b'?' => Class::Refused(PathError::Delimiter),
            0..=0x1F | 0x7F => Class::Refused(PathError::Control),
            0x80..=0xFF => Class::Refused(PathError::NotAscii),
            _ => Class::Plain,
        };
        byte += 1;
    }
    classes
};

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn normal(raw: &[u8]) -> Result<String, PathError> {
        let mut out = Vec::new();
        Ok(match normalise(raw, &mut out)? {
            Normal::Unchanged => String::from_utf8_lossy(raw).into_owned(),
            Normal::Changed => String::from_utf8_lossy(&out).into_owned(),
        })
    }

    #[test]
    fn paths_have_one_normal_form() {
        for (raw, expected) in [
            ("/", "/"),
            ("/a", "/a"),
            ("/a/", "/a/"),
            ("//", "/"),
            ("//a///b//", "/a/b/"),
            ("/.", "/"),
            ("/./a/./b/.", "/a/b/"),
            ("/a/..", "/"),
            ("/a/b/..", "/a/"),
            ("/a/b/../c", "/a/c"),
            ("/a//../b", "/b"),
            ("/a/%2e%2E/b", "/b"),
            ("/a/.%2e/b", "/b"),
            ("/%7euser/%41%2d%5F", "/~user/A-_"),
            ("/a%3ab%c3%bc", "/a%3Ab%C3%BC"),
            ("/a%20b", "/a%20b"),
            ("/a%252e%252e/b", "/a%252e%252e/b"),
            ("/a;v=1/b", "/a;v=1/b"),
            ("/.well-known/x", "/.well-known/x"),
            ("/...", "/..."),
            ("/..a", "/..a"),
            ("/%2ea", "/.a"),
            ("/a|b[c]", "/a|b[c]"),
            ("/:a@b!$&'()*+,=", "/:a@b!$&'()*+,="),
        ] {
            assert_eq!(normal(raw.as_bytes()).as_deref(), Ok(expected), "{raw}");
        }
    }

    #[test]
    fn what_two_servers_may_read_differently_is_refused() {
        for (raw, expected) in [
            (&b""[..], PathError::NotAbsolute),
            (b"a", PathError::NotAbsolute),
            (b"*", PathError::NotAbsolute),
            (b"%2fa", PathError::NotAbsolute),
            (b"/..", PathError::AboveRoot),
            (b"/a/../..", PathError::AboveRoot),
            (b"/%2e%2e/", PathError::AboveRoot),
            (b"//..", PathError::AboveRoot),
            (b"/a/..;/b", PathError::DotSegmentParameters),
            (b"/a/.;x=1/b", PathError::DotSegmentParameters),
            (b"/a/%2e%2e;/b", PathError::DotSegmentParameters),
            (b"/a/..%3b/b", PathError::DotSegmentParameters),
            (b"/a%2fb", PathError::EncodedSlash),
            (b"/a%2Fb", PathError::EncodedSlash),
            (b"/a\\b", PathError::Backslash),
            (b"/a%5cb", PathError::Backslash),
            (b"/a%00", PathError::Control),
            (b"/a%0d%0a", PathError::Control),
            (b"/a%7f", PathError::Control),
            (b"/a\0", PathError::Control),
            (b"/a\tb", PathError::Control),
            (b"/a b", PathError::Space),
            (b"/a#b", PathError::Delimiter),
            (b"/a?b", PathError::Delimiter),
            (b"/\xc3\xbc", PathError::NotAscii),
            (b"/a%", PathError::BrokenEscape),
            (b"/a%4", PathError::BrokenEscape),
            (b"/a%4/1", PathError::BrokenEscape),
            (b"/a%zz", PathError::BrokenEscape),
        ] {
            assert_eq!(normal(raw), Err(expected), "{}", raw.escape_ascii());
        }
    }

    #[test]
    fn parameters_are_left_out_as_services_do() {
        for (normal, expected) in [
            ("/a;v=1/b", "/a/b"),
            ("/a/b;v=1", "/a/b"),
            ("/a/b;v=1/", "/a/b/"),
            ("/a%3Bv=1/b", "/a/b"),
            ("/a;b%3Bc;d/e", "/a/e"),
            ("/;v=1/admin", "/admin"),
            ("/a/;v/;w/b", "/a/b"),
            ("/;v=1", "/"),
            ("/a/;", "/a/"),
        ] {
            let mut out = Vec::new();
            push_without_parameters(normal.as_bytes(), &mut out);
            assert_eq!(String::from_utf8_lossy(&out), expected, "{normal}");
            assert!(has_parameters(normal.as_bytes()), "{normal}");
            assert!(!has_parameters(expected.as_bytes()), "{expected}");
        }
        assert!(!has_parameters(b"/a%2Cb%253B"));
    }

    #[test]
    fn a_normal_path_is_left_alone_and_nothing_is_written() {
        let mut out = Vec::new();
        for raw in ["/", "/a/b.html", "/.a/..b", "/a%20b%C3%BC/"] {
            assert_eq!(normalise(raw.as_bytes(), &mut out), Ok(Normal::Unchanged), "{raw}");
            assert_eq!(out.capacity(), 0, "{raw}");
        }
    }

    /// Bytes that matter, often enough to meet.
    fn tricky_path() -> impl Strategy<Value = Vec<u8>> {
        let piece = prop_oneof![
            Just("/".to_owned()),
            Just(".".to_owned()),
            Just("..".to_owned()),
            Just("%2e".to_owned()),
            Just("%2E".to_owned()),
            Just(";".to_owned()),
            Just("%3b".to_owned()),
            Just("%".to_owned()),
            Just("%25".to_owned()),
            Just("a".to_owned()),
            Just("%41".to_owned()),
            "[ -~]{1,3}",
        ];
        proptest::collection::vec(piece, 0..12).prop_map(|pieces| format!("/{}", pieces.concat()).into_bytes())
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(raw: Vec<u8>) {
            let _ = normal(&raw);
        }

        #[test]
        fn the_normal_form_is_normal(raw in tricky_path()) {
            if let Ok(first) = normal(&raw) {
                let mut out = Vec::new();
                prop_assert_eq!(normalise(first.as_bytes(), &mut out), Ok(Normal::Unchanged), "{}", first);
                prop_assert!(first.starts_with('/'));
                prop_assert!(!first.contains("//"));
                prop_assert!(first[1..].split('/').all(|segment| segment != "." && segment != ".."), "{}", first);
                let mut bare = Vec::new();
                push_without_parameters(first.as_bytes(), &mut bare);
                prop_assert!(!has_parameters(&bare));
                prop_assert_eq!(normalise(&bare, &mut out), Ok(Normal::Unchanged), "{}", first);
                prop_assert!(has_parameters(first.as_bytes()) || bare == first.as_bytes(), "{}", first);
            }
        }
    }
}
