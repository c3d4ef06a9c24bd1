//! What would let a refused request pass.

use std::collections::BTreeMap;

use portcullis_policy::{
    Allow, Asked, Change, Conditions, Explanation, Grant, Identity, Name, PolicySet, Weekday, Window,
};

use crate::{THURSDAY, alice, asked, compile, name, only, route};

fn changes(explanation: &Explanation) -> Vec<String> {
    explanation.changes.iter().map(ToString::to_string).collect()
}

fn explained(allow: impl Into<Option<Allow>>, deny: Conditions, identity: Option<&Identity>) -> Explanation {
    let set = compile(vec![route("ledger", allow, deny)], &[]);
    let caller = identity.map(|identity| set.caller(identity));
    set.explain(&asked(caller.as_ref()))
}

#[test]
fn every_condition_that_does_not_hold_is_named_and_together_they_are_enough() {
    let needs = Conditions {
        from: vec!["192.0.2.0/24".parse().unwrap(), "fd00::/8".parse().unwrap()],
        certificates: vec!["*.laptops.example.com".to_owned()],
        users: vec![name("bob@example.com"), name("corp:carol")],
        groups: vec!["corp/ops".to_owned()],
        domains: vec!["example.org".to_owned()],
        claims: BTreeMap::from([("level".to_owned(), vec!["3".to_owned()])]),
        time: Window::new([Weekday::Monday], Some((22 * 60, 6 * 60))),
        grant: Grant::Required,
        ..Conditions::default()
    };
    for identity in [None, Some(&alice())] {
        let explanation = explained(only(needs.clone()), Conditions::default(), identity);
        let mut expected = vec![
            "come from 192.0.2.0/24 or fd00::/8",
            "show a client certificate with the name *.laptops.example.com",
            "be bob@example.com or corp:carol",
            "be in group corp/ops",
            "have a verified e-mail address of example.org",
            "have the claim level: 3",
            "come at mon 22:00-06:00 (UTC)",
            "have an active grant for ledger-service",
        ];
        if identity.is_none() {
            expected.insert(0, "prove who you are");
        }
        assert_eq!(changes(&explanation), expected);
        assert!(!explanation.allowed && explanation.is_enough, "{explanation:#?}");
    }
}

#[test]
fn only_what_is_missing_is_named() {
    let needs = Conditions {
        from: vec!["10.0.0.0/8".parse().unwrap()],
        groups: vec!["dba".to_owned(), "ops".to_owned()],
        grant: Grant::Required,
        ..Conditions::default()
    };
    let explanation = explained(only(needs), Conditions::default(), Some(&alice()));
    assert_eq!(changes(&explanation), ["have an active grant for ledger-service"]);
    assert!(explanation.is_enough && explanation.decided_by.is_empty());
}

#[test]
fn what_deny_names_is_named_with_the_list_that_it_is_in() {
    let deny = Conditions {
        users: vec![name("alice@example.com"), name("mallory")],
        from: vec!["10.1.0.0/16".parse().unwrap(), "192.0.2.0/24".parse().unwrap()],
        groups: vec!["ops".to_owned()],
        ..Conditions::default()
    };
    let explanation = explained(Some(Allow::Anyone), deny, Some(&alice()));
    assert_eq!(
        changes(&explanation),
        [
            "take 10.1.0.0/16 out of `deny: { from }` of the route",
            "take alice@example.com out of `deny: { users }` of the route"
        ]
    );
    assert_eq!(explanation.decided_by[0].to_string(), "deny of route ledger");
    assert!(explanation.is_enough);
}

#[test]
fn a_route_that_names_nobody_says_so() {
    let explanation = explained(None, Conditions::default(), Some(&alice()));
    assert_eq!(explanation.changes, [Change::SayWho]);
    assert!(!explanation.is_enough);
}

#[test]
fn a_policy_of_ones_own_is_named_with_its_place() {
    let own = "permit (principal in Group::\"ops\", action, resource);\n\n\
               @id(\"lockdown\")\nforbid (principal, action, resource) unless { principal in Group::\"oncall\" };";
    let set = compile(vec![route("ledger", Some(Allow::Anyone), Conditions::default())], &[("own.cedar", own)]);
    let explanation = set.explain(&asked(Some(&set.caller(&alice()))));
    assert_eq!(changes(&explanation), ["change the policy at own.cedar:3 (own.cedar#lockdown), which forbids it"]);
    assert!(!explanation.is_enough);
    let set = compile(vec![route("ledger", None, Conditions::default())], &[("own.cedar", own)]);
    let oncall = Identity { groups: vec!["oncall".to_owned()], ..alice() };
    let explanation = set.explain(&asked(Some(&set.caller(&oncall))));
    assert_eq!(explanation.could_permit[0].to_string(), "own.cedar:1");
    let json = serde_json::to_value(&explanation).unwrap();
    assert_eq!(json["changes"][0]["change"], "say-who");
    assert_eq!(json["could_permit"][0]["place"]["line"], 1);
}

#[test]
fn what_may_pass_needs_no_change() {
    let explanation = explained(Some(Allow::Anyone), Conditions::default(), None);
    assert!(explanation.allowed && explanation.is_enough && explanation.changes.is_empty());
    assert_eq!(explanation.decided_by[0].to_string(), "allow of route ledger");
}

#[test]
fn long_lists_are_explained_as_short_ones_are() {
    let users: Vec<Name> = (0..30).map(|at| name(&format!("user{at}"))).collect();
    let conditions = Conditions { users, ..Conditions::default() };
    let explanation = explained(only(conditions.clone()), Conditions::default(), Some(&alice()));
    assert_eq!(changes(&explanation), ["be user0, user1, user2, user3, user4 or one of 25 more"]);
    assert!(explanation.is_enough);
    let user7 = Identity { name: "user7".to_owned(), ..alice() };
    let explanation = explained(Some(Allow::Anyone), conditions, Some(&user7));
    assert_eq!(changes(&explanation), ["take user7 out of `deny: { users }` of the route"]);
    assert!(explanation.is_enough);
}

#[test]
fn the_time_that_is_proposed_is_tried_across_changes_of_the_clock() {
    let window = Window::new([Weekday::Sunday], Some((120, 150)));
    let mut shop = route("shop", only(Conditions { time: window, ..Conditions::default() }), Conditions::default());
    shop.zone = portcullis_policy::Zone::named("Europe/Berlin").unwrap();
    let set: PolicySet = compile(vec![shop], &[]);
    // In the week before 2026-03-29 there is no such Sunday hour; the one after is not within a week.
    let before = THURSDAY + 69 * 86400;
    for (now, is_enough) in [(THURSDAY, true), (before, false)] {
        let explanation = set.explain(&Asked { now, ..asked(None) });
        assert_eq!(explanation.is_enough, is_enough, "{explanation:#?}");
        assert_eq!(changes(&explanation), ["come at sun 02:00-02:30 (Europe/Berlin)"]);
    }
}
