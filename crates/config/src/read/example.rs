//! What to write for each key: the one place for the examples that findings give.

/// An example of the value of `key` in the mapping that the schema calls `object`.
pub(super) fn of(object: &str, key: &str) -> Option<&'static str> {
    let (_, examples) = EXAMPLES.iter().find(|(name, _)| *name == object)?;
    examples.iter().find(|(name, _)| *name == key).map(|(_, example)| *example)
}

type Examples = &'static [(&'static str, &'static str)];

/// By mapping, then by key. A test reads each of them, and holds the list to the schema.
const EXAMPLES: &[(&str, Examples)] = &[
    (
        "File",
        &[
            ("include", "[services/*.yaml]"),
            ("workers", "4"),
            ("ranges", "{ app: { ports: 3000-3999 } }"),
            ("ports", "{ web: { listen: 127.0.0.1:8080, role: internal, protocol: http } }"),
            ("services", "{ shop: { port: 3000, endpoints: [127.0.0.1:3000] } }"),
            ("routes", "[{ port: web, service: shop, allow: anyone }]"),
            ("assert", "[\"public -/-> role:database\"]"),
            ("defaults", "{ timeouts: { connect: 1s } }"),
            ("limits", "{ connections: 50000 }"),
            ("log", "{ access: { to: stdout } }"),
            ("metrics", "{ buckets: [1ms, 10ms, 100ms, 1s] }"),
            ("admin", "{ token: \"${env:PORTCULLIS_ADMIN_TOKEN}\" }"),
            ("identity", "{ providers: { staff: { local: true } } }"),
            ("policies", "[access.cedar]"),
            ("audit", "on"),
            ("grants", "{ services: { ledger: { approve: { groups: [leads] } } } }"),
            ("probe", "{ ignore: [{ port: 5353, because: mDNS }] }"),
        ],
    ),
    (
        "Range",
        &[
            ("ports", "3000-3999"),
            ("pinned", "3000-3099"),
            ("reserve", "[3306, 3380-3389]"),
            ("accept", "{ node-ports: \"no Kubernetes on this host\" }"),
        ],
    ),
    ("Audit", &[("copy", "./audit.jsonl"), ("heads", "audit.heads"), ("retention", "400d")]),
    (
        "Grants",
        &[("webhook", "https://chat.example.com/hook"), ("services", "{ ledger: { approve: { groups: [leads] } } }")],
    ),
    (
        "GrantTerms",
        &[
            ("approve", "{ groups: [leads] }"),
            ("ask", "{ groups: [developers] }"),
            ("longest", "8h"),
            ("break-glass", "{ groups: [oncall] }"),
        ],
    ),
    ("Circle", &[("users", "[alice@example.com]"), ("groups", "[leads]")]),
    ("RangeAccept", &[("node-ports", "\"no Kubernetes on this host\"")]),
    (
        "Port",
        &[
            ("listen", "127.0.0.1:8080"),
            ("role", "internal"),
            ("protocol", "http"),
            ("tls", "{ certificates: [{ cert: web.pem, key: web.key }] }"),
            ("clients", "{ certificate: required, ca: clients-ca.pem }"),
            ("from", "[10.0.0.0/8]"),
            ("deny", "[10.0.0.66]"),
            ("redirect", "web"),
            ("plaintext", "accepted"),
            ("accept", "{ wildcard: \"why this address is meant\" }"),
            ("proxy-protocol", "{ from: [10.0.0.1] }"),
            ("limits", "{ connections: 20000 }"),
            ("timeouts", "{ head: 5s }"),
            ("authenticate", "[corp]"),
            ("log", "required"),
            ("audit", "required"),
        ],
    ),
    ("PortTls", &[("certificates", "[{ cert: web.pem, key: web.key }]"), ("passthrough", "true"), ("minimum", "1.3")]),
    ("CertificateFiles", &[("cert", "web.pem"), ("key", "web.key")]),
    ("Clients", &[("certificate", "required"), ("ca", "clients-ca.pem"), ("crl", "clients-crl.pem")]),
    ("Accept", &[("wildcard", "\"why this address is meant\"")]),
    ("ProxyProtocolIn", &[("from", "[10.0.0.1]")]),
    (
        "PortLimits",
        &[
            ("connections", "20000"),
            ("connections-per-source", "500"),
            ("head-bytes", "16KiB"),
            ("headers", "100"),
            ("target-bytes", "8KiB"),
            ("body-bytes", "10MiB"),
            ("minimum-rate", "128"),
        ],
    ),
    ("PortTimeouts", &[("handshake", "10s"), ("head", "5s"), ("keep-alive", "1m")]),
    (
        "Service",
        &[
            ("port", "3000"),
            ("ports", "3000-3001"),
            ("range", "app"),
            ("replicas", "{ max: 3 }"),
            ("space", "db-host"),
            ("protocol", "http"),
            ("endpoints", "[127.0.0.1:3000]"),
            ("balance", "least-requests"),
            ("health", "{ http: /healthz, every: 2s }"),
            ("eject", "{ failures: 5, for: 10s }"),
            ("timeouts", "{ connect: 1s }"),
            ("retries", "{ attempts: 2 }"),
            ("tls", "{ ca: internal-ca.pem }"),
            ("proxy-protocol", "v2"),
            ("process", "{ command: node, user: shop }"),
            ("idle-connections", "64"),
            ("resolve", "30s"),
        ],
    ),
    ("Process", &[("command", "node"), ("user", "shop")]),
    ("Replicas", &[("max", "3")]),
    ("Endpoint", &[("address", "127.0.0.1:3000"), ("weight", "2")]),
    (
        "Health",
        &[
            ("http", "/healthz"),
            ("tcp", "true"),
            ("tls", "true"),
            ("host", "shop.internal"),
            ("status", "[200, 204]"),
            ("every", "2s"),
            ("timeout", "1s"),
            ("rise", "2"),
            ("fall", "3"),
        ],
    ),
    ("Eject", &[("failures", "5"), ("for", "10s")]),
    (
        "ServiceTimeouts",
        &[("connect", "1s"), ("response", "30s"), ("idle", "5m"), ("half-close", "30s"), ("keep-alive", "55s")],
    ),
    ("Retries", &[("attempts", "2"), ("budget", "20%")]),
    (
        "ServiceTls",
        &[
            ("verify", "ca"),
            ("ca", "internal-ca.pem"),
            ("name", "shop.internal"),
            ("certificate", "{ cert: client.pem, key: client.key }"),
        ],
    ),
    (
        "Route",
        &[
            ("name", "shop"),
            ("audit", "required"),
            ("port", "web"),
            ("sni", "db.example.com"),
            ("host", "shop.example.com"),
            ("path", "/shop/*"),
            ("prefix", "/shop"),
            ("methods", "[GET, POST]"),
            ("headers", "{ x-beta: present }"),
            ("query", "{ debug: present }"),
            ("from", "[10.0.0.0/8]"),
            ("groups", "[beta]"),
            ("claims", "{ tenant: acme }"),
            ("allow", "{ groups: [customers] }"),
            ("deny", "[10.0.0.66]"),
            ("authenticate", "[corp]"),
            ("tell", "{ x-user: name }"),
            ("pass-credentials", "true"),
            ("service", "shop"),
            ("redirect", "https://shop.example.com"),
            ("respond", "{ status: 503 }"),
            ("rewrite", "{ path-prefix: /v2 }"),
            ("request-headers", "{ remove: [x-debug] }"),
            ("response-headers", "{ remove: [server] }"),
        ],
    ),
    (
        "Allow",
        &[
            ("from", "[10.0.0.0/8]"),
            ("certificates", "[shop.internal]"),
            ("users", "[ann]"),
            ("groups", "[customers]"),
            ("workloads", "[shop]"),
            ("domains", "[example.com]"),
            ("claims", "{ tenant: acme }"),
            ("time", "{ hours: 08:00-18:00 }"),
            ("grant", "required"),
        ],
    ),
    (
        "Deny",
        &[
            ("from", "[10.0.0.66]"),
            ("users", "[mallory]"),
            ("groups", "[suspended]"),
            ("workloads", "[crawler]"),
            ("domains", "[example.net]"),
            ("claims", "{ tenant: acme }"),
        ],
    ),
    ("Times", &[("days", "[mon, tue, wed, thu, fri]"), ("hours", "08:00-18:00"), ("zone", "Europe/Berlin")]),
    ("Redirect", &[("to", "https://shop.example.com/new"), ("status", "301")]),
    ("Respond", &[("status", "200"), ("body", "\"back soon\""), ("content-type", "text/plain")]),
    ("Rewrite", &[("path-prefix", "/v2"), ("host", "shop.internal")]),
    ("HeaderEdits", &[("set", "{ x-env: production }"), ("append", "{ x-env: production }"), ("remove", "[x-debug]")]),
    (
        "Defaults",
        &[
            ("balance", "least-requests"),
            ("retries", "{ attempts: 2 }"),
            ("eject", "off"),
            ("limits", "{ connections: 20000 }"),
            ("timeouts", "{ connect: 1s }"),
        ],
    ),
    (
        "DefaultTimeouts",
        &[
            ("handshake", "10s"),
            ("head", "5s"),
            ("keep-alive", "1m"),
            ("connect", "1s"),
            ("response", "30s"),
            ("idle", "5m"),
            ("half-close", "30s"),
        ],
    ),
    ("ProcessLimits", &[("connections", "50000"), ("drain", "30s")]),
    ("Log", &[("access", "{ to: stdout, format: json }"), ("level", "info")]),
    ("AccessLog", &[("to", "/var/log/portcullis/access.log"), ("format", "json"), ("buffer", "8MiB")]),
    ("Metrics", &[("buckets", "[1ms, 10ms, 100ms, 1s]")]),
    ("Admin", &[("token", "\"${env:PORTCULLIS_ADMIN_TOKEN}\"")]),
    (
        "Identity",
        &[
            ("providers", "{ staff: { local: true } }"),
            ("session", "{ idle: 1h, lifetime: 12h }"),
            ("assertion", "{ lifetime: 1m }"),
        ],
    ),
    (
        "Provider",
        &[
            ("oidc", "https://id.example.com"),
            ("jwt", "https://id.example.com"),
            ("introspection", "https://id.example.com/introspect"),
            ("local", "true"),
            ("tokens", "true"),
            ("aws", "https://sts.amazonaws.com"),
            ("client-id", "portcullis"),
            ("client-secret", "\"${env:OIDC_SECRET}\""),
            ("scopes", "[email, profile, groups]"),
            ("refresh", "5m"),
            ("audience", "[portcullis]"),
            ("algorithms", "[ES256, RS256]"),
            ("keys", "https://id.example.com/jwks.json"),
            ("proof", "required"),
            ("leeway", "1m"),
            ("cache", "30s"),
            ("server", "portal.example.com"),
            ("roles", "[\"arn:aws:iam::123456789012:role/deploy-*\"]"),
            ("groups", "realm_access.roles"),
            ("name", "preferred_username"),
            ("claims", "[tenant]"),
            ("ca", "id-ca.pem"),
        ],
    ),
    ("SessionTimes", &[("idle", "1h"), ("lifetime", "12h")]),
    (
        "AssertionSettings",
        &[("header", "x-portcullis-assertion"), ("lifetime", "1m"), ("issuer", "portcullis.example.com")],
    ),
    ("Probe", &[("ignore", "[{ port: 5353, because: mDNS }]"), ("echo", "{ port: web, path: /headers }")]),
    (
        "Ignored",
        &[("port", "5353"), ("address", "0.0.0.0"), ("protocol", "udp"), ("because", "\"mDNS, which nobody routes\"")],
    ),
    ("Echo", &[("port", "web"), ("host", "echo.example.com"), ("path", "/headers")]),
];

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, path::Path};

    use super::*;
    use crate::{load_str, rule::RuleId, schema};

    /// A file with one mapping of each kind; `KEY` stands for the key under test with its example.
    const FRAMES: &[(&str, &str)] = &[
        ("File", "KEY"),
        ("Range", "ranges: { r: { KEY } }"),
        ("RangeAccept", "ranges: { r: { accept: { KEY } } }"),
        ("Port", "ports: { p: { KEY } }"),
        ("PortTls", "ports: { p: { tls: { KEY } } }"),
        ("CertificateFiles", "ports: { p: { tls: { certificates: [{ KEY }] } } }"),
        ("Clients", "ports: { p: { clients: { KEY } } }"),
        ("Accept", "ports: { p: { accept: { KEY } } }"),
        ("ProxyProtocolIn", "ports: { p: { proxy-protocol: { KEY } } }"),
        ("PortLimits", "ports: { p: { limits: { KEY } } }"),
        ("PortTimeouts", "ports: { p: { timeouts: { KEY } } }"),
        ("Service", "services: { s: { KEY } }"),
        ("Replicas", "services: { s: { replicas: { KEY } } }"),
        ("Process", "services: { s: { process: { KEY } } }"),
        ("Endpoint", "services: { s: { endpoints: [{ KEY }] } }"),
        ("Health", "services: { s: { health: { KEY } } }"),
        ("Eject", "services: { s: { eject: { KEY } } }"),
        ("ServiceTimeouts", "services: { s: { timeouts: { KEY } } }"),
        ("Retries", "services: { s: { retries: { KEY } } }"),
        ("ServiceTls", "services: { s: { tls: { KEY } } }"),
        ("Route", "routes: [{ KEY }]"),
        ("Allow", "routes: [{ allow: { KEY } }]"),
        ("Deny", "routes: [{ deny: { KEY } }]"),
        ("Times", "routes: [{ allow: { time: { KEY } } }]"),
        ("Redirect", "routes: [{ redirect: { KEY } }]"),
        ("Respond", "routes: [{ respond: { KEY } }]"),
        ("Rewrite", "routes: [{ rewrite: { KEY } }]"),
        ("HeaderEdits", "routes: [{ request-headers: { KEY } }]"),
        ("Defaults", "defaults: { KEY }"),
        ("DefaultTimeouts", "defaults: { timeouts: { KEY } }"),
        ("ProcessLimits", "limits: { KEY }"),
        ("Log", "log: { KEY }"),
        ("AccessLog", "log: { access: { KEY } }"),
        ("Metrics", "metrics: { KEY }"),
        ("Admin", "admin: { KEY }"),
        ("Identity", "identity: { KEY }"),
        ("Provider", "identity: { providers: { p: { KEY } } }"),
        ("SessionTimes", "identity: { session: { KEY } }"),
        ("AssertionSettings", "identity: { assertion: { KEY } }"),
        ("Audit", "audit: { KEY }"),
        ("Grants", "grants: { KEY }"),
        ("GrantTerms", "grants: { services: { s: { KEY } } }"),
        ("Circle", "grants: { services: { s: { approve: { KEY } } } }"),
        ("Probe", "probe: { KEY }"),
        ("Ignored", "probe: { ignore: [{ KEY }] }"),
        ("Echo", "probe: { echo: { KEY } }"),
    ];

    #[test]
    fn every_key_has_an_example_and_every_example_a_key() {
        let pairs = |object: &str, key: &str| format!("{key} of {object}");
        let listed: BTreeSet<String> =
            EXAMPLES.iter().flat_map(|(object, keys)| keys.iter().map(|(key, _)| pairs(object, key))).collect();
        let keys = schema::keys();
        let known: BTreeSet<String> =
            keys.iter().flat_map(|(object, keys)| keys.iter().map(|key| pairs(object, key))).collect();
        let differing: Vec<_> = listed.symmetric_difference(&known).collect();
        assert!(differing.is_empty(), "without an example, or no key: {differing:?}");
    }

    #[test]
    fn every_example_can_be_read() {
        // What else is missing around it does not matter here.
        let misread = [RuleId::Syntax, RuleId::WrongType, RuleId::InvalidValue, RuleId::UnknownKey];
        for (object, examples) in EXAMPLES {
            let Some((_, frame)) = FRAMES.iter().find(|(name, _)| name == object) else {
                panic!("no frame for {object}");
            };
            for (key, example) in *examples {
                let text = frame.replace("KEY", &format!("{key}: {example}"));
                let findings = load_str(Path::new("example.yaml"), &text).findings;
                let wrong: Vec<_> = findings.iter().filter(|finding| misread.contains(&finding.rule)).collect();
                assert!(wrong.is_empty(), "{text}: {wrong:?}");
            }
        }
    }
}
