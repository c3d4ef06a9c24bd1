//! Tickets: good again at the same port under the same policy, and nowhere else (CVE-2025-23419, CVE-2025-23048).

use std::sync::Arc;

use portcullis_tls::{
    client::{Verify, client_config},
    material::Certificate,
    server::{ClientPolicy, Minimum, ServerSettings, TicketRegistry},
};
use rustls::{ClientConfig, ServerConfig};

use crate::{authority::Authority, conversation::Conversation, server::speaking};

/// A process with its registry, as it builds and rebuilds its ports.
struct Process {
    registry: TicketRegistry,
    certificates: Vec<Arc<Certificate>>,
}

impl Process {
    fn new(ca: &Authority) -> Self {
        Self { registry: TicketRegistry::default(), certificates: vec![ca.certificate(&["a.example"])] }
    }

    fn port(&self, port: &str, clients: &ClientPolicy) -> Arc<ServerConfig> {
        let (certificates, clients, minimum) = (&self.certificates, clients.clone(), Minimum::Tls12);
        ServerSettings { port, certificates, clients, minimum, alpn: &[] }.build(&self.registry).unwrap()
    }
}

fn is_resumed(client: &Arc<ClientConfig>, server: &Arc<ServerConfig>) -> bool {
    Conversation::new(client, "a.example", server).unwrap().is_resumed()
}

#[test]
fn sessions_are_resumed_in_both_versions_without_memory_on_the_server() {
    let ca = Authority::new("ca");
    let server = Process::new(&ca).port("web", &ClientPolicy::None);
    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        let client = speaking(version, &ca.roots());
        assert!(!is_resumed(&client, &server), "{version:?}");
        assert!(is_resumed(&client, &server), "{version:?}");
    }
    assert!(!server.session_storage.can_cache());
}

#[test]
fn resumption_survives_a_reload_that_keeps_port_and_policy() {
    let (ca, clients) = (Authority::new("ca"), Authority::new("clients"));
    let certificate = clients.certificate(&["client.example"]);
    for policy in [
        ClientPolicy::None,
        ClientPolicy::Optional(clients.roots().into()),
        ClientPolicy::Required(clients.roots().into()),
    ] {
        let mut process = Process::new(&ca);
        let client = client_config(&Verify::Roots(ca.roots()), Some(&certificate), &[]).unwrap();
        let before = process.port("web", &policy);
        assert!(!is_resumed(&client, &before));
        // The certificate is renewed, and the CA file is read anew.
        process.certificates = vec![ca.certificate(&["a.example", "b.example"])];
        let policy = match policy {
            ClientPolicy::None => ClientPolicy::None,
            ClientPolicy::Optional(_) => ClientPolicy::Optional(clients.roots().into()),
            ClientPolicy::Required(_) => ClientPolicy::Required(clients.roots().into()),
        };
        let after = process.port("web", &policy);
        drop(before);
        assert!(is_resumed(&client, &after), "{policy:?}");
    }
}

#[test]
fn a_ticket_is_worth_nothing_under_another_policy_or_at_another_port() {
    let (ca, one, two) = (Authority::new("ca"), Authority::new("one"), Authority::new("two"));
    let process = Process::new(&ca);
    let servers = [
        ("no certificates", process.port("web", &ClientPolicy::None)),
        ("optional", process.port("web", &ClientPolicy::Optional(one.roots().into()))),
        ("required", process.port("web", &ClientPolicy::Required(one.roots().into()))),
        ("required of another CA", process.port("web", &ClientPolicy::Required(two.roots().into()))),
        ("another port", process.port("mesh", &ClientPolicy::None)),
        ("another port, required", process.port("mesh", &ClientPolicy::Required(one.roots().into()))),
    ];
    for (from, issuing) in &servers {
        for (to, resuming) in &servers {
            // Each server gets what it asks for, so that only the ticket decides between full and resumed.
            let shown = if *from == "required of another CA" { &two } else { &one };
            let certificate = shown.certificate(&["client.example"]);
            let client = client_config(&Verify::Roots(ca.roots()), Some(&certificate), &[]).unwrap();
            assert!(!is_resumed(&client, issuing), "{from}");
            let resumed = Conversation::new(&client, "a.example", resuming).is_ok_and(|again| again.is_resumed());
            assert_eq!(resumed, from == to, "from {from} to {to}");
        }
    }
}

#[test]
fn a_client_without_certificate_can_not_resume_its_way_to_where_one_is_required() {
    let (ca, clients) = (Authority::new("ca"), Authority::new("clients"));
    let process = Process::new(&ca);
    let client = client_config(&Verify::Roots(ca.roots()), None, &[]).unwrap();
    for open in [ClientPolicy::None, ClientPolicy::Optional(clients.roots().into())] {
        let open = process.port("web", &open);
        assert!(!is_resumed(&client, &open));
        assert!(is_resumed(&client, &open));
        // The reload that closes the port to strangers.
        let closed = process.port("web", &ClientPolicy::Required(clients.roots().into()));
        assert!(Conversation::new(&client, "a.example", &closed).is_err());
    }
}

#[test]
fn a_resumed_session_still_knows_its_client() {
    let (ca, clients) = (Authority::new("ca"), Authority::new("clients"));
    let server = Process::new(&ca).port("web", &ClientPolicy::Required(clients.roots().into()));
    let certificate = clients.certificate(&["client.example"]);
    let client = client_config(&Verify::Roots(ca.roots()), Some(&certificate), &[]).unwrap();
    assert!(!is_resumed(&client, &server));
    let again = Conversation::new(&client, "a.example", &server).unwrap();
    assert!(again.is_resumed());
    assert_eq!(again.server.peer_certificates().unwrap()[0], certificate.key.cert[0]);
}

#[test]
fn keys_are_forgotten_with_the_last_configuration_that_used_them() {
    let ca = Authority::new("ca");
    let process = Process::new(&ca);
    let client = client_config(&Verify::Roots(ca.roots()), None, &[]).unwrap();
    let running = process.port("web", &ClientPolicy::None);
    assert!(!is_resumed(&client, &running));
    // A plan that is compiled and thrown away (a check, a failed reload) changes nothing for the one that runs.
    drop(process.port("web", &ClientPolicy::None));
    assert!(is_resumed(&client, &process.port("web", &ClientPolicy::None)));
    drop(running);
    assert!(!is_resumed(&client, &process.port("web", &ClientPolicy::None)));
}
