//! The rules about Dockerfiles.

use super::{
    image::{Dockerfile, Exposed, Stage, When},
    port::{Mistake, parse},
    words::Value,
};
use crate::{
    estate::{PortSpan, Transport},
    finding::{Edit, Finding, Safety},
    inputs::{Inputs, Span},
    numbers, reading,
    rule::{Default, Rule, Severity},
    sensitive,
};

/// `EXPOSE 22`, also as part of a range.
pub(super) static SHELL: Rule = Rule {
    id: "PC301",
    name: "image-exposes-ssh",
    severity: Severity::Medium,
    title: "an image announces an SSH server",
    why: "A shell server in a container is a second way in that no orchestrator sees: with accounts, keys and logs of \
          its own, and updated only when the image is built again. `docker run -P` publishes it on every interface.",
    remedy: "Leave the SSH server out and use `docker exec`, `kubectl exec` or a debug container.",
    default: Default::On,
};

/// What stands behind `EXPOSE` is no port.
pub(super) static NO_PORT: Rule = Rule {
    id: "PC302",
    name: "image-exposes-no-port",
    severity: Severity::Critical,
    title: "EXPOSE names something that cannot be a port",
    why: "Builders refuse a number beyond 65535, a word or an unknown protocol, and a mapping such as `8080:80` \
          publishes nothing: which port of the host it becomes is said when the container is started.",
    remedy: "Name the port that the program in the container listens on, as `80`, `53/udp` or `3000-3010`.",
    default: Default::On,
};

/// An inventory of what should not be published.
pub(super) static SENSITIVE: Rule = Rule {
    id: "PC304",
    name: "image-exposes-sensitive-port",
    severity: Severity::Info,
    title: "an image serves a port that is not for everybody",
    why: "Databases, consoles and control sockets in an image are worth knowing before it is run: published without a \
          loopback address, or with `docker run -P`, they are open to whoever reaches the host.",
    remedy: "Nothing, if the image is a database. Where it is run, publish the port on `127.0.0.1` or not at all.",
    default: Default::On,
};

/// In the order of their numbers.
pub(super) static RULES: &[&Rule] = &[&numbers::PRIVILEGED, &numbers::IMPOSSIBLE, &SHELL, &NO_PORT, &SENSITIVE];

/// All findings of one file.
pub(super) fn check(inputs: &Inputs, dockerfile: &Dockerfile) -> Vec<Finding> {
    let mut findings = Vec::new();
    if let Some((place, word)) = &dockerfile.stranger {
        findings.push(
            Finding::new(&reading::SYNTAX, *place, format!("`{word}` is not an instruction of a Dockerfile"))
                .label("expected FROM, RUN, EXPOSE or the like"),
        );
    }
    if let Some(place) = dockerfile.beyond_bounds {
        findings.push(Finding::new(&reading::BOUNDS, place, "more stages than can be read"));
    }
    for (index, stage) in dockerfile.stages.iter().enumerate() {
        for exposed in &stage.exposed {
            match &exposed.word.value {
                Value::Unknown(name) => findings.push(unresolved(exposed, name)),
                Value::Known(word) => findings.extend(judge(inputs, dockerfile, index, exposed, word)),
            }
        }
    }
    findings
}

fn unresolved(exposed: &Exposed, variable: &str) -> Finding {
    Finding::unknown(
        &reading::UNRESOLVED,
        exposed.word.span,
        format!("which port is exposed depends on `{variable}`, which has no value in this file"),
    )
    .help(format!("give it a default, as in `ARG {variable}=8080`"))
}

fn judge(inputs: &Inputs, dockerfile: &Dockerfile, stage: usize, exposed: &Exposed, word: &str) -> Vec<Finding> {
    let place = exposed.word.span;
    match parse(word) {
        Err(mistake) => vec![not_a_port(inputs, place, word, mistake)],
        Ok((ports, transport)) => {
            let mut findings = sensitive_ports(exposed, ports, transport);
            findings.extend(privileged(dockerfile, stage, exposed, ports, transport));
            findings
        }
    }
}

fn not_a_port(inputs: &Inputs, place: Span, word: &str, mistake: Mistake) -> Finding {
    // What a variable stands for cannot be mended where the variable is used.
    let is_verbatim = inputs.excerpt(place) == word;
    let mend = |finding: Finding, mended: String| {
        let text = format!("write `EXPOSE {mended}`");
        if is_verbatim {
            finding.fix(Safety::Safe, text, vec![Edit { span: place, replacement: mended }])
        } else {
            finding.help(text)
        }
    };
    let says = if is_verbatim { format!("`{word}`") } else { format!("`{word}` (`{}`)", inputs.excerpt(place)) };
    match mistake {
        Mistake::Zero => Finding::new(&numbers::IMPOSSIBLE, place, "port 0 is no port that anybody can reach")
            .help("name the port that the program listens on"),
        Mistake::Reversed { mended } => {
            mend(Finding::new(&numbers::IMPOSSIBLE, place, format!("the range {says} begins behind its end")), mended)
        }
        Mistake::OutOfRange => Finding::new(&NO_PORT, place, format!("{says} is beyond 65535, the last port"))
            .help("name the port that the program listens on, from 1 to 65535"),
        Mistake::NotAPort => Finding::new(&NO_PORT, place, format!("{says} is not a port number"))
            .help("name a number, as in `EXPOSE 8080`"),
        Mistake::Protocol(protocol) => {
            Finding::new(&NO_PORT, place, format!("`{protocol}` is not a transport protocol"))
                .help("write `/tcp`, `/udp` or `/sctp`, or nothing for tcp")
        }
        Mistake::Mapping { mended } => mend(
            Finding::new(&NO_PORT, place, format!("{says} is a mapping, and EXPOSE maps nothing"))
                .severity(Severity::Medium),
            mended,
        ),
        Mistake::List { mended } => {
            mend(Finding::new(&NO_PORT, place, format!("{says} is a list with commas; EXPOSE takes spaces")), mended)
        }
    }
}

fn sensitive_ports(exposed: &Exposed, ports: PortSpan, transport: Transport) -> Vec<Finding> {
    let place = exposed.word.span;
    let images = match exposed.when {
        When::Now => "the image",
        When::OnBuild => "each image that is built from this one",
    };
    if transport == Transport::Tcp && ports.contains(22) {
        let within = if ports == PortSpan::one(22) { String::new() } else { format!(", within {ports}") };
        return vec![
            Finding::new(&SHELL, place, format!("{images} exposes port 22 (SSH{within})"))
                .help("remove port 22, and the SSH server; use `docker exec` or `kubectl exec` for a shell"),
        ];
    }
    // A range of a thousand ports is a passage, not a set of services.
    if ports.count() > 1000 {
        return Vec::new();
    }
    let known = (ports.first..=ports.last).filter_map(|port| sensitive::telling(port, transport));
    let mut names: Vec<String> = known.map(|entry| format!("{} ({})", entry.name, entry.class.words())).collect();
    names.dedup();
    if names.is_empty() {
        return Vec::new();
    }
    let message = format!("{images} serves port {ports}/{transport}: {}", names.join(", "));
    vec![
        Finding::new(&SENSITIVE, place, message)
            .help(format!("where the image is run, publish it as `127.0.0.1:{ports}:{ports}` or not at all")),
    ]
}

/// Only where the image says itself that it does not run as root.
fn privileged(
    dockerfile: &Dockerfile,
    stage: usize,
    exposed: &Exposed,
    ports: PortSpan,
    transport: Transport,
) -> Option<Finding> {
    let user = dockerfile.lineage(stage).find_map(|stage: &Stage| stage.user.as_ref())?;
    let Value::Known(user) = user else { return None };
    let name = user.split(':').next().unwrap_or(user);
    if ports.first >= 1024 || exposed.when == When::OnBuild || matches!(name, "root" | "0" | "") {
        return None;
    }
    Some(
        Finding::new(
            &numbers::PRIVILEGED,
            exposed.word.span,
            format!("the image runs as `{user}`, which may not be allowed to bind port {}/{transport}", ports.first),
        )
        .severity(Severity::Low)
        .help("listen on a port from 1024 up, such as 8080, and translate it where it is published"),
    )
}
