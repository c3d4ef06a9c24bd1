//! The webhook is told, tries again, and holds nothing up.

#![allow(clippy::unwrap_used)] // a step that fails is a test that fails

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::TcpListener,
    sync::mpsc,
    thread,
    time::Duration,
};

use portcullis_audit::{Event, Kind, Moment};
use portcullis_grants::{GrantView, State, Step, Webhook, WebhookSettings};

fn step() -> Step {
    let grant = GrantView {
        id: "g-1".into(),
        state: State::Asked,
        kind: Kind::User,
        provider: "corp".into(),
        subject: "1".into(),
        name: "alice".into(),
        service: "ledger".into(),
        reason: "ticket".into(),
        seconds: 60,
        break_glass: false,
        asked: Moment::from_micros(0),
        expires: Moment::from_micros(1),
        decided: None,
        decided_by: None,
        answer: None,
        ended: None,
        ended_because: None,
    };
    Step { event: Event::GrantAsked, text: "alice asks".into(), grant }
}

#[tokio::test]
async fn a_step_is_posted_as_json_and_again_if_that_failed() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/hook", listener.local_addr().unwrap());
    let (bodies, received) = mpsc::channel();
    thread::spawn(move || {
        for (answer, stream) in ["503 Busy", "200 OK"].into_iter().zip(listener.incoming()) {
            let mut reader = BufReader::new(stream.unwrap());
            let mut length = 0;
            let mut line = String::new();
            while reader.read_line(&mut line).unwrap() > 2 {
                if let Some(value) = line.to_lowercase().strip_prefix("content-length:") {
                    length = value.trim().parse().unwrap();
                }
                line.clear();
            }
            let mut body = vec![0; length];
            reader.read_exact(&mut body).unwrap();
            bodies.send(body).unwrap();
            write!(reader.get_mut(), "HTTP/1.1 {answer}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n").unwrap();
        }
    });
    let settings = WebhookSettings { url: url.parse().unwrap(), timeout: Duration::from_secs(10) };
    Webhook::new(&settings).unwrap().tell(&step()).await.unwrap();
    let both: Vec<Vec<u8>> = received.iter().collect();
    assert_eq!(both.len(), 2);
    let body: serde_json::Value = serde_json::from_slice(&both[1]).unwrap();
    assert_eq!((&body["event"], &body["text"]), (&"grant-asked".into(), &"alice asks".into()));
    assert_eq!(body["grant"]["service"], "ledger");
}
