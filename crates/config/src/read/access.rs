//! `allow:`, `deny:`, `tell:` and what else a route says of who calls.

use super::{
    mapping::Mapping,
    mistake::{Mistake, did_you_mean, nearest, word},
    reader::Reader,
    route::{checked_name, report_repeated},
    values,
};
use crate::{
    declared::{Allow, Claim, ClaimTest, Deny, Hours, Requirements, Times},
    finding::Finding,
    rule::RuleId,
    span::Spanned,
    yaml::{Node, Value},
};

/// Keys of `allow:`.
const ALLOWED_BY: [&str; 9] =
    ["from", "certificates", "users", "groups", "workloads", "domains", "claims", "time", "grant"];
/// Keys of `deny:`.
const DENIED_BY: [&str; 6] = ["from", "users", "groups", "workloads", "domains", "claims"];

/// `allow: anyone`, `allow: authenticated`, or a mapping.
pub(super) fn allow(reader: &mut Reader<'_>, node: &Node<'_>) -> Option<Allow> {
    if !matches!(node.value, Value::Mapping(_)) {
        return reader.value_or_mapping(node, "`anyone`, `authenticated` or a mapping", one_word);
    }
    reader.mapping(node, "Allow", "`allow`", |map| {
        let requirements = Requirements {
            from: map.values("from", values::network),
            certificates: map.values("certificates", certificate_name),
            users: map.values("users", identity_name),
            groups: map.values("groups", identity_name),
            workloads: map.values("workloads", identity_name),
            domains: map.values("domains", domain),
            claims: claims(map),
            time: map.optional("time", times),
            grant: map.value("grant", word),
        };
        let given = map.present(&ALLOWED_BY);
        if given.is_empty() {
            let finding = Finding::new(RuleId::InvalidValue, map.span(), "`allow` names nobody")
                .help("write `allow: anyone`, or who may pass, such as `allow: { from: [10.0.0.0/8] }`");
            map.misses(&ALLOWED_BY, finding);
            return None;
        }
        // A condition that could not be read must not vanish: the rest would allow more than was meant.
        let lists = [
            requirements.from.len(),
            requirements.certificates.len(),
            requirements.users.len(),
            requirements.groups.len(),
            requirements.workloads.len(),
            requirements.domains.len(),
            requirements.claims.len(),
            usize::from(requirements.time.is_some()),
            usize::from(requirements.grant.is_some()),
        ];
        let read = lists.into_iter().filter(|length| *length > 0).count();
        (read == given.len()).then(|| Allow::Only(Box::new(requirements)))
    })?
}

/// `deny: [cidr]`, or a mapping.
pub(super) fn deny(reader: &mut Reader<'_>, node: &Node<'_>) -> Option<Deny> {
    if !matches!(node.value, Value::Mapping(_)) {
        let from = reader.list(node, |reader, item| reader.value(item, values::network));
        return (!from.is_empty()).then(|| Deny { from, ..Deny::default() });
    }
    reader.mapping(node, "Deny", "`deny`", |map| {
        let deny = Deny {
            from: map.values("from", values::network),
            users: map.values("users", identity_name),
            groups: map.values("groups", identity_name),
            workloads: map.values("workloads", identity_name),
            domains: map.values("domains", domain),
            claims: claims(map),
        };
        let given = map.present(&DENIED_BY).len();
        // Who was meant to be kept out must not come in because the line could not be read.
        let lists = [
            deny.from.len(),
            deny.users.len(),
            deny.groups.len(),
            deny.workloads.len(),
            deny.domains.len(),
            deny.claims.len(),
        ];
        (given > 0 && lists.into_iter().filter(|length| *length > 0).count() == given).then_some(deny)
    })?
}

/// `claims: { tenant: acme, level: [2, 3] }`. Empty if any of them cannot be read.
pub(super) fn claims(map: &mut Mapping<'_, '_, '_>) -> Vec<ClaimTest> {
    let Some(node) = map.node("claims") else { return Vec::new() };
    let (mut tests, mut mistakes) = (Vec::new(), 0);
    map.reader.entries(node, |reader, name, node| {
        let values = reader.list(node, |reader, item| reader.value(item, identity_name));
        match checked_name(reader, &name, identity_name) {
            Some(name) if !values.is_empty() => tests.push(ClaimTest { name, values }),
            _ => mistakes += 1,
        }
    });
    if mistakes == 0 { tests } else { Vec::new() }
}

/// `tell: { x-user: name, x-tenant: "claim:tenant" }`
pub(super) fn tell(map: &mut Mapping<'_, '_, '_>) -> Vec<(Spanned<String>, Spanned<Claim>)> {
    let Some(node) = map.node("tell") else { return Vec::new() };
    let mut lines = Vec::new();
    map.reader.entries(node, |reader, name, value| {
        let claim = reader.value(value, claim);
        if let (Some(name), Some(claim)) = (checked_name(reader, &name, values::header_name), claim) {
            lines.push((name, Spanned::new(claim, value.span)));
        }
    });
    report_repeated(map.reader, lines.iter().map(|(name, _)| name));
    lines
}

/// The name of a user, group, workload or claim.
pub(super) fn identity_name(text: &str) -> Result<String, Mistake> {
    if text.trim().is_empty() || text.chars().any(char::is_control) {
        return Err(Mistake::new("is not a name", "the name of a user, group or workload"));
    }
    Ok(text.to_owned())
}

/// The words of `allow:`.
fn one_word(text: &str) -> Result<Allow, Mistake> {
    match text {
        "anyone" => return Ok(Allow::Anyone),
        "authenticated" => return Ok(Allow::Authenticated),
        _ => {}
    }
    let expected = "anyone, authenticated, or a mapping such as { groups: [staff] }";
    let mistake = Mistake::new("does not say who may pass", expected);
    let is_synonym = matches!(text, "any" | "all" | "everyone" | "everybody" | "*" | "true");
    if is_synonym {
        return Err(mistake.help(did_you_mean("anyone")));
    }
    match nearest(text, ["anyone", "authenticated"].into_iter()) {
        Some(near) => Err(mistake.help(did_you_mean(near))),
        None => Err(mistake),
    }
}

/// `time: { days: [mon, tue], hours: 08:00-18:00, zone: Europe/Berlin }`
fn times(reader: &mut Reader<'_>, node: &Node<'_>) -> Option<Times> {
    reader.mapping(node, "Times", "`time` of `allow`", |map| {
        let times =
            Times { days: map.values("days", word), hours: map.value("hours", hours), zone: map.value("zone", zone) };
        let read = [("days", !times.days.is_empty()), ("hours", times.hours.is_some()), ("zone", times.zone.is_some())];
        let is_readable = read.into_iter().all(|(key, is_read)| is_read || !map.says(key));
        is_readable.then_some(times)
    })?
}

/// `08:00-18:00`; `22:00-06:00` goes on into the next day.
fn hours(text: &str) -> Result<Hours, Mistake> {
    let read = || {
        let (from, to) = text.split_once('-')?;
        let (from, to) = (minutes(from.trim())?, minutes(to.trim())?);
        (from < 1440 && from != to && to > 0).then_some(Hours { from, to })
    };
    read().ok_or_else(|| Mistake::new("is not a span of hours", "such as 08:00-18:00 or 22:00-06:00"))
}

/// `Europe/Berlin`. Whether there is such a zone is known when the plan is made.
fn zone(text: &str) -> Result<String, Mistake> {
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'/' | b'_' | b'-' | b'+');
    if text.is_empty() || text.starts_with(['+', '-']) || !text.bytes().all(is_name) {
        let mistake = Mistake::new("is not the name of a time zone", "such as Europe/Berlin or UTC");
        return Err(mistake.help("a fixed distance from UTC would be wrong for half of the year"));
    }
    Ok(text.to_owned())
}

/// Minutes of `hh:mm`, up to `24:00`.
fn minutes(text: &str) -> Option<u16> {
    let (hour, minute) = text.split_once(':')?;
    let digits = |part: &str| {
        (part.len() == 2 && part.bytes().all(|byte| byte.is_ascii_digit()))
            .then_some(())
            .and_then(|()| part.parse::<u16>().ok())
    };
    let (hour, minute) = (digits(hour)?, digits(minute)?);
    let all = hour * 60 + minute;
    (minute < 60 && all <= 1440).then_some(all)
}

/// What a header of `tell:` tells.
fn claim(text: &str) -> Result<Claim, Mistake> {
    const EXPECTED: &str = "name, subject, email, groups, provider or claim:NAME";
    Ok(match text {
        "name" => Claim::Name,
        "subject" => Claim::Subject,
        "email" => Claim::Email,
        "groups" => Claim::Groups,
        "provider" => Claim::Provider,
        _ => {
            let Some(name) = text.strip_prefix("claim:") else {
                let mistake = Mistake::new("is nothing that can be told of a caller", EXPECTED);
                return Err(match nearest(text, ["name", "subject", "email", "groups", "provider"].into_iter()) {
                    Some(near) => mistake.help(did_you_mean(near)),
                    None => mistake,
                });
            };
            Claim::Further(identity_name(name)?)
        }
    })
}

/// A domain of e-mail addresses.
fn domain(text: &str) -> Result<String, Mistake> {
    let domain = text.strip_prefix('@').unwrap_or(text);
    values::host_name(domain).map(|domain| domain.to_ascii_lowercase())
}

/// A name on a client certificate: `*`, `any`, `*.internal`, `shop.internal`, `spiffe://house/shop`.
fn certificate_name(text: &str) -> Result<String, Mistake> {
    const EXPECTED: &str = "a name on a certificate, such as shop.internal or *.internal, or any";
    let name = if text == "any" { "*" } else { text };
    let inner = name.strip_prefix("*.").unwrap_or(name);
    if name != "*" && (inner.is_empty() || inner.contains('*') || name.chars().any(char::is_control)) {
        return Err(Mistake::new("is not a name on a certificate", EXPECTED));
    }
    Ok(name.to_owned())
}
