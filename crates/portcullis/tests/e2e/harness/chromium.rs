//! A real browser: Debian's Chromium, steered by a script.

use std::{
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
};

use serde_json::{Value, json};
use tempfile::TempDir;

/// One browser with a profile of its own. It believes every certificate: what it is asked about is logins.
#[derive(Debug)]
pub(crate) struct Chromium {
    script: Child,
    commands: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
    _profile: TempDir,
}

impl Chromium {
    /// Where the names of these hosts are this machine.
    pub(crate) fn start(hosts: &[&str]) -> Self {
        let profile = TempDir::new().unwrap();
        let hosts: Vec<String> = hosts.iter().map(|host| format!("MAP {host} 127.0.0.1")).collect();
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/provider/browser.py");
        // Debian's interpreter: another one on the path would not have Debian's modules.
        let mut command = Command::new("/usr/bin/python3");
        command.arg(script).arg(profile.path()).arg(hosts.join(", "));
        let mut script = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let (commands, answers) = (script.stdin.take(), BufReader::new(script.stdout.take().unwrap()));
        Self { script, commands, answers, _profile: profile }
    }

    #[track_caller]
    pub(crate) fn go(&mut self, url: &str) {
        assert_eq!(self.command(&json!({ "go": url })), true, "{url}");
    }

    /// Waits until this expression is true in the page.
    #[track_caller]
    pub(crate) fn until(&mut self, expression: &str) {
        assert_eq!(self.command(&json!({ "until": expression })), true);
    }

    /// Types a text into the field of a form.
    #[track_caller]
    pub(crate) fn fill(&mut self, field: &str, text: &str) {
        self.run(&format!("document.querySelector('[name={field}]').value = {}", json!(text)));
    }

    /// Presses the button of a form, or follows a link.
    #[track_caller]
    pub(crate) fn press(&mut self, selector: &str) {
        self.run(&format!("document.querySelector({}).click()", json!(selector)));
    }

    #[track_caller]
    pub(crate) fn run(&mut self, expression: &str) -> Value {
        self.command(&json!({ "run": expression }))
    }

    /// The text that the page shows.
    #[track_caller]
    pub(crate) fn text(&mut self) -> String {
        self.run("document.body.innerText").as_str().unwrap_or_default().to_owned()
    }

    #[track_caller]
    fn command(&mut self, command: &Value) -> Value {
        let commands = self.commands.as_mut().expect("the browser runs");
        writeln!(commands, "{command}")
            .and_then(|()| commands.flush())
            .expect("the browser takes commands: run scripts/setup");
        let mut answer = String::new();
        self.answers.read_line(&mut answer).unwrap();
        serde_json::from_str(&answer).unwrap_or_else(|error| panic!("{command}: {error}: run scripts/setup"))
    }
}

impl Drop for Chromium {
    fn drop(&mut self) {
        // The script ends the browser, and itself, when nobody speaks to it any more.
        drop(self.commands.take());
        let _ = self.script.wait();
    }
}
