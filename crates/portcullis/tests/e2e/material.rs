//! Certificates, keys and revocation lists as operators have them, made by the real `openssl`.

use std::{path::Path, process::Command};

use crate::harness::{Proxy, Scenario, TlsClient, wait_until};

/// What the tests make their files of. `$NEW` makes a key and a request, `$SIGN` a certificate for a request.
const PRELUDE: &str = r#"
NEW="openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes"
SIGN="openssl x509 -req -CA ca.pem -CAkey ca.key -CAcreateserial -days 9"
names() { printf 'subjectAltName=DNS:%s\n' "$1"; }
"#;

/// A CA, a certificate `web.pem` with `web.key`, and the request that it was made of.
const MADE: &str = r"
$NEW -x509 -subj /CN=ca -addext keyUsage=critical,keyCertSign,cRLSign -keyout ca.key -out ca.pem
$NEW -subj /CN=web -keyout web.key -out web.csr
$SIGN -in web.csr -extfile <(names shop.test) -out web.pem
";

fn made(scenario: Scenario) -> Scenario {
    openssl(scenario.directory(), MADE);
    scenario
}

#[track_caller]
fn openssl(directory: &Path, commands: &str) {
    let script = format!("{PRELUDE}{commands}");
    let output = Command::new("bash").args(["-euc", &script]).current_dir(directory).output().unwrap();
    assert!(output.status.success(), "{commands}\n{}", String::from_utf8_lossy(&output.stderr));
}

const SHOWN: &str = "
ports:
  web:
    listen: <web>
    role: internal
    protocol: https
    tls: { certificates: [{ cert: CERT, key: KEY }] }
routes:
  - { port: web, allow: anyone, respond: { status: 200 } }
";

/// Commands that break something, `cert` and `key` of the file, the rule, words of the report, and whether the command
/// that the report gives mends it, and then what to name instead.
type Case =
    (&'static str, &'static str, &'static str, &'static str, &'static str, Option<(&'static str, &'static str)>);

const CASES: [Case; 14] = [
    ("", "web.key", "web.pem", "certificate-key-mismatch", "certificate and key are swapped", None),
    ("", "web.pem", "ca.key", "certificate-key-mismatch", "does not fit the certificate", None),
    ("", "web.csr", "web.key", "certificate-unreadable", "holds a request for a certificate", Some(("web.csr.pem", "web.key"))),
    (
        "$SIGN -in web.csr -out v1.pem",
        "v1.pem",
        "web.key",
        "certificate-unreadable",
        "X.509 version 1, which clients refuse",
        None,
    ),
    (
        "openssl pkey -in web.key -aes256 -passout pass:x -out locked.key",
        "web.pem",
        "locked.key",
        "certificate-unreadable",
        "nobody is there to be asked for its password",
        None,
    ),
    (
        "openssl ec -in web.key -aes256 -passout pass:x -out locked.key",
        "web.pem",
        "locked.key",
        "certificate-unreadable",
        "nobody is there to be asked for its password",
        None,
    ),
    (
        "openssl x509 -in web.pem -outform der -out web.der",
        "web.der",
        "web.key",
        "certificate-unreadable",
        "holds binary DER where a certificate in PEM is expected",
        Some(("web.der.pem", "web.key")),
    ),
    (
        "openssl pkey -in web.key -outform der -out key.der",
        "web.pem",
        "key.der",
        "certificate-unreadable",
        "holds a private key in binary DER",
        Some(("web.pem", "key.der.pem")),
    ),
    (
        "openssl pkcs12 -export -in web.pem -inkey web.key -passout pass: -out web.p12",
        "web.p12",
        "web.key",
        "certificate-unreadable",
        "holds a PKCS#12 envelope",
        None,
    ),
    (
        "openssl crl2pkcs7 -nocrl -certfile web.pem -out web.p7b",
        "web.p7b",
        "web.key",
        "certificate-unreadable",
        "holds a PKCS#7 envelope",
        Some(("web.p7b.pem", "web.key")),
    ),
    ("openssl pkey -in web.key -pubout -out web.pub", "web.pem", "web.pub", "certificate-unreadable", "holds a public key", None),
    (
        "cat ca.pem web.pem >turned.pem",
        "turned.pem",
        "web.key",
        "certificate-key-mismatch",
        "must come first",
        None,
    ),
    (
        "$NEW -x509 -subj /CN=old -days -1 -keyout old.key -out old.pem 2>/dev/null ||
           openssl x509 -req -in web.csr -signkey web.key -extfile <(names old.test) -days -1 -out old.pem; cp web.key old.key
         openssl x509 -req -in web.csr -signkey web.key -extfile <(names old.test) -days -1 -out old.pem",
        "old.pem",
        "old.key",
        "certificate-expired",
        "expired a day ago",
        None,
    ),
    (
        "touch index.txt; echo 01 >serial
         printf '[ca]\ndefault_ca=x\n[x]\ndatabase=index.txt\nserial=serial\nnew_certs_dir=.\npolicy=p\ndefault_md=sha256\n[p]\n' >x.cnf
         openssl ca -config x.cnf -batch -cert ca.pem -keyfile ca.key -startdate 20900101000000Z -enddate 20910101000000Z \
           -preserveDN -extfile <(names web.test) -in web.csr -out early.pem",
        "early.pem",
        "web.key",
        "certificate-not-yet-valid",
        "is not valid yet, but from Jan  1 00:00:00 2090",
        None,
    ),
];

#[test]
fn each_mistake_with_certificates_is_told_with_what_mends_it() {
    let scenario = made(Scenario::new(SHOWN));
    for (breaking, cert, key, rule, words, mended) in CASES {
        openssl(scenario.directory(), breaking);
        let check = |cert: &str, key: &str| {
            let text = SHOWN.replace("<web>", "127.0.0.1:18443").replace("CERT", cert).replace("KEY", key);
            std::fs::write(scenario.directory().join("portcullis.yaml"), text).unwrap();
            let output = Command::new(env!("CARGO_BIN_EXE_portcullis"))
                .args(["check", "--offline", "portcullis.yaml"])
                .current_dir(scenario.directory())
                .output()
                .unwrap();
            (output.status.code(), String::from_utf8_lossy(&output.stdout).into_owned())
        };
        let (code, report) = check(cert, key);
        assert_eq!(code, Some(1), "{breaking}: {report}");
        for part in [&format!("error[{rule}]"), words, "= help: "] {
            assert!(report.contains(part), "{part} in {report}");
        }
        let Some((cert, key)) = mended else { continue };
        let command = report.split('`').find(|part| part.starts_with("openssl ")).expect("a command that mends it");
        openssl(scenario.directory(), command);
        let (code, report) = check(cert, key);
        assert_eq!(code, Some(0), "after {command}: {report}");
    }
}

/// Every place in which the file names another one; `PATH` is what lies there.
const NAMING: [&str; 9] = [
    "ports: { web: { listen: 127.0.0.1:1, role: internal, protocol: https, tls: { certificates: [{ cert: PATH, key: web.key }] } } }",
    "ports: { web: { listen: 127.0.0.1:1, role: internal, protocol: https, tls: { certificates: [{ cert: web.pem, key: PATH }] } } }",
    "ports: { web: { listen: 127.0.0.1:1, role: internal, protocol: https, tls: { certificates: [{ cert: web.pem, key: web.key }] }, clients: { certificate: required, ca: PATH } } }",
    "ports: { web: { listen: 127.0.0.1:1, role: internal, protocol: https, tls: { certificates: [{ cert: web.pem, key: web.key }] }, clients: { certificate: required, ca: ca.pem, crl: PATH } } }",
    "services: { shop: { port: 1, endpoints: [127.0.0.1:1], tls: { ca: PATH } } }",
    "policies: [PATH]",
    "identity: { providers: { ci: { jwt: https://id.test, audience: shop, keys: PATH } } }",
    "admin: { token: \"${file:PATH}\" }",
    "include: [PATH]",
];

/// A FIFO blocked the control plane for ever: its certificates were read without a look at what they are.
#[test]
fn what_is_no_file_is_told_at_once_wherever_the_configuration_names_it() {
    let scenario = made(Scenario::new(SHOWN));
    openssl(scenario.directory(), "mkfifo pipe; mkdir folder; ln -s /dev/zero device");
    for (naming, path, kind) in NAMING.iter().flat_map(|naming| {
        [("pipe", "a FIFO (named pipe)"), ("folder", "a folder"), ("device", "a device")]
            .map(|(path, kind)| (naming, path, kind))
    }) {
        std::fs::write(scenario.directory().join("portcullis.yaml"), naming.replace("PATH", path)).unwrap();
        let output = Command::new("timeout")
            .args(["60", env!("CARGO_BIN_EXE_portcullis"), "check", "--offline", "portcullis.yaml"])
            .current_dir(scenario.directory())
            .output()
            .unwrap();
        let report = String::from_utf8_lossy(&output.stdout).into_owned();
        assert_eq!(output.status.code(), Some(1), "{naming} {path}: {report}");
        assert!(report.contains(path) && report.contains(&format!("it is {kind}, not a regular file")), "{report}");
    }
}

#[test]
fn a_certificate_that_becomes_a_fifo_stops_nothing() {
    let text = SHOWN.replace("CERT", "web.pem").replace("KEY", "web.key");
    let proxy = made(Scenario::new(&text)).start();
    openssl(proxy.directory(), "mkfifo pipe; mv pipe web.pem");
    proxy.admin().post("/v1/reload").expects(422);
    wait_until("the renewal is refused", || proxy.output().contains("it is a FIFO").then_some(()));
    assert!(s_client(&proxy, "-CAfile ca.pem").contains("Verify return code: 0 (ok)"));
}

/// The harness's own client and its CA would hide what the real programs do.
#[track_caller]
fn s_client(proxy: &Proxy, arguments: &str) -> String {
    let address = proxy.address("web");
    let command =
        format!("openssl s_client -connect {address} -servername shop.test {arguments} </dev/null 2>&1 || true");
    let output = Command::new("bash").args(["-uc", &command]).current_dir(proxy.directory()).output().unwrap();
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn a_client_that_does_not_know_the_ca_is_told_from_other_failures_in_words() {
    let text = SHOWN.replace("CERT", "web.pem").replace("KEY", "web.key");
    let proxy = made(Scenario::new(&text)).start();
    openssl(proxy.directory(), "$NEW -x509 -subj /CN=other -keyout other.key -out other.pem");
    s_client(&proxy, "-verify_return_error -CAfile other.pem");
    let record = proxy.log().wait_for_end("tls-certificate-refused");
    assert!(record.text("detail").starts_with("the client does not know the CA that issued"), "{record:?}");
    s_client(&proxy, "-tls1_1 -cipher DEFAULT@SECLEVEL=0");
    let record = proxy.log().wait_for_end("tls-handshake-failed");
    assert!(record.text("detail").contains("no version of TLS that is spoken here"), "{record:?}");
    wait_until("the refusals are counted by reason", || {
        let page = proxy.admin().request("GET", "/metrics").expects(200).text();
        page.lines()
            .any(|line| line.contains("reason=\"tls-certificate-refused\"") && line.ends_with(" 1"))
            .then_some(())
    });
}

const REVOKING: &str = r"
touch index.txt; echo 01 >crlnumber
printf '[ca]\ndefault_ca=x\n[x]\ndatabase=index.txt\ncrlnumber=crlnumber\ndefault_md=sha256\n' >revoke.cnf
for name in alice bob; do
  $NEW -subj /CN=$name -keyout $name.key -out $name.csr
  $SIGN -in $name.csr -extfile <(names $name.test) -out $name.pem
done
";

const LIST: &str = "openssl ca -config revoke.cnf -cert ca.pem -keyfile ca.key -gencrl -out crl.new";

const REVOCABLE: &str = "
ports:
  web:
    listen: <web>
    role: internal
    protocol: https
    tls: { certificates: [{ cert: web.pem, key: web.key }] }
    clients: { certificate: required, ca: ca.pem, crl: crl.pem }
routes:
  - { port: web, allow: anyone, respond: { status: 200 } }
";

fn revocable(seconds: u32) -> Scenario {
    let scenario = made(Scenario::new(REVOCABLE));
    openssl(scenario.directory(), &format!("{REVOKING}{LIST} -crlsec {seconds}; mv crl.new crl.pem"));
    scenario
}

/// Whether a client with this certificate is answered.
fn is_served(proxy: &Proxy, name: &str) -> bool {
    let file = |end: &str| proxy.directory().join(format!("{name}.{end}"));
    let client = TlsClient::with_files(&proxy.directory().join("ca.pem"), &file("pem"), &file("key"));
    let Ok((mut connection, _)) = client.connect(proxy.address("web"), "shop.test") else { return false };
    connection.send_if_open("GET / HTTP/1.1\r\nhost: shop.test\r\n\r\n");
    connection.take_until(b"\r\n\r\n").starts_with(b"HTTP/1.1 200 ")
}

#[test]
fn a_new_revocation_list_is_taken_on_by_itself() {
    let proxy = revocable(3600).start();
    assert!(is_served(&proxy, "alice") && is_served(&proxy, "bob"));
    openssl(
        proxy.directory(),
        &format!("openssl ca -config revoke.cnf -cert ca.pem -keyfile ca.key -revoke alice.pem; {LIST} -crlsec 3600"),
    );
    // In one step, as a program that renews lists does.
    std::fs::rename(proxy.directory().join("crl.new"), proxy.directory().join("crl.pem")).unwrap();
    // A connection that meets the reload itself is refused for another reason.
    wait_until("alice is refused", || {
        assert!(!proxy.output().contains("reload rejected"), "{}", proxy.output());
        is_served(&proxy, "alice");
        let mut records = proxy.log().records().into_iter();
        records.find(|record| record.text("end") == "tls-client-certificate")
    });
    let record = proxy.log().wait_for_end("tls-client-certificate");
    assert_eq!(record.text("detail"), "the client certificate was revoked");
    assert!(!is_served(&proxy, "alice") && is_served(&proxy, "bob"));
    // A list that can not be used changes nothing: the one before is still known.
    std::fs::write(proxy.directory().join("crl.pem"), "").unwrap();
    wait_until("the broken list is reported", || proxy.output().contains("holds no revocation list").then_some(()));
    assert!(is_served(&proxy, "bob") && !is_served(&proxy, "alice"));
}

#[test]
fn an_expired_revocation_list_refuses_everybody_and_is_not_loaded() {
    let proxy = revocable(4).start();
    assert!(is_served(&proxy, "alice"));
    wait_until("nobody is served any more", || (!is_served(&proxy, "alice")).then_some(()));
    let record = proxy.log().wait_for_end("tls-client-certificate");
    assert!(record.text("detail").starts_with("the revocation list of `clients.crl` has expired"), "{record:?}");
    let check = proxy.verb("check");
    let report = String::from_utf8_lossy(&check.stdout).into_owned();
    assert_eq!(check.status.code(), Some(1), "{report}");
    for part in ["error[revocation-list]", "crl.pem expired less than a day ago", "openssl ca -gencrl"] {
        assert!(report.contains(part), "{part} in {report}");
    }
}
