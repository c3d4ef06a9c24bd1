//! Records as CSV (RFC 4180), for spreadsheets.

use crate::{Action, AuditRecord, Basis, Found, Kind, text::neutralise};

/// Names of the columns.
pub const CSV_HEADER: &str = "id,time,event,decision,kind,provider,subject,principal,basis,source,port,route,service,\
     method,host,path,policies,grant,request,first,last,requests,bytes_in,bytes_out,reason\n";

/// A line. Texts are made safe to show, and none is a formula where it is opened.
pub fn csv_line(found: &Found) -> String {
    let Some(record) = &found.record else {
        // Not a record: somebody changed it. All that there is goes into the last column.
        let columns = CSV_HEADER.matches(',').count();
        return format!("{}{}{}\n", found.id, ",".repeat(columns), cell(&found.line));
    };
    let cells = cells(found.id, record);
    let mut line = cells.iter().map(|text| cell(text)).collect::<Vec<_>>().join(",");
    line.push('\n');
    line
}

fn cells(id: u64, record: &AuditRecord) -> [String; 25] {
    let text = |text: &Option<Box<str>>| text.as_deref().unwrap_or_default().to_owned();
    let count = |number: u64| if number == 0 { String::new() } else { number.to_string() };
    let principal = record.principal.as_ref();
    let (method, host, path) = match &record.action {
        Some(Action::Request { method, host, path }) => (method.to_string(), host.to_string(), path.to_string()),
        Some(Action::Connect) => ("connect".to_owned(), String::new(), String::new()),
        None => Default::default(),
    };
    [
        id.to_string(),
        record.time.to_string(),
        record.event.word().to_owned(),
        record.decision.map(|decision| decision.word().to_owned()).unwrap_or_default(),
        principal.map(|principal| kind(principal.kind).to_owned()).unwrap_or_default(),
        principal.map(|principal| principal.provider.to_string()).unwrap_or_default(),
        principal.map(|principal| principal.subject.to_string()).unwrap_or_default(),
        principal.map(|principal| principal.name.to_string()).unwrap_or_default(),
        record.basis.as_ref().map(basis).unwrap_or_default(),
        record.source.map(|source| source.to_string()).unwrap_or_default(),
        text(&record.port),
        text(&record.route),
        text(&record.service),
        method,
        host,
        path,
        record.policies.join("; "),
        text(&record.grant),
        text(&record.request),
        record.first.map(|time| time.to_string()).unwrap_or_default(),
        record.last.map(|time| time.to_string()).unwrap_or_default(),
        count(record.requests),
        count(record.bytes_in),
        count(record.bytes_out),
        text(&record.reason),
    ]
}

fn kind(kind: Kind) -> &'static str {
    match kind {
        Kind::User => "user",
        Kind::Workload => "workload",
        Kind::Operator => "operator",
    }
}

fn basis(basis: &Basis) -> String {
    match basis {
        Basis::Session(id) => format!("session {id}"),
        Basis::Token(Some(id)) => format!("token {id}"),
        Basis::Token(None) => "token".to_owned(),
        Basis::Key(id) => format!("key {id}"),
        Basis::Certificate(hash) => format!("certificate {hash}"),
        Basis::Aws => "aws".to_owned(),
    }
}

/// A text as one cell. What a spreadsheet would take for a formula gets an apostrophe before it, as OWASP's
/// "CSV Injection" recommends.
fn cell(text: &str) -> String {
    let mut text = neutralise(text);
    if text.starts_with(['=', '+', '-', '@', '\u{ff1d}', '\u{ff0b}', '\u{ff0d}', '\u{ff20}']) {
        text.insert(0, '\'');
    }
    if text.contains([',', '"', '\'', ';']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Event, Moment, Principal};

    #[test]
    fn nothing_is_a_formula_and_nothing_leaves_its_cell() {
        for (text, shown) in [
            ("plain", "plain"),
            ("=cmd|' /C calc'!A0", "\"'=cmd|' /C calc'!A0\""),
            ("+1", "\"'+1\""),
            ("-1", "\"'-1\""),
            ("@SUM(A1)", "\"'@SUM(A1)\""),
            ("＝1", "\"'＝1\""),
            ("\t=1", "\\u{9}=1"),
            ("a,b", "\"a,b\""),
            ("a\"b", "\"a\"\"b\""),
            ("a\nb", "a\\u{a}b"),
        ] {
            assert_eq!(cell(text), shown);
        }
    }

    #[test]
    fn a_line_has_a_cell_for_each_column() {
        let record = AuditRecord {
            time: Moment::from_micros(5),
            principal: Some(Principal {
                kind: Kind::User,
                provider: "corp".into(),
                subject: "1".into(),
                name: "=alice".into(),
                groups: Box::default(),
            }),
            action: Some(Action::Request { method: "GET".into(), host: "h".into(), path: "/x".into() }),
            bytes_out: 7,
            ..AuditRecord::new(Event::SessionEnd)
        };
        let line = csv_line(&Found { id: 3, line: String::new(), record: Some(record) });
        let expected = "3,1970-01-01T00:00:00.000005Z,session-end,,user,corp,1,\"'=alice\",,,,,,GET,h,/x,,,,,,,,7,\n";
        assert_eq!(line, expected);
        assert_eq!(line.matches(',').count(), CSV_HEADER.matches(',').count());
        let odd = csv_line(&Found { id: 3, line: "odd".to_owned(), record: None });
        assert_eq!(odd.matches(',').count(), CSV_HEADER.matches(',').count());
    }
}
