//! From a question to the end of a grant, in one process and in several.

#![allow(clippy::unwrap_used)] // a step that fails is a test that fails

use std::{collections::BTreeMap, path::PathBuf, sync::Arc, time::Duration};

use portcullis_audit::{AuditRecord, Event, Filter, Moment, Selection};
use portcullis_grants::{Actor, Circle, Demand, GrantError, Grants, Settings, State, Step, Terms};
use portcullis_identity::{Kind, Principal};
use portcullis_store::Store;

const HOUR: Duration = Duration::from_hours(1);

fn person(name: &str, groups: &[&str]) -> Principal {
    Principal {
        kind: Kind::User,
        provider: "corp".into(),
        subject: format!("sub-{name}").into(),
        name: name.into(),
        email: None,
        groups: groups.iter().map(|group| (*group).into()).collect(),
        claims: BTreeMap::new(),
    }
}

fn circle(users: &[&str], groups: &[&str]) -> Circle {
    let boxed = |names: &[&str]| names.iter().map(|name| (*name).into()).collect();
    Circle { users: boxed(users), groups: boxed(groups) }
}

/// `ledger`: everybody may ask for up to two hours, `dba` approve, and `oncall` may break the glass.
fn settings() -> Settings {
    let terms = Terms {
        askers: None,
        approvers: circle(&["carol"], &["dba"]),
        longest: 2 * HOUR,
        break_glass: Some(circle(&[], &["oncall"])),
    };
    let closed = Terms { askers: Some(circle(&["bob"], &[])), break_glass: None, ..terms.clone() };
    Settings { services: BTreeMap::from([("ledger".into(), terms), ("vault".into(), closed)]), webhook: None }
}

struct House {
    directory: tempfile::TempDir,
}

impl House {
    fn new() -> Self {
        Self { directory: tempfile::tempdir().unwrap() }
    }

    fn store(&self) -> PathBuf {
        self.directory.path().join("store.db")
    }

    fn grants(&self) -> Grants {
        Grants::open(&self.store()).unwrap()
    }

    fn records(&self) -> Vec<AuditRecord> {
        let mut records = Vec::new();
        let mut store = Store::open(&self.store()).unwrap();
        portcullis_audit::read(&mut store, &Filter::default(), Selection::All, |found| {
            records.extend(found.record);
            Ok(())
        })
        .unwrap();
        records
    }
}

fn demand<'a>(principal: &'a Principal, service: &'a str, duration: Duration) -> Demand<'a> {
    Demand { principal, service, duration, reason: "ticket 4711", operator: None }
}

fn ask(grants: &Grants, principal: &Principal, duration: Duration) -> Result<Step, GrantError> {
    grants.with_clerk(|clerk| clerk.ask(&settings(), &demand(principal, "ledger", duration)))
}

#[test]
fn a_grant_is_asked_for_approved_by_somebody_else_and_revoked_and_each_step_is_on_record() {
    let house = House::new();
    let grants = house.grants();
    let (alice, dora) = (person("alice", &["dba"]), person("dora", &["dba"]));
    let mut told = grants.steps();
    let id = ask(&grants, &alice, HOUR).unwrap().grant.id;
    assert!(grants.active("corp", "sub-alice", "ledger").is_none(), "asked is not approved");
    let own = grants.with_clerk(|clerk| clerk.approve(&settings(), &id, Actor::Principal(&alice), None));
    assert!(matches!(own, Err(GrantError::OwnGrant)), "{own:?}");
    grants.with_clerk(|clerk| clerk.approve(&settings(), &id, Actor::Principal(&dora), Some("fine"))).unwrap();
    let grant = grants.active("corp", "sub-alice", "ledger").unwrap();
    assert_eq!(*grant.id, *id);
    for (provider, subject, service) in
        [("corp", "sub-alice", "vault"), ("corp", "sub-dora", "ledger"), ("other", "sub-alice", "ledger")]
    {
        assert!(grants.active(provider, subject, service).is_none(), "{provider} {subject} {service}");
    }
    grants.with_clerk(|clerk| clerk.revoke(&settings(), &id, Actor::Principal(&dora))).unwrap();
    assert!(!grant.holds(Moment::now()));
    assert!(grants.active("corp", "sub-alice", "ledger").is_none());
    let again = grants.with_clerk(|clerk| clerk.approve(&settings(), &id, Actor::Principal(&dora), None));
    assert!(matches!(again, Err(GrantError::Past { .. })), "{again:?}");
    let records = house.records();
    let steps: Vec<_> =
        records.iter().skip(1).map(|record| (record.event, &*record.principal.as_ref().unwrap().name)).collect();
    assert_eq!(steps, [(Event::GrantAsked, "alice"), (Event::GrantApproved, "dora"), (Event::GrantEnded, "dora")]);
    assert!(records.iter().skip(1).all(|record| record.grant.as_deref() == Some(&id)));
    let texts: Vec<String> = std::iter::from_fn(|| told.try_recv().ok()).map(|step| step.text).collect();
    assert_eq!(
        texts,
        [
            format!("alice (corp) asks for access to ledger for 1 h: ticket 4711 (grant {id})"),
            format!("dora (corp) approved access of alice (corp) to ledger for 1 h: fine (grant {id})"),
            format!("access of alice (corp) to ledger ended: dora (corp) took it back (grant {id})"),
        ]
    );
}

#[test]
fn what_the_settings_do_not_allow_is_refused_with_its_reason() {
    let house = House::new();
    let grants = house.grants();
    let settings = settings();
    let (alice, bob, eve) = (person("alice", &[]), person("bob", &["oncall"]), person("eve", &[]));
    let id = ask(&grants, &alice, HOUR).unwrap().grant.id;
    let refused = |result: Result<Step, GrantError>| result.unwrap_err().to_string();
    let long = "x".repeat(301);
    for (reason, expected) in
        [
            (refused(ask(&grants, &alice, 3 * HOUR)), "access to `ledger` is granted for at most 120 min"),
            (refused(ask(&grants, &alice, Duration::ZERO)), "a grant is for more than no time"),
            (
                refused(grants.with_clerk(|clerk| clerk.ask(&settings, &demand(&alice, "shop", HOUR)))),
                "access to `shop` is not granted on request; `grants` of the file names the services that are",
            ),
            (
                refused(grants.with_clerk(|clerk| clerk.ask(&settings, &demand(&alice, "vault", HOUR)))),
                "alice (corp) may not ask for `vault`",
            ),
            (
                refused(grants.with_clerk(|clerk| clerk.approve(&settings, &id, Actor::Principal(&eve), None))),
                "eve (corp) may not approve for `ledger`",
            ),
            (
                refused(grants.with_clerk(|clerk| clerk.refuse(&settings, &id, Actor::Principal(&eve), None))),
                "eve (corp) may not refuse for `ledger`",
            ),
            (
                refused(grants.with_clerk(|clerk| clerk.revoke(&settings, &id, Actor::Principal(&eve)))),
                "eve (corp) may not revoke for `ledger`",
            ),
            (
                refused(grants.with_clerk(|clerk| clerk.approve(&settings, &id, Actor::Operator("alice"), None))),
                "nobody approves or refuses a grant of their own; somebody else has to",
            ),
            (
                refused(grants.with_clerk(|clerk| clerk.break_glass(&settings, &demand(&alice, "ledger", HOUR)))),
                "alice (corp) may not take access without approval for `ledger`",
            ),
            (
                refused(grants.with_clerk(|clerk| clerk.break_glass(&settings, &demand(&bob, "vault", HOUR)))),
                "bob (corp) may not take access without approval for `vault`",
            ),
            (
                refused(grants.with_clerk(|clerk| clerk.approve(&settings, "g-0", Actor::Operator("root"), None))),
                "there is no grant g-0; `portcullis access list` shows those that there are",
            ),
            (
                refused(grants.with_clerk(|clerk| {
                    clerk.ask(&settings, &Demand { reason: "\x1b[2J", ..demand(&alice, "ledger", HOUR) })
                })),
                "expected a reason of 1 to 300 characters in one line",
            ),
            (
                refused(grants.with_clerk(|clerk| {
                    clerk.ask(&settings, &Demand { reason: &long, ..demand(&alice, "ledger", HOUR) })
                })),
                "expected a reason of 1 to 300 characters in one line",
            ),
        ]
    {
        assert_eq!(reason, expected);
    }
    assert_eq!(house.records().len(), 2, "what was not done is not on record");
    // The same person under another provider is still the same name.
    let twin = Principal { provider: "other".into(), groups: Box::new(["dba".into()]), ..alice };
    let own = grants.with_clerk(|clerk| clerk.approve(&settings, &id, Actor::Principal(&twin), None));
    assert!(matches!(own, Err(GrantError::OwnGrant)));
}

#[test]
fn so_many_questions_may_wait() {
    let house = House::new();
    let grants = house.grants();
    let alice = person("alice", &[]);
    for _ in 0..10 {
        ask(&grants, &alice, HOUR).unwrap();
    }
    let error = ask(&grants, &alice, HOUR).unwrap_err().to_string();
    assert_eq!(error, "10 questions of alice (corp) wait for an answer already");
}

#[test]
fn breaking_the_glass_lets_in_at_once_and_is_loud() {
    let house = House::new();
    let grants = house.grants();
    let bob = person("bob", &["oncall"]);
    let mut told = grants.steps();
    let step = grants.with_clerk(|clerk| clerk.break_glass(&settings(), &demand(&bob, "ledger", HOUR))).unwrap();
    assert!(grants.active("corp", "sub-bob", "ledger").unwrap().break_glass);
    assert!(told.try_recv().unwrap().text.starts_with("BREAK-GLASS: bob (corp) took access to ledger for 1 h"));
    let records = house.records();
    let record = records.last().unwrap();
    assert_eq!((record.event, record.reason.as_deref()), (Event::BreakGlass, Some("ticket 4711")));
    assert_eq!(record.grant.as_deref(), Some(&*step.grant.id));
}

#[tokio::test]
async fn whoever_relies_on_a_grant_learns_of_its_end_within_a_second_also_from_another_process() {
    let house = House::new();
    let (proxy, other) = (Arc::new(house.grants()), house.grants());
    let keeping = tokio::spawn(Arc::clone(&proxy).keep());
    let id = ask(&other, &person("alice", &[]), HOUR).unwrap().grant.id;
    other.with_clerk(|clerk| clerk.approve(&settings(), &id, Actor::Operator("root"), None)).unwrap();
    let grant = loop {
        match proxy.active("corp", "sub-alice", "ledger") {
            Some(grant) => break grant,
            None => tokio::time::sleep(Duration::from_millis(5)).await,
        }
    };
    let relying = tokio::spawn(async move { grant.ended().await });
    other.with_clerk(|clerk| clerk.revoke(&settings(), &id, Actor::Operator("root"))).unwrap();
    tokio::time::timeout(Duration::from_secs(1), relying).await.unwrap().unwrap();
    keeping.abort();
}

#[tokio::test]
async fn a_grant_ends_by_itself_and_that_is_on_record_once() {
    let house = House::new();
    let (one, two) = (house.grants(), house.grants());
    let id = ask(&one, &person("alice", &[]), Duration::from_millis(50)).unwrap().grant.id;
    one.with_clerk(|clerk| clerk.approve(&settings(), &id, Actor::Operator("root"), None)).unwrap();
    let grant = one.active("corp", "sub-alice", "ledger").unwrap();
    grant.ended().await;
    assert!(one.active("corp", "sub-alice", "ledger").is_none());
    one.look().unwrap();
    two.look().unwrap();
    let ended = house.records().into_iter().filter(|record| record.event == Event::GrantEnded).collect::<Vec<_>>();
    assert_eq!(ended.len(), 1);
    assert_eq!(ended[0].reason.as_deref(), Some("for alice (corp:sub-alice): its time is over"));
    let listed = two.list(10).unwrap();
    assert_eq!((listed.len(), listed[0].state), (1, State::Ended));
}

#[test]
fn grants_outlive_the_process() {
    let house = House::new();
    let id = {
        let grants = house.grants();
        let id = ask(&grants, &person("alice", &[]), HOUR).unwrap().grant.id;
        grants.with_clerk(|clerk| clerk.approve(&settings(), &id, Actor::Operator("root"), None)).unwrap();
        id
    };
    assert_eq!(*house.grants().active("corp", "sub-alice", "ledger").unwrap().id, *id);
}

#[test]
fn an_operator_acts_within_the_rights_of_whom_it_is_for_and_the_record_names_both() {
    let house = House::new();
    let grants = house.grants();
    let (alice, dora, erin) = (person("alice", &[]), person("dora", &["dba"]), person("erin", &[]));
    let asked = Demand { operator: Some("root"), ..demand(&alice, "ledger", HOUR) };
    let id = grants.with_clerk(|clerk| clerk.ask(&settings(), &asked)).unwrap().grant.id;
    let approve = |principal, operator| {
        let by = Actor::Delegate { principal, operator };
        grants.with_clerk(|clerk| clerk.approve(&settings(), &id, by, None))
    };
    assert!(matches!(approve(&alice, "root"), Err(GrantError::OwnGrant)));
    assert!(matches!(approve(&dora, "alice"), Err(GrantError::OwnGrant)));
    assert!(matches!(approve(&erin, "root"), Err(GrantError::NotAllowed { .. })));
    approve(&dora, "root").unwrap();
    let records = house.records();
    let record = records.last().unwrap();
    assert_eq!(&*record.principal.as_ref().unwrap().name, "root");
    assert_eq!(record.reason.as_deref(), Some("on behalf of dora (corp): for alice (corp:sub-alice): ticket 4711"));
}

#[test]
fn a_circle_may_name_the_provider_that_vouches() {
    let alice = person("alice", &["dba"]);
    for (users, groups, is_in) in [
        (&["alice"][..], &[][..], true),
        (&["corp:alice"], &[], true),
        (&["other:alice"], &[], false),
        (&["corp:bob"], &[], false),
        (&[], &["dba"], true),
        (&[], &["corp/dba"], true),
        (&[], &["other/dba"], false),
        (&[], &["corp/ops"], false),
    ] {
        assert_eq!(circle(users, groups).has(&alice), is_in, "{users:?} {groups:?}");
    }
}

#[test]
fn steps_of_other_processes_are_told_too_and_those_before_the_start_are_not() {
    let house = House::new();
    let other = house.grants();
    let id = ask(&other, &person("alice", &[]), HOUR).unwrap().grant.id;
    let grants = house.grants();
    let mut told = grants.steps();
    other.with_clerk(|clerk| clerk.approve(&settings(), &id, Actor::Operator("root"), None)).unwrap();
    grants.look().unwrap();
    let texts: Vec<_> = std::iter::from_fn(|| told.try_recv().ok()).map(|step| step.event).collect();
    assert_eq!(texts, [Event::GrantApproved]);
}
