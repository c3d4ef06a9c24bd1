//! `portcullis status`: ports, services and endpoints of the running proxy.

use std::{fmt::Write, io, time::Duration};

use clap::Args;
use comfy_table::{Cell, Color};
use portcullis_control::answers::{
    DriftReport, Endpoint, EndpointWord, Outcome, PhaseWord, Port, ReloadReport, Service, Status as Process,
};
use serde::Serialize;

use crate::{
    admin::AdminArguments,
    command_line::Format,
    output::{self, table},
    verdict::Verdict,
};

/// Show ports, services and endpoints of the running proxy
///
/// Exits with 1 if it is draining, an endpoint is down, the last reload was rejected, or what is open on this machine is not
/// what is declared.
#[derive(Debug, Args)]
pub(crate) struct Status {
    #[command(flatten)]
    admin: AdminArguments,
    /// How to print it
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// Everything at a glance; its fields are those of the admin API.
#[derive(Debug, Serialize)]
struct Overview {
    status: Process,
    ports: Vec<Port>,
    services: Vec<Service>,
}

impl Status {
    pub(crate) fn run(self) -> anyhow::Result<Verdict> {
        let proxy = self.admin.proxy()?;
        let overview = Overview {
            status: proxy.get("/v1/status")?,
            ports: proxy.get("/v1/ports")?,
            services: proxy.get("/v1/services")?,
        };
        match self.format {
            Format::Json => output::print_json(&overview)?,
            Format::Text => output::print(&overview.draw(Palette::for_stdout()))?,
        }
        Ok(if overview.is_fine() { Verdict::Fine } else { Verdict::Findings })
    }
}

/// Whether states are coloured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Palette {
    Plain,
    Coloured,
}

impl Palette {
    fn for_stdout() -> Self {
        if output::is_colourful(&io::stdout()) { Self::Coloured } else { Self::Plain }
    }
}

impl Overview {
    fn is_fine(&self) -> bool {
        let is_rejected = |report: &ReloadReport| report.outcome == Outcome::Rejected;
        self.status.phase == PhaseWord::Serving
            && !self.status.last_reload.as_ref().is_some_and(is_rejected)
            && self.ports.iter().all(|port| port.shared_with.is_empty())
            && self.status.drift.iter().all(|drift| drift.severity != "error")
            && self.status.names.iter().all(|name| name.failure.is_none())
            && self.endpoints().all(|(_, endpoint)| endpoint.state != EndpointWord::Down)
    }

    fn endpoints(&self) -> impl Iterator<Item = (&Service, &Endpoint)> {
        self.services.iter().flat_map(|service| service.endpoints.iter().map(move |endpoint| (service, endpoint)))
    }

    fn draw(&self, palette: Palette) -> String {
        let mut page = self.summary();
        let mut section = |drawn: String| {
            page.push('\n');
            page.push_str(&drawn);
            page.push('\n');
        };
        section(draw_ports(&self.ports));
        if !self.services.is_empty() {
            section(self.draw_endpoints(palette));
        }
        page
    }

    fn summary(&self) -> String {
        let status = &self.status;
        let phase = match status.phase {
            PhaseWord::Serving => "serving".to_owned(),
            PhaseWord::Draining => {
                let left = Duration::from_millis(status.drain_left_ms.unwrap_or_default());
                format!("draining, {:.0} s left", left.as_secs_f64())
            }
        };
        let mut lines = format!(
            "portcullis {} (pid {}) is {phase}: up {}, {} workers, {} open connections, plan {} of {}\n",
            status.version,
            status.pid,
            span(status.uptime_seconds),
            status.workers,
            status.open_connections,
            status.generation,
            status.file,
        );
        if let Some(report) = status.last_reload.as_ref().filter(|report| report.outcome == Outcome::Rejected) {
            let _ = write!(lines, "\nthe last reload ({}) was rejected: {}", report.cause, report.report);
        }
        for note in status.last_reload.iter().flat_map(|report| &report.notes) {
            let _ = writeln!(lines, "{note}");
        }
        let log = &status.access_log;
        let lost = log.dropped_sink_full + log.dropped_write_error;
        if lost > 0 || (log.state != "working" && log.state != "off") {
            let _ = writeln!(lines, "the access log is {}; {lost} records lost", log.state);
        }
        for (port, stranger) in self.ports.iter().flat_map(|port| port.shared_with.iter().map(move |who| (port, who))) {
            let _ = writeln!(lines, "somebody else gets connections of `{}`: {stranger}", port.name);
        }
        for DriftReport { check, severity, subject, message, place, .. } in &status.drift {
            let place = place.as_ref().map_or_else(String::new, |place| format!(" ({place})"));
            let _ = writeln!(lines, "{severity}[{check}]: {subject}: {message}{place}");
        }
        for name in &status.names {
            if let Some(why) = &name.failure {
                let since = span(status.now.saturating_sub(name.failing_since.unwrap_or(status.now)));
                let used = name.addresses.join(", ");
                let _ = writeln!(lines, "`{}` has not resolved for {since} ({why}); {used} stays in use", name.name);
            }
        }
        for warning in &status.warnings {
            let _ = writeln!(lines, "warning: {}:{}: {}", warning.file, warning.line, warning.message);
        }
        lines
    }

    fn draw_endpoints(&self, palette: Palette) -> String {
        let mut drawn = table(["SERVICE", "ENDPOINT", "STATE", "FOR", "IN FLIGHT", "WEIGHT", "WHY"]);
        if palette == Palette::Coloured {
            drawn.enforce_styling();
        }
        // By the clock of the proxy, which may run on another machine.
        let now = self.status.now;
        for (service, endpoint) in self.endpoints() {
            let colour = match endpoint.state {
                EndpointWord::Up => Color::Green,
                EndpointWord::Unchecked => Color::Reset,
                EndpointWord::Down => Color::Red,
                EndpointWord::Ejected => Color::Yellow,
            };
            drawn.add_row([
                Cell::new(&service.name),
                Cell::new(&endpoint.address),
                Cell::new(endpoint.state.as_str()).fg(colour),
                Cell::new(span(now.saturating_sub(endpoint.since))),
                Cell::new(endpoint.in_flight),
                Cell::new(endpoint.weight),
                Cell::new(endpoint.reason.as_deref().unwrap_or_default()),
            ]);
        }
        drawn.trim_fmt()
    }
}

fn draw_ports(ports: &[Port]) -> String {
    let mut drawn = table(["PORT", "ADDRESS", "ROLE", "SCOPE", "PROTOCOL", "OPEN", "REQUESTS", "LEADS TO"]);
    for port in ports {
        let leads_to = match port.redirect_https {
            Some(number) => format!("redirect to https port {number}"),
            None => port.services.join(", "),
        };
        drawn.add_row([
            &port.name,
            &port.listen,
            &port.role,
            &port.scope,
            &port.protocol,
            &port.active_connections.to_string(),
            &served(port),
            &leads_to,
        ]);
    }
    drawn.trim_fmt()
}

/// Requests; of a port that knows none, sessions.
fn served(port: &Port) -> String {
    let is_http = port.role == "admin" || port.role == "metrics" || port.protocol.starts_with("http");
    match (is_http, port.connections) {
        (true, _) => port.requests.to_string(),
        (false, 1) => "1 session".to_owned(),
        (false, sessions) => format!("{sessions} sessions"),
    }
}

/// `4d 3h`, `3h 20m`, `20m 5s`, `5s`.
fn span(seconds: u64) -> String {
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3600 % 24, seconds / 60 % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds}s"),
        (0, 0, minutes) => format!("{minutes}m {}s", seconds % 60),
        (0, hours, minutes) => format!("{hours}h {minutes}m"),
        (days, hours, _) => format!("{days}d {hours}h"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn overview(phase: &str, state: &str, reason: Option<&str>) -> Overview {
        let status = json!({
            "version": "1.0.0", "now": 5000, "pid": 7, "phase": phase, "uptime_seconds": 8000, "workers": 2,
            "file": "portcullis.yaml", "generation": 3, "generation_since": 0, "open_connections": 12,
            "drain_left_ms": null, "last_reload": null, "warnings": [],
            "access_log": { "state": "working", "dropped_sink_full": 0, "dropped_write_error": 0 },
        });
        let ports = json!([{
            "name": "web", "listen": "0.0.0.0:443", "role": "public", "scope": "public", "protocol": "https",
            "passthrough": false, "client_certificate": "none", "certificates": [], "redirect_https": null,
            "accepted_wildcard": null, "services": ["shop"], "active_connections": 12, "connections": 40,
            "requests": 1234, "terminations": {},
        }]);
        let services = json!([{
            "name": "shop", "protocol": "http", "balance": "round-robin", "checked": true, "available": 1,
            "finished": {}, "retries": 0,
            "endpoints": [{
                "address": "127.0.0.1:3000", "weight": 1, "state": state, "since": 4877, "reason": reason, "in_flight": 2,
                "active_connections": 3, "connect_failures": 0, "checks_passed": 9, "checks_failed": 0,
            }],
        }]);
        Overview {
            status: serde_json::from_value(status).unwrap(),
            ports: serde_json::from_value(ports).unwrap(),
            services: serde_json::from_value(services).unwrap(),
        }
    }

    #[test]
    fn the_page_shows_ports_then_endpoints_and_why_one_is_down() {
        let overview = overview("serving", "down", Some("nobody listens on 127.0.0.1:3000"));
        insta::assert_snapshot!(overview.draw(Palette::Plain));
    }

    #[test]
    fn only_a_proxy_that_serves_with_all_endpoints_is_fine() {
        for (phase, state, is_fine) in [
            ("serving", "up", true),
            ("serving", "unchecked", true),
            ("serving", "ejected", true),
            ("serving", "down", false),
            ("draining", "up", false),
        ] {
            assert_eq!(overview(phase, state, None).is_fine(), is_fine, "{phase} {state}");
        }
    }

    #[test]
    fn a_port_that_is_shared_is_not_fine_and_its_stranger_is_named() {
        let mut overview = overview("serving", "up", None);
        overview.ports[0].shared_with = vec!["nc (pid 7, user eve) listens on 0.0.0.0:443".to_owned()];
        assert!(!overview.is_fine());
        let drawn = overview.draw(Palette::Plain);
        assert!(drawn.contains("connections of `web`: nc (pid 7, user eve)"), "{drawn}");
    }

    #[test]
    fn a_port_without_requests_tells_its_sessions() {
        let mut overview = overview("serving", "up", None);
        for (role, protocol, expected) in [
            ("public", "https", "1234"),
            ("internal", "tcp", "40 sessions"),
            ("public", "tls", "40 sessions"),
            ("admin", "http", "1234"),
        ] {
            (overview.ports[0].role, overview.ports[0].protocol) = (role.to_owned(), protocol.to_owned());
            assert_eq!(served(&overview.ports[0]), expected, "{role} {protocol}");
        }
    }

    #[test]
    fn spans_of_time_are_told_in_two_units() {
        let spans = [5, 65, 8000, 266_400].map(span);
        assert_eq!(spans, ["5s", "1m 5s", "2h 13m", "3d 2h"]);
    }
}
