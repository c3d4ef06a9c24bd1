//! Asks Portcullis for a connection to a service: one HTTP/1.1 request, which becomes the connection.

use std::{fs, path::PathBuf, time::Duration};

use anyhow::{Context, bail};
use portcullis_config::tunnels;
use reqwest::{Certificate, Identity, Response, StatusCode, Upgraded, Url, header, redirect::Policy};

use super::Connect;

/// What the connection becomes.
const PROTOCOL: &str = "portcullis-tcp";

/// How long Portcullis may take to answer.
const ANSWER_TIME: Duration = Duration::from_secs(15);

/// How often, and after how long each, an attempt is made again that did not reach Portcullis.
const AGAIN: [Duration; 4] =
    [Duration::from_millis(250), Duration::from_millis(500), Duration::from_secs(1), Duration::from_secs(2)];

/// How much of a refusal is shown.
const SHOWN_BYTES: usize = 500;

/// Whom to ask, and as whom.
#[derive(Debug)]
pub(super) struct Client {
    http: reqwest::Client,
    address: Url,
    token_file: Option<PathBuf>,
    service: String,
}

impl Client {
    /// Nothing is sent yet; files are read.
    pub(super) fn new(arguments: &Connect) -> anyhow::Result<Self> {
        let address = Url::parse(&arguments.through)
            .ok()
            .filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host())
            .with_context(|| {
                format!("`{}` is no address; write https://HOST or https://HOST:PORT", arguments.through)
            })?;
        if address.path() != "/" || address.query().is_some() || address.fragment().is_some() {
            let origin = address.origin().ascii_serialization();
            bail!("`{}` is more than the address of a port; write {origin}", arguments.through);
        }
        let address = address.join(&format!("{}{}", tunnels::PREFIX, arguments.service))?;
        // The connection becomes a session, which no timeout of ours ends.
        let mut http = reqwest::Client::builder().http1_only().redirect(Policy::none()).connect_timeout(ANSWER_TIME);
        http = http.pool_max_idle_per_host(0).tcp_nodelay(true);
        if let Some(file) = &arguments.ca {
            let authorities = Certificate::from_pem_bundle(&read(file)?)
                .with_context(|| format!("{} holds no certificate that can be read", file.display()))?;
            if authorities.is_empty() {
                bail!("{} holds no certificate, so nobody could be believed: name a PEM file", file.display());
            }
            http = http.tls_certs_only(authorities);
        }
        if let (Some(certificate), Some(key)) = (&arguments.certificate, &arguments.key) {
            let both = [read(certificate)?, b"\n".to_vec(), read(key)?].concat();
            let identity = Identity::from_pem(&both).with_context(|| {
                format!("{} and {} are no certificate with its key", certificate.display(), key.display())
            })?;
            http = http.identity(identity);
        }
        Ok(Self {
            http: http.build().context("TLS could not be set up")?,
            address,
            token_file: arguments.token_file.clone(),
            service: arguments.service.clone(),
        })
    }

    /// Whether the caller may pass, and what the service speaks: asks without offering to switch.
    pub(super) async fn ask(&self) -> anyhow::Result<String> {
        let response = self.send(self.request()?).await?;
        if response.status() != StatusCode::UPGRADE_REQUIRED {
            bail!(self.refusal(response).await);
        }
        let speaks = response.headers().get("portcullis-protocol").and_then(|value| value.to_str().ok());
        Ok(speaks.unwrap_or("tcp").to_owned())
    }

    /// A connection to the service.
    pub(super) async fn connect(&self) -> anyhow::Result<Upgraded> {
        let mut again = AGAIN.iter();
        let response = loop {
            let request = self.request()?.header(header::CONNECTION, "upgrade").header(header::UPGRADE, PROTOCOL);
            match (self.send(request).await, again.next()) {
                (Ok(response), _) => break response,
                (Err(_), Some(pause)) => tokio::time::sleep(*pause).await,
                (Err(error), None) => return Err(error),
            }
        };
        if response.status() != StatusCode::SWITCHING_PROTOCOLS {
            bail!(self.refusal(response).await);
        }
        response.upgrade().await.context("the connection ended before it was one")
    }

    fn request(&self) -> anyhow::Result<reqwest::RequestBuilder> {
        let request = self.http.get(self.address.clone());
        Ok(match self.token()? {
            Some(token) => request.bearer_auth(token),
            None => request,
        })
    }

    /// Who is calling, if a token says so.
    fn token(&self) -> anyhow::Result<Option<String>> {
        let token = match &self.token_file {
            Some(file) => {
                Some(String::from_utf8(read(file)?).with_context(|| format!("{} is no text", file.display()))?)
            }
            None => std::env::var("PORTCULLIS_TOKEN").ok(),
        };
        Ok(token.map(|token| token.trim().to_owned()).filter(|token| !token.is_empty()))
    }

    async fn send(&self, request: reqwest::RequestBuilder) -> anyhow::Result<Response> {
        let asked = tokio::time::timeout(ANSWER_TIME, request.send()).await;
        let host = self.address.origin().ascii_serialization();
        let answered = asked.with_context(|| format!("{host} did not answer within {ANSWER_TIME:?}"))?;
        answered.with_context(|| format!("{host} cannot be reached"))
    }

    /// In words for whoever typed the command.
    async fn refusal(&self, response: Response) -> String {
        let status = response.status();
        let (service, host) = (&self.service, self.address.origin().ascii_serialization());
        let advice = match status {
            StatusCode::UNAUTHORIZED if matches!(self.token(), Ok(Some(_))) => {
                "the token is not accepted: it is not known, has ended or was revoked; see `portcullis token list`"
            }
            StatusCode::UNAUTHORIZED => {
                "it does not know who is calling: say so by a token ($PORTCULLIS_TOKEN, --token-file) or a certificate"
            }
            StatusCode::FORBIDDEN => "whoever you are to it may not pass: `portcullis access who` says who may",
            StatusCode::NOT_FOUND => "no route of that port leads to this service: see `portcullis explain`",
            StatusCode::BAD_GATEWAY | StatusCode::SERVICE_UNAVAILABLE | StatusCode::GATEWAY_TIMEOUT => {
                "the service is not well"
            }
            _ => "that is not what Portcullis answers: is it the right address?",
        };
        let said: String = response
            .text()
            .await
            .unwrap_or_default()
            .chars()
            .filter(|one| !one.is_control())
            .take(SHOWN_BYTES)
            .collect();
        let said = if said.is_empty() || said.starts_with('<') { String::new() } else { format!(" ({said})") };
        format!("{host} does not lead to `{service}`: {}{said}: {advice}", status.as_u16())
    }
}

fn read(file: &PathBuf) -> anyhow::Result<Vec<u8>> {
    fs::read(file).with_context(|| format!("cannot read {}", file.display()))
}
