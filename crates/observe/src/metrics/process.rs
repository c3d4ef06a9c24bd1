//! Numbers of the whole process.

use std::{
    fs,
    sync::{
        Mutex, OnceLock, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::SystemTime,
};

use crate::{AccessLog, access_log::Watch};

/// Numbers of the whole process. The control plane writes them.
#[derive(Debug)]
pub struct ProcessMetrics {
    started: SystemTime,
    build: OnceLock<Build>,
    plan_generation: AtomicU64,
    reloads_succeeded: AtomicU64,
    reloads_failed: AtomicU64,
    certificates: Mutex<Vec<CertificateExpiry>>,
    strangers: Mutex<Vec<PortStrangers>>,
    drift: Mutex<Option<Drifted>>,
    access_log: OnceLock<Watch>,
    audit: Mutex<Option<AuditNumbers>>,
    glass_broken: AtomicU64,
}

impl ProcessMetrics {
    pub(super) fn new() -> Self {
        Self {
            started: SystemTime::now(),
            build: OnceLock::new(),
            plan_generation: AtomicU64::default(),
            reloads_succeeded: AtomicU64::default(),
            reloads_failed: AtomicU64::default(),
            certificates: Mutex::default(),
            strangers: Mutex::default(),
            drift: Mutex::default(),
            access_log: OnceLock::new(),
            audit: Mutex::default(),
            glass_broken: AtomicU64::default(),
        }
    }

    /// Tells what runs. The first call counts.
    pub fn set_build(&self, build: Build) {
        self.build.get_or_init(|| build);
    }

    /// A plan runs: the first, or after a reload.
    pub fn set_plan_generation(&self, generation: u64) {
        self.plan_generation.store(generation, Relaxed);
    }

    /// Counts a reload.
    pub fn reloaded(&self, outcome: ReloadOutcome) {
        let counter = match outcome {
            ReloadOutcome::Succeeded => &self.reloads_succeeded,
            ReloadOutcome::Failed => &self.reloads_failed,
        };
        counter.fetch_add(1, Relaxed);
    }

    /// Replaces what is known of the certificates, whenever they are read.
    pub fn set_certificates(&self, certificates: Vec<CertificateExpiry>) {
        *self.certificates.lock().unwrap_or_else(PoisonError::into_inner) = certificates;
    }

    /// Replaces what is known of sockets that share ports, whenever they are looked for.
    pub fn set_strangers(&self, strangers: Vec<PortStrangers>) {
        *self.strangers.lock().unwrap_or_else(PoisonError::into_inner) = strangers;
    }

    /// Replaces what is known of drift, whenever it is looked for.
    pub fn set_drift(&self, drift: Drifted) {
        *self.drift.lock().unwrap_or_else(PoisonError::into_inner) = Some(drift);
    }

    /// Replaces what is known of the audit, whenever it is looked at.
    pub fn set_audit(&self, audit: AuditNumbers) {
        *self.audit.lock().unwrap_or_else(PoisonError::into_inner) = Some(audit);
    }

    /// Somebody took access without approval.
    pub fn glass_broken(&self) {
        self.glass_broken.fetch_add(1, Relaxed);
    }

    /// Shows what this log writes and drops. The first call counts.
    pub fn watch_access_log(&self, log: &AccessLog) {
        self.access_log.get_or_init(|| log.watch());
    }

    /// The generation of the plan that runs.
    pub fn plan_generation(&self) -> u64 {
        self.plan_generation.load(Relaxed)
    }

    pub(super) fn started(&self) -> SystemTime {
        self.started
    }

    pub(super) fn build(&self) -> Option<&Build> {
        self.build.get()
    }

    pub(super) fn reloads(&self) -> [(ReloadOutcome, u64); 2] {
        [
            (ReloadOutcome::Succeeded, self.reloads_succeeded.load(Relaxed)),
            (ReloadOutcome::Failed, self.reloads_failed.load(Relaxed)),
        ]
    }

    pub(super) fn certificates(&self) -> Vec<CertificateExpiry> {
        self.certificates.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn strangers(&self) -> Vec<PortStrangers> {
        self.strangers.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn drift(&self) -> Option<Drifted> {
        self.drift.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn glass_breaks(&self) -> u64 {
        self.glass_broken.load(Relaxed)
    }

    pub(super) fn audit(&self) -> Option<AuditNumbers> {
        *self.audit.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn access_log(&self) -> Option<&Watch> {
        self.access_log.get()
    }
}

/// What runs.
#[derive(Debug, Clone)]
pub struct Build {
    /// Version of the program.
    pub version: String,
    /// Commit that it was built from; empty if it is not known.
    pub commit: String,
}

/// How a reload ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReloadOutcome {
    /// The new plan runs.
    Succeeded,
    /// The old one goes on.
    Failed,
}

impl ReloadOutcome {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
        }
    }
}

/// When a certificate of a port ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateExpiry {
    /// Port that shows it.
    pub port: String,
    /// Its first name.
    pub name: String,
    /// Its end.
    pub not_after: SystemTime,
}

/// Sockets of other processes that share a port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PortStrangers {
    /// The port.
    pub port: String,
    /// How many.
    pub sockets: u64,
}

/// How the audit fares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AuditNumbers {
    /// Records on the disk.
    pub written: u64,
    /// Records that were not taken.
    pub refused: u64,
    /// Records that wait.
    pub queued: u64,
    /// Whether the store takes records.
    pub takes_records: bool,
}

/// What is not as declared on this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Drifted {
    /// For every check that was made.
    pub counts: Vec<DriftCount>,
    /// When it was looked, in seconds since 1970.
    pub looked: u64,
}

/// How many things one check finds not as declared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DriftCount {
    /// Id of the check.
    pub check: String,
    /// How many.
    pub subjects: u64,
}

/// What the kernel says of this process, read when somebody asks. A number that cannot be read is left out.
#[derive(Debug, Default)]
pub(super) struct KernelNumbers {
    pub(super) resident_bytes: Option<u64>,
    pub(super) open_descriptors: Option<u64>,
    pub(super) most_descriptors: Option<u64>,
    pub(super) cpu_seconds: Option<f64>,
}

impl KernelNumbers {
    pub(super) fn read() -> Self {
        Self {
            resident_bytes: resident_bytes(),
            // The listing holds a descriptor of its own.
            open_descriptors: fs::read_dir("/proc/self/fd")
                .ok()
                .map(|listing| (listing.count() as u64).saturating_sub(1)),
            most_descriptors: rustix::process::getrlimit(rustix::process::Resource::Nofile).current,
            cpu_seconds: cpu_seconds(),
        }
    }
}

/// Second field of `/proc/self/statm`, in pages (proc_pid_statm(5)).
fn resident_bytes() -> Option<u64> {
    let pages: u64 = fs::read_to_string("/proc/self/statm").ok()?.split(' ').nth(1)?.parse().ok()?;
    Some(pages * rustix::param::page_size() as u64)
}

/// User and system time, fields 14 and 15 of `/proc/self/stat`, in clock ticks (proc_pid_stat(5)).
fn cpu_seconds() -> Option<f64> {
    let stat = fs::read_to_string("/proc/self/stat").ok()?;
    // The second field, the command, may hold spaces and parentheses; fields are counted from its end.
    let mut fields = stat.rsplit_once(") ")?.1.split(' ').skip(11);
    let mut ticks = || fields.next()?.parse::<u64>().ok();
    Some((ticks()? + ticks()?) as f64 / rustix::param::clock_ticks_per_second() as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernel_tells_all_numbers_of_a_running_process() {
        let numbers = KernelNumbers::read();
        assert!(numbers.resident_bytes.is_some_and(|bytes| bytes > 100_000), "{numbers:?}");
        assert!(numbers.open_descriptors.is_some_and(|count| count >= 1), "{numbers:?}");
        assert!(numbers.most_descriptors.is_none_or(|count| count >= 64), "{numbers:?}");
        assert!(numbers.cpu_seconds.is_some_and(|seconds| seconds >= 0.0), "{numbers:?}");
    }
}
