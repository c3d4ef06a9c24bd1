//! Sessions: what a cookie is good for, until when, and how it is ended.

use std::collections::BTreeMap;

use portcullis_store::Store;
use proptest::prelude::*;

use super::*;
use crate::{Kind, State};

const HTTPS: Site<'static> = Site { scheme: "https", authority: "shop.example.com" };
const HOUR: u64 = 3600;

fn principal(subject: &str) -> Principal {
    Principal {
        kind: Kind::User,
        provider: "corp".into(),
        subject: subject.into(),
        name: format!("{subject}@example.com").into(),
        email: None,
        groups: ["staff".into()].into(),
        claims: BTreeMap::new(),
    }
}

fn login(subject: &str) -> Login {
    let tokens = ProviderTokens { refresh: Some(Secret::new("refresh-1")), id: Some(Secret::new("id-1")) };
    Login {
        principal: principal(subject),
        account: None,
        provider_session: Some(format!("sid-{subject}").into()),
        tokens: Some(tokens),
    }
}

fn value(cookie: &HeaderValue) -> String {
    let text = cookie.to_str().unwrap();
    text.split_once('=').unwrap().1.split(';').next().unwrap().to_owned()
}

fn presented(site: Site<'_>, cookie: &str) -> Presented {
    Presented {
        session: Some(cookie.into()),
        scheme: if site.is_secure() { "https" } else { "http" },
        authority: site.authority.into(),
        ..Presented::default()
    }
}

fn shown(begun: &Begun) -> Presented {
    presented(HTTPS, &value(&begun.cookie))
}

fn reason(judged: Result<Arc<Standing>, NotProven>) -> &'static str {
    match judged {
        Err(NotProven::Refused(refusal)) => refusal.reason,
        Err(NotProven::Nobody) => "nobody",
        Err(NotProven::Unavailable(_)) => "unavailable",
        Ok(_) => "proven",
    }
}

async fn sessions() -> Sessions {
    over(Vault::new(Store::in_memory().unwrap())).await
}

async fn over(vault: Vault) -> Sessions {
    Sessions::open(vault, SessionSettings::default()).await.unwrap()
}

#[tokio::test]
async fn a_login_is_proven_by_its_cookie_on_its_host_and_its_scheme_alone() {
    let sessions = sessions().await;
    let begun = sessions.begin(login("alice"), HTTPS, None).await.unwrap();
    let text = begun.cookie.to_str().unwrap();
    assert!(text.starts_with("__Host-portcullis=") && text.ends_with("; HttpOnly; SameSite=Lax; Secure"), "{text}");
    let cookie = value(&begun.cookie);
    assert!(cookie.len() < 160, "{}", cookie.len());
    let proven = sessions.prove(&shown(&begun)).unwrap();
    assert!(Arc::ptr_eq(&proven, &begun.standing));
    assert_eq!(*proven.principal, principal("alice"));

    let port = Site { authority: "shop.example.com:8443", ..HTTPS };
    assert_eq!(reason(sessions.prove(&presented(port, &cookie))), "proven", "cookies do not know ports");
    let other_host = Site { authority: "blog.example.com", ..HTTPS };
    let plain = Site { scheme: "http", ..HTTPS };
    for (site, what) in [(other_host, "stolen for another host"), (plain, "replayed without TLS")] {
        assert_eq!(reason(sessions.prove(&presented(site, &cookie))), "foreign-cookie", "{what}");
    }
    assert_eq!(reason(sessions.prove(&Presented { session: None, ..shown(&begun) })), "nobody");
}

#[tokio::test]
async fn a_cookie_of_another_proxy_or_with_a_changed_byte_proves_nobody() {
    let (other, sessions) = (sessions().await, sessions().await);
    let begun = sessions.begin(login("alice"), HTTPS, None).await.unwrap();
    assert_eq!(reason(other.prove(&shown(&begun))), "foreign-cookie");
    let cookie = value(&begun.cookie);
    for at in 0..cookie.len() {
        let mut bytes = cookie.clone().into_bytes();
        bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
        let tampered = String::from_utf8(bytes).unwrap();
        assert_eq!(reason(sessions.prove(&presented(HTTPS, &tampered))), "foreign-cookie", "byte {at}");
    }
    let huge = "A".repeat(1 << 20);
    assert_eq!(reason(sessions.prove(&presented(HTTPS, &huge))), "foreign-cookie");
}

#[test]
fn no_cookie_makes_it_panic_or_proves_anybody() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let sessions = runtime.block_on(sessions());
    proptest!(|(cookie in "\\PC{0,300}", tail in "[A-Za-z0-9_-]{0,200}")| {
        prop_assert_ne!(reason(sessions.prove(&presented(HTTPS, &cookie))), "proven");
        prop_assert_ne!(reason(sessions.prove(&presented(HTTPS, &format!("AQAAAA{tail}")))), "proven");
    });
}

#[tokio::test]
async fn a_stolen_cookie_is_worth_nothing_after_the_logout() {
    let sessions = sessions().await;
    let begun = sessions.begin(login("alice"), HTTPS, None).await.unwrap();
    let ended = sessions.end_by_cookie(&shown(&begun)).await.unwrap().unwrap();
    assert_eq!(&*ended.provider, "corp");
    assert_eq!(ended.id_token.unwrap().expose(), "id-1");
    assert_eq!(begun.standing.state(), State::Ended);
    assert_eq!(reason(sessions.prove_after_looking(&shown(&begun)).await), "ended-session");
    assert!(sessions.end_by_cookie(&shown(&begun)).await.unwrap().is_none());
    let restarted = over(sessions.vault.clone()).await;
    assert_eq!(reason(restarted.prove_after_looking(&shown(&begun)).await), "ended-session");
}

#[tokio::test]
async fn a_login_begins_a_new_session_and_ends_the_one_before() {
    let sessions = sessions().await;
    let fixed = sessions.begin(login("mallory"), HTTPS, None).await.unwrap();
    let cookie = value(&fixed.cookie);
    let begun = sessions.begin(login("alice"), HTTPS, Some(&cookie)).await.unwrap();
    assert_ne!(begun.standing.basis, fixed.standing.basis);
    assert_eq!(fixed.standing.state(), State::Ended);
    assert_eq!(reason(sessions.prove(&presented(HTTPS, &cookie))), "ended-session");
    assert_eq!(&*sessions.prove(&shown(&begun)).unwrap().principal.subject, "alice");
    // Something that somebody made up is simply no session.
    sessions.begin(login("bob"), HTTPS, Some("made-up")).await.unwrap();
}

#[tokio::test]
async fn a_session_ends_when_nobody_uses_it_and_at_its_end_even_if_somebody_does() {
    let sessions = sessions().await;
    let start = now();
    let begun = sessions.begin_at(login("alice"), HTTPS, None, start).await.unwrap();
    let idle = sessions.begin_at(login("bob"), HTTPS, None, start).await.unwrap();
    for quarter in 1..48 {
        let now = start + quarter * HOUR / 4;
        assert_eq!(reason(sessions.prove_at(&shown(&begun), now)), "proven", "{quarter}");
        sessions.tend_at(now).await.unwrap();
        let expected = if quarter < 4 { State::Current } else { State::Ended };
        assert_eq!(idle.standing.state(), expected, "{quarter}");
    }
    assert_eq!(reason(sessions.prove_at(&shown(&begun), start + 12 * HOUR)), "expired-session");
    sessions.tend_at(start + 12 * HOUR).await.unwrap();
    assert_eq!(begun.standing.state(), State::Ended);
    assert_eq!(sessions.list(), []);
}

#[tokio::test]
async fn an_idle_session_is_refused_even_before_anybody_has_ended_it() {
    let sessions = sessions().await;
    let start = now();
    let begun = sessions.begin_at(login("alice"), HTTPS, None, start).await.unwrap();
    assert_eq!(reason(sessions.prove_at(&shown(&begun), start + HOUR - 1)), "proven");
    assert_eq!(reason(sessions.prove_at(&shown(&begun), start + 2 * HOUR - 1)), "idle-session");
}

#[tokio::test]
async fn a_use_that_another_process_saw_counts() {
    let vault = Vault::new(Store::in_memory().unwrap());
    let (one, other) = (over(vault.clone()).await, over(vault).await);
    let start = now();
    let begun = one.begin_at(login("alice"), HTTPS, None, start).await.unwrap();
    other.tend_at(start).await.unwrap();
    let used = start + HOUR - 60;
    assert_eq!(reason(other.prove_at(&shown(&begun), used)), "proven");
    other.tend_at(used).await.unwrap();
    one.tend_at(start + HOUR).await.unwrap();
    assert_eq!(begun.standing.state(), State::Current);
    one.tend_at(used + HOUR).await.unwrap();
    assert_eq!(begun.standing.state(), State::Ended);
}

#[tokio::test]
async fn a_restart_and_another_process_know_the_same_sessions() {
    let vault = Vault::new(Store::in_memory().unwrap());
    let (one, other) = (over(vault.clone()).await, over(vault.clone()).await);
    let begun = one.begin(login("alice"), HTTPS, None).await.unwrap();
    assert_eq!(reason(other.prove(&shown(&begun))), "ended-session");
    assert_eq!(reason(other.prove_after_looking(&shown(&begun)).await), "proven");
    assert_eq!(reason(over(vault).await.prove(&shown(&begun))), "proven");
    let there = other.prove(&shown(&begun)).unwrap();
    one.end(Which::Name("alice@example.com".to_owned())).await.unwrap();
    other.tend_at(now()).await.unwrap();
    assert_eq!(there.state(), State::Ended);
}

#[tokio::test]
async fn sessions_are_ended_by_id_person_provider_session_and_name() {
    let owned = str::to_owned;
    let table = [
        (Which::Subject { provider: owned("corp"), subject: owned("alice") }, 2),
        (Which::ProviderSession { provider: owned("corp"), provider_session: owned("sid-alice") }, 2),
        (Which::ProviderSession { provider: owned("else"), provider_session: owned("sid-alice") }, 0),
        (Which::Name(owned("bob@example.com")), 1),
        (Which::Account(owned("alice")), 0),
        (Which::Id(owned("nothing")), 0),
    ];
    for (which, count) in table {
        let sessions = sessions().await;
        for subject in ["alice", "alice", "bob"] {
            sessions.begin(login(subject), HTTPS, None).await.unwrap();
        }
        assert_eq!(sessions.end(which.clone()).await.unwrap(), count, "{which:?}");
        assert_eq!(sessions.list().len(), 3 - count, "{which:?}");
    }
}

#[tokio::test]
async fn whoever_relies_on_a_session_learns_that_its_claims_have_changed() {
    let sessions = sessions().await;
    let begun = sessions.begin(login("alice"), HTTPS, None).await.unwrap();
    let Basis::Session(id) = &begun.standing.basis else { panic!("a session rests on itself") };
    let tokens = ProviderTokens { refresh: Some(Secret::new("refresh-2")), id: None };
    sessions.confirm(id, &principal("alice"), &tokens).await.unwrap();
    assert_eq!(begun.standing.state(), State::Current, "nothing has changed");

    let promoted = Principal { groups: ["dba".into(), "staff".into()].into(), ..principal("alice") };
    sessions.confirm(id, &promoted, &tokens).await.unwrap();
    assert_eq!(begun.standing.state(), State::Superseded);
    let now_proven = sessions.prove(&shown(&begun)).unwrap();
    assert!(now_proven.principal.is_in("dba"));
    assert_eq!(now_proven.basis, begun.standing.basis);
}

#[tokio::test]
async fn one_process_asks_the_provider_again_and_an_ended_session_is_not_revived_by_its_answer() {
    let vault = Vault::new(Store::in_memory().unwrap());
    let (one, other) = (over(vault.clone()).await, over(vault).await);
    let start = now();
    let begun = one.begin_at(login("alice"), HTTPS, None, start).await.unwrap();
    other.tend_at(start).await.unwrap();
    let age = Duration::from_mins(5);
    assert!(one.take_due_at("corp", age, 10, start + 299).await.unwrap().is_empty());
    assert!(one.take_due_at("else", age, 10, start + 300).await.unwrap().is_empty());
    let due = one.take_due_at("corp", age, 10, start + 300).await.unwrap();
    assert_eq!(due.len(), 1);
    assert_eq!(due[0].tokens.refresh.as_ref().unwrap().expose(), "refresh-1");
    assert!(!format!("{due:?}").contains("refresh-1"));
    assert!(other.take_due_at("corp", age, 10, start + 300).await.unwrap().is_empty(), "taken");
    assert_eq!(other.take_due_at("corp", age, 10, start + 361).await.unwrap().len(), 1, "whoever took it has died");

    one.end(Which::Id(due[0].id.to_string())).await.unwrap();
    one.confirm(&due[0].id, &principal("alice"), &due[0].tokens).await.unwrap();
    assert_eq!(reason(one.prove_after_looking(&shown(&begun)).await), "ended-session");
}

#[tokio::test]
async fn there_are_never_more_sessions_than_there_may_be() {
    let sessions = sessions().await;
    sessions.configure(SessionSettings { most: 3, most_of_a_person: 2, ..SessionSettings::default() });
    let start = now();
    let first = sessions.begin_at(login("alice"), HTTPS, None, start).await.unwrap();
    let second = sessions.begin_at(login("alice"), HTTPS, None, start + 1).await.unwrap();
    sessions.begin_at(login("alice"), HTTPS, None, start + 2).await.unwrap();
    assert_eq!((first.standing.state(), second.standing.state()), (State::Ended, State::Current));
    sessions.begin(login("bob"), HTTPS, None).await.unwrap();
    let error = sessions.begin(login("carol"), HTTPS, None).await.unwrap_err();
    assert!(matches!(error, SessionError::Full(3)), "{error}");
}

#[tokio::test]
async fn nothing_secret_is_printed() {
    let sessions = sessions().await;
    let begun = sessions.begin(login("alice"), HTTPS, None).await.unwrap();
    let printed = format!("{sessions:?} {begun:?} {:?}", login("alice"));
    for secret in ["refresh-1", "id-1", &value(&begun.cookie)] {
        assert!(!printed.contains(secret), "{secret}");
    }
}
