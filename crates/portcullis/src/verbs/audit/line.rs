//! A record as a line for people.

use portcullis_audit::{Action, AuditRecord, Found, neutralise};

/// When, what, who, from where and to what, why. Nothing that came from outside acts on the terminal.
pub(super) fn draw(found: &Found) -> String {
    let Some(record) = &found.record else {
        return format!("record {} is no longer one; see `portcullis audit verify`", found.id);
    };
    let time = record.time.to_string();
    let time = time.get(..19).unwrap_or(&time).replace('T', " ");
    let line = format!("{time}  {:<14} {:<24} {}", what(record), who(record), way(record));
    let line = line.trim_end();
    match facts(record) {
        facts if facts.is_empty() => line.to_owned(),
        facts => format!("{line}  {facts}"),
    }
}

fn what(record: &AuditRecord) -> String {
    match (record.event, record.decision) {
        (portcullis_audit::Event::Decision, Some(decision)) => decision.word().to_owned(),
        (event, Some(portcullis_audit::Decision::Refused)) => format!("{} refused", event.word()),
        (event, _) => event.word().to_owned(),
    }
}

fn who(record: &AuditRecord) -> String {
    let name = record.principal.as_ref().map(|principal| format!("{} ({})", principal.name, principal.provider));
    neutralise(&name.unwrap_or_else(|| "-".to_owned()))
}

/// `10.1.2.3 web → ledger GET shop.example.com/x`
fn way(record: &AuditRecord) -> String {
    let mut parts = Vec::new();
    parts.extend(record.source.map(|source| source.ip().to_string()));
    parts.extend(record.port.as_deref().map(str::to_owned));
    parts.extend(record.service.as_deref().map(|service| format!("→ {service}")));
    match &record.action {
        Some(Action::Request { method, host, path }) => parts.push(format!("{method} {host}{path}")),
        Some(Action::Connect) => parts.push("connect".to_owned()),
        None => {}
    }
    neutralise(&parts.join(" "))
}

fn facts(record: &AuditRecord) -> String {
    let mut facts = Vec::new();
    if record.requests > 1 {
        facts.push(format!("{} requests", record.requests));
    }
    if record.bytes_in + record.bytes_out > 0 {
        facts.push(format!("{} B in, {} B out", record.bytes_in, record.bytes_out));
    }
    if let (Some(first), Some(last)) = (record.first, record.last) {
        facts.push(format!("{:.1} s", last.since(first).as_secs_f64()));
    }
    if !record.policies.is_empty() {
        facts.push(format!("by {}", record.policies.join(", ")));
    }
    facts.extend(record.grant.as_ref().map(|grant| format!("grant {grant}")));
    facts.extend(record.reason.as_deref().map(str::to_owned));
    neutralise(&facts.join("; "))
}

#[cfg(test)]
mod tests {
    use portcullis_audit::{Decision, Event, Kind, Moment, Principal};

    use super::*;

    #[test]
    fn a_line_says_who_what_where_and_why_and_nothing_in_it_acts() {
        let record = AuditRecord {
            time: Moment::from_micros(1_795_265_496_000_123),
            decision: Some(Decision::Refused),
            principal: Some(Principal {
                kind: Kind::User,
                provider: "corp".into(),
                subject: "1".into(),
                name: "ali\u{202e}ce".into(),
                groups: Box::default(),
            }),
            source: Some(([10, 1, 2, 3], 4000).into()),
            port: Some("web".into()),
            service: Some("ledger".into()),
            action: Some(Action::Request {
                method: "GET".into(),
                host: "l.example.com".into(),
                path: "/\x1b[2J".into(),
            }),
            policies: Box::new(["web/ledger deny".into()]),
            reason: Some("not in dba".into()),
            ..AuditRecord::new(Event::Decision)
        };
        let found = Found { id: 1, line: String::new(), record: Some(record) };
        assert_eq!(
            draw(&found),
            "2026-11-21 12:51:36  refused        ali\\u{202e}ce (corp)     10.1.2.3 web → ledger GET \
             l.example.com/\\u{1b}[2J  by web/ledger deny; not in dba"
        );
        let odd = Found { id: 7, line: "odd".to_owned(), record: None };
        assert_eq!(draw(&odd), "record 7 is no longer one; see `portcullis audit verify`");
    }
}
