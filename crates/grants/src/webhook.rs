//! Telling a chat, or any other program, of each step.

use std::time::Duration;

use http::{HeaderMap, HeaderValue, Method, header};
use portcullis_identity::fetch::{FetchError, FetchSettings, Fetcher, ProviderUrl};
use tokio::sync::broadcast::{Receiver, error::RecvError};

use crate::Step;

/// Where steps are told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebhookSettings {
    /// Gets a POST with JSON for each step: `event`, `text` (which Slack and Mattermost show), `grant`.
    pub url: ProviderUrl,
    /// Until it has answered.
    pub timeout: Duration,
}

/// Tells steps.
#[derive(Debug, Clone)]
pub struct Webhook {
    url: ProviderUrl,
    fetcher: Fetcher,
}

/// Tries for each step, and the pause before the second; each further one is twice as long.
const TRIES: u32 = 4;
const PAUSE: Duration = Duration::from_millis(500);
/// The longest answer that is read. Nobody looks at it.
const ANSWER_BYTES: usize = 64 * 1024;

impl Webhook {
    /// Nothing is sent yet.
    pub fn new(settings: &WebhookSettings) -> Result<Self, FetchError> {
        let fetcher = Fetcher::new(&FetchSettings {
            total: settings.timeout,
            response_bytes: ANSWER_BYTES,
            ..FetchSettings::default()
        })?;
        Ok(Self { url: settings.url.clone(), fetcher })
    }

    /// Tells every step, in their order, until nobody takes any more. Runs on the control plane. A webhook that fails
    /// keeps no grant from being approved, refused or ended.
    pub async fn run(self, mut steps: Receiver<Step>) {
        loop {
            match steps.recv().await {
                Ok(step) => {
                    if let Err(error) = self.tell(&step).await {
                        tracing::warn!(%error, grant = step.grant.id, "the webhook was not told of a grant");
                    }
                }
                Err(RecvError::Lagged(missed)) => {
                    tracing::warn!(missed, "the webhook is too slow and was not told of grants");
                }
                Err(RecvError::Closed) => return,
            }
        }
    }

    /// Tells one step; tries again if it fails.
    pub async fn tell(&self, step: &Step) -> Result<(), FetchError> {
        let mut pause = PAUSE;
        for _ in 1..TRIES {
            if self.send(step).await.is_ok() {
                return Ok(());
            }
            tokio::time::sleep(pause).await;
            pause *= 2;
        }
        self.send(step).await
    }

    async fn send(&self, step: &Step) -> Result<(), FetchError> {
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        // Texts and numbers: there is nothing in a step that JSON can not say.
        let body = serde_json::to_vec(step).unwrap_or_default();
        let answer = self.fetcher.exchange(Method::POST, &self.url, headers, body).await?;
        if answer.status.is_success() {
            return Ok(());
        }
        Err(FetchError::Status { at: answer.from, status: answer.status, error: Box::default() })
    }
}
