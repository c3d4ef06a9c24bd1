//! What `portcullis probe` reports.

use std::process::Output;

use serde_json::Value;

/// One report, read from its JSON.
#[derive(Debug)]
pub(crate) struct Probed {
    code: i32,
    report: Value,
}

impl Probed {
    #[track_caller]
    pub(crate) fn read(output: &Output) -> Self {
        let report = serde_json::from_slice(&output.stdout);
        let said = || format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        let report = report.unwrap_or_else(|error| panic!("{error} in {}", said()));
        Self { code: output.status.code().unwrap_or(-1), report }
    }

    /// Outcomes of a check whose subject holds this text.
    fn of(&self, check: &str, subject: &str) -> Vec<&Value> {
        let outcomes = self.report["outcomes"].as_array().expect("there are outcomes");
        let is_meant = |outcome: &&Value| {
            outcome["check"] == check && outcome["subject"].as_str().is_some_and(|named| named.contains(subject))
        };
        outcomes.iter().filter(is_meant).collect()
    }

    /// The one outcome of a check whose subject holds this text has this verdict; returns what was got.
    #[track_caller]
    pub(crate) fn expects(&self, check: &str, subject: &str, verdict: &str) -> String {
        self.expects_from("this host", check, subject, verdict)
    }

    /// The same, as tried from this vantage.
    #[track_caller]
    pub(crate) fn expects_from(&self, vantage: &str, check: &str, subject: &str, verdict: &str) -> String {
        let found: Vec<&Value> =
            self.of(check, subject).into_iter().filter(|outcome| outcome["vantage"] == vantage).collect();
        let [outcome] = found.as_slice() else {
            panic!("{} outcomes of {check} for {subject} from {vantage} in {:#}", found.len(), self.report)
        };
        assert_eq!(outcome["verdict"], verdict, "{outcome:#}");
        outcome["got"].as_str().unwrap_or_default().to_owned()
    }

    /// Nothing is said about this.
    #[track_caller]
    pub(crate) fn is_silent_on(&self, check: &str, subject: &str) {
        assert_eq!(self.of(check, subject), Vec::<&Value>::new());
    }

    /// How bad the outcome is.
    #[track_caller]
    pub(crate) fn severity(&self, check: &str, subject: &str) -> String {
        self.of(check, subject).first().expect("such an outcome")["severity"].as_str().unwrap_or_default().to_owned()
    }

    /// Everything that failed, `check: subject: got`.
    pub(crate) fn failures(&self) -> Vec<String> {
        self.with("fail")
    }

    /// Everything that could not be tried.
    pub(crate) fn unknown(&self) -> Vec<String> {
        self.with("unknown")
    }

    fn with(&self, verdict: &str) -> Vec<String> {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let outcomes = self.report["outcomes"].as_array().expect("there are outcomes");
        let failed = outcomes.iter().filter(|outcome| outcome["verdict"] == verdict);
        failed
            .map(|outcome| {
                format!("{}: {}: {}", text(&outcome["check"]), text(&outcome["subject"]), text(&outcome["got"]))
            })
            .collect()
    }

    pub(crate) fn code(&self) -> i32 {
        self.code
    }

    pub(crate) fn report(&self) -> &Value {
        &self.report
    }
}
