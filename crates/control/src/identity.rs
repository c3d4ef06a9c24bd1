//! What providers of identities need while they run: keys that are fetched again, tokens that the store holds.
//!
//! Invariant: where the store can not be read, what was proven stays valid and nobody new is proven by it (invariant 7).

use std::{path::PathBuf, sync::Arc, time::Duration};

use portcullis_identity::{
    Authenticator, OpenError,
    keys::{KeyRecord, KeyTable},
};
use portcullis_plan::{Plan, Registries};
use portcullis_store::{Store, StoreError, default_place, tokens::TokenRow};
use tokio::{sync::watch, task::spawn_blocking, time::sleep};

use crate::{Running, task::AbortOnDrop};

/// How often the store is asked whether tokens were made or revoked: within a second of a revocation, what rests on the
/// token has ended.
const LOOK: Duration = Duration::from_millis(500);

/// Opens what logins and assertions of a plan are kept in, before it runs.
pub(crate) async fn open(plan: &Plan, registries: &Registries) -> Result<(), OpenError> {
    match &plan.identity {
        Some(identity) => identity.open(&registries.identity, default_place()).await,
        None => Ok(()),
    }
}

/// Serves the providers of each plan for as long as it runs.
pub(crate) async fn keep(mut running: watch::Receiver<Arc<Running>>) {
    let mut tasks: Option<Vec<AbortOnDrop>> = None;
    let mut served: Option<Arc<Authenticator>> = None;
    loop {
        let identity = running.borrow_and_update().plan.identity.clone();
        let is_same = match (&identity, &served) {
            (Some(new), Some(old)) => Arc::ptr_eq(new, old),
            (None, None) => true,
            _ => false,
        };
        if !is_same {
            // Those of the plan before end here.
            drop(tasks.take());
            tasks = identity.as_ref().map(start);
            served = identity;
        }
        if running.changed().await.is_err() {
            return;
        }
    }
}

fn start(identity: &Arc<Authenticator>) -> Vec<AbortOnDrop> {
    let fresh = Arc::clone(identity);
    let mut tasks = vec![AbortOnDrop(tokio::spawn(async move { fresh.keep_fresh().await }))];
    let tables = identity.key_tables();
    if !tables.is_empty() {
        tasks.push(AbortOnDrop(tokio::spawn(follow_tokens(tables))));
    }
    tasks
}

/// Reads tokens into the tables whenever they change, and writes down which were used.
async fn follow_tokens(tables: Vec<Arc<KeyTable>>) {
    let Some(place) = default_place() else {
        tracing::error!("no place for the store is known, so no token is accepted; set PORTCULLIS_STORE");
        return;
    };
    let mut reader = Reader { place, store: None, change: None };
    let mut is_told = false;
    loop {
        let used = tables.iter().flat_map(|table| table.take_uses()).collect::<Vec<_>>();
        let Ok((back, found)) = spawn_blocking(move || {
            let found = reader.look(&used);
            (reader, found)
        })
        .await
        else {
            return;
        };
        reader = back;
        match found {
            Ok(Some(rows)) => {
                for table in &tables {
                    table.replace(rows.iter().map(record).collect());
                }
                is_told = false;
            }
            Ok(None) => is_told = false,
            Err(error) if !is_told => {
                tracing::error!(%error, "tokens can not be read; those that are known stay valid");
                is_told = true;
            }
            Err(_) => {}
        }
        sleep(LOOK).await;
    }
}

/// The store, opened when it is first needed and again after a failure.
struct Reader {
    place: PathBuf,
    store: Option<Store>,
    /// Number of the change that was read last.
    change: Option<u64>,
}

impl Reader {
    /// All tokens, if they have changed.
    fn look(&mut self, used: &[(Box<str>, u64)]) -> Result<Option<Vec<TokenRow>>, StoreError> {
        let found = self.try_look(used);
        if found.is_err() {
            self.store = None;
        }
        found
    }

    fn try_look(&mut self, used: &[(Box<str>, u64)]) -> Result<Option<Vec<TokenRow>>, StoreError> {
        let store = match &mut self.store {
            Some(store) => store,
            None => self.store.insert(Store::open(&self.place)?),
        };
        if !used.is_empty() {
            store.write(|transaction| used.iter().try_for_each(|(id, at)| transaction.tokens().used(id, *at)))?;
        }
        let last = self.change;
        let (change, rows) = store.read(|transaction| {
            let change = transaction.tokens().change()?;
            let rows = if Some(change) == last { None } else { Some(transaction.tokens().all()?) };
            Ok::<_, StoreError>((change, rows))
        })?;
        self.change = Some(change);
        Ok(rows)
    }
}

fn record(row: &TokenRow) -> KeyRecord {
    let texts = |list: &[String]| list.iter().map(|text| text.as_str().into()).collect::<Vec<Box<str>>>();
    KeyRecord {
        id: row.id.as_str().into(),
        hash: row.hash,
        name: row.name.as_str().into(),
        groups: texts(&row.groups),
        services: row.services.as_ref().map(|services| texts(services)),
        expires: row.expires,
        revoked: row.revoked,
    }
}
