//! Whether those who run an image mean the ports that it listens on.

use super::{Build, Facts, Image, WorkloadPort};
use crate::{
    finding::Finding,
    rule::{Default, Rule, Severity},
};

/// A port is mapped that the image does not name.
pub(super) static UNEXPOSED: Rule = Rule {
    id: "PC303",
    name: "mapped-port-not-exposed",
    severity: Severity::Medium,
    title: "a port of a container is mapped that its Dockerfile does not expose",
    why: "The Dockerfile names the ports that the program listens on, and the mapping names another: either the mapping \
          leads nowhere, or the Dockerfile no longer tells the truth to those who read it.",
    remedy: "Map the port that the Dockerfile exposes, or expose the one that the program really listens on.",
    default: Default::On,
};

/// Judges builds whose image is known and says all it exposes. An image that exposes nothing says nothing about ports.
pub(super) fn check(facts: &Facts) -> Vec<Finding> {
    let mut findings = Vec::new();
    for build in &facts.builds {
        let Some(image) = facts.images.iter().find(|image| image.is_of(build)) else { continue };
        if image.ports_are_complete && !image.ports.is_empty() {
            let unexposed = build.ports.iter().filter(|port| !image.exposes(port));
            findings.extend(unexposed.map(|port| finding(build, image, port)));
        }
    }
    findings
}

impl Image {
    fn is_of(&self, build: &Build) -> bool {
        let wanted = build.stage.as_deref().unwrap_or("").to_ascii_lowercase();
        self.file == build.file && self.stages.contains(&wanted)
    }

    fn exposes(&self, port: &WorkloadPort) -> bool {
        self.ports.iter().any(|exposed| {
            exposed.transport == port.transport
                && exposed.ports.first <= port.ports.first
                && port.ports.last <= exposed.ports.last
        })
    }
}

fn finding(build: &Build, image: &Image, port: &WorkloadPort) -> Finding {
    let exposed: Vec<String> = image.ports.iter().map(|port| format!("{}/{}", port.ports, port.transport)).collect();
    let mapped = format!("{}/{}", port.ports, port.transport);
    let message = format!(
        "{} maps port {mapped} of its container, whose Dockerfile exposes {} only",
        build.title,
        exposed.join(", ")
    );
    let mut finding = Finding::new(&UNEXPOSED, port.place, message).help(format!(
        "map one of the ports that the Dockerfile exposes, or add `EXPOSE {mapped}` to it if the program listens there"
    ));
    for exposed in &image.ports {
        finding = finding.related(exposed.place, "exposed here");
    }
    finding
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        estate::{PortSpan, Transport},
        inputs::{FileId, Span},
    };

    fn port(first: u16, last: u16, transport: Transport, file: u32) -> WorkloadPort {
        let place = Span { file: FileId(file), start: u32::from(first), end: u32::from(last) };
        WorkloadPort { ports: PortSpan { first, last }, transport, name: None, role: None, place }
    }

    fn found(exposed: Vec<WorkloadPort>, ports_are_complete: bool, stage: Option<&str>, mapped: WorkloadPort) -> usize {
        let image = Image {
            file: "a/Dockerfile".into(),
            stages: vec![String::new(), "last".to_owned()],
            ports: exposed,
            ports_are_complete,
            place: Span::default(),
        };
        let build = Build {
            title: "Compose service `web`".to_owned(),
            file: "a/Dockerfile".into(),
            stage: stage.map(str::to_owned),
            ports: vec![mapped],
        };
        check(&Facts { images: vec![image], builds: vec![build], ..Facts::default() }).len()
    }

    #[test]
    fn only_a_port_that_is_surely_not_exposed_is_found() {
        let exposed = || vec![port(80, 80, Transport::Tcp, 1), port(3000, 3010, Transport::Tcp, 1)];
        let mapped = |first, last| port(first, last, Transport::Tcp, 0);
        assert_eq!(found(exposed(), true, None, mapped(8080, 8080)), 1);
        assert_eq!(found(exposed(), true, Some("Last"), mapped(8080, 8080)), 1);
        assert_eq!(found(exposed(), true, Some("other"), mapped(8080, 8080)), 0);
        assert_eq!(found(exposed(), true, None, mapped(3001, 3002)), 0);
        assert_eq!(found(exposed(), true, None, mapped(3009, 3011)), 1);
        assert_eq!(found(exposed(), true, None, port(80, 80, Transport::Udp, 0)), 1);
        assert_eq!(found(exposed(), false, None, mapped(8080, 8080)), 0);
        assert_eq!(found(Vec::new(), true, None, mapped(8080, 8080)), 0);
    }
}
