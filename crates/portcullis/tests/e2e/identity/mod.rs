//! Who is calling, and may they: through the whole program.

mod audited;
mod certificates;
mod grants;
mod keys;
mod openid;
mod people;
mod proofs;
mod tokens;

use std::time::{SystemTime, UNIX_EPOCH};

use jsonwebtoken::{Algorithm, EncodingKey, Header};
use rcgen::KeyPair;
use serde_json::{Value, json};

use crate::harness::{Proxy, Scenario, Web};

/// What signs tokens of an issuer.
struct Signer {
    key: KeyPair,
}

impl Signer {
    fn new() -> Self {
        Self { key: KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap() }
    }

    /// As `keys:` takes it.
    fn public_pem(&self) -> String {
        self.key.public_key_pem()
    }

    /// A token with these claims, over those that a good one has.
    fn token(&self, claims: Value) -> String {
        self.signed(&Header::new(Algorithm::ES256), claims)
    }

    fn signed(&self, header: &Header, claims: Value) -> String {
        let mut all = json!({
            "iss": ISSUER, "aud": "shop", "sub": "robot", "iat": now(), "exp": now() + 600,
        });
        let Value::Object(claims) = claims else { panic!("claims are an object") };
        for (name, value) in claims {
            match value {
                Value::Null => drop(all.as_object_mut().unwrap().remove(&name)),
                value => all[name] = value,
            }
        }
        let key = EncodingKey::from_ec_pem(self.key.serialize_pem().as_bytes()).unwrap();
        jsonwebtoken::encode(header, &all, &key).unwrap()
    }
}

const ISSUER: &str = "https://id.example.com";

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

const FILE: &str = "
ports:
  web: { listen: <web>, role: internal, protocol: http }
services:
  shop: { ports: <shop.ports>, endpoints: [<shop>] }
  beta: { ports: <beta.ports>, endpoints: [<beta>] }
routes:
  - { port: web, path: /open/*, service: shop, allow: anyone }
  - { port: web, path: /dba/*, service: shop, allow: { groups: [dba] } }
  - { port: web, path: /tenant/*, service: shop, allow: { claims: { tenant: acme } } }
  - { port: web, path: /known/*, service: shop, allow: authenticated, tell: { x-user: name, x-groups: groups, x-tenant: \"claim:tenant\" } }
  - { port: web, path: /raw/*, service: shop, allow: authenticated, pass-credentials: true }
  - { port: web, path: /where/*, service: shop, allow: { users: [robot], workloads: [robot], from: [192.0.2.0/24] } }
  - { port: web, path: /not-dba/*, service: shop, allow: authenticated, deny: { groups: [dba] } }
  - { port: web, path: /lane/*, service: shop, allow: authenticated }
  - { port: web, path: /lane/*, groups: [beta], service: beta, allow: authenticated }
identity:
  providers:
    robots: { jwt: \"https://id.example.com\", audience: [shop], keys: issuer.pem, claims: [tenant] }
";

/// The proxy before two services, and who signs for it.
fn guarded() -> (Proxy, Signer, [Web; 2]) {
    let (shop, beta, signer) = (Web::start("shop"), Web::start("beta"), Signer::new());
    let proxy = Scenario::new(FILE)
        .service("shop", &[shop.address()])
        .service("beta", &[beta.address()])
        .file("issuer.pem", &signer.public_pem())
        .start();
    (proxy, signer, [shop, beta])
}
