//! Asking the provider again, so that what it changes (groups, or that somebody has left) holds without a new login.

use std::{convert::Infallible, sync::Arc, time::Duration};

use tokio::{task::JoinSet, time::sleep};

use super::{OidcError, OidcProvider, exchange::Grant};
use crate::{
    Refusal,
    session::{Due, Login, ProviderTokens, Sessions, Which},
};

/// How often it is looked what is due.
const LOOK: Duration = Duration::from_secs(1);
/// Sessions that are refreshed at once: a provider is not to be stormed after an outage.
const AT_ONCE: usize = 8;
/// Reason of a refusal: no key of the provider has the name that the token says.
const UNKNOWN_KEY: &str = "unknown-key";
/// Until the next try for a session, where the provider could not be asked.
const AGAIN: Duration = Duration::from_secs(30);

impl OidcProvider {
    /// Keeps keys and sessions fresh, for ever: a task of the control plane, to be dropped with the provider.
    pub async fn tend(self: Arc<Self>, sessions: Arc<Sessions>) -> Infallible {
        let keys = self.keys.keep_fresh();
        let refresh = async {
            loop {
                sleep(LOOK).await;
                Arc::clone(&self).refresh_due(&sessions).await;
            }
        };
        tokio::join!(keys, refresh).1
    }

    /// Refreshes those that are due now.
    pub(super) async fn refresh_due(self: Arc<Self>, sessions: &Arc<Sessions>) {
        loop {
            let due = match sessions.take_due(&self.settings.name, self.settings.refresh, AT_ONCE).await {
                Ok(due) if due.is_empty() => return,
                Ok(due) => due,
                // The sessions' own task tells of a store that does not answer.
                Err(error) => return tracing::debug!(%error, "no session can be refreshed"),
            };
            let mut tasks = JoinSet::new();
            for due in due {
                let (provider, sessions) = (Arc::clone(&self), Arc::clone(sessions));
                tasks.spawn(async move { provider.refresh(&sessions, &due).await });
            }
            while tasks.join_next().await.is_some() {}
        }
    }

    pub(super) async fn refresh(&self, sessions: &Sessions, due: &Due) {
        let provider = &*self.settings.name;
        let done = match self.ask_again(due).await {
            Ok(login) => {
                let tokens = login.tokens.unwrap_or_default();
                let tokens = ProviderTokens {
                    refresh: tokens.refresh.or_else(|| due.tokens.refresh.clone()),
                    id: tokens.id.or_else(|| due.tokens.id.clone()),
                };
                sessions.confirm(&due.id, &login.principal, &tokens).await
            }
            Err(OidcError::Unavailable(why)) => {
                tracing::warn!(provider, session = %due.id, %why, "a session was not refreshed; it is tried again");
                sessions.postpone(&due.id, AGAIN).await
            }
            Err(error) => {
                tracing::info!(provider, session = %due.id, %error, "a refused refresh ends the session");
                sessions.end(Which::Id(due.id.to_string())).await.map(|_| ())
            }
        };
        if let Err(error) = done {
            tracing::warn!(provider, session = %due.id, %error, "what a refresh brought could not be kept");
        }
    }

    /// What the provider says of the person now.
    async fn ask_again(&self, due: &Due) -> Result<Login, OidcError> {
        let refresh = due.tokens.refresh.as_ref().ok_or(OidcError::Foreign("there is no refresh token"))?;
        let metadata = self.discovery.metadata(&self.fetcher).await?;
        let tokens = self.exchange(&metadata, &Grant::Refresh(refresh)).await?;
        // Core 12.2: an ID token may come along; where none does, the userinfo endpoint is asked.
        let checked = match tokens.id {
            Some(_) => Some(self.check_id_token(&tokens, None).await),
            None => None,
        };
        let claims = match checked {
            Some(Ok(claims)) => self.with_user_info(&metadata, claims, &tokens).await?,
            // The provider has just changed its keys, and is not asked for them again so soon. That ends nobody's
            // session: the old refresh token is used up, and the new access token tells as much.
            Some(Err(OidcError::Unbelievable(refusal))) if refusal.reason == UNKNOWN_KEY => {
                self.user_info(&metadata, &tokens, &due.subject).await?
            }
            Some(Err(error)) => return Err(error),
            None => self.user_info(&metadata, &tokens, &due.subject).await?,
        };
        if claims.text("sub") != Some(&*due.subject) {
            return Err(Refusal::token("wrong-subject", "the provider now speaks of somebody else").into());
        }
        self.login(&claims, tokens)
    }
}
