//! `identity:`

use super::{
    mapping::Mapping,
    mistake::{Mistake, word},
    reader::Reader,
    tls::path,
    values,
};
use crate::{
    declared::{AssertionSettings, ClaimNames, Identity, KeySource, Provider, ProviderKind, SessionTimes},
    finding::Finding,
    rule::RuleId,
    secret::Secret,
    span::Spanned,
    yaml::Node,
};

/// Keys of which a provider has exactly one.
const KINDS: [&str; 6] = ["oidc", "jwt", "introspection", "local", "tokens", "aws"];

/// Keys that only some kinds have.
const OF_SOME_KIND: [&str; 12] = [
    "client-id",
    "client-secret",
    "scopes",
    "refresh",
    "audience",
    "algorithms",
    "keys",
    "proof",
    "leeway",
    "cache",
    "server",
    "roles",
];

/// `identity:`
pub(super) fn identity(reader: &mut Reader<'_>, node: &Node<'_>) -> Option<Identity> {
    reader.mapping(node, "Identity", "`identity`", |map| {
        let (mut providers, mut unreadable) = (Vec::new(), Vec::new());
        if let Some(node) = map.node("providers") {
            map.reader.entries(node, |reader, name, node| {
                if let Err(mistake) = values::name(&name) {
                    let message = format!("`{}` {}", name.escape_debug(), mistake.message);
                    reader.findings.push(Finding::new(mistake.rule, name.span, message));
                    unreadable.push(name.value);
                    return;
                }
                match provider(reader, name.clone(), node) {
                    Some(provider) => providers.push(provider),
                    None => unreadable.push(name.value),
                }
            });
        }
        let session = map.optional("session", |reader, node| {
            reader.mapping(node, "SessionTimes", "`session` of `identity`", |map| SessionTimes {
                idle: map.value("idle", values::interval),
                lifetime: map.value("lifetime", values::interval),
            })
        });
        let assertion = map.optional("assertion", |reader, node| {
            reader.mapping(node, "AssertionSettings", "`assertion` of `identity`", |map| AssertionSettings {
                header: map.value("header", values::header_name),
                lifetime: map.value("lifetime", values::interval),
                issuer: map.value("issuer", |text| Ok(text.to_owned())),
            })
        });
        Identity {
            providers,
            unreadable,
            session: session.map(|session| session.value).unwrap_or_default(),
            assertion: assertion.map(|assertion| assertion.value).unwrap_or_default(),
        }
    })
}

fn provider(reader: &mut Reader<'_>, name: Spanned<String>, node: &Node<'_>) -> Option<Provider> {
    let what = format!("provider `{}`", *name);
    reader.mapping(node, "Provider", &what, |map| {
        let kind = kind(map);
        let claims = ClaimNames {
            groups: map.value("groups", claim_path),
            name: map.value("name", claim_path),
            further: map.values("claims", claim_path),
        };
        let ca = path(map, "ca");
        let is_lost = ca.is_none() && map.says("ca");
        (!is_lost).then_some(())?;
        Some(Provider { name, kind: kind?, claims, ca })
    })?
}

/// Exactly one of [`KINDS`].
fn kind(map: &mut Mapping<'_, '_, '_>) -> Option<ProviderKind> {
    let given = map.present(&KINDS);
    match given[..] {
        [(kind, _)] => match kind {
            "oidc" => oidc(map),
            "jwt" => jwt(map),
            "introspection" => introspection(map),
            "aws" => aws(map),
            "local" => switched_on(map, "local").map(|()| ProviderKind::Local),
            _ => switched_on(map, "tokens").map(|()| ProviderKind::Tokens),
        },
        [] => {
            // What it is would have said which of these it takes.
            map.present(&OF_SOME_KIND);
            let message = format!("{} does not say what it is", map.what());
            let finding = Finding::new(RuleId::MissingKey, map.span(), message)
                .help("add `oidc: URL`, `jwt: URL`, `introspection: URL`, `aws: URL`, `local: true` or `tokens: true`");
            map.misses(&KINDS, finding);
            None
        }
        [(first, first_span), (second, span), ..] => {
            let message = format!("`{first}` and `{second}` exclude each other");
            let finding = Finding::new(RuleId::ConflictingKeys, span, message).related(first_span, "given here");
            map.reader.findings.push(finding);
            None
        }
    }
}

fn oidc(map: &mut Mapping<'_, '_, '_>) -> Option<ProviderKind> {
    let issuer = map.value("oidc", provider_url);
    let client_id = map.required("client-id", plain_text);
    let client_secret = map.optional("client-secret", secret);
    let scopes = map.values("scopes", plain_text);
    let refresh = map.value("refresh", values::interval);
    let is_lost = client_secret.is_none() && map.says("client-secret");
    (!is_lost).then_some(())?;
    Some(ProviderKind::Oidc { issuer: issuer?, client_id: client_id?, client_secret, scopes, refresh })
}

fn jwt(map: &mut Mapping<'_, '_, '_>) -> Option<ProviderKind> {
    let issuer = map.value("jwt", plain_text);
    let has_audience = map.require("audience");
    let audiences = map.values("audience", plain_text);
    let algorithms = map.values("algorithms", algorithm);
    let directory = map.reader.directory;
    let keys = map.value("keys", |text| key_source(text, directory));
    let proof = map.value("proof", word);
    let leeway = map.value("leeway", values::duration);
    let is_lost = [
        ("audience", audiences.is_empty()),
        ("algorithms", algorithms.is_empty()),
        ("keys", keys.is_none()),
        ("proof", proof.is_none()),
    ]
    .into_iter()
    .any(|(key, is_missing)| is_missing && map.says(key));
    (has_audience && !is_lost).then_some(())?;
    Some(ProviderKind::Jwt { issuer: issuer?, audiences, algorithms, keys, proof, leeway })
}

fn introspection(map: &mut Mapping<'_, '_, '_>) -> Option<ProviderKind> {
    let endpoint = map.value("introspection", provider_url);
    let client_id = map.required("client-id", plain_text);
    let client_secret = map.optional("client-secret", secret);
    let cache = map.value("cache", values::duration);
    let is_lost = client_secret.is_none() && map.says("client-secret");
    (!is_lost).then_some(())?;
    Some(ProviderKind::Introspection { endpoint: endpoint?, client_id: client_id?, client_secret, cache })
}

fn aws(map: &mut Mapping<'_, '_, '_>) -> Option<ProviderKind> {
    let endpoint = map.value("aws", provider_url);
    let server = map.required("server", plain_text);
    let has_roles = map.require("roles");
    let roles = map.values("roles", plain_text);
    (has_roles && !roles.is_empty()).then_some(())?;
    Some(ProviderKind::Aws { endpoint: endpoint?, server: server?, roles })
}

/// `local: true`; a provider that is switched off is one that is not there.
fn switched_on(map: &mut Mapping<'_, '_, '_>, key: &'static str) -> Option<()> {
    let on = map.value(key, |text| match text {
        "true" => Ok(()),
        _ => Err(Mistake::new("does not switch it on", "true").help("remove the provider if it is not wanted")),
    });
    on.map(|on| on.value)
}

/// A secret of the proxy's own at a provider. Never shown, and not in clear text.
fn secret(reader: &mut Reader<'_>, node: &Node<'_>) -> Option<Secret> {
    let text = reader.text(node)?;
    if text.is_literal() {
        reader.substitutions.secret_at(node.span);
        let message = "the client secret stands in the file in clear text".to_owned();
        let help = "write `client-secret: ${env:NAME}` or `client-secret: ${file:PATH}`, and change the secret";
        reader.findings.push(Finding::new(RuleId::SecretInClear, node.span, message).help(help));
    }
    let secret = text.value.trim_end_matches('\n');
    if secret.is_empty() {
        let finding = Finding::new(RuleId::InvalidValue, node.span, "the client secret is empty");
        reader.findings.push(finding.help("remove the key for a public client"));
        return None;
    }
    Some(Secret::new(secret.to_owned()))
}

/// `https://…`, or `http://` on loopback, where nobody listens in.
pub(super) fn provider_url(text: &str) -> Result<String, Mistake> {
    const EXPECTED: &str = "a URL such as https://id.example.com";
    let is_plain = |text: &str| !text.chars().any(|letter| letter.is_control() || letter.is_whitespace());
    let rest = match (text.strip_prefix("https://"), text.strip_prefix("http://")) {
        (Some(rest), _) => rest,
        (None, Some(rest)) if is_loopback(rest) => rest,
        (None, Some(_)) => {
            return Err(Mistake::new("is plain HTTP", EXPECTED)
                .help("whoever sits in between could answer for the provider: use https (http only on loopback)"));
        }
        _ => return Err(Mistake::new("is not a URL", EXPECTED)),
    };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    if authority.is_empty() || authority.contains('@') || rest.contains('#') || !is_plain(text) {
        return Err(Mistake::new("is not the URL of a provider", EXPECTED));
    }
    Ok(text.to_owned())
}

fn is_loopback(rest: &str) -> bool {
    let authority = rest.split(['/', '?']).next().unwrap_or_default();
    let host = authority.rsplit_once(':').map_or(authority, |(host, _)| host);
    host == "localhost" || host == "[::1]" || host.parse().is_ok_and(|ip: std::net::Ipv4Addr| ip.is_loopback())
}

/// A URL, or the path of a file.
fn key_source(text: &str, directory: &std::path::Path) -> Result<KeySource, Mistake> {
    if text.contains("://") {
        return provider_url(text).map(KeySource::Url);
    }
    if text.is_empty() || text.contains('\0') {
        return Err(Mistake::new("is not a place for keys", "a URL, or the path of a file with a JWK set"));
    }
    Ok(KeySource::File(directory.join(text)))
}

/// One of the asymmetric ones. What makes the others dangerous is said.
fn algorithm(text: &str) -> Result<crate::declared::TokenAlgorithm, Mistake> {
    word(text).map_err(|mistake| match text {
        "none" => mistake.help("an unsigned token proves nothing"),
        "HS256" | "HS384" | "HS512" => mistake.help("whoever can verify such a token can also make it"),
        _ => mistake,
    })
}

/// The name of a claim; dots lead into objects.
fn claim_path(text: &str) -> Result<String, Mistake> {
    let is_name =
        !text.is_empty() && text.split('.').all(|part| !part.is_empty()) && !text.chars().any(char::is_control);
    is_name
        .then(|| text.to_owned())
        .ok_or_else(|| Mistake::new("is not the name of a claim", "a name such as groups or realm_access.roles"))
}

fn plain_text(text: &str) -> Result<String, Mistake> {
    if text.is_empty() || text.chars().any(|letter| letter.is_control() || letter.is_whitespace()) {
        return Err(Mistake::new("is not a plain text", "a text without white space"));
    }
    Ok(text.to_owned())
}
