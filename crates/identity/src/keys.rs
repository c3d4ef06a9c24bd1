//! Keys of the proxy's own: `Authorization: Bearer pct_<id>_<secret>`, for programs that no provider knows.
//!
//! Owns: how a key is made, how it is proven, and who is behind it.
//!
//! Must not know: where keys are kept. It is told all of them whenever they change ([`KeyTable::replace`]), and says which
//! were used ([`KeyTable::take_uses`]).
//!
//! Only the SHA-256 of a secret is kept. That is enough because the secret is 256 random bits: whoever has the hash can do
//! nothing but guess among 2^256, however fast the hash is. A slow hash (argon2) is for passwords, which are few; here it
//! would only let anyone make the proxy work hard by sending wrong keys.
//!
//! Invariants:
//! - A secret is told once, when it is made, and is nowhere after that.
//! - The time of a comparison does not depend on how much of a secret is right, or on whether the key exists.
//! - A key that is revoked, changed or gone ends what rests on it at that moment.

use std::{
    collections::{BTreeMap, HashMap},
    fmt,
    sync::{
        Arc, PoisonError, RwLock,
        atomic::{AtomicU64, Ordering},
    },
};

use aws_lc_rs::{constant_time::verify_slices_are_equal, rand};

use crate::{
    Basis, Kind, NotProven, Presented, Principal, Refusal, Secret, Standing, jwt::key::sha256, presented::Scheme,
    refusal::shown, standing::now,
};

/// How every key begins, so that people and scanners of leaked secrets know one when they see it.
pub const PREFIX: &str = "pct_";

const ID_BYTES: usize = 8;
const SECRET_BYTES: usize = 32;
/// When a key without an end ends: with the year 9999.
const NEVER: u64 = 253_402_300_799;

/// A key that was just made.
#[derive(Debug)]
pub struct NewKey {
    /// Its public id: 16 hexadecimal digits.
    pub id: Box<str>,
    /// The whole of it, to be told to whoever asked for it, once.
    pub token: Secret,
    /// What is kept of the secret.
    pub hash: [u8; 32],
}

/// What is kept of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyRecord {
    /// Its public id.
    pub id: Box<str>,
    /// SHA-256 of its secret.
    pub hash: [u8; 32],
    /// Whose it is: the name that policies know. Several keys may have one, so that they can be exchanged one by one.
    pub name: Box<str>,
    /// Its groups, in any order.
    pub groups: Vec<Box<str>>,
    /// The services that it may be used for; `None`: all, as far as the policy goes.
    pub services: Option<Vec<Box<str>>>,
    /// When it ends, in seconds since 1970.
    pub expires: Option<u64>,
    /// When it was revoked, in seconds since 1970.
    pub revoked: Option<u64>,
}

/// All keys, and who is proven by them.
pub struct KeyTable {
    provider: Arc<str>,
    entries: RwLock<HashMap<Box<str>, Arc<Entry>>>,
}

struct Entry {
    record: KeyRecord,
    standing: Arc<Standing>,
    /// Last use, in seconds since 1970; 0: none since it was loaded.
    used: AtomicU64,
    /// The last use that was taken.
    taken: AtomicU64,
}

impl NewKey {
    /// Makes one. An error if the system gives no random numbers.
    pub fn make() -> Result<Self, &'static str> {
        let mut random = [0; ID_BYTES + SECRET_BYTES];
        rand::fill(&mut random).map_err(|_| "the system gives no random numbers")?;
        let (id, secret) = random.split_at(ID_BYTES);
        let (id, secret) = (hexadecimal(id), hexadecimal(secret));
        let token = Secret::new(format!("{PREFIX}{id}_{secret}"));
        Ok(Self { id: id.into(), token, hash: sha256(secret.as_bytes()) })
    }
}

/// The id in a key, if it has the form of one: to revoke what somebody found.
pub fn id_of(token: &str) -> Option<&str> {
    split(token).map(|(id, _)| id)
}

impl KeyTable {
    /// An empty table. `provider` is by what name its principals are known: `keys`.
    pub fn new(provider: Arc<str>) -> Self {
        Self { provider, entries: RwLock::default() }
    }

    /// From now on these are the keys. What rests on one that is gone or revoked ends; what rests on one that was changed
    /// is superseded.
    pub fn replace(&self, records: Vec<KeyRecord>) {
        let mut entries = self.entries.write().unwrap_or_else(PoisonError::into_inner);
        let mut previous = std::mem::take(&mut *entries);
        for record in records {
            let entry = match previous.remove(&record.id) {
                Some(entry) if entry.record == record => entry,
                Some(entry) => {
                    match record.revoked {
                        Some(_) => entry.standing.end(),
                        None => entry.standing.supersede(),
                    }
                    self.entry(record)
                }
                None => self.entry(record),
            };
            entries.insert(entry.record.id.clone(), entry);
        }
        for gone in previous.into_values() {
            gone.standing.end();
        }
    }

    /// Who is proven by the key in `Authorization: Bearer`. Quick and without I/O.
    ///
    /// `Nobody`: there is none that begins with [`PREFIX`].
    pub fn prove(&self, presented: &Presented) -> Result<Arc<Standing>, NotProven> {
        let Some((Scheme::Bearer, token)) = presented.token() else { return Err(NotProven::Nobody) };
        if !token.starts_with(PREFIX) {
            return Err(NotProven::Nobody);
        }
        let malformed =
            || Refusal::token("malformed", format!("a key is {PREFIX}<id>_<secret>, in hexadecimal digits"));
        let (id, secret) = split(token).ok_or_else(malformed)?;
        let entry = self.entries.read().unwrap_or_else(PoisonError::into_inner).get(id).cloned();
        // Hash and comparison also where there is no such key.
        let kept = entry.as_ref().map_or([0; 32], |entry| entry.record.hash);
        let is_right = verify_slices_are_equal(&sha256(secret.as_bytes()), &kept).is_ok();
        let Some(entry) = entry.filter(|_| is_right) else {
            return Err(Refusal::token("unknown-key", format!("no key {} with this secret", shown(id))).into());
        };
        entry.standing_now(now()).map_err(Into::into)
    }

    /// Which keys were used since the last call, by id, and when: to be written down now and then, not with each request.
    pub fn take_uses(&self) -> Vec<(Box<str>, u64)> {
        let entries = self.entries.read().unwrap_or_else(PoisonError::into_inner);
        let taken = entries.values().filter_map(|entry| {
            let used = entry.used.load(Ordering::Relaxed);
            (entry.taken.swap(used, Ordering::Relaxed) < used).then(|| (entry.record.id.clone(), used))
        });
        taken.collect()
    }

    fn entry(&self, record: KeyRecord) -> Arc<Entry> {
        let mut groups = record.groups.clone();
        groups.sort_unstable();
        groups.dedup();
        let principal = Principal {
            kind: Kind::Workload,
            provider: Arc::clone(&self.provider),
            subject: record.name.clone(),
            name: record.name.clone(),
            email: None,
            groups: groups.into(),
            claims: BTreeMap::new(),
        };
        let expires = record.expires.unwrap_or(NEVER).min(NEVER);
        let standing = Standing::new(principal, Basis::Key(record.id.clone()), expires);
        let standing = Arc::new(standing.limited_to(record.services.clone().map(Into::into)));
        Arc::new(Entry { record, standing, used: AtomicU64::new(0), taken: AtomicU64::new(0) })
    }
}

impl Entry {
    fn standing_now(&self, now: u64) -> Result<Arc<Standing>, Refusal> {
        let id = &self.record.id;
        if self.record.revoked.is_some() {
            return Err(Refusal::token("revoked", format!("key {id} of {} was revoked", self.record.name)));
        }
        if now >= self.standing.expires {
            return Err(Refusal::token("expired", format!("key {id} of {} has expired", self.record.name)));
        }
        self.used.fetch_max(now, Ordering::Relaxed);
        Ok(Arc::clone(&self.standing))
    }
}

/// Does not tell the hashes.
impl fmt::Debug for KeyTable {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("KeyTable").field("provider", &self.provider).finish_non_exhaustive()
    }
}

/// Id and secret, each of exactly its length in hexadecimal digits of lower case.
fn split(token: &str) -> Option<(&str, &str)> {
    let (id, secret) = token.strip_prefix(PREFIX)?.split_once('_')?;
    let fits = |text: &str, bytes: usize| {
        text.len() == 2 * bytes && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
    };
    (fits(id, ID_BYTES) && fits(secret, SECRET_BYTES)).then_some((id, secret))
}

fn hexadecimal(bytes: &[u8]) -> String {
    let digit = |half: u8| char::from(b"0123456789abcdef"[usize::from(half)]);
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::State;

    fn record(key: &NewKey) -> KeyRecord {
        KeyRecord {
            id: key.id.clone(),
            hash: key.hash,
            name: "ci".into(),
            groups: vec!["deploy".into(), "build".into(), "deploy".into()],
            services: Some(vec!["shop".into()]),
            expires: None,
            revoked: None,
        }
    }

    fn with(records: Vec<KeyRecord>) -> KeyTable {
        let table = KeyTable::new("keys".into());
        table.replace(records);
        table
    }

    fn bearer(token: &str) -> Presented {
        Presented { authorization: Some(format!("Bearer {token}").into()), ..Presented::default() }
    }

    fn reason(table: &KeyTable, token: &str) -> &'static str {
        match table.prove(&bearer(token)) {
            Err(NotProven::Refused(refusal)) => {
                assert!(token.len() < 20 || !refusal.detail.contains(&token[21..]), "{refusal}");
                refusal.reason
            }
            Err(NotProven::Nobody) => "nobody",
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_key_proves_its_name_and_nothing_near_it_does() {
        let (key, other) = (NewKey::make().unwrap(), NewKey::make().unwrap());
        let token = key.token.expose();
        let table = with(vec![record(&key)]);
        let standing = table.prove(&bearer(token)).unwrap();
        assert_eq!(standing.principal.to_string(), "ci (keys)");
        assert!(standing.principal.is_in("deploy") && standing.principal.is_in("build"));
        assert!(standing.covers("shop") && !standing.covers("ledger"));
        assert_eq!(standing.basis, Basis::Key(key.id.clone()));
        let (_, secret) = split(other.token.expose()).unwrap();
        let mixed = format!("{PREFIX}{}_{secret}", key.id);
        for (what, token, expected) in [
            ("of another secret", &*mixed, "unknown-key"),
            ("unknown", other.token.expose(), "unknown-key"),
            ("cut", &token[..token.len() - 1], "malformed"),
            ("longer", &format!("{token}0"), "malformed"),
            ("upper case", &format!("{PREFIX}{}", token[4..].to_uppercase()), "malformed"),
            ("prefix alone", PREFIX, "malformed"),
            ("of another kind", "opaque", "nobody"),
        ] {
            assert_eq!(reason(&table, token), expected, "{what}");
        }
        let as_dpop = Presented { authorization: Some(format!("DPoP {token}").into()), ..Presented::default() };
        assert_eq!(table.prove(&as_dpop).unwrap_err(), NotProven::Nobody);
        // The hash of nothing is no way in where there is no key.
        let zero = KeyRecord { hash: [0; 32], ..record(&key) };
        assert_eq!(reason(&with(vec![zero]), token), "unknown-key");
    }

    #[test]
    fn a_key_ends_with_its_time_its_revocation_and_its_row() {
        let key = NewKey::make().unwrap();
        let token = key.token.expose();
        let expired = KeyRecord { expires: Some(now()), ..record(&key) };
        assert_eq!(reason(&with(vec![expired]), token), "expired");
        let table = with(vec![record(&key)]);
        let standing = table.prove(&bearer(token)).unwrap();
        table.replace(vec![record(&key)]);
        assert_eq!(standing.state(), State::Current, "nothing changed");
        table.replace(vec![KeyRecord { groups: vec![], ..record(&key) }]);
        assert_eq!(standing.state(), State::Superseded);
        let standing = table.prove(&bearer(token)).unwrap();
        table.replace(vec![KeyRecord { revoked: Some(now()), ..record(&key) }]);
        assert_eq!(standing.state(), State::Ended);
        assert_eq!(reason(&table, token), "revoked");
        table.replace(vec![record(&key)]);
        let standing = table.prove(&bearer(token)).unwrap();
        table.replace(vec![]);
        assert_eq!(standing.state(), State::Ended);
        assert_eq!(reason(&table, token), "unknown-key");
    }

    #[test]
    fn uses_are_told_once_however_many_there_were() {
        let key = NewKey::make().unwrap();
        let table = with(vec![record(&key)]);
        assert_eq!(table.take_uses(), []);
        for _ in 0..100 {
            table.prove(&bearer(key.token.expose())).unwrap();
        }
        let uses = table.take_uses();
        assert_eq!(uses.len(), 1);
        assert_eq!(uses[0].0, key.id);
        assert_eq!(table.take_uses(), []);
    }

    #[test]
    fn no_two_keys_are_alike_and_none_is_printed() {
        let (one, two) = (NewKey::make().unwrap(), NewKey::make().unwrap());
        assert_ne!(one.id, two.id);
        assert_ne!(one.hash, two.hash);
        assert!(!format!("{one:?}").contains(one.token.expose()));
        assert_eq!(id_of(one.token.expose()), Some(&*one.id));
    }

    proptest! {
        #[test]
        fn any_text_is_a_key_or_refused(text in "(pct_)?[0-9a-f_]{0,90}|\\PC{0,40}") {
            prop_assert!(with(vec![]).prove(&bearer(&text)).is_err());
        }
    }
}
