//! A certified OpenID provider: npm's `oidc-provider`, which scripts/setup installs.

use std::{
    io::{BufRead, BufReader},
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Child, ChildStdin, Command, Stdio},
};

use serde_json::{Value, json};

use super::Person;

/// The running provider, with one client: `proxy`.
#[derive(Debug)]
pub(crate) struct OpenIdProvider {
    process: Child,
    /// It ends with this.
    input: Option<ChildStdin>,
    issuer: String,
}

impl OpenIdProvider {
    /// For a proxy that browsers see at `origin` and that listens at `address`; there, the provider's name is `corp`.
    pub(crate) fn start(origin: &str, address: SocketAddr) -> Self {
        let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/provider/provider.mjs");
        let settings = json!({
            "redirects": [format!("{origin}/.portcullis/callback/corp")],
            "logouts": [format!("{origin}/.portcullis/logout")],
            "backchannel": format!("https://{address}/.portcullis/backchannel/corp"),
            "users": { "alice": { "groups": ["dba"] }, "bob": { "groups": [] } },
        });
        let mut command = Command::new("node");
        command.arg(tests).arg(settings.to_string()).env("NODE_MODULES", packages());
        // Whom it tells of logouts shows a certificate of the test's own.
        command.env("NODE_TLS_REJECT_UNAUTHORIZED", "0").env("NODE_NO_WARNINGS", "1");
        let mut process = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("run scripts/setup");
        let mut line = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let said: Value = serde_json::from_str(&line).expect("the provider starts: run scripts/setup");
        let issuer = said["issuer"].as_str().unwrap().to_owned();
        Self { input: process.stdin.take(), process, issuer }
    }

    pub(crate) fn issuer(&self) -> &str {
        &self.issuer
    }

    /// Somebody who has not been there yet.
    pub(crate) fn visitor(&self) -> Person {
        let host = self.issuer.trim_start_matches("http://");
        let port = host.rsplit(':').next().unwrap();
        Person::at(format!("127.0.0.1:{port}").parse().unwrap(), host)
    }

    /// Steers it: `users`, `rotate`, `revoke`, `logout`, `clock`.
    #[track_caller]
    pub(crate) fn steer(&self, what: &str, how: &Value) {
        let visitor = self.visitor();
        let request = visitor.request("POST", &format!("/test/{what}"));
        assert_eq!(request.body(how.to_string()).send().status, 204, "{what} {how}");
    }

    /// Ends it.
    pub(crate) fn stop(&mut self) {
        drop(self.input.take());
        let _ = self.process.wait();
    }

    /// Through the provider's pages, from where the proxy has sent a browser to where it is sent back.
    #[track_caller]
    pub(crate) fn log_in(&self, visitor: &mut Person, address: &str, user: &str) -> String {
        let mut at = address.to_owned();
        for _ in 0..12 {
            let Some(target) =
                at.strip_prefix(&self.issuer).map(str::to_owned).or_else(|| at.starts_with('/').then(|| at.clone()))
            else {
                return at;
            };
            let mut answer = visitor.look_at(&target);
            if answer.status == 200 {
                answer = visitor.submit(&target, &[("user", user)]);
            }
            let location = answer.header("location");
            location.unwrap_or_else(|| panic!("{target}: {answer:?}")).clone_into(&mut at);
        }
        panic!("the provider sends in circles: {at}");
    }
}

impl Drop for OpenIdProvider {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Where scripts/setup has put the packages.
fn packages() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/test-provider")
}
