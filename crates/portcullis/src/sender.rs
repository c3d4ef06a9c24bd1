//! A sender as it is described on the command line: who it is, as if that were proven.

use std::collections::BTreeMap;

use anyhow::{Context, bail};
use clap::Args;
use portcullis_policy::{Identity, Kind, Name};

/// What is known of a sender beside its name.
#[derive(Debug, Default, Args)]
pub(crate) struct Traits {
    /// Groups that the sender is in, separated by commas
    #[arg(long, value_name = "GROUP", value_delimiter = ',')]
    groups: Vec<String>,
    /// A claim of the sender; may be repeated
    #[arg(long, value_name = "NAME=VALUE")]
    claim: Vec<String>,
    /// The sender is a program, not a person
    #[arg(long)]
    workload: bool,
}

impl Traits {
    /// Of somebody who is known already.
    pub(crate) fn known(kind: Kind, groups: Vec<String>) -> Self {
        Self { groups, claim: Vec::new(), workload: kind == Kind::Workload }
    }

    /// The sender of that name, `provider:name` or what the first provider would call it; `None` without a name.
    pub(crate) fn identity(&self, name: Option<&str>, providers: &[String]) -> anyhow::Result<Option<Identity>> {
        let Some(name) = name else {
            if !self.groups.is_empty() || !self.claim.is_empty() || self.workload {
                bail!("groups, claims and `--workload` tell of a sender: say who it is, too");
            }
            return Ok(None);
        };
        let Name { provider, name } = Name::parse(name, providers);
        let Some(provider) = provider.or_else(|| providers.first().cloned()) else {
            bail!("nobody could prove to be {name}: the file declares no provider, see `identity: {{ providers: … }}`");
        };
        let email = (!self.workload && name.contains('@')).then(|| name.clone());
        Ok(Some(Identity {
            kind: if self.workload { Kind::Workload } else { Kind::User },
            provider,
            subject: name.clone(),
            name,
            email,
            groups: self.groups.clone(),
            claims: self.claims()?,
        }))
    }

    fn claims(&self) -> anyhow::Result<BTreeMap<String, Vec<String>>> {
        let mut claims: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for claim in &self.claim {
            let (name, value) =
                claim.split_once('=').with_context(|| format!("`{claim}` is no claim; write name=value"))?;
            claims.entry(name.to_owned()).or_default().push(value.to_owned());
        }
        Ok(claims)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sender_is_vouched_for_by_the_provider_that_is_named_or_by_the_first() {
        let providers = ["corp".to_owned(), "robots".to_owned()];
        let traits = Traits { claim: vec!["team=a".to_owned(), "team=b=c".to_owned()], ..Traits::default() };
        let alice = traits.identity(Some("Alice@Example.com"), &providers).unwrap().unwrap();
        assert_eq!((alice.provider.as_str(), alice.email.as_deref()), ("corp", Some("alice@example.com")));
        assert_eq!(alice.claims["team"], ["a", "b=c"]);
        let robot = Traits { workload: true, ..Traits::default() };
        let robot = robot.identity(Some("robots:build@ci"), &providers).unwrap().unwrap();
        assert_eq!((robot.provider.as_str(), robot.name.as_str(), robot.email), ("robots", "build@ci", None));
        assert!(Traits::default().identity(Some("alice"), &[]).is_err());
        assert!(traits.identity(None, &providers).is_err());
        let wrong = Traits { claim: vec!["team".to_owned()], ..Traits::default() };
        assert!(wrong.identity(Some("alice"), &providers).unwrap_err().to_string().contains("name=value"));
    }
}
