//! JUnit XML: a test suite for each file, a test case for each finding. A file without findings is not told of, since
//! nothing is known to have passed but the rules as a whole; for them there is one case that always stands.

use std::collections::BTreeMap;

use quick_junit::{NonSuccessKind, Report as Document, TestCase, TestCaseStatus, TestSuite};

use super::{page, place, title, word};
use crate::{
    finding::{Finding, Verdict},
    inputs::Inputs,
    report::Report,
};

pub(super) fn render(report: &Report, inputs: &Inputs) -> String {
    let mut by_file: BTreeMap<String, Vec<&Finding>> = BTreeMap::new();
    for finding in &report.findings {
        by_file.entry(place(finding, inputs).0).or_default().push(finding);
    }
    let mut document = Document::new("portcullis check");
    let mut summary = TestSuite::new("portcullis");
    let mut checked = TestCase::new("files were read", TestCaseStatus::success());
    checked.set_system_out(report.summary());
    summary.add_test_case(checked);
    document.add_test_suite(summary);
    for (file, findings) in by_file {
        let mut suite = TestSuite::new(file);
        for finding in findings {
            suite.add_test_case(case(finding, inputs));
        }
        document.add_test_suite(suite);
    }
    document.to_string().unwrap_or_default()
}

fn case(finding: &Finding, inputs: &Inputs) -> TestCase {
    let (file, line, column) = place(finding, inputs);
    let mut status = match finding.verdict {
        Verdict::Wrong => TestCaseStatus::non_success(NonSuccessKind::Failure),
        Verdict::Unknown => TestCaseStatus::skipped(),
    };
    status.set_message(finding.message.clone()).set_type(word(finding));
    let help = finding.fix.as_ref().map(|fix| format!("\n{}", fix.text)).unwrap_or_default();
    let text = format!("{file}:{line}:{column}: {}{help}\n{} {}", finding.message, finding.rule.why, page(finding));
    status.set_description(text);
    let mut case = TestCase::new(format!("{} at {line}:{column}", title(finding)), status);
    case.set_classname(file);
    case
}
