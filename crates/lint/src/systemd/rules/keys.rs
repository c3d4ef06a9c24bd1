//! PC654: keys that systemd does not know, and so passes over with a line in the journal that nobody reads.

use super::super::{
    file::Entry,
    unit::{Kind, Unit},
};
use crate::{
    finding::{Edit, Finding, Safety},
    keys::meant,
    rule::{Default, Rule, Severity},
};

/// PC654.
pub(super) static IGNORED_KEY: Rule = Rule {
    id: "PC654",
    name: "systemd-ignored-key",
    severity: Severity::Critical,
    title: "systemd ignores a key that was meant to say what is listened on, or by whom it may be reached",
    why: "An unknown key, or a known one in the wrong section, is passed over with a warning in the journal, and the \
          unit starts with what is left: the port stays open on the address that was to be closed.",
    remedy: "Write the key that systemd knows, in the section that it belongs to; `systemd-analyze verify` names those \
             that it does not know.",
    default: Default::On,
};

/// All keys of `[Socket]`, those of the execution environment among them, up to systemd 259.
const SOCKET_KEYS: &str = "\
    Accept AcceptFileDescriptors AllowedCPUs AllowedMemoryNodes AmbientCapabilities AppArmorProfile \
    BPFDelegateAttachments BPFDelegateCommands BPFDelegateMaps BPFDelegatePrograms BPFProgram Backlog BindIPv6Only \
    BindLogSockets BindPaths BindReadOnlyPaths BindToDevice BlockIOAccounting BlockIODeviceWeight \
    BlockIOReadBandwidth BlockIOWeight BlockIOWriteBandwidth Broadcast CPUAccounting CPUAffinity CPUQuota \
    CPUQuotaPeriodSec CPUSchedulingPolicy CPUSchedulingPriority CPUSchedulingResetOnFork CPUShares CPUWeight \
    CacheDirectory CacheDirectoryAccounting CacheDirectoryMode CacheDirectoryQuota CapabilityBoundingSet \
    ConcurrencyHardMax ConcurrencySoftMax ConfigurationDirectory ConfigurationDirectoryMode CoredumpFilter \
    CoredumpReceive DebugInvocation DefaultMemoryLow DefaultMemoryMin DeferAcceptSec DeferTrigger DeferTriggerMaxSec \
    Delegate DelegateNamespaces DelegateSubgroup DeviceAllow DevicePolicy DirectoryMode DisableControllers \
    DynamicUser Environment EnvironmentFile ExecPaths ExecSearchPath ExecStartPost ExecStartPre ExecStopPost \
    ExecStopPre ExtensionDirectories ExtensionImagePolicy ExtensionImages FileDescriptorName FinalKillSignal \
    FlushPending FreeBind Group IOAccounting IODeviceLatencyTargetSec IODeviceWeight IOReadBandwidthMax \
    IOReadIOPSMax IOSchedulingClass IOSchedulingPriority IOWeight IOWriteBandwidthMax IOWriteIOPSMax IPAccounting \
    IPAddressAllow IPAddressDeny IPCNamespacePath IPEgressFilterPath IPIngressFilterPath IPTOS IPTTL IgnoreSIGPIPE \
    ImportCredential InaccessibleDirectories InaccessiblePaths KeepAlive KeepAliveIntervalSec KeepAliveProbes \
    KeepAliveTimeSec KeyringMode KillMode KillSignal LimitAS LimitCORE LimitCPU LimitDATA LimitFSIZE LimitLOCKS \
    LimitMEMLOCK LimitMSGQUEUE LimitNICE LimitNOFILE LimitNPROC LimitRSS LimitRTPRIO LimitRTTIME LimitSIGPENDING \
    LimitSTACK ListenDatagram ListenFIFO ListenMessageQueue ListenNetlink ListenSequentialPacket ListenSpecial \
    ListenStream ListenUSBFunction LoadCredential LoadCredentialEncrypted LockPersonality LogExtraFields \
    LogFilterPatterns LogLevelMax LogNamespace LogRateLimitBurst LogRateLimitIntervalSec LogsDirectory \
    LogsDirectoryAccounting LogsDirectoryMode LogsDirectoryQuota ManagedOOMMemoryPressure \
    ManagedOOMMemoryPressureDurationSec ManagedOOMMemoryPressureLimit ManagedOOMPreference ManagedOOMSwap Mark \
    MaxConnections MaxConnectionsPerSource MemoryAccounting MemoryDenyWriteExecute MemoryHigh MemoryKSM MemoryLimit \
    MemoryLow MemoryMax MemoryMin MemoryPressureThresholdSec MemoryPressureWatch MemorySwapMax MemoryZSwapMax \
    MemoryZSwapWriteback MessageQueueMaxMessages MessageQueueMessageSize MountAPIVFS MountFlags MountImagePolicy \
    MountImages NFTSet NUMAMask NUMAPolicy NetworkNamespacePath Nice NoDelay NoExecPaths NoNewPrivileges \
    OOMScoreAdjust PAMName PassCredentials PassEnvironment PassFileDescriptorsToExec PassPIDFD PassPacketInfo \
    PassSecurity Personality PipeSize PollLimitBurst PollLimitIntervalSec Priority PrivateBPF PrivateDevices \
    PrivateIPC PrivateMounts PrivateNetwork PrivatePIDs PrivateTmp PrivateUsers ProcSubset ProtectClock \
    ProtectControlGroups ProtectHome ProtectHostname ProtectHostnameStrict ProtectKernelLogs ProtectKernelModules \
    ProtectKernelTunables ProtectProc ProtectSystem ReadOnlyDirectories ReadOnlyPaths ReadWriteDirectories \
    ReadWritePaths ReceiveBuffer RemoveIPC RemoveOnStop RestartKillSignal RestrictAddressFamilies \
    RestrictFileSystems RestrictNamespaces RestrictNetworkInterfaces RestrictRealtime RestrictSUIDSGID ReusePort \
    RootDirectory RootEphemeral RootHash RootHashSignature RootImage RootImageOptions RootImagePolicy RootMStack \
    RootVerity RuntimeDirectory RuntimeDirectoryMode RuntimeDirectoryPreserve SELinuxContext SELinuxContextFromNet \
    SecureBits SendBuffer SendSIGHUP SendSIGKILL Service SetCredential SetCredentialEncrypted SetLoginEnvironment \
    Slice SmackLabel SmackLabelIPIn SmackLabelIPOut SmackProcessLabel SocketBindAllow SocketBindDeny SocketGroup \
    SocketMode SocketProtocol SocketUser StandardError StandardInput StandardInputData StandardInputText \
    StandardOutput StartupAllowedCPUs StartupAllowedMemoryNodes StartupBlockIOWeight StartupCPUShares \
    StartupCPUWeight StartupIOWeight StartupMemoryHigh StartupMemoryLow StartupMemoryMax StartupMemorySwapMax \
    StartupMemoryZSwapMax StateDirectory StateDirectoryAccounting StateDirectoryMode StateDirectoryQuota \
    SupplementaryGroups Symlinks SyslogFacility SyslogIdentifier SyslogLevel SyslogLevelPrefix \
    SystemCallArchitectures SystemCallErrorNumber SystemCallFilter SystemCallLog TCPCongestion TTYColumns TTYPath \
    TTYReset TTYRows TTYVHangup TTYVTDisallocate TasksAccounting TasksMax TemporaryFileSystem TimeoutCleanSec \
    TimeoutSec TimerSlackNSec Timestamping Transparent TriggerLimitBurst TriggerLimitIntervalSec UMask \
    UnsetEnvironment User UserNamespacePath UtmpIdentifier UtmpMode WatchdogSignal WorkingDirectory Writable \
    XAttrEntryPoint XAttrListen";

/// Keys of services that limit what they can open, and who can reach them.
const FENCES: [&str; 12] = [
    "AmbientCapabilities",
    "CapabilityBoundingSet",
    "DynamicUser",
    "IPAddressAllow",
    "IPAddressDeny",
    "JoinsNamespaceOf",
    "NetworkNamespacePath",
    "PrivateNetwork",
    "RestrictAddressFamilies",
    "RestrictNetworkInterfaces",
    "SocketBindAllow",
    "SocketBindDeny",
];

pub(super) fn check(unit: &Unit, findings: &mut Vec<Finding>) {
    for (entry, _) in unit.entries().filter(|(entry, _)| !entry.key.starts_with("X-") && !is_template(entry)) {
        let finding = match (unit.kind, entry.section.as_str()) {
            (Kind::Socket, "Socket") => unknown_in_socket(entry),
            (Kind::Socket | Kind::Service, section) if entry.key.starts_with("Listen") => {
                Some(misplaced(unit, entry, section))
            }
            (Kind::Service, "Service") => misspelt_fence(entry),
            _ => None,
        };
        findings.extend(finding);
    }
}

/// Lines of a template tool look like assignments now and then.
fn is_template(entry: &Entry) -> bool {
    entry.key.contains(['{', '<', '$', '@', ' ', '%']) || entry.section.contains(['{', '<'])
}

fn unknown_in_socket(entry: &Entry) -> Option<Finding> {
    let mut known = SOCKET_KEYS.split_ascii_whitespace();
    if known.any(|known| known == entry.key) {
        return None;
    }
    let all: Vec<&str> = SOCKET_KEYS.split_ascii_whitespace().collect();
    let same = all.iter().copied().find(|known| known.eq_ignore_ascii_case(&entry.key));
    // What people write for the address of a socket.
    let wished =
        entry.key.starts_with("Listen") || matches!(entry.key.as_str(), "Address" | "Port" | "Bind" | "BindAddress");
    let nearest = same.or_else(|| meant(&entry.key, &all)).or(wished.then_some("ListenStream"));
    let message = format!("systemd knows no `{}=` in `[Socket]` and ignores it", entry.key);
    let finding = Finding::new(&IGNORED_KEY, entry.key_span, message);
    Some(match nearest {
        Some(nearest) => {
            let edit = Edit { span: entry.key_span, replacement: nearest.to_owned() };
            finding.fix(Safety::NeedsReview, format!("write `{nearest}={}`", entry.value), vec![edit])
        }
        None => finding.severity(Severity::Medium).help("remove it, or look the key up in systemd.socket(5)"),
    })
}

fn misplaced(unit: &Unit, entry: &Entry, section: &str) -> Finding {
    let message = format!("systemd ignores `{}=` in `[{section}]` of {}", entry.key, unit.name);
    let help = match unit.kind {
        Kind::Socket => "move it to the `[Socket]` section".to_owned(),
        _ => format!("move it to the `[Socket]` section of `{}`", unit.name.replace(".service", ".socket")),
    };
    Finding::new(&IGNORED_KEY, entry.key_span, message).help(help)
}

fn misspelt_fence(entry: &Entry) -> Option<Finding> {
    let same = FENCES.iter().copied().find(|known| known.eq_ignore_ascii_case(&entry.key) && *known != entry.key);
    let nearest = same.or_else(|| meant(&entry.key, &FENCES))?;
    let message = format!("systemd knows no `{}=` and ignores it; `{nearest}=` was probably meant", entry.key);
    let edit = Edit { span: entry.key_span, replacement: nearest.to_owned() };
    Some(Finding::new(&IGNORED_KEY, entry.key_span, message).fix(
        Safety::NeedsReview,
        format!("write `{nearest}=`"),
        vec![edit],
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_of_keys_is_in_order_and_whole() {
        let keys: Vec<&str> = SOCKET_KEYS.split_ascii_whitespace().collect();
        assert!(keys.is_sorted());
        for key in crate::systemd::unit::LISTEN_KEYS {
            assert!(keys.contains(&key), "{key}");
        }
    }
}
