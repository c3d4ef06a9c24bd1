//! Cedar files of the operator's own: read, validated against the schema, and refused with the exact place.

use std::{collections::HashMap, fmt, ops::Range, sync::Arc};

use cedar_policy::{
    Effect, EntityUid, Policy, PolicyId, PolicySet, ResourceConstraint, Schema, ValidationMode, Validator,
};
use miette::Diagnostic;

use crate::{
    Settings,
    reads::Reads,
    schema::{ANYONE, Terms},
};

/// Where a policy stands.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
pub struct Place {
    /// The file, as it was named.
    pub file: Arc<str>,
    /// From 1.
    pub line: usize,
    /// In characters, from 1.
    pub column: usize,
}

/// `base.cedar:12`
impl fmt::Display for Place {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}:{}", self.file, self.line)
    }
}

/// Why a policy can not be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{file}:{line}:{column}: {message}")]
pub struct PolicyError {
    /// The file, as it was named.
    pub file: String,
    /// From 1; 0 if it is about no line.
    pub line: usize,
    /// In characters, from 1; 0 if it is about no line.
    pub column: usize,
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    pub help: Option<String>,
}

/// A policy of a file.
#[derive(Debug, Clone)]
pub(crate) struct OwnPolicy {
    pub(crate) id: Arc<str>,
    pub(crate) place: Place,
    pub(crate) policy: Policy,
    pub(crate) reads: Reads,
}

impl OwnPolicy {
    pub(crate) fn effect(&self) -> Effect {
        self.policy.effect()
    }

    /// Whether it can say anything of this route, by the `resource` that it is about. `within` are the route's parents.
    pub(crate) fn is_about(&self, route: &EntityUid, within: &[EntityUid]) -> bool {
        match self.policy.resource_constraint() {
            ResourceConstraint::Any | ResourceConstraint::Is(_) => true,
            ResourceConstraint::Eq(one) => one == *route,
            ResourceConstraint::In(one) | ResourceConstraint::IsIn(_, one) => one == *route || within.contains(&one),
        }
    }
}

/// Reads all files of the settings.
pub(crate) fn read(settings: &Settings, schema: Schema, terms: &Terms) -> Result<Vec<OwnPolicy>, Vec<PolicyError>> {
    let mut reading = Reading { settings, terms, policies: Vec::new(), errors: Vec::new(), known: HashMap::new() };
    for source in &settings.own {
        let file: Arc<str> = source.file.as_str().into();
        for range in statements(&source.text) {
            reading.statement(&file, &source.text, range);
        }
    }
    if reading.errors.is_empty() {
        reading.validate(schema);
    }
    if reading.errors.is_empty() {
        return Ok(reading.policies);
    }
    reading.errors.sort_by(|a, b| (&a.file, a.line, a.column).cmp(&(&b.file, b.line, b.column)));
    reading.errors.dedup();
    Err(reading.errors)
}

/// Where the policies of a text are: up to and with the `;` that ends each. What is left after the last one is one more,
/// and for Cedar's parser to complain of.
fn statements(text: &str) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let mut start = None;
    let mut letters = text.char_indices().peekable();
    while let Some((at, letter)) = letters.next() {
        match letter {
            '/' if letters.peek().is_some_and(|(_, next)| *next == '/') => {
                while letters.next_if(|(_, next)| *next != '\n').is_some() {}
            }
            _ if letter.is_whitespace() => {}
            _ => {
                let from = *start.get_or_insert(at);
                if letter == ';' {
                    found.push(from..at + 1);
                    start = None;
                } else if letter == '"' {
                    // An escaped quote does not end a text.
                    while let Some((_, inner)) = letters.next() {
                        match inner {
                            '"' => break,
                            '\\' => drop(letters.next()),
                            _ => {}
                        }
                    }
                }
            }
        }
    }
    found.extend(start.map(|from| from..text.len()));
    found
}

struct Reading<'a> {
    settings: &'a Settings,
    terms: &'a Terms,
    policies: Vec<OwnPolicy>,
    errors: Vec<PolicyError>,
    /// By id: the text that it is in, and where it begins.
    known: HashMap<PolicyId, (Arc<str>, &'a str, usize)>,
}

impl<'a> Reading<'a> {
    fn statement(&mut self, file: &Arc<str>, text: &'a str, range: Range<usize>) {
        let start = range.start;
        let (line, column) = line_column(text, start);
        let place = Place { file: Arc::clone(file), line, column };
        let statement = &text[range];
        let parsed = match Policy::parse(None, statement) {
            Ok(parsed) => parsed,
            Err(errors) => {
                for error in errors.iter() {
                    self.refuse(file, text, start, error);
                }
                return;
            }
        };
        let id = match parsed.annotation("id").filter(|name| !name.is_empty()) {
            Some(name) => format!("{file}#{name}"),
            None => place.to_string(),
        };
        let mut id = PolicyId::new(id);
        if self.known.contains_key(&id) {
            if parsed.annotation("id").is_some() {
                let message = format!("there is already a policy {id}");
                self.errors.push(error(&place, message, Some("give each policy of a file an `@id` of its own")));
                return;
            }
            id = PolicyId::new(format!("{place}:{column}"));
        }
        let policy = parsed.new_id(id.clone());
        let reads = match policy.to_pst() {
            Ok(pst) => Reads::of(&pst),
            Err(wrong) => return self.errors.push(error(&place, wrong.to_string(), None)),
        };
        self.check_names(&policy, &place, text, start);
        self.known.insert(id.clone(), (Arc::clone(file), text, start));
        self.policies.push(OwnPolicy { id: id.to_string().into(), place, policy, reads });
    }

    /// A name that does not exist would make a policy say nothing, without a word: a `forbid` that never forbids.
    fn check_names(&mut self, policy: &Policy, place: &Place, text: &str, start: usize) {
        for named in policy.entity_literals() {
            let id = named.id().unescaped().to_owned();
            let of = named.type_name();
            let settings = self.settings;
            let wrong = if *of == self.terms.port {
                unknown(&id, settings.ports.iter().map(|port| port.name.as_str()))
            } else if *of == self.terms.service {
                unknown(&id, settings.routes.iter().filter_map(|route| route.service.as_deref()))
            } else if *of == self.terms.route {
                unknown(&id, settings.routes.iter().map(|route| route.name.as_str()))
            } else if *of == self.terms.anonymous {
                unknown(&id, [ANYONE].into_iter())
            } else if *of == self.terms.user || *of == self.terms.workload {
                let is_qualified = id.split_once('/').is_some_and(|(first, _)| settings.is_provider(first));
                (!is_qualified).then(|| {
                    format!(
                        "write {of}::\"provider/subject\" with a provider of the file, or `principal.name == \"{id}\"`"
                    )
                })
            } else {
                None
            };
            let Some(help) = wrong else { continue };
            let at = text[start..].find(&named.to_string()).map_or(start, |at| start + at);
            let (line, column) = line_column(text, at);
            let place = Place { line, column, ..place.clone() };
            self.errors.push(error(&place, format!("there is no {named}"), Some(&help)));
        }
    }

    fn validate(&mut self, schema: Schema) {
        let policies = PolicySet::from_policies(self.policies.iter().map(|own| own.policy.clone()));
        let policies = match policies {
            Ok(policies) => policies,
            Err(wrong) => {
                let place = Place { file: "".into(), line: 0, column: 0 };
                return self.errors.push(error(&place, wrong.to_string(), None));
            }
        };
        let result = Validator::new(schema).validate(&policies, ValidationMode::Strict);
        for wrong in result.validation_errors() {
            let (file, text, start) = self.text_of(wrong.policy_id());
            self.refuse(&file, text, start, wrong);
        }
        // A policy that can never apply is a mistake, and one that looks like another is an attack.
        for wrong in result.validation_warnings() {
            let (file, text, start) = self.text_of(wrong.policy_id());
            self.refuse(&file, text, start, wrong);
        }
    }

    fn text_of(&self, id: &PolicyId) -> (Arc<str>, &'a str, usize) {
        self.known.get(id).cloned().unwrap_or_else(|| ("".into(), "", 0))
    }

    /// Takes an error of Cedar over. `start`: where the text that Cedar saw begins.
    fn refuse(&mut self, file: &Arc<str>, text: &str, start: usize, wrong: &dyn Diagnostic) {
        let label = wrong.labels().and_then(|mut labels| labels.next());
        let at = label.as_ref().map_or(0, miette::LabeledSpan::offset);
        let (line, column) = line_column(text, start + at);
        let said = wrong.to_string();
        // Cedar names the policy first; the place says it better.
        let message = match said.strip_prefix("for policy `").and_then(|rest| rest.split_once("`, ")) {
            Some((_, message)) => message.to_owned(),
            None => said,
        };
        let expected = label.as_ref().and_then(|label| label.label()).filter(|label| label.starts_with("expected"));
        let help = wrong.help().map(|help| help.to_string()).or_else(|| expected.map(str::to_owned));
        self.errors.push(PolicyError { file: file.to_string(), line, column, message, help });
    }
}

fn error(place: &Place, message: String, help: Option<&str>) -> PolicyError {
    let file = place.file.to_string();
    PolicyError { file, line: place.line, column: place.column, message, help: help.map(str::to_owned) }
}

/// What to do about a name that is none of these; `None` if it is one.
fn unknown<'n>(name: &str, known: impl Iterator<Item = &'n str> + Clone) -> Option<String> {
    if known.clone().any(|known| known == name) {
        return None;
    }
    let near = known
        .map(|known| (strsim::damerau_levenshtein(name, known), known))
        .filter(|(distance, known)| *distance <= known.chars().count().max(3) / 3)
        .min();
    Some(match near {
        Some((_, near)) => format!("did you mean \"{near}\"?"),
        None => "write a name of the file".to_owned(),
    })
}

/// From 1, in characters.
fn line_column(text: &str, at: usize) -> (usize, usize) {
    let before = text.get(..at).unwrap_or(text);
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    (before.matches('\n').count() + 1, before[line_start..].chars().count() + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_split_where_policies_end() {
        let text = "// one; two\npermit (a) when { \"x;\\\";\" };\n\n forbid (b); // rest;\n left";
        let found: Vec<&str> = statements(text).into_iter().map(|range| &text[range]).collect();
        assert_eq!(found, ["permit (a) when { \"x;\\\";\" };", "forbid (b);", "left"]);
        assert!(statements(" // nothing\n").is_empty());
    }
}
