//! Who is meant by the claims of a provider.

use std::{collections::BTreeMap, fmt, str::FromStr, sync::Arc};

use serde_json::Value;

use super::Claims;
use crate::{Kind, Principal, Refusal, refusal::shown};

/// Groups that one principal may have.
const MAX_GROUPS: usize = 1000;
/// Values of one further claim.
const MAX_VALUES: usize = 256;
/// Bytes of a subject, a name, a group or a value.
const MAX_BYTES: usize = 512;

/// Which claims say what.
#[derive(Debug, Clone, Default)]
pub struct ClaimMapping {
    /// Where the groups are; `None`: in `groups`.
    pub groups: Option<ClaimPath>,
    /// Where the name is by which people know the principal; `None`: the verified e-mail address, else the subject. A
    /// claim that people can set for themselves at the provider (`preferred_username` of many) lets them take the name
    /// of another.
    pub name: Option<ClaimPath>,
    /// Further claims that are kept, under the text of their path.
    pub extra: Vec<ClaimPath>,
}

/// Where a claim is: `groups`, `realm_access.roles`, or a JSON pointer (RFC 6901) where a name has dots of its own:
/// `/https:~1~1example.com~1roles`. A name with `://` in it is taken as one name.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ClaimPath {
    written: Box<str>,
    /// Not empty; none is empty.
    steps: Vec<Box<str>>,
}

impl ClaimMapping {
    /// The principal, if the claims name one. What does not fit the bounds is refused, never cut off: a group that is
    /// left out could be the one that a rule denies.
    pub fn principal(&self, provider: &Arc<str>, kind: Kind, claims: &Claims) -> Result<Principal, Refusal> {
        let subject = claims.text("sub").filter(|subject| !subject.is_empty());
        let subject = subject.ok_or_else(|| Refusal::token("no-subject", "the claims have no `sub`"))?;
        let email = verified_email(claims);
        let name = match &self.name {
            Some(path) => one_text(path, claims, email.as_deref())?,
            None => email.clone().unwrap_or_else(|| subject.to_owned()),
        };
        let mut extra = BTreeMap::new();
        for path in &self.extra {
            if let Some(value) = path.find(claims) {
                extra.insert(path.written.clone(), texts(path, value, MAX_VALUES)?.into_boxed_slice());
            }
        }
        for (what, text) in [("sub", subject), ("name", &name)] {
            if text.len() > MAX_BYTES || text.chars().any(char::is_control) {
                return Err(Refusal::token("malformed", format!("the {what} is too long or has control characters")));
            }
        }
        Ok(Principal {
            kind,
            provider: Arc::clone(provider),
            subject: subject.into(),
            name: name.into(),
            email: email.map(Into::into),
            groups: self.groups(claims)?,
            claims: extra,
        })
    }

    fn groups(&self, claims: &Claims) -> Result<Box<[Box<str>]>, Refusal> {
        let default = || ClaimPath { written: "groups".into(), steps: vec!["groups".into()] };
        let path = self.groups.clone().unwrap_or_else(default);
        let Some(value) = path.find(claims) else {
            // OpenID Connect Core 5.6.2; Entra ID does this with more than 200 groups.
            if claims.get("_claim_names").is_some_and(|names| names.get(&*path.steps[0]).is_some()) {
                let detail = "the provider left the groups out, for there are too many; let it send fewer";
                return Err(Refusal::token("groups-left-out", detail));
            }
            return Ok(Box::default());
        };
        let mut groups = texts(&path, value, MAX_GROUPS)?;
        groups.sort_unstable();
        groups.dedup();
        Ok(groups.into())
    }
}

impl ClaimPath {
    fn find<'c>(&self, claims: &'c Claims) -> Option<&'c Value> {
        let (first, rest) = self.steps.split_first()?;
        rest.iter().try_fold(claims.get(first)?, |value, step| value.get(&**step))
    }
}

impl FromStr for ClaimPath {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let steps: Vec<Box<str>> = match text.strip_prefix('/') {
            Some(pointer) => pointer.split('/').map(|step| step.replace("~1", "/").replace("~0", "~").into()).collect(),
            None if text.contains("://") => vec![text.into()],
            None => text.split('.').map(Into::into).collect(),
        };
        if steps.iter().any(|step| step.is_empty()) {
            return Err("write a claim as `groups`, `realm_access.roles` or `/name~1with~1slashes`");
        }
        Ok(Self { written: text.into(), steps })
    }
}

impl fmt::Display for ClaimPath {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.written)
    }
}

impl fmt::Debug for ClaimPath {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

/// The e-mail address in lower case, if the provider vouches for it and it has the form of one: exactly one `@`, with
/// something on both sides, no blanks. Anything cleverer is no address to compare by.
fn verified_email(claims: &Claims) -> Option<String> {
    // Some providers (Cognito, Apple) write the truth as a text.
    let is_verified = claims.get("email_verified").is_some_and(|value| *value == true || *value == "true");
    let email = claims.text("email").filter(|email| is_verified && email.len() <= 254)?;
    let (local, domain) = email.split_once('@')?;
    let is_plain =
        !domain.contains('@') && !email.contains(|letter: char| letter.is_whitespace() || letter.is_control());
    (is_plain && !local.is_empty() && !domain.is_empty()).then(|| email.to_ascii_lowercase())
}

fn one_text(path: &ClaimPath, claims: &Claims, verified_email: Option<&str>) -> Result<String, Refusal> {
    let found = match &*path.written {
        "email" => verified_email,
        _ => path.find(claims).and_then(Value::as_str),
    };
    let why =
        || Refusal::token("no-name", format!("the claim `{path}`, which names the caller, is missing or no text"));
    Ok(found.filter(|name| !name.is_empty()).ok_or_else(why)?.to_owned())
}

/// A text, or a list of texts; numbers and truths count as texts.
fn texts(path: &ClaimPath, value: &Value, most: usize) -> Result<Vec<Box<str>>, Refusal> {
    let values = match value {
        Value::Array(values) => &**values,
        Value::Null => &[],
        one => std::slice::from_ref(one),
    };
    if values.len() > most {
        return Err(Refusal::token("too-many-values", format!("`{path}` has more than {most} values")));
    }
    let text = |value: &Value| match value {
        Value::String(text) if text.len() <= MAX_BYTES => Ok(text.as_str().into()),
        Value::Number(number) => Ok(number.to_string().into()),
        Value::Bool(truth) => Ok(truth.to_string().into()),
        Value::String(text) => {
            Err(Refusal::token("malformed", format!("`{path}` has a value too long: {}", shown(text))))
        }
        _ => Err(Refusal::token("malformed", format!("`{path}` is neither a text nor a list of texts"))),
    };
    values.iter().map(text).collect()
}
