//! The reference pages say what the code does.

#![allow(clippy::unwrap_used, clippy::expect_used)] // a test may panic

use std::{collections::BTreeMap, path::Path, time::Duration, time::SystemTime};

use portcullis_observe::{
    AccessLog, AccessLogSettings, AccessRecord, Phases, PrincipalRecord, RecordKind, RequestId, Termination, TlsRecord,
    access_log::Target,
    metrics::{
        AuditNumbers, Buckets, Build, CertificateExpiry, CheckOutcome, DriftCount, Drifted, Health, PortStrangers,
        Registry, ReloadOutcome,
    },
};

fn page(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/reference").join(name);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Cells of all table rows whose first cell is a single word of code.
fn rows(page: &str) -> Vec<Vec<&str>> {
    page.lines()
        .filter_map(|line| line.strip_prefix("| ")?.strip_suffix(" |"))
        .map(|line| line.split('|').map(str::trim).collect::<Vec<_>>())
        .filter(|cells| cells[0].starts_with('`') && cells[0].matches('`').count() == 2)
        .collect()
}

fn word(cell: &str) -> &str {
    cell.trim_matches('`')
}

#[test]
fn the_access_log_page_lists_every_reason_in_its_order_with_its_meaning() {
    let page = page("access-log.md");
    let (_, reasons) = page.split_once("## Why it ended").unwrap();
    let (reasons, _) = reasons.split_once("## What can be relied on").unwrap();
    let listed: Vec<_> = rows(reasons).into_iter().map(|cells| (word(cells[0]), cells[1])).collect();
    let known: Vec<_> = Termination::ALL.iter().map(|reason| (reason.as_str(), reason.description())).collect();
    assert_eq!(listed, known);
}

#[test]
fn the_access_log_page_lists_every_field_in_its_order() {
    let page = page("access-log.md");
    let (_, fields) = page.split_once("## Fields").unwrap();
    let (fields, _) = fields.split_once("## Why it ended").unwrap();
    let listed: Vec<_> = rows(fields).into_iter().map(|cells| word(cells[0]).to_owned()).collect();
    assert_eq!(listed, fields_of(&log_one_full_record()));
}

/// Names of all fields in order; those of an inner object after its own, with its name before a dot.
fn fields_of(line: &str) -> Vec<String> {
    let mut fields = Vec::new();
    let mut outer = "";
    for part in line.split('"').skip(1).collect::<Vec<_>>().chunks(2) {
        let [name, after] = part else { break };
        let is_key = after.starts_with(':');
        if is_key {
            fields.push(format!("{outer}{name}"));
        }
        if after.contains('{') {
            outer = "us.";
        } else if after.contains('}') {
            outer = "";
        }
    }
    fields
}

fn log_one_full_record() -> String {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("access.log");
    let settings = AccessLogSettings { target: Target::File(file.clone()), ..AccessLogSettings::default() };
    let log = AccessLog::open(settings).unwrap();
    let took = Some(Duration::from_micros(1));
    log.writer().write(&AccessRecord {
        kind: RecordKind::Request,
        time: SystemTime::now(),
        port: "x",
        role: "x",
        source: "127.0.0.1:1".parse().ok(),
        peer: Some("127.0.0.1:2".parse().unwrap()),
        tls: Some(TlsRecord { version: "x", cipher: "x", resumed: true, client: Some("x") }),
        sni: Some("x"),
        principal: Some(PrincipalRecord { name: "x", provider: "x" }),
        method: Some(b"x"),
        host: Some(b"x"),
        path: Some(b"x"),
        status: Some(200),
        bytes_received: 1,
        bytes_sent: 1,
        route: Some("x"),
        service: Some("x"),
        endpoint: Some("x"),
        phases: Phases {
            handshake: took,
            head: took,
            connect: took,
            response: took,
            body: took,
            total: Duration::from_micros(5),
        },
        retries: 1,
        request_id: RequestId(1),
        termination: Termination::Completed,
        detail: Some("x"),
    });
    log.close(Duration::from_secs(20)).unwrap();
    std::fs::read_to_string(&file).unwrap()
}

#[test]
fn the_metrics_page_lists_every_family_with_its_type_labels_and_meaning() {
    let text = everything_measured().encode().unwrap();
    let page = page("metrics.md");
    let mut listed = BTreeMap::new();
    for cells in rows(&page).into_iter().filter(|cells| cells.len() == 4) {
        listed.insert(word(cells[0]), (cells[1], cells[2].to_owned(), cells[3]));
    }
    assert_eq!(listed, families(&text));
}

/// Type, labels and help of each family in an exposition.
fn families(text: &str) -> BTreeMap<&str, (&str, String, &str)> {
    let help: BTreeMap<_, _> = text.lines().filter_map(|line| line.strip_prefix("# HELP ")?.split_once(' ')).collect();
    let kinds = text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' '));
    kinds.map(|(name, kind)| (name, (kind, labels(text, name), help[name]))).collect()
}

fn labels(text: &str, family: &str) -> String {
    let is_of_family = |series: &str| {
        ["", "_total", "_info", "_bucket"].iter().any(|suffix| series.strip_prefix(family) == Some(suffix))
    };
    let series = text
        .lines()
        .find(|line| !line.starts_with('#') && is_of_family(line.split(['{', ' ']).next().unwrap()))
        .unwrap_or_else(|| panic!("{family} has no series"));
    let Some((_, labels)) = series.split_once('{') else { return String::new() };
    let names = labels.split("=\"").filter_map(|part| part.rsplit(['"', ',', '{']).next());
    names.filter(|name| !name.contains('}') && *name != "le").collect::<Vec<_>>().join(", ")
}

/// A registry in which every family has a series.
fn everything_measured() -> Held {
    let registry = Registry::new(2, Buckets::default());
    let log = AccessLog::open(AccessLogSettings { target: Target::Off, ..AccessLogSettings::default() }).unwrap();
    let process = registry.process();
    process.set_build(Build { version: "0.1.0".into(), commit: "256d03f".into() });
    process.set_plan_generation(1);
    process.set_audit(AuditNumbers { written: 1, refused: 1, queued: 1, takes_records: true });
    process.reloaded(ReloadOutcome::Failed);
    process.watch_access_log(&log);
    let (port, name) = ("web".to_owned(), "shop.example.com".to_owned());
    process.set_certificates(vec![CertificateExpiry { port, name, not_after: SystemTime::now() }]);
    let counts = vec![DriftCount { check: "dead-endpoint".to_owned(), subjects: 1 }];
    process.set_drift(Drifted { counts, looked: 1_795_000_000 });
    process.set_strangers(vec![PortStrangers { port: "web".to_owned(), sockets: 1 }]);
    let port = registry.port("web", "public");
    port.shard(0).ended(Termination::Completed);
    let route = registry.route("web", "shop");
    route.shard(1).finished(Some(200), Duration::from_millis(3));
    let service = registry.service("shop");
    let endpoint = registry.endpoint("shop", "127.0.0.1:3000");
    endpoint.set_health(Health::Up);
    endpoint.checked(CheckOutcome::Passed);
    Held { registry, _metrics: Box::new((port, route, service, endpoint)) }
}

/// The registry and, since it holds nothing itself, what was registered.
struct Held {
    registry: Registry,
    _metrics: Box<dyn std::any::Any>,
}

impl Held {
    fn encode(&self) -> Result<String, std::fmt::Error> {
        self.registry.encode()
    }
}
