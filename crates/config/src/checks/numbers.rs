//! Bands of ranges, and whether the numbers that the file names are the right ones.

use super::{Check, Index};
use crate::{
    bands::{Bands, Declarant, Reserved},
    declared::{ListenAddress, Port, PortSpan, Protocol, Range, Service, ServiceProtocol},
    finding::{Finding, Findings},
    rule::RuleId,
    span::{Span, Spanned},
    well_known::{is_blocked_by_browsers, well_known},
};

/// Where the nodes of a Kubernetes cluster open ports, unless it was told otherwise (`--service-node-port-range`).
const NODE_PORTS: PortSpan = PortSpan { first: 30_000, last: 32_767 };

/// A pinned band or a reserved number that is not of the range.
pub(super) struct RangeBands;

impl Check for RangeBands {
    fn rule(&self) -> RuleId {
        RuleId::RangeBands
    }

    fn check(&self, index: &Index<'_>, findings: &mut Findings) {
        for range in &index.declared.ranges {
            let pinned = range.pinned.iter().map(|pinned| ("pinned band", pinned));
            let reserved = range.reserve.iter().map(|reserve| ("reserved number", reserve));
            for (what, numbers) in pinned.chain(reserved) {
                if range.ports.includes(numbers.value) {
                    continue;
                }
                let message = format!("{what} {} is not within range `{}` ({})", **numbers, *range.name, *range.ports);
                let mut finding =
                    Finding::new(self.rule(), numbers.span, message).related(range.ports.span, "the range");
                if let Some(common) = range.ports.common(numbers.value) {
                    finding = finding.help(format!("did you mean `{common}`?"));
                }
                findings.push(finding);
            }
        }
    }
}

/// Fewer numbers than replicas.
pub(super) struct RangeTooSmall;

impl Check for RangeTooSmall {
    fn rule(&self) -> RuleId {
        RuleId::RangeTooSmall
    }

    fn check(&self, index: &Index<'_>, findings: &mut Findings) {
        for service in &index.declared.services {
            self.check_service(service, findings);
        }
        for range in &index.declared.ranges {
            self.check_range(index, range, findings);
        }
    }
}

impl RangeTooSmall {
    /// A service without a range has the numbers that it declares and no others. One number for several replicas is
    /// no mistake: each has it on a host of its own.
    fn check_service(&self, service: &Service, findings: &mut Findings) {
        let (Some(ports), Some(replicas), None) = (service.ports, service.replicas, &service.range) else { return };
        if ports.count() == 1 || replicas.max.value <= ports.count() {
            return;
        }
        let message = format!(
            "service `{}` may have {} replicas and declares {} ports ({})",
            *service.name,
            replicas.max.value,
            ports.count(),
            *ports
        );
        let finding = Finding::new(self.rule(), replicas.max.span, message)
            .related(ports.span, "the ports")
            .help("declare a port for each, or name a `range` from which the others are handed out");
        findings.push(finding);
    }

    fn check_range(&self, index: &Index<'_>, range: &Range, findings: &mut Findings) {
        let services = index.declared.services.iter().filter(|service| {
            service.automatic_replicas() > 0 && service.range.as_ref().is_some_and(|name| **name == *range.name)
        });
        let services: Vec<&Service> = services.collect();
        let wanted = |services: &mut dyn Iterator<Item = &&Service>| -> usize {
            services.map(|service| service.automatic_replicas() as usize).sum()
        };
        let bands = Bands::of(index.declared, range);
        // HTTP services are given fewer of the numbers, so they may run short while others do not.
        let over_http = wanted(&mut services.iter().filter(|service| service.speaks() == ServiceProtocol::Http));
        let over_all = wanted(&mut services.iter());
        let capacity = bands.capacity(ServiceProtocol::Http);
        let (wanted, capacity) =
            if over_http > capacity { (over_http, capacity) } else { (over_all, bands.capacity(ServiceProtocol::Tcp)) };
        if wanted <= capacity {
            return;
        }
        let numbers = if capacity == 1 { "number" } else { "numbers" };
        let message = format!(
            "range `{}` ({}) has {capacity} {numbers} to hand out, and its services may need {wanted}",
            *range.name, *range.ports
        );
        let mut finding = Finding::new(self.rule(), range.ports.span, message);
        for service in services {
            let span = service.replicas.map_or(service.name.span, |replicas| replicas.max.span);
            finding = finding.related(span, format!("`{}` needs {}", *service.name, service.automatic_replicas()));
        }
        let missing = u16::try_from(wanted - capacity).unwrap_or(u16::MAX);
        findings.push(finding.help(match range.ports.last.checked_add(missing) {
            Some(last) => format!("widen the range, to {}-{last} for one, or lower `replicas.max`", range.ports.first),
            None => "widen the range, or lower `replicas.max`".to_owned(),
        }));
    }
}

/// A declared number of the automatic band. In this file it is kept for the service; another file that uses the same
/// range knows nothing of it.
pub(super) struct AutomaticBand;

impl Check for AutomaticBand {
    fn rule(&self) -> RuleId {
        RuleId::AutomaticBand
    }

    fn check(&self, index: &Index<'_>, findings: &mut Findings) {
        for service in &index.declared.services {
            let (Some(ports), Some(name)) = (service.ports, &service.range) else { continue };
            let Some(range) = index.range(name) else { continue };
            let Some(pinned) = range.pinned else { continue };
            if pinned.includes(*ports) || !range.ports.includes(*ports) {
                continue;
            }
            let message = format!(
                "service `{}` declares {}, and range `{}` pins {}: the rest is handed out to whoever asks",
                *service.name, *ports, **name, *pinned
            );
            let finding = Finding::new(self.rule(), ports.span, message)
                .label(format!("expected within {}", *pinned))
                .related(pinned.span, "the pinned band");
            findings.push(finding);
        }
    }
}

/// A number of a range that is somebody else's.
pub(super) struct ForeignRange;

impl Check for ForeignRange {
    fn rule(&self) -> RuleId {
        RuleId::ForeignRange
    }

    fn check(&self, index: &Index<'_>, findings: &mut Findings) {
        for (by, name, ports, own) in numbers(index) {
            let foreign =
                index.declared.ranges.iter().find(|range| {
                    range.ports.common(ports.value).is_some() && own.is_none_or(|own| **own != *range.name)
                });
            let Some(range) = foreign else { continue };
            let (what, help) = match by {
                // What lies outside of the range that it names is an error already.
                Declarant::Service if own.is_some_and(|own| index.range(own).is_some()) => continue,
                Declarant::Service => ("service", format!("write `range: {}`, or take another number", *range.name)),
                Declarant::Port => ("port", "take a number that is in no range".to_owned()),
            };
            let message = format!(
                "{what} `{name}` takes {} of range `{}` ({}), which it does not name",
                *ports, *range.name, *range.ports
            );
            findings
                .push(Finding::new(self.rule(), ports.span, message).related(range.ports.span, "the range").help(help));
        }
    }
}

/// Every number that the file names outside of `ranges:`, with the range that its owner names.
fn numbers<'d>(
    index: &Index<'d>,
) -> impl Iterator<Item = (Declarant, &'d str, Spanned<PortSpan>, Option<&'d Spanned<String>>)> {
    let services = index.declared.services.iter().filter_map(|service| {
        Some((Declarant::Service, service.name.as_str(), service.ports?, service.range.as_ref()))
    });
    let ports = index
        .declared
        .ports
        .iter()
        .filter_map(|port| Some((Declarant::Port, port.name.as_str(), number_of(port)?, None)));
    services.chain(ports)
}

fn number_of(port: &Port) -> Option<Spanned<PortSpan>> {
    match port.listen.value {
        ListenAddress::Tcp(address) => Some(Spanned::new(PortSpan::single(address.port()), port.listen.span)),
        ListenAddress::Unix(_) => None,
    }
}

/// A service on a number that its range keeps back, or that everybody takes for something else.
pub(super) struct ReservedPort;

impl Check for ReservedPort {
    fn rule(&self) -> RuleId {
        RuleId::ReservedPort
    }

    fn check(&self, index: &Index<'_>, findings: &mut Findings) {
        for service in &index.declared.services {
            let Some(ports) = service.ports else { continue };
            let bands =
                service.range.as_ref().and_then(|name| index.range(name)).map(|range| Bands::of(index.declared, range));
            let reserved_by_range = |port| match bands.as_ref()?.reserved(port, service.speaks())? {
                Reserved::ByRange { span } => Some((port, span)),
                _ => None,
            };
            if let Some((port, span)) = ports.numbers().find_map(reserved_by_range) {
                let message = format!("service `{}` declares {port}, which its range keeps back", *service.name);
                findings.push(Finding::new(self.rule(), ports.span, message).related(span, "reserved here"));
                continue;
            }
            let taken_for_another = |port: u16| well_known(port).filter(|known| !known.may_be(service.speaks()));
            if let Some(known) = ports.numbers().find_map(taken_for_another) {
                let message = format!(
                    "service `{}` declares {}, where everybody expects {}",
                    *service.name, known.port, known.name
                );
                let finding = Finding::new(self.rule(), ports.span, message)
                    .help("take another number, or say by `protocol:` what the service speaks");
                findings.push(finding);
            }
        }
    }
}

/// HTTP where browsers do not look.
pub(super) struct BlockedByBrowsers;

impl Check for BlockedByBrowsers {
    fn rule(&self) -> RuleId {
        RuleId::BlockedByBrowsers
    }

    fn check(&self, index: &Index<'_>, findings: &mut Findings) {
        let mut report = |what: &str, name: &str, ports: PortSpan, span: Span| {
            let Some(blocked) = ports.numbers().find(|port| is_blocked_by_browsers(*port)) else { return };
            let message = format!("{what} `{name}` speaks HTTP on {blocked}, from which browsers do not fetch");
            findings.push(
                Finding::new(self.rule(), span, message)
                    .help("take another number: browsers answer ERR_UNSAFE_PORT and send nothing"),
            );
        };
        for service in &index.declared.services {
            if let (Some(ports), ServiceProtocol::Http) = (service.ports, service.speaks()) {
                report("service", &service.name, *ports, ports.span);
            }
        }
        for port in &index.declared.ports {
            let speaks_http = matches!(port.protocol.as_deref(), Some(Protocol::Http | Protocol::Https));
            if let (Some(number), true) = (number_of(port), speaks_http) {
                report("port", &port.name, *number, number.span);
            }
        }
    }
}

/// A range in which a node of a Kubernetes cluster would open ports.
pub(super) struct NodePorts;

impl Check for NodePorts {
    fn rule(&self) -> RuleId {
        RuleId::NodePorts
    }

    fn check(&self, index: &Index<'_>, findings: &mut Findings) {
        for range in &index.declared.ranges {
            let overlap = range.ports.common(NODE_PORTS);
            match (overlap, &range.accept.node_ports) {
                (Some(common), None) => {
                    let message = format!(
                        "range `{}` has {common} in common with the node ports of Kubernetes ({NODE_PORTS})",
                        *range.name
                    );
                    findings.push(Finding::new(self.rule(), range.ports.span, message).help(
                        "choose numbers below 30000, or say why not: `accept: { node-ports: \"no Kubernetes here\" }`",
                    ));
                }
                (None, Some(reason)) => {
                    let message = format!("range `{}` has no node port to accept", *range.name);
                    findings.push(Finding::new(self.rule(), reason.span, message).help("remove `accept`"));
                }
                _ => {}
            }
        }
    }
}
