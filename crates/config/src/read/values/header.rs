//! Header names and values, methods (RFC 9110 5.1, 5.5, 9.1).

use crate::read::mistake::Mistake;

/// A header name, lower-cased.
pub(crate) fn header_name(text: &str) -> Result<String, Mistake> {
    if text.is_empty() || !text.bytes().all(is_token_byte) {
        return Err(Mistake::new("is not a header name", "letters, digits and `-`, such as x-request-id"));
    }
    Ok(text.to_ascii_lowercase())
}

/// A header value: no line ends, no NUL, no other control characters, nothing around it.
pub(crate) fn header_value(text: &str) -> Result<String, Mistake> {
    let is_control = |byte: u8| byte.is_ascii_control() && byte != b'\t';
    if text.bytes().any(is_control) {
        return Err(Mistake::new("has a line end or control character in it", "a header value on one line"));
    }
    if text.trim_matches([' ', '\t']) != text {
        return Err(Mistake::new("begins or ends with a space", "a header value without spaces around it"));
    }
    Ok(text.to_owned())
}

/// A method. Methods are case-sensitive; a lower-case one would never match.
pub(crate) fn method(text: &str) -> Result<String, Mistake> {
    const EXPECTED: &str = "a method such as GET or POST";
    if text.is_empty() || !text.bytes().all(is_token_byte) {
        return Err(Mistake::new("is not a method", EXPECTED));
    }
    let upper = text.to_ascii_uppercase();
    if upper != text {
        return Err(Mistake::new("is in lower case, and methods are case-sensitive", EXPECTED)
            .help(format!("did you mean `{upper}`?")));
    }
    Ok(upper)
}

fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_values_and_methods_cannot_break_a_head() {
        assert_eq!(header_name("X-Beta").as_deref(), Ok("x-beta"));
        for text in ["", "x beta", "x:beta", "x\r\ny", "ü"] {
            assert!(header_name(text).is_err(), "{text:?}");
        }
        assert_eq!(header_value("a b").as_deref(), Ok("a b"));
        assert_eq!(header_value("").as_deref(), Ok(""));
        for text in ["a\r\nb: c", "a\0", "a\n", " a", "a\x7f"] {
            assert!(header_value(text).is_err(), "{text:?}");
        }
        assert_eq!(method("GET").as_deref(), Ok("GET"));
        for text in ["get", "", "G T"] {
            assert!(method(text).is_err(), "{text:?}");
        }
    }
}
