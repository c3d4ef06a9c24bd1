//! What is open, at a glance, when the proxy starts.

use portcullis_config::declared::ListenAddress;
use portcullis_plan::{Action, Plan, PortPlan, Protocol};

use crate::output::table;

/// A table for people.
pub(super) fn draw(plan: &Plan) -> String {
    let mut drawn = table(["PORT", "ADDRESS", "ROLE", "PROTOCOL", "LEADS TO"]);
    for port in &plan.ports {
        drawn.add_row([&*port.name, &address(port), port.role_name(), protocol(port), &leads_to(port)]);
    }
    drawn.trim_fmt()
}

/// A line in the log for each port.
pub(super) fn log(plan: &Plan) {
    for port in &plan.ports {
        let (name, role, protocol) = (&*port.name, port.role_name(), protocol(port));
        tracing::info!(name, listen = address(port), role, protocol, leads_to = leads_to(port), "port is open");
    }
}

fn address(port: &PortPlan) -> String {
    let address = match &port.listen {
        ListenAddress::Tcp(address) => address.to_string(),
        ListenAddress::Unix(path) => format!("unix:{}", path.display()),
    };
    match &port.accepted_wildcard {
        Some(reason) => format!("{address} (accepted: {reason})"),
        None => address,
    }
}

fn protocol(port: &PortPlan) -> &'static str {
    match port.protocol {
        Protocol::Passthrough => "tls, passed through",
        _ => port.protocol.name(),
    }
}

fn leads_to(port: &PortPlan) -> String {
    if let Some(number) = port.redirect_https {
        return format!("redirect to https port {number}");
    }
    if !port.is_data_port() {
        return if port.role_name() == "admin" { "admin API".to_owned() } else { "/metrics".to_owned() };
    }
    let mut targets: Vec<String> = port
        .routes
        .routes()
        .map(|route| match &route.action {
            Action::Forward(service) => service.name.to_string(),
            Action::Redirect(_) => "redirect".to_owned(),
            Action::Respond(_) => "fixed response".to_owned(),
        })
        .collect();
    targets.sort_unstable();
    targets.dedup();
    targets.join(", ")
}
