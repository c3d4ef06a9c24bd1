//! Findings that the files themselves say to leave alone.
//!
//! `# portcullis: ignore PC201, PC211 until 2027-01-31: the firewall of this host is managed elsewhere`, in whatever
//! way the format writes comments, at the end of the line or on a line of its own above it; `ignore-file` anywhere in
//! a file is for the whole of it. The reason is mandatory, the end is not. A suppression that has ended, or that has
//! nothing to suppress, is itself told of: otherwise they would pile up and hide what comes later.

use std::collections::HashMap;

use time::{Date, macros::format_description};

use crate::{
    finding::{Finding, Verdict},
    inputs::{FileId, Inputs, Span},
    rule::{Default, Rule, Severity},
    rules,
};

/// A comment that means to suppress and does not say what, or why.
pub static MALFORMED: Rule = Rule {
    id: "PC905",
    name: "malformed-suppression",
    severity: Severity::Medium,
    title: "a suppression does not say which rule it is for, or why",
    why: "A suppression without a reason can not be judged by the next reader, and one for an unknown rule suppresses \
          nothing.",
    remedy: "Write `portcullis: ignore RULE: reason`, with `until YYYY-MM-DD` before the colon if it is to end.",
    default: Default::On,
};

/// A suppression whose day has passed.
pub static ENDED: Rule = Rule {
    id: "PC906",
    name: "ended-suppression",
    severity: Severity::Medium,
    title: "a suppression has ended",
    why: "Whoever wrote it wanted the matter looked at again by that day.",
    remedy: "Mend what it suppressed, or write a new day with a reason that still holds.",
    default: Default::On,
};

/// A suppression with nothing to suppress.
pub static UNUSED: Rule = Rule {
    id: "PC907",
    name: "unused-suppression",
    severity: Severity::Low,
    title: "a suppression has nothing to suppress",
    why: "What it was for is gone; if the same defect comes back, nobody would be told.",
    remedy: "Remove the comment.",
    default: Default::On,
};

/// In the order of their numbers.
pub(crate) static RULES: &[&Rule] = &[&MALFORMED, &ENDED, &UNUSED];

const MARK: &str = "portcullis: ignore";

/// Takes the suppressed findings out, adds what is to be said about the suppressions, and tells how many were taken.
pub(crate) fn apply(findings: &mut Vec<Finding>, files: &[FileId], inputs: &Inputs, today: Date) -> usize {
    let mut suppressions: HashMap<FileId, Vec<Suppression>> = HashMap::new();
    let mut told = Vec::new();
    for file in files {
        let (found, mistakes) = read(*file, inputs, today);
        told.extend(mistakes);
        if !found.is_empty() {
            suppressions.insert(*file, found);
        }
    }
    let before = findings.len();
    findings.retain(|finding| {
        let line = inputs.position(finding.span).line;
        let of_file = suppressions.get_mut(&finding.span.file).into_iter().flatten();
        let mut is_suppressed = false;
        for suppression in of_file.filter(|suppression| suppression.covers(finding, line)) {
            suppression.is_used = true;
            is_suppressed = true;
        }
        !is_suppressed
    });
    let taken = before - findings.len();
    findings.extend(told);
    let unused = suppressions.into_values().flatten().filter(|suppression| !suppression.is_used);
    findings.extend(unused.map(|suppression| {
        let rules: Vec<&str> = suppression.rules.iter().map(|rule| rule.id).collect();
        Finding::new(&UNUSED, suppression.span, format!("{} finds nothing here", rules.join(", ")))
            .help("remove the comment")
    }));
    taken
}

struct Suppression {
    rules: Vec<&'static Rule>,
    /// The line that it is for; `None` for the whole file.
    line: Option<usize>,
    span: Span,
    is_used: bool,
}

impl Suppression {
    fn covers(&self, finding: &Finding, line: usize) -> bool {
        // What Portcullis itself refuses to run stays refused, whatever a comment says.
        let is_own_error = !finding.rule.id.starts_with("PC") && finding.severity >= Severity::High;
        !is_own_error
            && finding.verdict <= Verdict::Unknown
            && self.line.is_none_or(|own| own == line)
            && self.rules.contains(&finding.rule)
    }
}

fn read(file: FileId, inputs: &Inputs, today: Date) -> (Vec<Suppression>, Vec<Finding>) {
    let text = inputs.text(file);
    let (mut suppressions, mut mistakes) = (Vec::new(), Vec::new());
    for (start, _) in text.match_indices(MARK) {
        let line_start = text[..start].rfind('\n').map_or(0, |end| end + 1);
        let Some(comment) = comment_start(&text[line_start..start]) else { continue };
        let end = text[start..].find(['\n', '\r']).map_or(text.len(), |end| start + end);
        let span = Span { file, start: start as u32, end: end as u32 };
        let said = text[start + MARK.len()..end].trim_end_matches("*/").trim_end();
        match parse(said, today) {
            Ok((rules, is_for_file)) => {
                let own_line = inputs.position(span).line;
                let is_alone = text[line_start..line_start + comment].trim().is_empty();
                let line = if is_alone { own_line + lines_until_content(&text[end..]) } else { own_line };
                let line = (!is_for_file).then_some(line);
                suppressions.push(Suppression { rules, line, span, is_used: false });
            }
            Err(Mistake::Malformed(message)) => mistakes.push(
                Finding::new(&MALFORMED, span, message)
                    .help("write `portcullis: ignore PC201 until 2027-01-31: the reason`; `until` may be left out"),
            ),
            Err(Mistake::Ended(day)) => {
                mistakes.push(Finding::new(&ENDED, span, format!("this suppression ended on {day}")));
            }
        }
    }
    (suppressions, mistakes)
}

/// Where the comment begins, in the part of a line before the mark: the formats know `#`, `//`, `/*`, `;` and `--`.
fn comment_start(before: &str) -> Option<usize> {
    ["#", "//", "/*", ";", "--"].iter().filter_map(|leader| before.rfind(leader)).max()
}

/// Lines from the end of this one to the next that is neither empty nor a comment.
fn lines_until_content(rest: &str) -> usize {
    let is_content = |line: &str| {
        let line = line.trim();
        !line.is_empty() && !["#", "//", "/*", ";", "--"].iter().any(|leader| line.starts_with(leader))
    };
    1 + rest.trim_start_matches('\r').lines().skip(1).take_while(|line| !is_content(line)).count()
}

enum Mistake {
    Malformed(String),
    Ended(Date),
}

/// Reads what stands behind the mark: `-file`? rules `until` day? `:` reason.
fn parse(said: &str, today: Date) -> Result<(Vec<&'static Rule>, bool), Mistake> {
    let (said, is_for_file) = said.strip_prefix("-file").map_or((said, false), |said| (said, true));
    let (what, reason) = said.split_once(':').unwrap_or((said, ""));
    let (names, until) = what.split_once(" until ").map_or((what, None), |(names, day)| (names, Some(day.trim())));
    let mut found = Vec::new();
    for name in names.split([',', ' ']).filter(|name| !name.is_empty()) {
        let rule = rules::find(name).ok_or_else(|| unknown(name))?;
        found.push(rule);
    }
    if found.is_empty() {
        return Err(Mistake::Malformed("this suppression names no rule".to_owned()));
    }
    if reason.trim().is_empty() {
        return Err(Mistake::Malformed("this suppression gives no reason".to_owned()));
    }
    if let Some(until) = until {
        let day = Date::parse(until, format_description!("[year]-[month]-[day]"))
            .map_err(|_| Mistake::Malformed(format!("`{until}` is not a day such as 2027-01-31")))?;
        if day < today {
            return Err(Mistake::Ended(day));
        }
    }
    Ok((found, is_for_file))
}

fn unknown(name: &str) -> Mistake {
    let known = rules::all();
    let names = known.iter().map(|rule| rule.name); // a wrong number is not near to any other
    let nearest = names
        .map(|known| (strsim::damerau_levenshtein(known, &name.to_ascii_lowercase()), known))
        .min()
        .filter(|(distance, _)| *distance <= 3);
    let meant = nearest.map(|(_, known)| format!("; did you mean `{known}`?")).unwrap_or_default();
    Mistake::Malformed(format!("there is no rule `{name}`{meant}"))
}

#[cfg(test)]
mod tests {
    use time::macros::date;

    use super::*;

    #[test]
    fn a_suppression_says_rules_an_end_and_a_reason() {
        let told = |said: &str| match parse(said, date!(2026 - 11 - 21)) {
            Ok((rules, is_for_file)) => {
                let ids: Vec<&str> = rules.iter().map(|rule| rule.id).collect();
                format!("{}{}", ids.join(" "), if is_for_file { " file" } else { "" })
            }
            Err(Mistake::Malformed(message)) => message,
            Err(Mistake::Ended(day)) => format!("ended {day}"),
        };
        for (said, expected) in [
            (" PC901: why", "PC901"),
            (" PC901, syntax until 2026-11-21: why", "PC901 PC902"),
            ("-file pc901: why", "PC901 file"),
            (" PC901 until 2026-11-20: why", "ended 2026-11-20"),
            (" PC901 until tomorrow: why", "`tomorrow` is not a day such as 2027-01-31"),
            (" PC901", "this suppression gives no reason"),
            (" PC901:  ", "this suppression gives no reason"),
            (": why", "this suppression names no rule"),
            (" PC998: why", "there is no rule `PC998`"),
            (" syntaks: why", "there is no rule `syntaks`; did you mean `syntax`?"),
        ] {
            assert_eq!(told(said), expected, "{said}");
        }
    }

    #[test]
    fn a_comment_of_its_own_is_for_the_next_line_with_contents() {
        assert_eq!(lines_until_content("\nx"), 1);
        assert_eq!(lines_until_content("\n# more words\n\nx"), 3);
        assert_eq!(comment_start("  - 80:80  # "), Some(11));
        assert_eq!(comment_start("text portcullis"), None);
    }
}
