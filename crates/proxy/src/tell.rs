//! What a service is told of who calls.
//!
//! Invariant: every value is one that a header can hold (RFC 9110 5.5). What cannot be said so is left out, never
//! changed into something else that could be somebody's name.

use portcullis_config::declared::Claim;
use portcullis_plan::{Principal, RoutePlan};

use crate::callers::Known;

/// Header lines, each with its end. Clears `out`.
pub(crate) fn lines(route: &RoutePlan, caller: Option<&Known>, out: &mut Vec<u8>) {
    out.clear();
    let Some(known) = caller else { return };
    for (name, claim) in &route.tell {
        let start = out.len();
        out.extend_from_slice(name);
        out.extend_from_slice(b": ");
        if write_value(&known.standing.principal, claim, out) {
            out.extend_from_slice(b"\r\n");
        } else {
            out.truncate(start);
        }
    }
}

/// Whether there is something to say, and it can be said.
fn write_value(principal: &Principal, claim: &Claim, out: &mut Vec<u8>) -> bool {
    match claim {
        Claim::Name => write_text(&principal.name, out),
        Claim::Subject => write_text(&principal.subject, out),
        Claim::Provider => write_text(&principal.provider, out),
        Claim::Email => principal.email.as_deref().is_some_and(|email| write_text(email, out)),
        Claim::Groups => write_list(&principal.groups, out),
        Claim::Further(name) => principal.claims.get(name.as_str()).is_some_and(|values| write_list(values, out)),
    }
}

fn write_text(text: &str, out: &mut Vec<u8>) -> bool {
    let can_be_said = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' ');
    if can_be_said {
        out.extend_from_slice(text.as_bytes());
    }
    can_be_said
}

/// Separated by commas; a value that holds one would be read as two, so that the whole list is left out.
fn write_list(values: &[Box<str>], out: &mut Vec<u8>) -> bool {
    let is_sayable = !values.is_empty() && values.iter().all(|value| !value.contains(','));
    is_sayable
        && values.iter().enumerate().all(|(at, value)| {
            if at > 0 {
                out.push(b',');
            }
            write_text(value, out)
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(values: &[&str]) -> Option<String> {
        let values: Vec<Box<str>> = values.iter().map(|value| (*value).into()).collect();
        let mut out = Vec::new();
        write_list(&values, &mut out).then(|| String::from_utf8_lossy(&out).into_owned())
    }

    #[test]
    fn a_list_is_said_whole_or_not_at_all() {
        for (values, expected) in [
            (&["dba", "ops team"][..], Some("dba,ops team")),
            (&["dba,admin"], None),
            (&["dba", "ad\r\nmin: 1"], None),
            (&["gr\u{fc}n"], None),
            (&[], None),
        ] {
            assert_eq!(said(values).as_deref(), expected, "{values:?}");
        }
    }
}
