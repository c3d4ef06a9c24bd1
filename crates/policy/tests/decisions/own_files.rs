//! Cedar files of one's own: what is wrong is said with its place.

use portcullis_policy::{Conditions, PolicySet};
use proptest::prelude::*;

use crate::{route, settings};

/// What is said of this text, as `line:column: message | help`.
fn said(text: &str) -> Vec<String> {
    let routes = vec![route("shop", None, Conditions::default())];
    let Err(errors) = PolicySet::compile(settings(routes, &[("own.cedar", text)])) else { return Vec::new() };
    errors
        .into_iter()
        .map(|error| {
            let help = error.help.map(|help| format!(" | {help}")).unwrap_or_default();
            format!("{}:{}: {}{help}", error.line, error.column, error.message)
        })
        .collect()
}

#[test]
fn what_is_wrong_is_said_with_line_and_column() {
    for (text, expected) in [
        ("permit (principal, action, resource)", &["1:37: "][..]),
        ("permit (principal, action, resource);\n\n  allow (principal, action, resource);", &["3:3: "]),
        ("permit (principal, action, resource)\nwhen { context.sauce.isLoopback() };", &["2:8: "]),
        ("permit (principal, action, resource) when { principal.name == 3 };", &[]),
        ("// é\npermit (principal, action == Action::\"reqest\", resource);", &["2:"]),
        ("permit (principal == ?principal, action, resource);", &["1:"]),
        ("permit (principal, action, resource) when { 1 + };", &["1:"]),
    ] {
        let said = said(text);
        assert!(!said.is_empty(), "{text}");
        for (at, start) in expected.iter().enumerate() {
            assert!(said[at].starts_with(start), "{text}: {said:#?}");
        }
    }
}

#[test]
fn a_name_that_does_not_exist_would_forbid_nobody_and_is_refused() {
    for (text, expected) in [
        (
            "forbid (principal, action, resource == Route::\"shpo\");",
            "1:40: there is no Route::\"shpo\" | did you mean \"shop\"?",
        ),
        (
            "forbid (principal, action,\n  resource in Port::\"wep\");",
            "2:15: there is no Port::\"wep\" | did you mean \"web\"?",
        ),
        (
            "forbid (principal == User::\"mallory@example.com\", action, resource);",
            "1:22: there is no User::\"mallory@example.com\" | write User::\"provider/subject\" with a provider of the file, or `principal.name == \"mallory@example.com\"`",
        ),
        (
            "forbid (principal == Anonymous::\"nobody\", action, resource);",
            "1:22: there is no Anonymous::\"nobody\" | write a name of the file",
        ),
    ] {
        assert_eq!(said(text), [expected], "{text}");
    }
    assert_eq!(said("forbid (principal == User::\"corp/7\", action, resource in Service::\"shop-service\");"), [""; 0]);
}

#[test]
fn two_policies_of_one_id_and_one_that_never_applies_are_refused() {
    let twice = "@id(\"a\") permit (principal, action, resource);\n@id(\"a\") forbid (principal, action, resource);";
    assert_eq!(
        said(twice),
        ["2:1: there is already a policy own.cedar#a | give each policy of a file an `@id` of its own"]
    );
    let never = said("forbid (principal, action, resource) when { principal is Port };");
    assert!(never.len() == 1 && never[0].contains("impossible"), "{never:?}");
    assert_eq!(said("permit (principal, action, resource); permit (principal, action, resource);"), [""; 0]);
}

#[test]
fn a_policy_about_requests_says_that_it_is() {
    let unqualified = said("permit (principal, action, resource) when { context.path like \"/x\" };");
    assert!(unqualified[0].contains("path"), "{unqualified:?}");
    assert_eq!(
        said("permit (principal, action == Action::\"request\", resource) when { context.path like \"/x\" };"),
        [""; 0]
    );
}

proptest! {
    #[test]
    fn any_text_is_read_or_refused_at_a_place_that_is_in_it(
        parts in prop::collection::vec(prop_oneof![
            4 => prop::sample::select(&["permit", "forbid", "(", ")", "principal", "action", "resource", ", ", ";", "when", "{", "}",
                "context.path", "like", "\"*", "\"", "\\", "//", "\n", "Port::", "é", "==", "(principal, action, resource)"][..])
                .prop_map(str::to_owned),
            1 => ".{0,8}",
        ], 0..24),
    ) {
        let text = parts.join(" ");
        let routes = vec![route("shop", None, Conditions::default())];
        let Err(errors) = PolicySet::compile(settings(routes, &[("own.cedar", &text)])) else { return Ok(()) };
        for error in errors {
            let line = text.split('\n').nth(error.line - 1);
            prop_assert!(line.is_some_and(|line| error.column <= line.chars().count() + 1), "{error} in {text:?}");
        }
    }
}
