//! JUnit XML, as CI systems read it: what is unknown is skipped, never passed.

use quick_junit::{NonSuccessKind, Report as Document, TestCase, TestCaseStatus, TestSuite};

use super::title;
use crate::{
    check::Group,
    outcome::{Outcome, Verdict},
    report::Report,
};

pub(super) fn render(report: &Report) -> String {
    let mut document = Document::new("portcullis probe");
    for group in Group::ALL {
        let mut suite = TestSuite::new(group.word());
        for outcome in report.outcomes.iter().filter(|outcome| outcome.check.group() == group) {
            suite.add_test_case(case(outcome));
        }
        if !suite.test_cases.is_empty() {
            document.add_test_suite(suite);
        }
    }
    document.to_string().unwrap_or_default()
}

fn case(outcome: &Outcome) -> TestCase {
    let mut status = match outcome.verdict {
        Verdict::Pass => TestCaseStatus::success(),
        Verdict::Fail => TestCaseStatus::non_success(NonSuccessKind::Failure),
        Verdict::Unknown => TestCaseStatus::skipped(),
    };
    if outcome.verdict != Verdict::Pass {
        status.set_message(outcome.got.clone()).set_type(outcome.severity.word());
        let fix = outcome.fix.as_ref().map(|fix| format!("\nfix: {fix}")).unwrap_or_default();
        let place = outcome.place.as_ref().map(|place| format!("\nat {place}")).unwrap_or_default();
        status.set_description(format!("tried: {}\ngot: {}{fix}{place}", outcome.tried, outcome.got));
    }
    let mut case = TestCase::new(title(outcome), status);
    case.set_classname(outcome.check.id());
    case
}
