//! Makes outside bytes safe to show: nothing that is written can end a line, steer a terminal, reorder text or hide
//! in it. The escapes are those of JSON strings (RFC 8259 7), so that one scanner serves both forms of the log.

/// Longest request target that is written, in bytes before escaping.
pub(super) const LONG: usize = 8 * 1024;

/// Longest other field, in bytes before escaping.
pub(super) const SHORT: usize = 1024;

/// Appends `value`, escaped. What is beyond `limit` bytes is left out and a marker says how much that was.
pub(super) fn append(out: &mut Vec<u8>, value: &[u8], limit: usize) {
    let Some(shown) = bounded(value, limit) else {
        return append_escaped(out, value);
    };
    append_escaped(out, shown);
    out.extend_from_slice(b"...(+");
    out.extend_from_slice(itoa::Buffer::new().format(value.len() - shown.len()).as_bytes());
    out.extend_from_slice(b" bytes)");
}

/// The part of a too long value that is shown; it does not end inside a UTF-8 sequence.
fn bounded(value: &[u8], limit: usize) -> Option<&[u8]> {
    if value.len() <= limit {
        return None;
    }
    let is_continuation = |byte: u8| byte & 0b1100_0000 == 0b1000_0000;
    // A sequence is four bytes at most; more continuation bytes than that are not UTF-8 and may be cut anywhere.
    let cut = (limit.saturating_sub(3)..=limit).rev().find(|&cut| !is_continuation(value[cut])).unwrap_or(limit);
    Some(&value[..cut])
}

fn append_escaped(out: &mut Vec<u8>, value: &[u8]) {
    if is_clean(value) {
        return out.extend_from_slice(value);
    }
    let mut rest = value;
    while let Some(at) = rest.iter().position(|&byte| is_unclean(byte)) {
        out.extend_from_slice(&rest[..at]);
        if rest[at] >= 0x80 {
            return append_unicode(out, &rest[at..]);
        }
        append_ascii(out, rest[at]);
        rest = &rest[at + 1..];
    }
    out.extend_from_slice(rest);
}

/// Whether all bytes can be copied as they are, as in nearly every value. Looks at eight at a time; the last eight may
/// overlap those before.
fn is_clean(bytes: &[u8]) -> bool {
    match bytes.last_chunk::<8>() {
        None => !bytes.iter().fold(false, |unclean, &byte| unclean | is_unclean(byte)),
        Some(last) => {
            let words = bytes.as_chunks::<8>().0.iter().chain([last]);
            !words.fold(false, |unclean, word| unclean | has_unclean(u64::from_le_bytes(*word)))
        }
    }
}

/// A control character, `"`, `\`, or beyond ASCII.
const fn is_unclean(byte: u8) -> bool {
    byte < 0x20 || byte == b'"' || byte == b'\\' || byte >= 0x7f
}

/// Whether any byte of the word is unclean. A borrow may mark the byte above an unclean one too, which changes nothing.
const fn has_unclean(word: u64) -> bool {
    const ONES: u64 = u64::MAX / 0xff;
    const HIGH: u64 = ONES << 7;
    const fn has_zero(word: u64) -> u64 {
        word.wrapping_sub(ONES) & !word
    }
    let below_space = word.wrapping_sub(ONES * 0x20) & !word;
    let quote = has_zero(word ^ (ONES * b'"' as u64));
    let backslash = has_zero(word ^ (ONES * b'\\' as u64));
    let delete = has_zero(word ^ (ONES * 0x7f));
    (below_space | quote | backslash | delete | word) & HIGH != 0
}

fn append_ascii(out: &mut Vec<u8>, byte: u8) {
    match byte {
        b'"' => out.extend_from_slice(b"\\\""),
        b'\\' => out.extend_from_slice(b"\\\\"),
        b'\n' => out.extend_from_slice(b"\\n"),
        b'\r' => out.extend_from_slice(b"\\r"),
        b'\t' => out.extend_from_slice(b"\\t"),
        0x20..0x7f => out.push(byte),
        _ => append_code_unit(out, u16::from(byte)),
    }
}

/// Bytes that are not UTF-8 are written as U+FFFD, one for each sequence that is broken: a JSON string cannot carry
/// them, and an escape such as `\u00ff` would claim that the client had sent the character U+00FF.
fn append_unicode(out: &mut Vec<u8>, value: &[u8]) {
    for chunk in value.utf8_chunks() {
        for character in chunk.valid().chars() {
            if character.is_ascii() {
                append_ascii(out, character as u8);
            } else if is_deceptive(character) {
                character.encode_utf16(&mut [0; 2]).iter().for_each(|unit| append_code_unit(out, *unit));
            } else {
                out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
            }
        }
        if !chunk.invalid().is_empty() {
            append_code_unit(out, 0xfffd);
        }
    }
}

/// Characters that a reader does not see or that move what he sees: C1 controls, line and paragraph separators, all
/// format characters (Unicode category Cf: direction, joiners, invisible operators, tags) and variation selectors
/// beyond the sixteen that emoji use.
const fn is_deceptive(character: char) -> bool {
    matches!(character,
        '\u{80}'..='\u{9f}' | '\u{ad}' | '\u{600}'..='\u{605}' | '\u{61c}' | '\u{6dd}' | '\u{70f}'
        | '\u{890}' | '\u{891}' | '\u{8e2}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{110bd}' | '\u{110cd}'
        | '\u{13430}'..='\u{1343f}' | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}'
        | '\u{e0000}'..='\u{e0fff}')
}

fn append_code_unit(out: &mut Vec<u8>, unit: u16) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digit = |shift: u16| DIGITS[usize::from(unit >> shift & 15)];
    out.extend_from_slice(&[b'\\', b'u', digit(12), digit(8), digit(4), digit(0)]);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn escaped(value: &[u8], limit: usize) -> String {
        let mut out = Vec::new();
        append(&mut out, value, limit);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn each_kind_of_dangerous_character_is_escaped() {
        for (value, expected) in [
            ("plain /path?x=1", "plain /path?x=1"),
            ("a\"b\\c", r#"a\"b\\c"#),
            ("a\r\nb\tc\0\u{1b}[31m", r"a\r\nb\tc\u0000\u001b[31m"),
            ("\u{7f}\u{85}\u{9b}", r"\u007f\u0085\u009b"),
            ("\u{202e}txt\u{2066}\u{200f}\u{feff}", r"\u202etxt\u2066\u200f\ufeff"),
            ("\u{2028}\u{2029}", r"\u2028\u2029"),
            ("\u{e0041}", r"\udb40\udc41"),
            ("grün 東京 🦀", "grün 東京 🦀"),
        ] {
            assert_eq!(escaped(value.as_bytes(), SHORT), expected);
        }
    }

    #[test]
    fn bytes_that_are_not_utf8_become_replacement_characters() {
        assert_eq!(escaped(b"a\xff\xfeb\xe2\x80", SHORT), r"a\ufffd\ufffdb\ufffd");
    }

    #[test]
    fn a_long_value_is_cut_between_characters_and_says_so() {
        assert_eq!(escaped(b"0123456789", 10), "0123456789");
        assert_eq!(escaped(b"0123456789a", 10), "0123456789...(+1 bytes)");
        assert_eq!(escaped("12345678éé".as_bytes(), 9), "12345678...(+4 bytes)");
        assert_eq!(escaped(&[0x80; 12], 10).matches(r"\ufffd").count(), 10);
    }

    proptest! {
        #[test]
        fn words_are_judged_as_their_bytes_are(bytes in any::<[u8; 8]>()) {
            prop_assert_eq!(has_unclean(u64::from_le_bytes(bytes)), bytes.iter().any(|&byte| is_unclean(byte)));
        }

        #[test]
        fn a_json_reader_gets_back_what_was_written(value in proptest::collection::vec(any::<u8>(), 0..200)) {
            let read: String = serde_json::from_str(&format!("\"{}\"", escaped(&value, SHORT))).unwrap();
            prop_assert_eq!(read, String::from_utf8_lossy(&value));
        }

        #[test]
        fn nothing_deceptive_is_left(value in ".{0,64}") {
            let out = escaped(value.as_bytes(), SHORT);
            prop_assert!(!out.chars().any(|character| character.is_control() || is_deceptive(character)));
        }
    }
}
