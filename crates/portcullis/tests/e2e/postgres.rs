//! PostgreSQL behind a TCP port, behind TLS that passes through, and behind TLS that ends at the proxy.

use crate::harness::{Authority, Postgres, Proxy, Scenario, shim_of_client, shim_of_server};

const TCP: &str = "
ports:
  db: { listen: <db>, role: internal, protocol: tcp }
services:
  ledger: { ports: <ledger.ports>, protocol: postgres, endpoints: [<ledger>] }
routes:
  - { port: db, service: ledger, allow: anyone }
";

const WORK: &str = "
create table entry (id serial primary key, amount int not null);
insert into entry (amount) select generate_series(1, 50000);
select count(*), sum(amount) from entry;
copy entry to stdout;
";

#[test]
fn psql_works_through_a_tcp_port() {
    let database = Postgres::start();
    let proxy = Proxy::with(TCP, &[("ledger", database.address())]);
    let printed = Postgres::query(proxy.address("db"), "sslmode=disable", WORK).unwrap();
    assert!(printed.contains("50000|1250025000") && printed.ends_with("50000\t50000"), "{}", &printed[..200]);
    let record = proxy.log().wait_for_end("completed");
    assert_eq!((record.text("kind"), record.text("service")), ("session", "ledger"));
    assert!(record.number("bytes_out") > 500_000, "{record:?}");
}

#[test]
fn psql_negotiates_its_own_tls_through_a_tcp_port() {
    let authority = Authority::new("database");
    let database = Postgres::start_with(Some(&authority.issue(&["ledger.internal"])));
    let proxy = Proxy::with(TCP, &[("ledger", database.address())]);
    let options = format!("host=ledger.internal sslmode=verify-full sslrootcert={}", authority.file().display());
    let query = "select ssl, version from pg_stat_ssl where pid = pg_backend_pid()";
    assert_eq!(Postgres::query(proxy.address("db"), &options, query).as_deref(), Ok("t|TLSv1.3"));
}

/// TLS from psql to PostgreSQL; Portcullis sees the server name alone. The two shims do what libpq and PostgreSQL 17
/// do by themselves (`sslnegotiation=direct`): TLS from the first byte.
#[test]
fn psql_works_through_tls_that_passes_through() {
    let authority = Authority::new("database");
    let database = Postgres::start_with(Some(&authority.issue(&["ledger.internal"])));
    let proxy = Scenario::new(
        "
ports:
  edge: { listen: <edge>, role: internal, protocol: tls, tls: { passthrough: true } }
services:
  ledger: { ports: <ledger.ports>, protocol: postgres, endpoints: [<ledger>] }
routes:
  - { port: edge, sni: ledger.internal, service: ledger, allow: anyone }
",
    )
    .service("ledger", &[shim_of_server(database.address())])
    .start();
    let client = shim_of_client(proxy.address("edge"));
    let ask = |name: &str| {
        let options = format!("host={name} sslmode=verify-full sslrootcert={}", authority.file().display());
        Postgres::query(client, &options, "select ssl from pg_stat_ssl where pid = pg_backend_pid()")
    };
    assert_eq!(ask("ledger.internal").as_deref(), Ok("t"));
    let record = proxy.log().wait_for_end("completed");
    assert_eq!(record.text("sni"), "ledger.internal");
    assert!(!record.has("tls"), "the proxy saw inside: {record:?}");
    assert!(ask("other.internal").is_err());
    proxy.log().wait_for_end("no-route");
}

#[test]
fn psql_works_through_tls_that_ends_at_the_proxy() {
    let authority = Authority::new("edge");
    let database = Postgres::start();
    let proxy = Scenario::new(
        "
ports:
  edge: { listen: <edge>, role: internal, protocol: tls, tls: { certificates: [<certificate>] } }
services:
  ledger: { ports: <ledger.ports>, protocol: postgres, endpoints: [<ledger>] }
routes:
  - { port: edge, sni: ledger.internal, service: ledger, allow: anyone }
",
    )
    .text("certificate", &authority.issue(&["ledger.internal"]).yaml())
    .service("ledger", &[database.address()])
    .start();
    let options = format!("host=ledger.internal sslmode=verify-full sslrootcert={}", authority.file().display());
    let client = shim_of_client(proxy.address("edge"));
    // PostgreSQL itself sees plain bytes on the inside.
    let query = "select ssl from pg_stat_ssl where pid = pg_backend_pid()";
    assert_eq!(Postgres::query(client, &options, query).as_deref(), Ok("f"));
    let record = proxy.log().wait_for_end("completed");
    assert_eq!((record.text("sni"), record.text("tls")), ("ledger.internal", "TLSv1.3"));
}
