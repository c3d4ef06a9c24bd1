//! Whatever a client sends, a record stays one line that says what it says.

use std::{
    net::SocketAddr,
    time::{Duration, SystemTime},
};

use proptest::{collection::vec, option, prelude::*};
use serde_json::Value;

use super::{AccessRecord, Phases, RecordKind, TimestampCache, TlsRecord, escape};
use crate::{RequestId, Termination};

/// Everything in a record that may come from outside.
#[derive(Debug, Clone)]
struct Outside {
    method: Option<Vec<u8>>,
    host: Option<Vec<u8>>,
    path: Option<Vec<u8>>,
    sni: Option<String>,
    client: Option<String>,
    detail: Option<String>,
}

/// Bytes as attackers choose them: text, controls, separators, halves of UTF-8 sequences.
fn bytes() -> impl Strategy<Value = Vec<u8>> {
    let part = prop_oneof![
        "[a-z/?=&\"\\\\ ]{0,12}".prop_map(String::into_bytes),
        any::<String>().prop_map(String::into_bytes),
        vec(any::<u8>(), 0..12),
        Just("\r\n{\"end\":\"completed\"}\n".into()),
        Just("\u{202e}\u{2028}\u{85}\u{1b}[2K".into()),
    ];
    vec(part, 0..5).prop_map(|parts| parts.concat())
}

fn text() -> impl Strategy<Value = String> {
    bytes().prop_map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
}

fn outside() -> impl Strategy<Value = Outside> {
    let fields = (
        option::of(bytes()),
        option::of(bytes()),
        option::of(bytes()),
        option::of(text()),
        option::of(text()),
        option::of(text()),
    );
    fields.prop_map(|(method, host, path, sni, client, detail)| Outside { method, host, path, sni, client, detail })
}

impl Outside {
    fn record(&self) -> AccessRecord<'_> {
        AccessRecord {
            kind: RecordKind::Request,
            time: SystemTime::UNIX_EPOCH + Duration::from_micros(1_782_907_200_123_456),
            port: "web",
            role: "public",
            source: Some(SocketAddr::from(([203, 0, 113, 9], 51234))),
            peer: None,
            tls: Some(TlsRecord {
                version: "TLSv1.3",
                cipher: "TLS13_AES_128_GCM_SHA256",
                resumed: false,
                client: self.client.as_deref(),
            }),
            sni: self.sni.as_deref(),
            principal: None,
            method: self.method.as_deref(),
            host: self.host.as_deref(),
            path: self.path.as_deref(),
            status: Some(200),
            bytes_received: 812,
            bytes_sent: 18_220,
            route: Some("shop"),
            service: Some("shop"),
            endpoint: Some("127.0.0.1:3000"),
            phases: Phases {
                head: Some(Duration::from_micros(12)),
                response: Some(Duration::from_micros(4210)),
                total: Duration::from_micros(6543),
                ..Phases::default()
            },
            retries: 1,
            request_id: RequestId(0x1f),
            termination: Termination::Completed,
            detail: self.detail.as_deref(),
        }
    }
}

fn plain() -> Outside {
    Outside {
        method: Some(b"GET".into()),
        host: Some(b"shop.example.com".into()),
        path: Some(b"/cart?item=17".into()),
        sni: Some("shop.example.com".into()),
        client: None,
        detail: None,
    }
}

fn json(record: &AccessRecord<'_>) -> String {
    let mut out = Vec::new();
    record.append_json(&mut out, &mut TimestampCache::new());
    String::from_utf8(out).unwrap()
}

fn in_text(record: &AccessRecord<'_>) -> String {
    let mut out = Vec::new();
    record.append_text(&mut out, &mut TimestampCache::new());
    String::from_utf8(out).unwrap()
}

#[test]
fn json_has_every_field_that_applies_in_a_fixed_order() {
    assert_eq!(
        json(&plain().record()),
        concat!(
            r#"{"time":"2026-07-01T12:00:00.123456Z","kind":"request","port":"web","role":"public","#,
            r#""source":"203.0.113.9:51234","tls":"TLSv1.3","cipher":"TLS13_AES_128_GCM_SHA256","resumed":false,"#,
            r#""sni":"shop.example.com","method":"GET","host":"shop.example.com","path":"/cart?item=17","#,
            r#""status":200,"bytes_in":812,"bytes_out":18220,"route":"shop","service":"shop","#,
            r#""endpoint":"127.0.0.1:3000","us":{"head":12,"response":4210,"total":6543},"retries":1,"#,
            r#""id":"0000000000000000000000000000001f","end":"completed"}"#,
            "\n"
        )
    );
}

#[test]
fn text_has_columns_for_the_eye_and_pairs_for_the_rest() {
    assert_eq!(
        in_text(&plain().record()),
        concat!(
            "2026-07-01T12:00:00.123456Z web          203.0.113.9:51234     200 completed            6.543ms ",
            "GET shop.example.com/cart?item=17 route=shop service=shop endpoint=127.0.0.1:3000 in=812 out=18220 ",
            "retries=1 head=0.012ms response=4.210ms role=public tls=TLSv1.3 cipher=TLS13_AES_128_GCM_SHA256 ",
            "resumed=no sni=shop.example.com id=0000000000000000000000000000001f\n"
        )
    );
}

#[test]
fn a_session_without_anything_is_a_short_line() {
    let outside = Outside { method: None, host: None, path: None, sni: None, client: None, detail: None };
    let record = AccessRecord {
        kind: RecordKind::Session,
        source: Some(SocketAddr::from(([0x2001, 0xdb8, 0, 0, 0, 0, 0, 1], 9))),
        peer: Some(SocketAddr::from(([10, 0, 0, 1], 7))),
        tls: None,
        status: None,
        route: None,
        service: None,
        endpoint: None,
        retries: 0,
        phases: Phases::default(),
        termination: Termination::Empty,
        ..outside.record()
    };
    assert_eq!(
        json(&record),
        concat!(
            r#"{"time":"2026-07-01T12:00:00.123456Z","kind":"session","port":"web","role":"public","#,
            r#""source":"[2001:db8::1]:9","peer":"10.0.0.1:7","bytes_in":812,"bytes_out":18220,"us":{"total":0},"#,
            r#""retries":0,"id":"0000000000000000000000000000001f","end":"empty"}"#,
            "\n"
        )
    );
    assert!(in_text(&record).contains(" -   empty "), "{}", in_text(&record));
    assert!(in_text(&record).contains(" session in=812 "), "{}", in_text(&record));
}

#[test]
fn a_value_in_text_cannot_pretend_to_be_a_column() {
    let outside =
        Outside { path: Some(b"/a status=200 end=completed".into()), detail: Some("\" id=0\u{a0}x".into()), ..plain() };
    let line = in_text(&outside.record());
    assert!(line.contains("GET shop.example.com\"/a status=200 end=completed\" route="), "{line}");
    assert!(line.ends_with("detail=\"\\\" id=0\u{a0}x\"\n"), "{line}");
}

#[test]
fn only_a_target_may_be_long() {
    let outside = Outside { path: Some(vec![b'p'; 10_000]), host: Some(vec![b'h'; 10_000]), ..plain() };
    let read: Value = serde_json::from_str(&json(&outside.record())).unwrap();
    assert_eq!(read["path"], format!("{}...(+{} bytes)", "p".repeat(escape::LONG), 10_000 - escape::LONG));
    assert_eq!(read["host"], format!("{}...(+{} bytes)", "h".repeat(escape::SHORT), 10_000 - escape::SHORT));
}

proptest! {
    #[test]
    fn json_is_one_line_that_reads_back_as_what_came_in(outside in outside()) {
        let line = json(&outside.record());
        prop_assert!(!line.trim_end_matches('\n').chars().any(char::is_control), "{line}");
        prop_assert_eq!(line.matches('\n').count(), 1);
        let read: Value = serde_json::from_str(&line).unwrap();
        let expected = [
            ("method", outside.method.as_deref()),
            ("host", outside.host.as_deref()),
            ("path", outside.path.as_deref()),
            ("sni", outside.sni.as_deref().map(str::as_bytes)),
            ("client", outside.client.as_deref().map(str::as_bytes)),
            ("detail", outside.detail.as_deref().map(str::as_bytes)),
        ];
        for (field, value) in expected {
            let lossy = value.map(|value| String::from_utf8_lossy(value).into_owned());
            prop_assert_eq!(read.get(field).and_then(Value::as_str).map(str::to_owned), lossy, "{}", field);
        }
        prop_assert_eq!(&read["end"], "completed");
    }

    #[test]
    fn text_is_one_line_without_control_characters(outside in outside()) {
        let line = in_text(&outside.record());
        let one_line = line.strip_suffix('\n');
        prop_assert!(one_line.is_some_and(|line| !line.chars().any(char::is_control)), "{line}");
        prop_assert!(!line.contains(['\u{2028}', '\u{2029}', '\u{202e}', '\u{2066}', '\u{200f}']), "{line}");
    }
}
