//! The file itself, with the place from which each part comes.

use std::fmt::Write;

use portcullis_lint::inputs::{Inputs, Span};

use super::{Port, Service};

/// Writing to a string cannot fail.
pub(crate) fn render(ports: &[Port], services: &[Service], inputs: &Inputs) -> String {
    if ports.is_empty() {
        return String::new();
    }
    let mut text = "# Written by `portcullis import`. Every port is passed on as it comes; say what it speaks (`protocol: http`)\n\
                    # to route, log and limit by what is asked for.\nports:\n"
        .to_owned();
    for port in ports {
        let role = if port.is_public { "public" } else { "internal" };
        let from = place(port.place, inputs);
        let _ =
            writeln!(text, "  {}: {{ listen: \"{}\", role: {role}, protocol: tcp }} # {from}", port.name, port.listen);
    }
    text.push_str("\nservices:\n");
    for Service { name, host, port, protocol, place: said } in services {
        let from = place(*said, inputs);
        let _ = writeln!(
            text,
            "  {name}: {{ port: {port}, protocol: {protocol}, endpoints: [\"{host}:{port}\"] }} # {from}"
        );
    }
    text.push_str("\nroutes:\n");
    for service in services {
        let names: Vec<&str> =
            ports.iter().filter(|port| port.service == service.name).map(|port| port.name.as_str()).collect();
        let _ = writeln!(text, "  - {{ port: [{}], service: {}, allow: anyone }}", names.join(", "), service.name);
    }
    text
}

pub(crate) fn place(span: Span, inputs: &Inputs) -> String {
    let shown: String = inputs.path(span.file).display().to_string().chars().filter(|c| !c.is_control()).collect();
    format!("{shown}:{}", inputs.position(span).line)
}
