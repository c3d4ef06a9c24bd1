//! Headers that routes edit or ask for.

use super::{Check, Index};
use crate::{
    finding::{Finding, Findings},
    rule::RuleId,
    span::Spanned,
};

/// An edit of, or a condition on, a header by which messages are framed or callers are named.
pub(super) struct ProtectedHeader;

impl Check for ProtectedHeader {
    fn rule(&self) -> RuleId {
        RuleId::ProtectedHeader
    }

    fn check(&self, index: &Index<'_>, findings: &mut Findings) {
        for route in &index.declared.routes {
            for edits in [&route.request_headers, &route.response_headers] {
                let set = edits.set.iter().chain(&edits.append).map(|(name, _)| name);
                set.for_each(|name| self.check_name(name, findings));
            }
            // `Via` of an answer may be left out (RFC 9110 7.6.3), which is how it is turned off.
            let unsaid = route.response_headers.remove.iter().filter(|name| name.value != "via");
            for name in route.request_headers.remove.iter().chain(unsaid) {
                self.check_name(name, findings);
            }
            for (name, _) in &route.tell {
                self.check_name(name, findings);
            }
            for (name, _) in &route.matches.headers {
                self.check_condition(name, findings);
            }
        }
    }
}

impl ProtectedHeader {
    fn check_name(&self, name: &Spanned<String>, findings: &mut Findings) {
        if !is_protected(name) {
            return;
        }
        let message = format!("the header `{}` is set by Portcullis itself", **name);
        let mut finding = Finding::new(self.rule(), name.span, message);
        if name.value == "host" {
            finding = finding.help("to change the host that the service sees, write `rewrite: { host: NAME }`");
        }
        findings.push(finding);
    }

    /// A condition on something that the service never sees as the client said it.
    fn check_condition(&self, name: &Spanned<String>, findings: &mut Findings) {
        let help = match name.as_str() {
            "host" => "to match the host, write `host: NAME`",
            "forwarded" | "x-real-ip" => FROM,
            name if name.starts_with("x-forwarded-") => FROM,
            "upgrade" | "content-length" | "via" => return,
            "x-request-id" => "Portcullis gives every request a number of its own",
            name if is_protected(name) => "what it says is for one connection, not for the service",
            _ => return,
        };
        let message = format!("a route can not depend on what a client says in the header `{}`", **name);
        findings.push(Finding::new(self.rule(), name.span, message).help(help));
    }
}

const FROM: &str = "Portcullis says who the client is; to match its address, write `from: [ADDRESS]`";

/// Hop-by-hop headers (RFC 9110 7.6.1), framing (RFC 9112 6), and those that say who calls (RFC 7239).
fn is_protected(name: &str) -> bool {
    const NAMES: [&str; 11] = [
        "host",
        "content-length",
        "transfer-encoding",
        "connection",
        "te",
        "upgrade",
        "trailer",
        "forwarded",
        "via",
        "keep-alive",
        "expect",
    ];
    NAMES.contains(&name) || name.starts_with("proxy-") || name.starts_with("x-forwarded-")
}
