//! Names of AWS identities, and patterns for them.

use std::{fmt, str::FromStr};

/// Whose an answer of STS is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Arn {
    /// Twelve digits.
    pub account: Box<str>,
    /// The role or user behind it, as IAM names it: of `arn:aws:sts::1…:assumed-role/deploy/session-7` this is
    /// `arn:aws:iam::1…:role/deploy`. (STS does not tell the path of a role.)
    pub of_identity: Box<str>,
    /// The name of the session, which whoever may assume the role chooses freely: for records, never for decisions.
    pub session: Option<Box<str>>,
}

/// Which identities are meant: an ARN of IAM, with `*` for any characters in the part after the account.
#[derive(Clone, PartialEq, Eq)]
pub struct ArnPattern(Box<str>);

impl Arn {
    /// Reads what `GetCallerIdentity` says (<https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_identifiers.html>).
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        const LONGEST: usize = 2048;
        if text.len() > LONGEST || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err("too long, or with characters that no ARN has");
        }
        let parts: Vec<_> = text.splitn(6, ':').collect();
        let ["arn", partition, service, "", account, resource] = *parts else {
            return Err("not an ARN of an identity");
        };
        if !is_partition(partition) || !is_account(account) {
            return Err("not an ARN of an identity");
        }
        let of_iam = |resource: &str| format!("arn:{partition}:iam::{account}:{resource}").into_boxed_str();
        let (of_identity, session) = match (service, resource.split_once('/')) {
            ("iam", None) if resource == "root" => (of_iam(resource), None),
            ("iam", Some(("user", name))) if is_name(name) => (of_iam(resource), None),
            ("sts", Some(("assumed-role", rest))) => {
                let (role, session) = rest.split_once('/').ok_or("an assumed role without a session")?;
                if !is_name(role) || session.is_empty() || session.contains('/') {
                    return Err("not the name of a role and a session");
                }
                (of_iam(&format!("role/{role}")), Some(session.into()))
            }
            ("sts", Some(("federated-user", name))) if is_name(name) => {
                (format!("arn:{partition}:sts::{account}:{resource}").into(), None)
            }
            _ => return Err("not a role, a user or the root of an account"),
        };
        Ok(Self { account: account.into(), of_identity, session })
    }
}

impl ArnPattern {
    /// Whether the identity is one of those meant.
    pub fn matches(&self, arn: &Arn) -> bool {
        // The part before the resource has no star and is compared as it is.
        let mut pieces = self.0.split('*');
        let first = pieces.next().unwrap_or_default();
        let Some(mut rest) = arn.of_identity.strip_prefix(first) else { return false };
        let Some(last) = pieces.next_back() else { return rest.is_empty() };
        for piece in pieces {
            match rest.find(piece) {
                Some(at) => rest = &rest[at + piece.len()..],
                None => return false,
            }
        }
        rest.ends_with(last)
    }
}

impl FromStr for ArnPattern {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parts: Vec<_> = text.splitn(6, ':').collect();
        let ["arn", partition, service, "", account, resource] = *parts else {
            return Err("write it as arn:aws:iam::123456789012:role/NAME");
        };
        if service == "sts" && resource.starts_with("assumed-role/") {
            return Err("name the role itself, arn:aws:iam::ACCOUNT:role/NAME: the name of a session proves nothing");
        }
        if !is_account(account) {
            return Err("name the account by its twelve digits: a star there would let any account in");
        }
        let is_identity = match (service, resource.split_once('/')) {
            ("iam", None) => resource == "root",
            ("iam", Some(("role" | "user", name))) | ("sts", Some(("federated-user", name))) => !name.is_empty(),
            _ => false,
        };
        if !is_partition(partition) || !is_identity || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err("name a role, a user or root: arn:aws:iam::123456789012:role/NAME");
        }
        Ok(Self(text.into()))
    }
}

impl fmt::Display for ArnPattern {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl fmt::Debug for ArnPattern {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

/// `aws`, `aws-cn`, `aws-us-gov`.
fn is_partition(text: &str) -> bool {
    text.starts_with("aws") && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-')
}

fn is_account(text: &str) -> bool {
    text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// Names of IAM have no star, so that none can be taken for a pattern.
fn is_name(text: &str) -> bool {
    !text.is_empty() && !text.contains(['*', ':'])
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_identity_is_its_role_or_user_and_not_its_session() {
        for (text, expected) in [
            (
                "arn:aws:sts::123456789012:assumed-role/deploy/i-0abc",
                Ok(("arn:aws:iam::123456789012:role/deploy", Some("i-0abc"))),
            ),
            ("arn:aws:iam::123456789012:user/team/alice", Ok(("arn:aws:iam::123456789012:user/team/alice", None))),
            ("arn:aws-cn:iam::123456789012:root", Ok(("arn:aws-cn:iam::123456789012:root", None))),
            (
                "arn:aws:sts::123456789012:federated-user/bob",
                Ok(("arn:aws:sts::123456789012:federated-user/bob", None)),
            ),
            ("arn:aws:sts::123456789012:assumed-role/deploy", Err(())),
            ("arn:aws:sts::123456789012:assumed-role/deploy/", Err(())),
            ("arn:aws:sts::123456789012:assumed-role//x", Err(())),
            ("arn:aws:sts::123456789012:assumed-role/a/b/c", Err(())),
            ("arn:aws:sts::12345678901:assumed-role/a/b", Err(())),
            ("arn:evil:sts::123456789012:assumed-role/a/b", Err(())),
            ("arn:aws:s3:::bucket", Err(())),
            ("arn:aws:iam::123456789012:role/a", Err(())),
            ("", Err(())),
        ] {
            let read = Arn::parse(text);
            let found = read.as_ref().map(|arn| (&*arn.of_identity, arn.session.as_deref())).map_err(|_| ());
            assert_eq!(found, expected, "{text}");
        }
    }

    #[test]
    fn a_star_is_for_names_and_never_for_accounts() {
        let role = |name: &str| Arn::parse(&format!("arn:aws:sts::123456789012:assumed-role/{name}/s")).unwrap();
        for (pattern, name, expected) in [
            ("arn:aws:iam::123456789012:role/deploy", "deploy", true),
            ("arn:aws:iam::123456789012:role/deploy", "deploy2", false),
            ("arn:aws:iam::123456789012:role/deploy-*", "deploy-eu", true),
            ("arn:aws:iam::123456789012:role/deploy-*", "deploy", false),
            ("arn:aws:iam::123456789012:role/*-deploy-*", "eu-deploy-1", true),
            ("arn:aws:iam::123456789012:role/*-deploy-*", "eu-deploy", false),
            ("arn:aws:iam::123456789012:role/a*a", "a", false),
            ("arn:aws:iam::123456789012:role/*", "any", true),
            ("arn:aws:iam::210987654321:role/*", "any", false),
            ("arn:aws:iam::123456789012:user/*", "any", false),
        ] {
            assert_eq!(pattern.parse::<ArnPattern>().unwrap().matches(&role(name)), expected, "{pattern} {name}");
        }
        for bad in [
            "*",
            "arn:aws:iam::*:role/x",
            "arn:*:iam::123456789012:role/x",
            "arn:aws:iam::123456789012:*",
            "arn:aws:iam::123456789012:role",
            "arn:aws:iam::123456789012:role/",
            "arn:aws:sts::123456789012:assumed-role/x/*",
        ] {
            assert!(bad.parse::<ArnPattern>().is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn a_pattern_without_star_matches_itself_alone(name in "[a-z+=,.@_-]{1,20}", other in "[a-z+=,.@_-]{1,20}") {
            let pattern: ArnPattern = format!("arn:aws:iam::123456789012:role/{name}").parse().unwrap();
            let arn = Arn::parse(&format!("arn:aws:sts::123456789012:assumed-role/{other}/s")).unwrap();
            prop_assert_eq!(pattern.matches(&arn), name == other);
        }

        #[test]
        fn any_text_is_an_arn_or_refused(text in "(arn:aws:(iam|sts)::[0-9]{12}:)?[a-z/*:-]{0,40}|\\PC{0,40}") {
            let _ = Arn::parse(&text);
            let _ = text.parse::<ArnPattern>();
        }
    }
}
