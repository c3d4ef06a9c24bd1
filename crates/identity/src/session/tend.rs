//! What has to be done from time to time: learn of others' changes, end what is over, write down uses, rotate keys.

use std::{convert::Infallible, sync::atomic::Ordering, time::Duration};

use portcullis_store::sessions::Which;
use tokio::time::{MissedTickBehavior, interval};

use super::Sessions;
use crate::{own_keys::KeyError, standing::now};

/// How often changes of other processes are looked for: what they end is ended here within a second.
const LOOK: Duration = Duration::from_millis(250);
/// How often keys and uses are seen to, in seconds.
const KEEP: u64 = 10;
/// How long a session that has ended stays in the store for others to learn of it, in seconds.
const REMEMBERED: u64 = 3600;

impl Sessions {
    /// Keeps the sessions in order, for ever. What the store refuses is told once, and tried again.
    pub async fn tend(&self) -> Infallible {
        let mut ticks = interval(LOOK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut is_failing = false;
        loop {
            ticks.tick().await;
            match self.tend_at(now()).await {
                Ok(()) => is_failing = false,
                Err(error) if is_failing => tracing::debug!(%error, "sessions are still not in step with the store"),
                Err(error) => {
                    is_failing = true;
                    tracing::warn!(
                        %error,
                        "sessions are not in step with the store: nobody can log in, and what other processes end \
                         goes unnoticed; sessions that are known stay valid"
                    );
                }
            }
        }
    }

    pub(super) async fn tend_at(&self, now: u64) -> Result<(), KeyError> {
        self.learn(now).await?;
        self.end_what_is_over(now).await?;
        if self.kept.load(Ordering::Relaxed) + KEEP <= now {
            self.kept.store(now, Ordering::Relaxed);
            self.seal.keep(&self.vault, now).await?;
            self.write_uses(now).await?;
            self.vault.write(move |all| all.sessions().forget_before(now.saturating_sub(REMEMBERED))).await?;
        }
        Ok(())
    }

    /// Sessions that are idle or have had their time. The store has the last word on idleness: another process may have
    /// seen a use.
    async fn end_what_is_over(&self, now: u64) -> Result<(), KeyError> {
        let idle = self.settings().idle.as_secs();
        let over: Vec<String> = {
            let table = self.table();
            let is_over = |(id, entry): (&str, &super::table::Entry)| {
                let standing = &entry.standing;
                (standing.expires <= now || standing.last_use() + idle <= now).then(|| id.to_owned())
            };
            table.entries().filter_map(is_over).collect()
        };
        if over.is_empty() {
            return Ok(());
        }
        let done = self.commit(now, move |all| {
            let mut rows = Vec::new();
            for id in over {
                match all.sessions().find(&id)? {
                    Some(row) if row.ended.is_none() && row.expires > now && row.seen + idle > now => rows.push(row),
                    Some(_) => rows.extend(all.sessions().end(&Which::Id(id), now)?),
                    None => {}
                }
            }
            Ok(rows)
        });
        done.await?;
        // What the store has forgotten can not be taken in from it.
        let gone: Vec<_> = {
            let table = self.table();
            table.entries().filter(|(_, entry)| entry.standing.expires <= now).map(|(id, _)| id.to_owned()).collect()
        };
        for id in gone {
            self.table_mut().end(&Which::Id(id));
        }
        Ok(())
    }

    /// Writes down uses that the store does not know of: not each one, but often enough for others to go by.
    async fn write_uses(&self, now: u64) -> Result<(), KeyError> {
        let step = (self.settings().idle.as_secs() / 20).clamp(1, 60);
        let uses: Vec<(String, u64)> = {
            let table = self.table();
            let is_worth_it = |entry: &super::table::Entry| entry.standing.last_use() >= entry.kept_use + step;
            let used = table.entries().filter(|(_, entry)| is_worth_it(entry));
            used.map(|(id, entry)| (id.to_owned(), entry.standing.last_use())).collect()
        };
        if uses.is_empty() {
            return Ok(());
        }
        let done = self.commit(now, move |all| {
            let mut rows = Vec::with_capacity(uses.len());
            for (id, used) in uses {
                if let Some(mut row) = all.sessions().open(&Which::Id(id))?.pop() {
                    row.seen = row.seen.max(used);
                    all.sessions().put(&row)?;
                    rows.push(row);
                }
            }
            Ok(rows)
        });
        done.await?;
        Ok(())
    }
}
