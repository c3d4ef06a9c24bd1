//! `portcullis generate`: every artefact passes the validator of its own tool, and the firewall does what it says.

use std::{
    fs,
    path::Path,
    process::{Command, Output},
};

use tempfile::TempDir;

use crate::harness::Authority;

const FILE: &str = r#"
ranges:
  app: { ports: 3000-3999 }
ports:
  web: { listen: 0.0.0.0:8443, role: public, protocol: https, tls: { certificates: [<tls>] } }
  web6: { listen: "[::]:8443", role: public, protocol: https, tls: { certificates: [<tls>] } }
  plain: { listen: 0.0.0.0:8080, role: public, protocol: http, redirect: web, deny: [192.0.2.0/24] }
  mesh: { listen: 127.0.0.1:8444, role: internal, protocol: http, from: [127.0.0.0/8, 10.0.0.0/8] }
  office: { listen: 10.9.0.1:8445, role: internal, protocol: http, from: [10.0.0.0/8, 10.1.0.0/16], deny: 10.66.0.0/16 }
  sql: { listen: 127.0.0.1:6432, role: internal, protocol: tcp, from: [127.0.0.0/8] }
  sni: { listen: 127.0.0.1:7443, role: internal, protocol: tls, tls: { passthrough: true } }
services:
  shop:
    ports: 3000-3001
    range: app
    endpoints: [127.0.0.1:3000, { address: 127.0.0.1:3001, weight: 2 }]
    balance: least-requests
    health: { http: "/health%20z", every: 2s }
  blog: { port: 3010, range: app, endpoints: [127.0.0.1:3010] }
  ledger: { port: 4001, protocol: postgres, endpoints: [127.0.0.1:4001], health: { tcp: true } }
routes:
  - { port: [web, web6], host: shop.example.com, service: shop, allow: anyone }
  - { port: web, host: shop.example.com, path: /in.ternal/*, allow: anyone, respond: { status: 404, body: "100% \"not\" 'here' $x {}; #\n" } }
  - { port: web, host: "*.example.com", path: /blog/*, service: blog, allow: { from: 10.0.0.0/8 } }
  - { port: web, host: old.example.com, allow: anyone, redirect: "https://new.example.com/x%20y?a=$b" }
  - { port: mesh, path: "~/v[0-9]+/x", service: blog, allow: anyone }
  - { port: mesh, methods: [POST], headers: { x-beta: "~a b|c" }, query: { q: present }, service: shop, allow: { groups: [ops] } }
  - { port: office, service: blog, allow: anyone, deny: 10.2.0.0/16 }
  - { port: sql, service: ledger, allow: anyone }
  - { port: sni, sni: vault.example.com, service: blog, allow: anyone }
  - { port: sni, sni: "*.db.example.com", service: ledger, allow: anyone }
"#;

/// A folder with the file and what it names.
fn folder() -> (TempDir, Authority) {
    let authority = Authority::new("Example");
    let leaf = authority.issue(&["shop.example.com"]);
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("portcullis.yaml"), FILE.replace("<tls>", &leaf.yaml())).unwrap();
    // Where HAProxy looks for the key.
    fs::copy(&leaf.key, leaf.cert.with_extension("pem.key")).unwrap();
    (folder, authority)
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

/// Writes the artefacts of a kind to `out` in the folder, and returns what was said.
fn generate(folder: &Path, arguments: &[&str]) -> String {
    let portcullis = env!("CARGO_BIN_EXE_portcullis");
    let output =
        Command::new(portcullis).arg("generate").args(arguments).args(["-o", "out"]).current_dir(folder).output();
    let output = output.unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    said(&output)
}

fn passes(command: &mut Command) {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(output.status.success(), "{command:?}: {}", said(&output));
}

#[test]
fn haproxy_takes_its_configuration() {
    let (folder, _authority) = folder();
    let notes = generate(folder.path(), &["haproxy"]);
    assert!(notes.contains("only Portcullis can judge that, so HAProxy refuses everybody there"), "{notes}");
    passes(Command::new("haproxy").args(["-c", "-f", "out/haproxy.cfg"]).current_dir(folder.path()));
}

#[test]
fn nginx_takes_its_configuration() {
    let (folder, _authority) = folder();
    generate(folder.path(), &["nginx"]);
    let path = folder.path().join("out/nginx.conf");
    let text = fs::read_to_string(&path).unwrap();
    // What belongs to the machine, not to the ports.
    let local = format!(
        "load_module /usr/lib/nginx/modules/ngx_stream_module.so;\npid {0}/pid;\nerror_log {0}/log;\n",
        folder.path().display()
    );
    fs::write(&path, local + &text.replace("http {\n", "http {\n    access_log off;\n")).unwrap();
    // It binds even when it only tests, so it gets ports and addresses of its own.
    let test = "ip link set lo up; ip address add 10.9.0.1/8 dev lo; exec nginx -t -p \"$1\" -c \"$2\"";
    passes(Command::new("unshare").args(["-rn", "sh", "-c", test, "sh"]).arg(folder.path()).arg(&path));
}

#[test]
fn systemd_takes_its_units() {
    let (folder, _authority) = folder();
    let program = env!("CARGO_BIN_EXE_portcullis");
    let command = "shop=/usr/bin/python3 -m http.server";
    generate(folder.path(), &["systemd", "--program", program, "--exec", command]);
    let out = folder.path().join("out");
    let unit = fs::read_to_string(out.join("portcullis.service")).unwrap();
    for line in ["SocketBindAllow=ipv4:tcp:8443", "SocketBindAllow=ipv6:tcp:8443", "SocketBindDeny=any"] {
        assert!(unit.contains(line), "{line} in {unit}");
    }
    assert!(
        fs::read_to_string(out.join("ledger.service.d/50-portcullis.conf"))
            .unwrap()
            .contains("SocketBindAllow=tcp:4001")
    );
    for replica in ["3000", "3001"] {
        fs::copy(out.join("shop@.service"), out.join(format!("shop@{replica}.service"))).unwrap();
    }
    let units =
        ["portcullis.service", "shop@3000.service", "shop-3000.socket", "shop@3001.service", "shop-3001.socket"];
    passes(Command::new("systemd-analyze").arg("verify").args(units.map(|unit| out.join(unit))));
}

#[test]
fn what_is_generated_passes_our_own_checks() {
    let (folder, _authority) = folder();
    let images = ["--image", "shop=nginx:1.27", "--image", "blog=nginx:1.27"];
    let kinds = ["compose", "kubernetes", "haproxy", "nginx", "terraform", "systemd"];
    // Without images, policies are for pods that are deployed elsewhere.
    for (kind, images) in kinds.map(|kind| (kind, &images[..])).into_iter().chain([("kubernetes", &[][..])]) {
        generate(folder.path(), &[&[kind], images].concat());
        let portcullis = env!("CARGO_BIN_EXE_portcullis");
        let output = Command::new(portcullis).args(["check", "out"]).current_dir(folder.path()).output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{kind}: {}", said(&output));
        // Each stands for the others: together they would claim every port several times.
        fs::remove_dir_all(folder.path().join("out")).unwrap();
    }
}

#[test]
fn nothing_of_others_is_overwritten() {
    let (folder, _authority) = folder();
    fs::create_dir(folder.path().join("out")).unwrap();
    fs::write(folder.path().join("out/nginx.conf"), "mine").unwrap();
    let portcullis = env!("CARGO_BIN_EXE_portcullis");
    let mut command = Command::new(portcullis);
    let output = command.args(["generate", "nginx", "-o", "out"]).current_dir(folder.path()).output().unwrap();
    assert_eq!(output.status.code(), Some(2), "{}", said(&output));
    assert!(said(&output).contains("was not written by portcullis generate"), "{}", said(&output));
}

/// Loads the ruleset into a namespace of its own and tries it from another: `open` and `shut` name what must and must
/// not be reached there, over both families.
const PROBE: &str = r#"
set -eu
inside=pc-in-$1 outside=pc-out-$1
trap 'kill $(jobs -p) 2>/dev/null || true; ip netns del "$inside" 2>/dev/null || true; ip netns del "$outside" 2>/dev/null || true' EXIT
ip netns add "$inside"; ip netns add "$outside"
ip link add "v-$1" netns "$inside" type veth peer name "v-$1" netns "$outside"
for space in "$inside" "$outside"; do ip -n "$space" link set lo up; ip -n "$space" link set "v-$1" up; done
ip -n "$inside" addr add 10.9.0.1/16 dev "v-$1"; ip -n "$outside" addr add 10.9.0.2/16 dev "v-$1"
ip -n "$outside" addr add 10.66.0.2/32 dev "v-$1"; ip -n "$inside" route add 10.66.0.2/32 dev "v-$1"
ip -n "$inside" addr add fd09::1/64 dev "v-$1" nodad; ip -n "$outside" addr add fd09::2/64 dev "v-$1" nodad
ip netns exec "$inside" nft -f "$2"
ip netns exec "$inside" nft -f "$2"
for port in 8443 8080 8445 6432 9999; do
  ip netns exec "$inside" python3 -c '
import socket, sys
s = socket.create_server(("::", int(sys.argv[1])), family=socket.AF_INET6, dualstack_ipv6=True)
while True: s.accept()[0].close()' "$port" &
done
reach() { ip netns exec "$outside" python3 -c '
import socket, sys
s = socket.socket(socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET)
s.settimeout(float(sys.argv[4]))
s.bind((sys.argv[3], 0))
s.connect((sys.argv[1], int(sys.argv[2])))' "$@" 2>/dev/null; }
open() { for _ in $(seq 50); do reach "$@" 1 && return 0; done; echo "should be open: $*"; exit 1; }
shut() { if reach "$@" 0.7; then echo "should be shut: $*"; exit 1; fi; }
open 10.9.0.1 8443 10.9.0.2
open fd09::1 8443 fd09::2
open 10.9.0.1 8080 10.9.0.2
open 10.9.0.1 8445 10.9.0.2
shut 10.9.0.1 8445 10.66.0.2
shut 10.9.0.1 6432 10.9.0.2
shut 10.9.0.1 9999 10.9.0.2
shut fd09::1 8080 fd09::2
shut fd09::1 9999 fd09::2
ip netns exec "$outside" ping -c1 -W2 10.9.0.1 >/dev/null
echo proven
"#;

#[test]
fn the_firewall_lets_in_what_is_declared_and_nothing_else() {
    let (folder, _authority) = folder();
    generate(folder.path(), &["nftables"]);
    let rules = folder.path().join("out/portcullis.nft");
    let is_root = fs::metadata("/proc/self").is_ok_and(|own| std::os::unix::fs::MetadataExt::uid(&own) == 0);
    if !is_root {
        println!("NOT PROVEN: loading a firewall in a network namespace takes root");
        return;
    }
    passes(Command::new("nft").args(["-c", "-f"]).arg(&rules));
    let name = std::process::id().to_string();
    let output = Command::new("bash").args(["-c", PROBE, "probe", &name]).arg(&rules).output().unwrap();
    assert!(said(&output).contains("proven"), "{}", said(&output));
}
