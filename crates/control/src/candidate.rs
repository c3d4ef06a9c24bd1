//! From a file to a plan that may be published, or to the findings that say why it may not.

use std::{ops::RangeInclusive, path::Path, sync::Arc, time::SystemTime};

use portcullis_config::{
    declared::{Declared, PortSpan},
    defaults,
    finding::{self, Finding},
    host::{self, Host},
    rule::RuleId,
    sources::Sources,
};
use portcullis_kernel::{namespace::Namespace, settings::PortSettings};
use portcullis_observe::metrics::{self, Buckets};
use portcullis_plan::{Names, Plan, Registries, compile};

use crate::{Rejection, Running};

/// A file and everything that was found in it.
#[derive(Debug)]
pub struct Reading {
    /// What it says; `None` if it is too broken to tell.
    pub declared: Option<Declared>,
    /// The texts, for showing findings.
    pub sources: Sources,
    /// In reading order.
    pub findings: Vec<Finding>,
    /// When reading began.
    pub read_at: SystemTime,
}

/// A plan that passed every check, with what it was made from.
#[derive(Debug)]
pub struct Candidate {
    /// What would run.
    pub plan: Plan,
    /// What was declared.
    pub declared: Arc<Declared>,
    /// The texts, for showing findings.
    pub sources: Arc<Sources>,
    /// Findings that do not keep it from running.
    pub warnings: Vec<Finding>,
    /// When reading its files began: what changed later is not in it.
    pub read_at: SystemTime,
    /// Where the names of its endpoints lead.
    pub names: Arc<Names>,
}

/// What checks need to know of this host; `None` if the kernel does not tell.
fn this_host() -> Option<Host> {
    let settings = PortSettings::of(&Namespace::own()).ok()?;
    let span = |range: &RangeInclusive<u16>| PortSpan { first: *range.start(), last: *range.end() };
    Some(Host { local_ports: span(&settings.ephemeral), kept: settings.reserved.iter().map(span).collect() })
}

/// Rules that only loading certificates and resolving names can judge, and that reading the file can not.
const RULES_OF_COMPILING: [RuleId; 10] = [
    RuleId::Policy,
    RuleId::ProviderUnusable,
    RuleId::CertificateUnreadable,
    RuleId::CertificateExpired,
    RuleId::CertificateNotYetValid,
    RuleId::CertificateKeyMismatch,
    RuleId::ClientCaEmpty,
    RuleId::RevocationList,
    RuleId::EndpointUnresolvable,
    RuleId::EndpointNameStale,
];

impl Reading {
    /// Reads the file and what it includes, and runs all checks on it, those that depend on this host among them. Blocks.
    pub fn of(path: &Path) -> Self {
        let read_at = SystemTime::now();
        let portcullis_config::Loaded { declared, sources, mut findings } = portcullis_config::load(path);
        if let (Some(declared), Some(host)) = (&declared, this_host()) {
            findings.extend(host::check(declared, &host));
            finding::sort(&mut findings);
        }
        Self { declared, sources, findings, read_at }
    }

    /// Number of workers that the file asks for, or that this machine has.
    pub fn workers(&self) -> usize {
        let said = self.declared.as_ref().and_then(|declared| declared.workers);
        said.map_or_else(portcullis_kernel::cpus::worker_count, |workers| workers.value)
    }

    /// The state that will outlive plans, made for this file. Neither number of workers nor histogram bounds change
    /// while the process runs.
    pub fn registries(&self) -> Registries {
        let workers = self.workers();
        let said = self.declared.as_ref().map(|declared| &declared.metrics.buckets);
        let bounds: Vec<_> = match said {
            Some(said) if !said.is_empty() => said.iter().map(|bound| bound.value).collect(),
            _ => defaults::BUCKETS.to_vec(),
        };
        // The reader has checked number and order.
        let buckets = Buckets::new(&bounds).ok();
        Registries::new(workers, Arc::new(metrics::Registry::new(workers, buckets.unwrap_or_default())))
    }

    /// Loads certificates, resolves names, and makes a plan of it. Blocks. All that is wrong is reported at once:
    /// a file with other errors still gets its certificates looked at.
    pub fn compile(self, registries: &Registries) -> Result<Candidate, Rejection> {
        let Self { declared, sources, mut findings, read_at } = self;
        let Some(declared) = declared else { return Err(Rejection::Findings { findings, sources: Arc::new(sources) }) };
        let names = Arc::new(Names::of(&declared, &registries.names.known()));
        if !findings.iter().any(Finding::is_error) {
            return Candidate::compile(Arc::new(declared), Arc::new(sources), findings, read_at, registries, names);
        }
        let further = compile(&declared, registries, &names).map_or_else(|errors| errors, |(_, warnings)| warnings);
        findings.extend(further.into_iter().filter(|finding| RULES_OF_COMPILING.contains(&finding.rule)));
        finding::sort(&mut findings);
        Err(Rejection::Findings { findings, sources: Arc::new(sources) })
    }
}

impl Candidate {
    /// Makes another plan of what runs: of its certificates as they are now, and of where names now lead.
    pub(crate) fn again(running: &Running, registries: &Registries, names: Arc<Names>) -> Result<Self, Rejection> {
        let (declared, sources) = (Arc::clone(&running.declared), Arc::clone(&running.sources));
        // The warnings of the checks still hold; those of compiling are found again.
        let is_of_checks = |finding: &&Finding| !RULES_OF_COMPILING.contains(&finding.rule);
        let warnings = running.warnings.iter().filter(is_of_checks).cloned().collect();
        Self::compile(declared, sources, warnings, SystemTime::now(), registries, names)
    }

    /// Makes a plan of a declaration that passed its checks; `warnings` are those of the checks.
    fn compile(
        declared: Arc<Declared>,
        sources: Arc<Sources>,
        mut warnings: Vec<Finding>,
        read_at: SystemTime,
        registries: &Registries,
        names: Arc<Names>,
    ) -> Result<Self, Rejection> {
        match compile(&declared, registries, &names) {
            Ok((plan, more)) => {
                warnings.extend(more);
                finding::sort(&mut warnings);
                Ok(Self { plan, declared, sources, warnings, read_at, names })
            }
            Err(errors) => {
                warnings.extend(errors);
                finding::sort(&mut warnings);
                Err(Rejection::Findings { findings: warnings, sources })
            }
        }
    }
}
