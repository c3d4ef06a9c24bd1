//! Whom the claims mean.

use serde_json::json;

use super::*;
use crate::Principal;

fn person(mapping: &ClaimMapping, claims: Value) -> Result<Principal, &'static str> {
    let Value::Object(claims) = claims else { panic!("claims are an object") };
    mapping.principal(&"corp".into(), Kind::User, &claims.into()).map_err(|refusal| refusal.reason)
}

#[test]
fn an_address_counts_only_if_the_provider_vouches_for_it_and_it_is_plain() {
    for (email, verified, expected) in [
        (json!("Alice@Example.com"), json!(true), Some("alice@example.com")),
        (json!("alice@example.com"), json!("true"), Some("alice@example.com")),
        (json!("alice@example.com"), json!(false), None),
        (json!("alice@example.com"), json!("false"), None),
        (json!("alice@example.com"), json!(1), None),
        (json!("alice@example.com"), Value::Null, None),
        (json!("\"a@example.com\"@evil.com"), json!(true), None),
        (json!("a@evil.com@example.com"), json!(true), None),
        (json!("a@evil.com\n@example.com"), json!(true), None),
        (json!("alice @example.com"), json!(true), None),
        (json!("@example.com"), json!(true), None),
        (json!("alice@"), json!(true), None),
        (json!("alice"), json!(true), None),
        (json!(["alice@example.com"]), json!(true), None),
    ] {
        let claims = json!({ "sub": "1", "email": email, "email_verified": verified });
        let person = person(&ClaimMapping::default(), claims).unwrap();
        assert_eq!(person.email.as_deref(), expected, "{email} {verified}");
        assert_eq!(&*person.name, expected.unwrap_or("1"), "{email} {verified}");
    }
    // K (the sign of kelvin) has the lower case k, and is another letter.
    let kelvin = json!({ "sub": "1", "email": "\u{212a}im@example.com", "email_verified": true });
    assert_ne!(person(&ClaimMapping::default(), kelvin).unwrap().email.as_deref(), Some("kim@example.com"));
}

#[test]
fn groups_are_found_where_the_provider_keeps_them() {
    for (path, claims, expected) in [
        ("groups", json!({ "groups": ["b", "a", "b"] }), vec!["a", "b"]),
        ("groups", json!({ "groups": "a" }), vec!["a"]),
        ("groups", json!({ "groups": null }), vec![]),
        ("groups", json!({}), vec![]),
        ("realm_access.roles", json!({ "realm_access": { "roles": ["dba"] } }), vec!["dba"]),
        ("realm_access.roles", json!({ "realm_access.roles": ["forged"] }), vec![]),
        ("https://example.com/roles", json!({ "https://example.com/roles": ["dba"] }), vec!["dba"]),
        (
            "/resource_access/shop.web/roles",
            json!({ "resource_access": { "shop.web": { "roles": ["x"] } } }),
            vec!["x"],
        ),
        ("/a~1b", json!({ "a/b": ["x"] }), vec!["x"]),
        ("roles", json!({ "roles": [1, true] }), vec!["1", "true"]),
    ] {
        let mapping = ClaimMapping { groups: Some(path.parse().unwrap()), ..ClaimMapping::default() };
        let mut claims = claims;
        claims["sub"] = "1".into();
        let person = person(&mapping, claims).unwrap();
        assert_eq!(person.groups.iter().map(|group| &**group).collect::<Vec<_>>(), expected, "{path}");
    }
    let overflow = json!({ "sub": "1", "_claim_names": { "groups": "src1" } });
    assert_eq!(person(&ClaimMapping::default(), overflow), Err("groups-left-out"));
    let many = json!({ "sub": "1", "groups": (0..1001).map(|n| n.to_string()).collect::<Vec<_>>() });
    assert_eq!(person(&ClaimMapping::default(), many), Err("too-many-values"));
    for bad in ["", ".", "a..b", "/", "/a//b", "a."] {
        assert!(bad.parse::<ClaimPath>().is_err(), "{bad}");
    }
}

#[test]
fn names_and_further_claims_are_those_asked_for() {
    let mapping = ClaimMapping {
        name: Some("azp".parse().unwrap()),
        extra: vec!["tenant".parse().unwrap(), "org.unit".parse().unwrap(), "missing".parse().unwrap()],
        ..ClaimMapping::default()
    };
    let claims = json!({ "sub": "1", "azp": "ci", "tenant": "acme", "org": { "unit": ["x", 7] }, "secret": "no" });
    let found = person(&mapping, claims).unwrap();
    assert_eq!(&*found.name, "ci");
    let kept: Vec<_> = found.claims.iter().map(|(name, values)| (&**name, values.join(","))).collect();
    assert_eq!(kept, [("org.unit", "x,7".to_owned()), ("tenant", "acme".to_owned())]);

    let without = json!({ "sub": "1", "email": "a@b.c" });
    assert_eq!(person(&mapping, without.clone()), Err("no-name"));
    let by_email = ClaimMapping { name: Some("email".parse().unwrap()), ..ClaimMapping::default() };
    assert_eq!(person(&by_email, without), Err("no-name"), "an address that is not verified is no name");
}

#[tokio::test]
async fn a_standing_ends_with_its_token() {
    let exp = now() + 300;
    let standing = provider().prove(&bearer(&es256(&with("exp", exp)))).await.unwrap();
    assert!(standing.stands(exp - 1));
    assert!(standing.stands(exp + 29), "within the leeway");
    assert!(!standing.stands(exp + 30));
}
