//! The kernel's settings that decide who can have which port (`/proc/sys/net`), of one network namespace.

use std::{fs, ops::RangeInclusive};

use crate::namespace::{Namespace, NamespaceError};

/// Settings that matter for ports. A setting that can not be read is as the kernel has it by default.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PortSettings {
    /// `ip_local_port_range`: from these the kernel gives outgoing connections their local port.
    pub ephemeral: RangeInclusive<u16>,
    /// `ip_local_reserved_ports`: except these.
    pub reserved: Vec<RangeInclusive<u16>>,
    /// `ip_unprivileged_port_start`: below it a port needs CAP_NET_BIND_SERVICE.
    pub unprivileged_start: u16,
    /// Interfaces that take packets for 127.0.0.0/8 from outside (`route_localnet`).
    pub loopback_routed: Vec<String>,
    /// `somaxconn`: no listener's queue is longer.
    pub longest_queue: u32,
}

impl PortSettings {
    /// Those of this namespace.
    pub fn of(namespace: &Namespace) -> Result<Self, NamespaceError> {
        namespace.run(Self::read)
    }

    /// Whether the kernel may give `port` to an outgoing connection at any moment.
    pub fn is_ephemeral(&self, port: u16) -> bool {
        self.ephemeral.contains(&port) && !self.reserved.iter().any(|reserved| reserved.contains(&port))
    }

    fn read() -> Self {
        let text = |path: &str| fs::read_to_string(format!("/proc/sys/net/{path}")).unwrap_or_default();
        Self {
            ephemeral: parse_span(&text("ipv4/ip_local_port_range")).unwrap_or(32_768..=60_999),
            reserved: parse_list(&text("ipv4/ip_local_reserved_ports")),
            unprivileged_start: text("ipv4/ip_unprivileged_port_start").trim().parse().unwrap_or(1024),
            loopback_routed: interfaces_that_route_loopback(),
            longest_queue: text("core/somaxconn").trim().parse().unwrap_or(4096),
        }
    }
}

/// `32768 60999`, with a tab between them
fn parse_span(text: &str) -> Option<RangeInclusive<u16>> {
    let mut numbers = text.split_whitespace().map(str::parse);
    Some(numbers.next()?.ok()?..=numbers.next()?.ok()?)
}

/// `3306,8080-8090`
fn parse_list(text: &str) -> Vec<RangeInclusive<u16>> {
    let span = |part: &str| {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        Some(first.parse().ok()?..=last.parse().ok()?)
    };
    text.trim().split(',').filter_map(span).collect()
}

/// The setting of `all` holds for every interface.
fn interfaces_that_route_loopback() -> Vec<String> {
    let interfaces = fs::read_dir("/proc/sys/net/ipv4/conf").into_iter().flatten().flatten();
    let routes = |path: std::path::PathBuf| {
        let set = fs::read_to_string(path.join("route_localnet")).is_ok_and(|text| text.trim() == "1");
        let name = path.file_name()?.to_str()?.to_owned();
        // On loopback itself it changes nothing, and `default` is for interfaces that are yet to come.
        (set && name != "lo" && name != "default").then_some(name)
    };
    let mut found: Vec<String> = interfaces.filter_map(|entry| routes(entry.path())).collect();
    found.sort();
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_and_spans_are_read_as_the_kernel_writes_them() {
        assert_eq!(parse_span("32768\t60999\n"), Some(32_768..=60_999));
        assert_eq!(parse_span("32768"), None);
        assert_eq!(parse_list("3306,8080-8090\n"), [3306..=3306, 8080..=8090]);
        assert_eq!(parse_list("\n"), []);
        assert_eq!(parse_list("99999,x-1,7"), [7..=7]);
    }

    #[test]
    fn a_reserved_port_is_not_given_away() {
        let settings =
            PortSettings { ephemeral: 32_768..=60_999, reserved: vec![40_000..=40_009], ..PortSettings::read() };
        assert!(settings.is_ephemeral(40_010) && !settings.is_ephemeral(40_009) && !settings.is_ephemeral(8080));
    }

    #[test]
    fn the_settings_of_this_host_make_sense() {
        let settings = PortSettings::of(&Namespace::own()).unwrap();
        assert!(settings.ephemeral.start() < settings.ephemeral.end());
        assert!(settings.longest_queue > 0);
    }
}
