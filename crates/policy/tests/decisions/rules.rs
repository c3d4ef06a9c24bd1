//! What the conditions mean, one by one.

use std::collections::BTreeMap;

use portcullis_policy::{
    Action, Allow, Asked, Attributes, Certificate, Conditions, Grant, Identity, Kind, PolicySet, Weekday, Window, Zone,
};

use crate::{THURSDAY, alice, asked, compile, name, only, route};

/// Whether `conditions` let that sender pass.
fn admits(conditions: Conditions, identity: &Identity) -> bool {
    let set = compile(vec![route("shop", only(conditions), Conditions::default())], &[]);
    set.decide(&asked(Some(&set.caller(identity)))).allowed
}

#[test]
fn what_nothing_permits_is_refused() {
    let nothing = route("shop", None, Conditions::default());
    let empty = route("shop", only(Conditions::default()), Conditions::default());
    for route in [nothing, empty] {
        let set = compile(vec![route], &[]);
        let decision = set.decide(&asked(Some(&set.caller(&alice()))));
        assert!(!decision.allowed && decision.policies.is_empty() && decision.errors.is_empty(), "{decision:?}");
    }
}

#[test]
fn a_set_of_nothing_lets_nobody_pass() {
    let set = PolicySet::default();
    let caller = set.caller(&alice());
    let decision = set.decide(&asked(Some(&caller)));
    assert!(!decision.allowed && !decision.holds.at(THURSDAY), "{decision:?}");
    assert!(!set.explain(&asked(None)).allowed && set.what(Some(&alice())).is_empty());
}

#[test]
fn anyone_may_pass_where_the_file_says_so_and_deny_is_stronger() {
    let deny = Conditions { from: vec!["10.1.2.0/24".parse().unwrap()], ..Conditions::default() };
    let set = compile(vec![route("shop", Some(Allow::Anyone), deny)], &[]);
    let refused = set.decide(&asked(None));
    assert_eq!((refused.allowed, &*refused.policies), (false, &["deny of route shop".into()][..]));
    let allowed = set.decide(&Asked { source: [10, 1, 3, 3].into(), ..asked(None) });
    assert_eq!((allowed.allowed, &*allowed.policies), (true, &["allow of route shop".into()][..]));
    assert_eq!(allowed.holds.depends_on, Attributes::SOURCE);
    assert_eq!(allowed.holds.until, None);
}

#[test]
fn users_are_compared_by_their_whole_name_and_their_provider() {
    let users = |text: &str| Conditions { users: vec![name(text)], ..Conditions::default() };
    for (listed, expected) in [
        ("alice@example.com", true),
        ("Alice@Example.com", true),
        ("corp:alice@example.com", true),
        ("partner:alice@example.com", false),
        ("alice@example.co", false),
        ("lice@example.com", false),
        ("7", false),
        ("corp:7", false),
    ] {
        assert_eq!(admits(users(listed), &alice()), expected, "{listed}");
    }
    let workload = Identity { kind: Kind::Workload, ..alice() };
    assert!(!admits(users("alice@example.com"), &workload), "a program is no user");
    let both = Conditions { workloads: vec![name("shop")], ..users("alice@example.com") };
    assert!(admits(both.clone(), &alice()), "users and workloads are one condition");
    assert!(!admits(both, &workload));
}

#[test]
fn a_domain_is_that_of_a_verified_address_exactly() {
    let domain = Conditions { domains: vec!["Example.com".to_owned()], ..Conditions::default() };
    for (email, expected) in [
        (Some("alice@example.com"), true),
        (Some("alice@sub.example.com"), false),
        (Some("alice@evilexample.com"), false),
        (Some("alice@example.com@evil.example"), false),
        (Some("a@evil.example@example.com"), false),
        (None, false),
    ] {
        let identity = Identity { email: email.map(str::to_owned), ..alice() };
        assert_eq!(admits(domain.clone(), &identity), expected, "{email:?}");
    }
}

#[test]
fn a_group_of_one_provider_is_not_that_of_another() {
    let groups = |group: &str| Conditions { groups: vec![group.to_owned()], ..Conditions::default() };
    let partner =
        Identity { provider: "partner".to_owned(), groups: vec!["dba".to_owned(), "corp/dba".to_owned()], ..alice() };
    for (group, of_corp, of_partner) in [
        ("dba", true, true),
        ("corp/dba", true, false),
        ("partner/dba", false, true),
        ("DBA", false, false),
        ("partner/corp/dba", false, true),
    ] {
        assert_eq!(admits(groups(group), &alice()), of_corp, "{group}");
        assert_eq!(admits(groups(group), &partner), of_partner, "{group} of partner");
    }
}

#[test]
fn every_claim_that_is_named_must_hold() {
    let claims = |claims: &[(&str, &[&str])]| Conditions {
        claims: claims
            .iter()
            .map(|(name, values)| ((*name).to_owned(), values.iter().map(|value| (*value).to_owned()).collect()))
            .collect::<BTreeMap<_, _>>(),
        ..Conditions::default()
    };
    assert!(admits(claims(&[("team", &["shop", "ledger"])]), &alice()));
    assert!(!admits(claims(&[("team", &["ledger"])]), &alice()));
    assert!(!admits(claims(&[("team", &["shop"]), ("level", &["3"])]), &alice()));
}

#[test]
fn names_of_certificates_match_whole_or_below_a_wildcard_in_any_case() {
    let certificates = |name: &str| Conditions { certificates: vec![name.to_owned()], ..Conditions::default() };
    let names: [Box<str>; 2] = ["Shop.Example.com".into(), "spiffe://example.com/shop".into()];
    let certificate = Certificate { names: &names, subject: "CN=shop", thumbprint: &[7; 32] };
    for (wanted, expected) in [
        ("*", true),
        ("shop.example.com", true),
        ("SHOP.example.com", true),
        ("*.example.com", true),
        ("*.Example.COM", true),
        ("*.com", true),
        ("*.shop.example.com", false),
        ("hop.example.com", false),
        ("spiffe://example.com/shop", true),
        ("spiffe://example.com/sho", false),
    ] {
        let set = compile(vec![route("shop", only(certificates(wanted)), Conditions::default())], &[]);
        let shown = set.decide(&Asked { certificate: Some(certificate), ..asked(None) });
        assert_eq!(shown.allowed, expected, "{wanted}");
        assert!(!set.decide(&asked(None)).allowed, "{wanted} without a certificate");
    }
}

#[test]
fn hours_are_those_of_the_zone_and_the_decision_holds_until_their_border() {
    let window = Window::new([Weekday::Thursday], Some((9 * 60, 17 * 60))).unwrap();
    let mut shop =
        route("shop", only(Conditions { time: Some(window), ..Conditions::default() }), Conditions::default());
    shop.zone = Zone::named("Europe/Berlin").unwrap();
    let set = compile(vec![shop], &[]);
    let at = |now| set.decide(&Asked { now, ..asked(None) });
    let (opens, closes) = (THURSDAY - 30 * 60, THURSDAY - 30 * 60 + 8 * 3600);
    for (now, allowed, until) in [
        (opens - 1, false, opens),
        (opens, true, closes),
        (closes - 1, true, closes),
        (closes, false, closes + 7 * 3600),
        (opens + 24 * 3600, false, closes + 24 * 3600),
    ] {
        let decision = at(now);
        assert_eq!((decision.allowed, decision.holds.until), (allowed, Some(until)), "{now}");
        assert!(decision.holds.at(until - 1) && !decision.holds.at(until));
    }
}

#[test]
fn hours_past_midnight_belong_to_the_day_on_which_they_begin() {
    let window = Window::new([Weekday::Thursday], Some((22 * 60, 6 * 60))).unwrap();
    let time = Conditions { time: Some(window), ..Conditions::default() };
    let set = compile(vec![route("shop", only(time), Conditions::default())], &[]);
    let midnight = THURSDAY - THURSDAY % 86400;
    for (hour, expected) in [(0, false), (5, false), (21, false), (22, true), (24, true), (29, true), (30, false)] {
        let decision = set.decide(&Asked { now: midnight + hour * 3600, ..asked(None) });
        assert_eq!(decision.allowed, expected, "{hour} o'clock");
    }
}

#[test]
fn a_decision_that_rests_on_a_grant_ends_with_it() {
    let needs = Conditions { grant: Grant::Required, groups: vec!["dba".to_owned()], ..Conditions::default() };
    let set = compile(vec![route("ledger", only(needs), Conditions::default())], &[]);
    let caller = set.caller(&alice());
    let with = |granted_until| set.decide(&Asked { granted_until, ..asked(Some(&caller)) });
    let granted = with(Some(THURSDAY + 60));
    assert!(granted.allowed);
    assert_eq!(granted.holds.until, Some(THURSDAY + 60));
    assert_eq!(granted.holds.depends_on, Attributes::PRINCIPAL | Attributes::GRANT);
    assert!(!with(None).allowed && !with(Some(THURSDAY)).allowed);
}

#[test]
fn a_policy_of_ones_own_sees_the_whole_request() {
    let own = r#"
        permit (principal is User, action == Action::"request", resource in Service::"shop-service")
        when { context.path like "/cart*" && ["GET", "HEAD"].contains(context.method) };
        forbid (principal, action, resource) when { context.port.role == "internal" };"#;
    let set = compile(vec![route("shop", None, Conditions::default())], &[("own.cedar", own)]);
    let caller = set.caller(&alice());
    let ask = |change: &dyn Fn(&mut Asked<'_>)| {
        let mut asked = asked(Some(&caller));
        change(&mut asked);
        set.decide(&asked)
    };
    let allowed = ask(&|_| {});
    assert!(allowed.allowed, "{allowed:?}");
    assert_eq!(&*allowed.policies[0], "own.cedar:2");
    let on = Attributes::PRINCIPAL | Attributes::PATH | Attributes::METHOD | Attributes::PORT;
    assert_eq!(allowed.holds.depends_on, on);
    assert!(!ask(&|asked| asked.path = "/admin").allowed);
    assert!(!ask(&|asked| asked.method = "POST").allowed);
    assert!(!ask(&|asked| asked.action = Action::Connect).allowed);
    assert!(!set.decide(&asked(None)).allowed, "nobody is no user");
}

#[test]
fn a_forbid_that_fails_to_evaluate_lets_nobody_pass() {
    // The only error that the validator can not exclude is arithmetic.
    let own = "forbid (principal, action, resource) when { context.minute * 9223372036854775807 == 0 };";
    let set = compile(vec![route("shop", Some(Allow::Anyone), Conditions::default())], &[("own.cedar", own)]);
    let decision = set.decide(&asked(None));
    assert!(!decision.allowed);
    assert_eq!(&*decision.policies, &["own.cedar:1".into()]);
    assert!(decision.errors[0].message.contains("overflow"), "{decision:?}");
}

#[test]
fn the_policies_of_a_route_can_be_read() {
    let own = "// who\n@id(\"mine\") permit (principal, action, resource in Port::\"mesh\");";
    let set = compile(vec![route("shop", Some(Allow::Anyone), Conditions::default())], &[("own.cedar", own)]);
    let texts = set.policies(set.route("shop").unwrap());
    assert_eq!(texts.len(), 1, "the other is about another port: {texts:?}");
    assert!(texts[0].text.contains("permit (principal, action, resource == Route::\"shop\");"), "{texts:?}");
}
