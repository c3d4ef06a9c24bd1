//! Who can reach what, without a request.

use portcullis_policy::{Allow, Answer, Conditions, Grant, Identity, Weekday, Window};

use crate::{alice, compile, name, only, route};

fn shown(requirements: &[portcullis_policy::Requirement]) -> Vec<String> {
    requirements.iter().map(ToString::to_string).collect()
}

#[test]
fn who_lists_the_conditions_of_every_route_to_a_service() {
    let needs = Conditions {
        groups: vec!["dba".to_owned(), "ops".to_owned()],
        from: vec!["10.0.0.0/8".parse().unwrap()],
        time: Window::new([Weekday::Monday, Weekday::Tuesday, Weekday::Wednesday], None),
        grant: Grant::Required,
        ..Conditions::default()
    };
    let deny = Conditions { users: vec![name("mallory")], ..Conditions::default() };
    let mut open = route("open", Some(Allow::Anyone), deny);
    open.service = Some("ledger-service".to_owned());
    let own = "@id(\"break-glass\") permit (principal in Group::\"oncall\", action, resource in Service::\"ledger-service\");";
    let set = compile(
        vec![
            route("ledger", only(needs), Conditions::default()),
            route("shop", Some(Allow::Anyone), Conditions::default()),
            open,
        ],
        &[("own.cedar", own)],
    );
    let found = set.who("ledger-service");
    assert_eq!(found.len(), 2);
    assert_eq!(shown(&found[0].conditions), ["groups dba or ops", "from 10.0.0.0/8", "time mon-wed", "grant required"]);
    assert_eq!(found[0].policies[0].policy.to_string(), "own.cedar:1 (own.cedar#break-glass)");
    assert!(found[0].policies[0].permits && !found[0].anyone);
    assert!(found[1].anyone);
    assert_eq!(shown(&found[1].except), ["users mallory"]);
    assert!(set.who("nothing").is_empty());
}

#[test]
fn what_answers_for_one_sender_and_names_what_else_must_hold() {
    let needs = |group: &str| Conditions {
        groups: vec![group.to_owned()],
        from: vec!["10.0.0.0/8".parse().unwrap()],
        ..Conditions::default()
    };
    let not_alice = Conditions { users: vec![name("alice@example.com")], ..Conditions::default() };
    let not_from = Conditions { from: vec!["192.0.2.0/24".parse().unwrap()], ..Conditions::default() };
    let own = r#"
        permit (principal in Group::"dba", action, resource == Route::"own");
        permit (principal, action == Action::"request", resource == Route::"path") when { context.path == "/x" };
        forbid (principal in Group::"dba", action, resource == Route::"forbidden");"#;
    let routes = vec![
        route("dba", only(needs("dba")), not_from.clone()),
        route("ops", only(needs("ops")), not_from),
        route("denied", Some(Allow::Anyone), not_alice),
        route("own", None, Conditions::default()),
        route("path", None, Conditions::default()),
        route("forbidden", Some(Allow::Anyone), Conditions::default()),
        route("nobody", None, Conditions::default()),
    ];
    let set = compile(routes, &[("own.cedar", own)]);
    let found = set.what(Some(&alice()));
    let answers: Vec<(&str, Answer)> = found.iter().map(|reach| (reach.route.as_str(), reach.answer)).collect();
    assert_eq!(
        answers,
        [
            ("dba", Answer::Yes),
            ("ops", Answer::No),
            ("denied", Answer::No),
            ("own", Answer::Yes),
            ("path", Answer::ByPolicy),
            ("forbidden", Answer::No),
            ("nobody", Answer::No),
        ]
    );
    assert_eq!(shown(&found[0].conditions), ["from 10.0.0.0/8"]);
    assert_eq!(shown(&found[0].except), ["from 192.0.2.0/24"]);
    assert_eq!(found[1].changes[0].to_string(), "be in group ops");
    assert_eq!(found[4].policies[0].policy.to_string(), "own.cedar:3");
    assert!(found[5].changes[0].to_string().contains("own.cedar:4"), "{:?}", found[5]);
    let nobody = set.what(None);
    assert_eq!(nobody[0].answer, Answer::No);
    assert_eq!(nobody[2].answer, Answer::Yes, "who proves nothing is not whom deny names");
    let ops = Identity { groups: vec!["ops".to_owned()], ..alice() };
    assert_eq!(set.what(Some(&ops))[1].answer, Answer::Yes);
}
