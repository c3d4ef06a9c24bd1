//! The other end of the admin API: finds the admin port of a running proxy and asks it.

mod exchange;
mod place;
mod token_file;

use std::{fs, path::PathBuf, time::Duration};

use anyhow::{Context, anyhow, bail};
use clap::Args;
use hyper::{Method, StatusCode};
use portcullis_config::secret::Secret;
use portcullis_control::answers::Problem;
use serde::de::DeserializeOwned;

use crate::file::FileArguments;
use exchange::Answer;
pub(crate) use exchange::Unreachable;
use place::Place;

/// Variable that holds the token, where neither an option nor the file gives one.
const TOKEN_VARIABLE: &str = "PORTCULLIS_ADMIN_TOKEN";

/// Where the admin port is and how to get in.
#[derive(Debug, Args)]
pub(crate) struct AdminArguments {
    #[command(flatten)]
    file: FileArguments,
    /// The admin port itself: unix:/run/portcullis.sock, 127.0.0.1:9900, https://admin.example.com:9900
    #[arg(long, value_name = "ADDRESS", conflicts_with_all = ["file", "config"])]
    admin: Option<String>,
    /// File with the bearer token [default: `admin.token` of the file, or $PORTCULLIS_ADMIN_TOKEN]
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// CA that the admin port's certificate is verified with [default: the system's, or the file's certificate]
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
    /// Client certificate
    #[arg(long, value_name = "FILE", requires = "key")]
    cert: Option<PathBuf>,
    /// Key of the client certificate
    #[arg(long, value_name = "FILE", requires = "cert")]
    key: Option<PathBuf>,
}

/// A running proxy.
#[derive(Debug)]
pub(crate) struct Proxy {
    place: Place,
    token: Option<Secret>,
    /// Why the token that the file names is not known here.
    missing: Option<String>,
    runtime: tokio::runtime::Runtime,
}

/// What a command came to.
#[derive(Debug)]
pub(crate) enum Outcome<T> {
    /// It was done.
    Done(T),
    /// The proxy refused, and says why.
    Refused(Box<Problem>),
}

impl AdminArguments {
    /// The admin port at an address, or the one that a file declares.
    pub(crate) fn of(admin: Option<String>, config: Option<PathBuf>, token_file: Option<PathBuf>) -> Self {
        let file = FileArguments::of(config.filter(|_| admin.is_none()));
        Self { file, admin, token_file, ca: None, cert: None, key: None }
    }

    /// Finds the admin port; nothing is sent yet.
    pub(crate) fn proxy(self) -> anyhow::Result<Proxy> {
        let material = place::Material { ca: self.ca, certificate: self.cert.zip(self.key) };
        let (place, declared_token, missing) = if let Some(address) = self.admin {
            (Place::parse(&address, material)?, None, None)
        } else {
            let of_file = Place::of_file(&self.file.path()?, material)?;
            (of_file.place, of_file.token, of_file.missing_token)
        };
        let token = match self.token_file {
            Some(path) => Some(read_token(&path)?),
            None => declared_token.or_else(|| std::env::var(TOKEN_VARIABLE).ok().map(Secret::new)),
        };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let missing = missing.filter(|_| token.is_none());
        Ok(Proxy { place, token, missing, runtime })
    }
}

fn read_token(path: &PathBuf) -> anyhow::Result<Secret> {
    let text = fs::read_to_string(path).with_context(|| format!("can not read the token from {}", path.display()))?;
    let token = text.trim();
    if token.is_empty() {
        bail!("{} holds no token", path.display());
    }
    Ok(Secret::new(token.to_owned()))
}

impl Proxy {
    /// Asks for something.
    pub(crate) fn get<T: DeserializeOwned>(&self, path: &str) -> anyhow::Result<T> {
        match self.exchange(&Method::GET, path)? {
            Outcome::Done(answer) => Ok(answer),
            Outcome::Refused(problem) => Err(self.refusal(&problem)),
        }
    }

    /// Gives a command.
    pub(crate) fn post<T: DeserializeOwned>(&self, path: &str) -> anyhow::Result<Outcome<T>> {
        let outcome = self.exchange(&Method::POST, path)?;
        match outcome {
            // Who does not get in has not been heard; what was heard may be refused for its own sake.
            Outcome::Refused(problem) if problem.status == 401 || problem.status == 403 => Err(self.refusal(&problem)),
            outcome => Ok(outcome),
        }
    }

    fn exchange<T: DeserializeOwned>(&self, method: &Method, path: &str) -> anyhow::Result<Outcome<T>> {
        // A reload resolves names, and answers when it is done.
        let exchange = exchange::exchange(&self.place, self.token.as_ref(), method, path);
        let bounded = async { tokio::time::timeout(Duration::from_mins(2), exchange).await };
        let Answer { status, body } = self
            .runtime
            .block_on(bounded)
            .with_context(|| format!("the {} has not answered within two minutes", self.place))??;
        let is_right = status == StatusCode::OK || status == StatusCode::ACCEPTED;
        let foreign = || format!("the {} answers {status}, but not as an admin port of Portcullis does", self.place);
        if is_right {
            return Ok(Outcome::Done(serde_json::from_slice(&body).with_context(foreign)?));
        }
        Ok(Outcome::Refused(Box::new(serde_json::from_slice(&body).with_context(foreign)?)))
    }

    fn refusal(&self, problem: &Problem) -> anyhow::Error {
        let (place, title, detail) = (&self.place, &problem.title, &problem.detail);
        match (&self.missing, problem.status) {
            (Some(why), 401) => anyhow!(
                "the {place} asks for the token of `admin.token`, which is not known here: {why}; set it as it is set for \
                 the proxy, or give the token with --token-file or ${TOKEN_VARIABLE}"
            ),
            (None, 401) => anyhow!("the {place} refuses: {title}: {detail}; see --token-file, --cert and --key"),
            _ => anyhow!("the {place} refuses: {title}: {detail}"),
        }
    }
}
