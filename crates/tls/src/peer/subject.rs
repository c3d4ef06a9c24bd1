//! Distinguished names as text (RFC 4514).

use std::fmt::Write;

use x509_parser::x509::{AttributeTypeAndValue, RelativeDistinguishedName, X509Name};

use super::PeerError;
use crate::certificate::hex;

/// Types with a short name: those of RFC 4514 section 3, and two that are common.
const SHORT_NAMES: [(&str, &str); 11] = [
    ("2.5.4.3", "CN"),
    ("2.5.4.5", "serialNumber"),
    ("2.5.4.6", "C"),
    ("2.5.4.7", "L"),
    ("2.5.4.8", "ST"),
    ("2.5.4.9", "STREET"),
    ("2.5.4.10", "O"),
    ("2.5.4.11", "OU"),
    ("0.9.2342.19200300.100.1.1", "UID"),
    ("0.9.2342.19200300.100.1.25", "DC"),
    ("1.2.840.113549.1.9.1", "emailAddress"),
];

/// The whole name; the last part of the sequence comes first (section 2.1).
pub(super) fn distinguished_name(name: &X509Name<'_>) -> Result<String, PeerError> {
    let mut parts: Vec<String> = name.iter_rdn().map(relative).collect::<Result<_, _>>()?;
    parts.reverse();
    Ok(parts.join(","))
}

/// The first common name, if it is text that shows as what it is.
pub(super) fn common_name(name: &X509Name<'_>) -> Option<String> {
    let text = name.iter_common_name().next()?.as_str().ok()?;
    let is_plain = !text.is_empty() && !text.chars().any(|character| character.is_control() || is_deceptive(character));
    is_plain.then(|| text.to_owned())
}

fn relative(part: &RelativeDistinguishedName<'_>) -> Result<String, PeerError> {
    let attributes: Vec<String> = part.iter().map(attribute).collect::<Result<_, _>>()?;
    Ok(attributes.join("+"))
}

fn attribute(attribute: &AttributeTypeAndValue<'_>) -> Result<String, PeerError> {
    let kind = attribute.attr_type().to_id_string();
    let short = SHORT_NAMES.iter().find(|(id, _)| *id == kind).map_or(kind.as_str(), |(_, short)| short);
    // A value that is no text is given in hexadecimal (section 2.4).
    let value = match attribute.as_str() {
        Ok(text) => escaped(printable(text)?),
        Err(_) => format!("#{}", hex(attribute.as_slice())),
    };
    Ok(format!("{short}={value}"))
}

/// Section 2.4: without this, a common name `x,O=Admins` would read as two attributes.
fn escaped(text: &str) -> String {
    let last = text.chars().count().saturating_sub(1);
    let mut out = String::with_capacity(text.len());
    for (index, character) in text.chars().enumerate() {
        let is_special = matches!(character, '"' | '+' | ',' | ';' | '<' | '>' | '\\')
            || (index == 0 && character == '#')
            || ((index == 0 || index == last) && character == ' ');
        if is_special {
            out.push('\\');
        }
        if is_deceptive(character) {
            for byte in character.encode_utf8(&mut [0; 4]).bytes() {
                // Writing to a string does not fail.
                let _ = write!(out, "\\{byte:02X}");
            }
        } else {
            out.push(character);
        }
    }
    out
}

fn printable(text: &str) -> Result<&str, PeerError> {
    if text.chars().any(char::is_control) { Err(PeerError::Unprintable) } else { Ok(text) }
}

/// Characters that do not show, or turn the direction of what follows: they would make a log say something else than
/// what was compared.
fn is_deceptive(character: char) -> bool {
    matches!(character,
        '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}
