//! Ports that depend on what no file says.

use super::Subject;
use crate::{
    compose::{
        interpolate::{HOLE, shown, unset},
        model::{Published, Service, Syntax},
        port::{Certain, HostAddress, HostPort},
    },
    finding::Finding,
    rule::{Default, Rule, Severity},
};

pub(super) static UNRESOLVED: Rule = Rule {
    id: "PC217",
    name: "unresolved-port",
    severity: Severity::Info,
    title: "how a port is published depends on a variable that no file sets",
    why: "Whoever starts the project decides the address or the port, and without a value Compose puts nothing there: \
          `:80` is a random port on every interface. What is not known is no pass.",
    remedy: "Set the variable in `.env`, or give it a safe default in the file, as in `127.0.0.1:${PORT:-8080}:80`.",
    default: Default::On,
};

pub(super) fn apply(subject: &Subject<'_>, findings: &mut Vec<Finding>) {
    for service in &subject.project.services {
        for port in service.ports.iter().filter(|port| port.text.contains(HOLE)) {
            findings.push(told(service, port));
        }
    }
}

fn told(service: &Service, port: &Published) -> Finding {
    let mut names: Vec<String> = unset(&port.text).map(|name| format!("`{name}`")).collect();
    names.dedup();
    let names = names.join(" and ");
    let (what, place) = match &port.mapping {
        Ok(mapping) if mapping.address == HostAddress::Unknown => match port.syntax {
            // A variable that stands where the host port does may hold an address as well.
            Syntax::Short { .. } if mapping.published == HostPort::Unknown => ("the address or host port", port.entry),
            _ => ("the address", port.address_place()),
        },
        Ok(mapping) if mapping.published == HostPort::Unknown => ("the host port", port.port_place()),
        Ok(mapping) if mapping.target == Certain::Unknown => ("the container port", port.target_place()),
        _ => ("the protocol", port.entry),
    };
    let message = format!("{what} of `{}` depends on {names}, which no file sets", service.name.value);
    let finding = Finding::unknown(&UNRESOLVED, place, message).label(format!("`{}`", shown(&port.text)));
    match with_defaults(port) {
        Some(text) => finding.help(format!("set it in `.env`, or give it a default, as in `\"{text}\"`")),
        None => finding.help("set it in `.env`, or give it a default, as in `${NAME:-value}`"),
    }
}

/// The entry with a default for each variable, if it can be told what each is for.
fn with_defaults(port: &Published) -> Option<String> {
    let mapping = port.mapping.as_ref().ok()?;
    let (Syntax::Short { .. }, Certain::Known(target)) = (port.syntax, mapping.target) else { return None };
    let text = port.text.strip_suffix("/tcp").unwrap_or(&port.text);
    let (rest, target_text) = text.rsplit_once(':')?;
    let (address, published) = rest.rsplit_once(':').unwrap_or(("127.0.0.1", rest));
    let with_default = |part: &str, default: &str| -> Option<String> {
        let name = part.strip_prefix(HOLE).and_then(|part| part.strip_suffix(HOLE));
        match name {
            Some(name) if !name.contains(HOLE) && !name.is_empty() => Some(format!("${{{name}:-{default}}}")),
            _ => (!part.contains(HOLE)).then(|| part.to_owned()),
        }
    };
    let address = with_default(address, "127.0.0.1")?;
    let published = with_default(published, &target.to_string())?;
    Some(format!("{address}:{published}:{target_text}"))
}
