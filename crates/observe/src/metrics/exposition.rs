//! All counters as the metric families that `docs/reference/metrics.md` lists; a test compares the two.

mod page;

use std::{
    fmt,
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

use prometheus_client::{collector::Collector, encoding::DescriptorEncoder};

use self::page::{Label, Page};
use super::{
    EndpointMetrics, EndpointSnapshot, Health, PortMetrics, PortSnapshot, ProcessMetrics, RouteMetrics, RouteSnapshot,
    ServiceMetrics, ServiceSnapshot, process::KernelNumbers, registry::All,
};
use crate::{Termination, access_log::SinkState};

/// Content type of the text that [`super::Registry::encode`] returns.
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Reads the shards whenever somebody scrapes.
#[derive(Debug)]
pub(super) struct Exposition {
    all: Arc<All>,
}

impl Exposition {
    pub(super) fn new(all: Arc<All>) -> Self {
        Self { all }
    }
}

impl Collector for Exposition {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut page = Page::new(encoder);
        ports(&mut page, &self.all.ports.read(PortMetrics::snapshot))?;
        routes(&mut page, &self.all.routes.read(RouteMetrics::snapshot))?;
        services(&mut page, &self.all.services.read(ServiceMetrics::snapshot))?;
        endpoints(&mut page, &self.all.endpoints.read(EndpointMetrics::snapshot))?;
        access_log(&mut page, &self.all.process)?;
        audit(&mut page, &self.all.process)?;
        page.counters(
            "portcullis_break_glass",
            "Times that somebody took access without approval.",
            [(Vec::new(), self.all.process.glass_breaks())],
        )?;
        configuration(&mut page, &self.all.process)?;
        process(&mut page, &self.all)
    }
}

fn ports(page: &mut Page<'_>, ports: &[PortSnapshot]) -> fmt::Result {
    let mut counter = |name, help, value: fn(&PortSnapshot) -> u64| {
        page.counters(name, help, ports.iter().map(|port| (port.labels(), value(port))))
    };
    counter("portcullis_port_connections", "Connections accepted, refused ones included.", |port| port.connections)?;
    counter("portcullis_port_requests", "Requests received, malformed ones included.", |port| port.requests)?;
    counter("portcullis_port_received_bytes", "Bytes from clients, TLS excluded.", |port| port.bytes_received)?;
    counter("portcullis_port_sent_bytes", "Bytes to clients, TLS excluded.", |port| port.bytes_sent)?;
    counter("portcullis_port_tls_handshakes", "TLS handshakes with clients that succeeded.", |port| {
        port.tls_handshakes
    })?;
    counter("portcullis_port_tls_resumptions", "TLS handshakes that resumed an earlier session.", |port| {
        port.tls_resumed
    })?;
    page.counters(
        "portcullis_port_terminations",
        "Requests and sessions by the reason for which they ended.",
        ports.iter().flat_map(|port| {
            let of_port = move |(reason, count): (&Termination, &u64)| {
                ([port.labels(), vec![("reason", reason.as_str())]].concat(), *count)
            };
            port.terminations.iter().map(of_port)
        }),
    )?;
    page.gauges(
        "portcullis_port_active_connections",
        "Connections that are open.",
        ports.iter().map(|port| (port.labels(), port.active as f64)),
    )
}

/// Routes that nothing has taken yet are left out: a port may have a hundred thousand of them.
fn routes(page: &mut Page<'_>, routes: &[RouteSnapshot]) -> fmt::Result {
    let used = || routes.iter().filter(|route| route.finished.values().any(|&count| count > 0));
    page.finished("portcullis_route_finished", used().map(|route| (route.labels(), &route.finished)))?;
    page.response_times("portcullis_route_response", used().map(|route| (route.labels(), &route.response_time)))
}

fn services(page: &mut Page<'_>, services: &[ServiceSnapshot]) -> fmt::Result {
    page.finished("portcullis_service_finished", services.iter().map(|service| (service.labels(), &service.finished)))?;
    let mut counter = |name, help, value: fn(&ServiceSnapshot) -> u64| {
        page.counters(name, help, services.iter().map(|service| (service.labels(), value(service))))
    };
    counter("portcullis_service_retries", "Attempts after the first.", |service| service.retries)?;
    let help = "Requests and sessions for which no endpoint was available.";
    counter("portcullis_service_no_endpoint", help, |service| service.no_endpoint)?;
    page.response_times(
        "portcullis_service_response",
        services.iter().map(|service| (service.labels(), &service.response_time)),
    )
}

fn endpoints(page: &mut Page<'_>, endpoints: &[EndpointSnapshot]) -> fmt::Result {
    page.finished(
        "portcullis_endpoint_finished",
        endpoints.iter().map(|endpoint| (endpoint.labels(), &endpoint.finished)),
    )?;
    let mut counter = |name, help, value: fn(&EndpointSnapshot) -> u64| {
        page.counters(name, help, endpoints.iter().map(|endpoint| (endpoint.labels(), value(endpoint))))
    };
    counter("portcullis_endpoint_connects", "Connections made to the endpoint.", |endpoint| endpoint.connects)?;
    let help = "Connections to the endpoint that could not be made, TLS handshakes included.";
    counter("portcullis_endpoint_connect_failures", help, |endpoint| endpoint.connect_failures)?;
    let help = "Requests on a connection that was already open.";
    counter("portcullis_endpoint_reuses", help, |endpoint| endpoint.reuses)?;
    let help = "Bytes from the endpoint, TLS excluded.";
    counter("portcullis_endpoint_received_bytes", help, |endpoint| endpoint.bytes_received)?;
    let help = "Bytes to the endpoint, TLS excluded.";
    counter("portcullis_endpoint_sent_bytes", help, |endpoint| endpoint.bytes_sent)?;
    page.counters(
        "portcullis_endpoint_health_checks",
        "Health checks by result.",
        endpoints.iter().flat_map(|endpoint| {
            [("passed", endpoint.checks_passed), ("failed", endpoint.checks_failed)]
                .map(|(result, count)| ([endpoint.labels(), vec![("result", result)]].concat(), count))
        }),
    )?;
    page.gauges(
        "portcullis_endpoint_active_connections",
        "Connections that are open, idle ones in the pools included.",
        endpoints.iter().map(|endpoint| (endpoint.labels(), endpoint.active as f64)),
    )?;
    page.gauges(
        "portcullis_endpoint_up",
        "1 if the health checks find the endpoint up, 0 if down; absent if it is not checked.",
        endpoints.iter().filter_map(|endpoint| match endpoint.health {
            Health::Unchecked => None,
            Health::Up => Some((endpoint.labels(), 1.0)),
            Health::Down => Some((endpoint.labels(), 0.0)),
        }),
    )?;
    page.response_times(
        "portcullis_endpoint_response",
        endpoints.iter().map(|endpoint| (endpoint.labels(), &endpoint.response_time)),
    )
}

fn access_log(page: &mut Page<'_>, process: &ProcessMetrics) -> fmt::Result {
    let Some(log) = process.access_log() else { return Ok(()) };
    page.counters("portcullis_access_log_records", "Access records written.", [(Vec::new(), log.written())])?;
    let dropped = log.dropped();
    page.counters(
        "portcullis_access_log_dropped_records",
        "Access records lost, by reason.",
        [("sink-full", dropped.sink_full), ("write-error", dropped.write_error)]
            .map(|(reason, count)| (vec![("reason", reason)], count)),
    )?;
    page.gauge(
        "portcullis_access_log_working",
        "1 if the access log takes its records; 0 if not, or if it is off.",
        Some(f64::from(u8::from(log.state() == SinkState::Working))),
    )
}

fn audit(page: &mut Page<'_>, process: &ProcessMetrics) -> fmt::Result {
    let Some(audit) = process.audit() else { return Ok(()) };
    page.counters("portcullis_audit_records", "Audit records on the disk.", [(Vec::new(), audit.written)])?;
    page.counters(
        "portcullis_audit_refused_records",
        "Audit records that were not taken: the queue was full, or the store failed.",
        [(Vec::new(), audit.refused)],
    )?;
    page.gauge("portcullis_audit_queued_records", "Audit records that wait.", Some(audit.queued as f64))?;
    page.gauge(
        "portcullis_audit_working",
        "1 if the store takes audit records; 0 if not, and traffic that requires them is refused.",
        Some(f64::from(u8::from(audit.takes_records))),
    )
}

fn configuration(page: &mut Page<'_>, process: &ProcessMetrics) -> fmt::Result {
    page.gauge(
        "portcullis_plan_generation",
        "Number of the plan that runs; each reload that succeeds raises it.",
        Some(process.plan_generation() as f64),
    )?;
    page.counters(
        "portcullis_reloads",
        "Reloads by result.",
        process.reloads().map(|(outcome, count)| (vec![("result", outcome.as_str())], count)),
    )?;
    let strangers = process.strangers();
    page.gauges(
        "portcullis_port_strangers",
        "Sockets of other processes that share the address of the port and get a part of its connections.",
        strangers.iter().map(|strangers| (vec![("port", strangers.port.as_str())], strangers.sockets as f64)),
    )?;
    let drift = process.drift();
    let counts = drift.iter().flat_map(|drift| &drift.counts);
    page.gauges(
        "portcullis_drift",
        "Things on this machine that are not as declared, by check of `portcullis probe`.",
        counts.map(|count| (vec![("check", count.check.as_str())], count.subjects as f64)),
    )?;
    let help = "When drift was last looked for, in seconds since 1970.";
    page.gauge("portcullis_drift_last_look_timestamp_seconds", help, drift.as_ref().map(|drift| drift.looked as f64))?;
    let certificates = process.certificates();
    page.gauges(
        "portcullis_certificate_expiry_timestamp_seconds",
        "When the certificate, or the `revocation list`, ends, in seconds since 1970.",
        certificates.iter().map(|certificate| {
            let labels = vec![("port", certificate.port.as_str()), ("name", certificate.name.as_str())];
            (labels, unix_seconds(certificate.not_after))
        }),
    )
}

/// The `process_` names are those that every Prometheus client uses, so that common dashboards work.
fn process(page: &mut Page<'_>, all: &All) -> fmt::Result {
    if let Some(build) = all.process.build() {
        let labels = [("version", build.version.as_str()), ("commit", build.commit.as_str())];
        page.info("portcullis_build", "What runs.", &labels)?;
    }
    page.gauge("portcullis_workers", "Worker threads of the data plane.", Some(all.workers as f64))?;
    let started = all.process.started();
    let uptime = started.elapsed().unwrap_or_default();
    page.gauge("portcullis_uptime_seconds", "Seconds since the start.", Some(uptime.as_secs_f64()))?;
    let help = "When the process started, in seconds since 1970.";
    page.gauge("process_start_time_seconds", help, Some(unix_seconds(started)))?;
    let kernel = KernelNumbers::read();
    let as_gauge = |number: Option<u64>| number.map(|number| number as f64);
    page.gauge("process_resident_memory_bytes", "Memory that the process holds.", as_gauge(kernel.resident_bytes))?;
    page.gauge("process_open_fds", "Descriptors that are open.", as_gauge(kernel.open_descriptors))?;
    page.gauge("process_max_fds", "Descriptors that may be open.", as_gauge(kernel.most_descriptors))?;
    page.seconds("process_cpu", "User and system time that the process has used.", kernel.cpu_seconds)
}

impl PortSnapshot {
    fn labels(&self) -> Vec<Label<'_>> {
        vec![("port", &self.port), ("role", &self.role)]
    }
}

impl RouteSnapshot {
    fn labels(&self) -> Vec<Label<'_>> {
        vec![("port", &self.port), ("route", &self.route)]
    }
}

impl ServiceSnapshot {
    fn labels(&self) -> Vec<Label<'_>> {
        vec![("service", &self.service)]
    }
}

impl EndpointSnapshot {
    fn labels(&self) -> Vec<Label<'_>> {
        vec![("service", &self.service), ("endpoint", &self.endpoint)]
    }
}

fn unix_seconds(time: SystemTime) -> f64 {
    time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64()
}
