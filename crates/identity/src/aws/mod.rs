//! AWS identities, proven by a presigned `GetCallerIdentity` request to STS.
//!
//! `Authorization: Bearer portcullis-aws-v1.<base64url of the presigned address>`, as Kubernetes on EKS has its
//! `k8s-aws-v1`. The caller signs the request with its credentials and sends it to us; we send it to STS, which checks
//! the signature and says whose it is. No secret of the caller ever comes here.
//!
//! Owns: what of such an address is accepted, the question to STS, and which principal an ARN is.
//!
//! Must not know: signatures. STS checks them; we make sure that what it checks is this question and no other.
//!
//! Invariants:
//! - The request that goes out is built here, from parts that were each checked: host, path and the set of parameters are
//!   ours, so that no address can make the proxy ask anything else, or anyone else.
//! - `x-portcullis-server` is signed and sent with *our* name: a request that was signed for another proxy does not verify.
//! - An address counts for minutes, and STS is asked again when an answer is no longer fresh.

mod arn;
mod presigned;
#[cfg(test)]
mod tests;

use std::{fmt, sync::Arc, time::Duration};

pub use arn::{Arn, ArnPattern};
use http::{HeaderMap, HeaderValue, StatusCode, header};
pub use presigned::{PREFIX, Presigned};
use serde::Deserialize;

use crate::{
    Basis, Kind, NotProven, Presented, Principal, Refusal, Standing,
    answers::{AnswerBounds, Answers},
    fetch::{Answer, Fetcher, ProviderUrl},
    jwt::key::sha256,
    presented::Scheme,
    refusal::shown,
    standing::now,
};

/// The header by which a request is bound to one proxy.
pub const SERVER_HEADER: &str = "x-portcullis-server";

/// Who of AWS is whom here.
#[derive(Debug, Clone)]
pub struct AwsSettings {
    /// Name of the provider in the file.
    pub name: Arc<str>,
    /// The STS endpoint: `https://sts.eu-central-1.amazonaws.com/`. Callers have to sign for exactly this one.
    pub endpoint: ProviderUrl,
    /// Name of this proxy, which callers have to sign: `access.example.com`.
    pub server: Box<str>,
    /// Who may come; the first that fits.
    pub rules: Vec<AwsRule>,
    /// For how long after its signature a request counts at most, whatever it says itself.
    pub longest: Duration,
    /// By how much clocks may differ.
    pub leeway: Duration,
    /// How much is asked and remembered.
    pub bounds: AnswerBounds,
}

/// Roles and users that come as one kind of principal.
#[derive(Debug, Clone)]
pub struct AwsRule {
    /// Which: `arn:aws:iam::123456789012:role/deploy-*`.
    pub arn: ArnPattern,
    /// The name by which policies know them; `None`: the ARN.
    pub name: Option<Box<str>>,
    /// Their groups.
    pub groups: Vec<Box<str>>,
}

/// Proves senders by their AWS identity.
pub struct AwsProvider {
    settings: AwsSettings,
    server: HeaderValue,
    fetcher: Fetcher,
    answers: Answers,
}

/// The answer of STS, as far as it is needed.
#[derive(Deserialize)]
struct Envelope {
    #[serde(rename = "GetCallerIdentityResponse")]
    response: Response,
}

#[derive(Deserialize)]
struct Response {
    #[serde(rename = "GetCallerIdentityResult")]
    result: CallerIdentity,
}

#[derive(Deserialize)]
struct CallerIdentity {
    #[serde(rename = "Account")]
    account: String,
    #[serde(rename = "Arn")]
    arn: String,
}

impl AwsProvider {
    /// A provider that was not asked anything yet. The error says which setting is wrong.
    pub fn new(settings: AwsSettings, fetcher: Fetcher) -> Result<Self, &'static str> {
        let is_name = settings.server.bytes().all(|byte| byte.is_ascii_graphic()) && !settings.server.is_empty();
        let server = HeaderValue::from_str(&settings.server).ok().filter(|_| is_name);
        let server = server.ok_or("the name of this server needs to be plain text, such as access.example.com")?;
        if settings.rules.is_empty() {
            return Err("name at least one role or user; without a rule, nobody is let in");
        }
        let answers = Answers::new(settings.bounds.clone());
        Ok(Self { settings, server, fetcher, answers })
    }

    /// Its name in the file.
    pub fn name(&self) -> &Arc<str> {
        &self.settings.name
    }

    /// Who is proven by the presigned request in `Authorization: Bearer`. Asks STS; call it where that is allowed.
    ///
    /// `Nobody`: there is none that begins with [`PREFIX`].
    pub async fn prove(&self, presented: &Presented) -> Result<Arc<Standing>, NotProven> {
        let Some((Scheme::Bearer, token)) = presented.token() else { return Err(NotProven::Nobody) };
        if !token.starts_with(PREFIX) {
            return Err(NotProven::Nobody);
        }
        let request = Presigned::parse(token, &self.settings.endpoint)?;
        let until = request.ends(now(), self.settings.longest.as_secs(), self.settings.leeway.as_secs())?;
        self.answers.get(sha256(token.as_bytes()), "", async || self.ask(&request, until).await).await
    }

    async fn ask(&self, request: &Presigned, until: u64) -> Result<Standing, NotProven> {
        let unavailable = |why: String| NotProven::Unavailable(format!("{}: {why}", self.settings.name).into());
        let address = request.address(&self.settings.endpoint).map_err(|error| unavailable(error.to_string()))?;
        let mut headers = HeaderMap::new();
        headers.insert(header::ACCEPT, HeaderValue::from_static("application/json"));
        headers.insert(SERVER_HEADER, self.server.clone());
        // No redirect: what was signed is for this place.
        let answer = self.fetcher.exchange(http::Method::GET, &address, headers, Vec::new()).await;
        let answer = answer.map_err(|error| unavailable(error.to_string()))?;
        if matches!(answer.status, StatusCode::BAD_REQUEST | StatusCode::FORBIDDEN) {
            return Err(Refusal::token("refused-by-sts", refusal_of(&answer)).into());
        }
        let Envelope { response } = answer.json().map_err(|error| unavailable(error.to_string()))?;
        let principal = self.principal(&response.result)?;
        Ok(Standing::new(principal, Basis::Aws, until))
    }

    /// Whom the settings make of it.
    fn principal(&self, identity: &CallerIdentity) -> Result<Principal, Refusal> {
        let refused = |why: &str| Refusal::token("unknown-arn", format!("STS says {}: {why}", shown(&identity.arn)));
        let arn = Arn::parse(&identity.arn).map_err(refused)?;
        if *arn.account != *identity.account {
            return Err(refused("and another account"));
        }
        let rule = self.settings.rules.iter().find(|rule| rule.arn.matches(&arn));
        let rule = rule.ok_or_else(|| {
            Refusal::token(
                "not-mapped",
                format!("no rule of {} is for {}", self.settings.name, shown(&arn.of_identity)),
            )
        })?;
        let mut groups = rule.groups.clone();
        groups.sort_unstable();
        groups.dedup();
        let mut claims = std::collections::BTreeMap::new();
        claims.insert("account".into(), Box::from([arn.account.clone()]));
        if let Some(session) = &arn.session {
            claims.insert("session".into(), Box::from([session.clone()]));
        }
        Ok(Principal {
            kind: Kind::Workload,
            provider: Arc::clone(&self.settings.name),
            subject: arn.of_identity.clone(),
            name: rule.name.clone().unwrap_or(arn.of_identity),
            email: None,
            groups: groups.into(),
            claims,
        })
    }
}

impl fmt::Debug for AwsProvider {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("AwsProvider").field("settings", &self.settings).finish_non_exhaustive()
    }
}

/// The code that STS gives (`SignatureDoesNotMatch`), and what it most likely means here.
fn refusal_of(answer: &Answer) -> String {
    #[derive(Deserialize)]
    struct Envelope {
        #[serde(rename = "Error")]
        error: Code,
    }
    #[derive(Deserialize)]
    struct Code {
        #[serde(rename = "Code")]
        code: String,
    }
    let code = serde_json::from_slice::<Envelope>(&answer.body).ok().map(|envelope| envelope.error.code);
    match code.as_deref() {
        Some("SignatureDoesNotMatch") => {
            "STS says SignatureDoesNotMatch: signed with other keys, or for another server than this one".to_owned()
        }
        Some(code) => format!("STS says {}", shown(code)),
        None => format!("STS answered {}", answer.status.as_u16()),
    }
}
