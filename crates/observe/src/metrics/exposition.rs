//! All counters as the metric families that `docs/reference/metrics.md` lists (a test compares the two).

use std::{
    fmt,
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, MetricEncoder, NoLabelSet},
    metrics::MetricType,
    registry::Unit,
};

use super::{HistogramSnapshot, process::KernelNumbers, registry::All};
use crate::access_log::SinkState;
use crate::metrics::{EndpointSnapshot, Health, PortSnapshot, RouteSnapshot, ServiceSnapshot};

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
        let mut page = Page { encoder };
        let ports: Vec<_> = self.all.ports.held().iter().map(|port| port.snapshot()).collect();
        let routes: Vec<_> = self.all.routes.held().iter().map(|route| route.snapshot()).collect();
        let services: Vec<_> = self.all.services.held().iter().map(|service| service.snapshot()).collect();
        let endpoints: Vec<_> = self.all.endpoints.held().iter().map(|endpoint| endpoint.snapshot()).collect();
        page.ports(&ports)?;
        page.routes(&routes)?;
        page.services(&services)?;
        page.endpoints(&endpoints)?;
        page.access_log(&self.all)?;
        page.configuration(&self.all)?;
        page.process(&self.all)
    }
}

type Label<'a> = (&'static str, &'a str);

/// What is being written.
struct Page<'a> {
    encoder: DescriptorEncoder<'a>,
}

impl Page<'_> {
    fn ports(&mut self, ports: &[PortSnapshot]) -> fmt::Result {
        let mut counter = |name, help, value: fn(&PortSnapshot) -> u64| {
            self.counters(name, help, ports.iter().map(|port| (port_labels(port), value(port))))
        };
        counter("port_connections", "Connections accepted, refused ones included.", |port| port.connections)?;
        counter("port_requests", "Requests received, malformed ones included.", |port| port.requests)?;
        counter("port_received_bytes", "Bytes from clients, TLS excluded.", |port| port.bytes_received)?;
        counter("port_sent_bytes", "Bytes to clients, TLS excluded.", |port| port.bytes_sent)?;
        counter("port_tls_handshakes", "TLS handshakes with clients that succeeded.", |port| port.tls_handshakes)?;
        counter("port_tls_resumptions", "TLS handshakes that resumed an earlier session.", |port| port.tls_resumed)?;
        self.counters(
            "port_terminations",
            "Requests and sessions by the reason for which they ended.",
            ports.iter().flat_map(|port| {
                port.terminations.iter().map(|(reason, count)| {
                    ([("port", port.port.as_str()), ("role", port.role.as_str()), ("reason", reason.as_str())], *count)
                })
            }),
        )?;
        self.gauges(
            "port_active_connections",
            "Connections that are open.",
            ports.iter().map(|port| (port_labels(port), port.active as f64)),
        )
    }

    fn routes(&mut self, routes: &[RouteSnapshot]) -> fmt::Result {
        self.counters(
            "route_responses",
            "Responses to clients by class of status.",
            routes.iter().flat_map(|route| {
                route.responses.iter().map(|(class, count)| {
                    ([("port", route.port.as_str()), ("route", route.route.as_str()), ("status", *class)], *count)
                })
            }),
        )?;
        self.counters(
            "route_sessions",
            "TCP and TLS sessions and upgraded connections.",
            routes.iter().map(|route| (route_labels(route), route.sessions)),
        )?;
        self.histograms(
            "route_response",
            "From the end of a request's head to the end of the response.",
            routes.iter().map(|route| (route_labels(route), &route.response_time)),
        )
    }

    fn services(&mut self, services: &[ServiceSnapshot]) -> fmt::Result {
        self.counters(
            "service_responses",
            "Answers of the service by class of status.",
            services.iter().flat_map(|service| {
                service
                    .responses
                    .iter()
                    .map(|(class, count)| ([("service", service.service.as_str()), ("status", *class)], *count))
            }),
        )?;
        let mut counter = |name, help, value: fn(&ServiceSnapshot) -> u64| {
            self.counters(name, help, services.iter().map(|service| (service_labels(service), value(service))))
        };
        counter("service_sessions", "TCP and TLS sessions and upgraded connections.", |service| service.sessions)?;
        counter("service_retries", "Attempts after the first.", |service| service.retries)?;
        counter("service_no_endpoint", "Requests and sessions for which no endpoint was available.", |service| {
            service.no_endpoint
        })?;
        self.histograms(
            "service_response",
            "From the first attempt to the head of the answer, retries included.",
            services.iter().map(|service| (service_labels(service), &service.response_time)),
        )
    }

    fn endpoints(&mut self, endpoints: &[EndpointSnapshot]) -> fmt::Result {
        self.counters(
            "endpoint_responses",
            "Answers of the endpoint by class of status.",
            endpoints.iter().flat_map(|endpoint| {
                endpoint.responses.iter().map(|(class, count)| {
                    let [service, address] = endpoint_labels(endpoint);
                    ([service, address, ("status", *class)], *count)
                })
            }),
        )?;
        let mut counter = |name, help, value: fn(&EndpointSnapshot) -> u64| {
            self.counters(name, help, endpoints.iter().map(|endpoint| (endpoint_labels(endpoint), value(endpoint))))
        };
        counter("endpoint_connects", "Connections made to the endpoint.", |endpoint| endpoint.connects)?;
        counter("endpoint_connect_failures", "Connections to the endpoint that could not be made.", |endpoint| {
            endpoint.connect_failures
        })?;
        counter("endpoint_reuses", "Requests on a connection that was already open.", |endpoint| endpoint.reuses)?;
        counter("endpoint_received_bytes", "Bytes from the endpoint, TLS excluded.", |endpoint| {
            endpoint.bytes_received
        })?;
        counter("endpoint_sent_bytes", "Bytes to the endpoint, TLS excluded.", |endpoint| endpoint.bytes_sent)?;
        self.counters(
            "endpoint_health_checks",
            "Health checks by result.",
            endpoints.iter().flat_map(|endpoint| {
                [("passed", endpoint.checks_passed), ("failed", endpoint.checks_failed)].map(|(result, count)| {
                    let [service, address] = endpoint_labels(endpoint);
                    ([service, address, ("result", result)], count)
                })
            }),
        )?;
        self.gauges(
            "endpoint_active_connections",
            "Connections that are open, idle ones in the pools included.",
            endpoints.iter().map(|endpoint| (endpoint_labels(endpoint), endpoint.active as f64)),
        )?;
        self.gauges(
            "endpoint_up",
            "1 if the health checks find the endpoint up, 0 if down; absent if it is not checked.",
            endpoints.iter().filter_map(|endpoint| match endpoint.health {
                Health::Unchecked => None,
                Health::Up => Some((endpoint_labels(endpoint), 1.0)),
                Health::Down => Some((endpoint_labels(endpoint), 0.0)),
            }),
        )?;
        self.histograms(
            "endpoint_response",
            "From the request's head sent to the answer's head received.",
            endpoints.iter().map(|endpoint| (endpoint_labels(endpoint), &endpoint.response_time)),
        )
    }

    fn access_log(&mut self, all: &All) -> fmt::Result {
        let Some(log) = all.process.access_log() else { return Ok(()) };
        self.counters("access_log_records", "Access records written.", [([], log.written())].into_iter())?;
        let is_working = log.state() == SinkState::Working;
        self.gauges(
            "access_log_working",
            "1 if the access log takes what it is given; 0 if it does not, and ports with required logs wait.",
            [([], f64::from(is_working))].into_iter(),
        )?;
        let dropped = log.dropped();
        self.counters(
            "access_log_dropped_records",
            "Access records lost, by reason.",
            [("sink-full", dropped.sink_full), ("write-error", dropped.write_error)]
                .map(|(reason, count)| ([("reason", reason)], count))
                .into_iter(),
        )
    }

    fn configuration(&mut self, all: &All) -> fmt::Result {
        self.gauges(
            "plan_generation",
            "Number of the plan that runs; each successful reload adds one.",
            [([], all.process.plan_generation() as f64)].into_iter(),
        )?;
        self.counters(
            "reloads",
            "Reloads by result.",
            all.process.reloads().map(|(outcome, count)| ([("result", outcome.as_str())], count)).into_iter(),
        )?;
        let certificates = all.process.certificates();
        self.gauges(
            "certificate_expiry_timestamp_seconds",
            "When the certificate ends, in seconds since 1970.",
            certificates.iter().map(|certificate| {
                let labels = [("port", certificate.port.as_str()), ("name", certificate.name.as_str())];
                (labels, unix_seconds(certificate.not_after))
            }),
        )
    }

    /// The names that every Prometheus client uses for a process, so that common dashboards work.
    fn process(&mut self, all: &All) -> fmt::Result {
        if let Some(build) = all.process.build.get() {
            let mut family = self.family("portcullis_build", "What runs.", None, MetricType::Info)?;
            family.encode_info(&[("version", build.version.as_str()), ("commit", build.commit.as_str())])?;
        }
        self.gauges("workers", "Worker threads of the data plane.", [([], all.workers as f64)].into_iter())?;
        let uptime = all.process.started.elapsed().unwrap_or_default();
        self.gauges("uptime_seconds", "Seconds since the start.", [([], uptime.as_secs_f64())].into_iter())?;
        let kernel = KernelNumbers::read();
        let mut gauge = |name, help, value: Option<f64>| match value {
            Some(value) => self.family(name, help, None, MetricType::Gauge)?.encode_gauge(&value),
            None => Ok(()),
        };
        let started = Some(unix_seconds(all.process.started));
        gauge("process_start_time_seconds", "When the process started, in seconds since 1970.", started)?;
        let resident = kernel.resident_bytes.map(|bytes| bytes as f64);
        gauge("process_resident_memory_bytes", "Memory that the process holds.", resident)?;
        let open = kernel.open_descriptors.map(|count| count as f64);
        gauge("process_open_fds", "Descriptors that are open.", open)?;
        let most = kernel.most_descriptors.map(|count| count as f64);
        gauge("process_max_fds", "Descriptors that may be open.", most)?;
        if let Some(seconds) = kernel.cpu_seconds {
            let help = "User and system time that the process has used.";
            let mut family = self.family("process_cpu_seconds", help, None, MetricType::Counter)?;
            family.encode_counter::<NoLabelSet, _, f64>(&seconds, None)?;
        }
        Ok(())
    }

    fn counters<'s, const N: usize>(
        &mut self,
        name: &str,
        help: &str,
        series: impl Iterator<Item = ([Label<'s>; N], u64)>,
    ) -> fmt::Result {
        let name = format!("portcullis_{name}");
        let mut family = self.family(&name, help, None, MetricType::Counter)?;
        for (labels, value) in series {
            if N == 0 {
                family.encode_counter::<NoLabelSet, _, f64>(&value, None)?;
            } else {
                family.encode_family(&labels)?.encode_counter::<NoLabelSet, _, f64>(&value, None)?;
            }
        }
        Ok(())
    }

    fn gauges<'s, const N: usize>(
        &mut self,
        name: &str,
        help: &str,
        series: impl Iterator<Item = ([Label<'s>; N], f64)>,
    ) -> fmt::Result {
        let name = format!("portcullis_{name}");
        let mut family = self.family(&name, help, None, MetricType::Gauge)?;
        for (labels, value) in series {
            if N == 0 {
                family.encode_gauge(&value)?;
            } else {
                family.encode_family(&labels)?.encode_gauge(&value)?;
            }
        }
        Ok(())
    }

    fn histograms<'s, const N: usize>(
        &mut self,
        name: &str,
        help: &str,
        series: impl Iterator<Item = ([Label<'s>; N], &'s HistogramSnapshot)>,
    ) -> fmt::Result {
        let name = format!("portcullis_{name}");
        let mut family = self.family(&name, help, Some(&Unit::Seconds), MetricType::Histogram)?;
        for (labels, histogram) in series {
            family.encode_family(&labels)?.encode_histogram::<NoLabelSet>(
                histogram.sum_seconds,
                histogram.count,
                &histogram.with_infinity(),
                None,
            )?;
        }
        Ok(())
    }

    fn family<'s>(
        &'s mut self,
        name: &'s str,
        help: &str,
        unit: Option<&'s Unit>,
        kind: MetricType,
    ) -> Result<MetricEncoder<'s>, fmt::Error> {
        self.encoder.encode_descriptor(name, help, unit, kind)
    }
}

fn port_labels(port: &PortSnapshot) -> [Label<'_>; 2] {
    [("port", &port.port), ("role", &port.role)]
}

fn route_labels(route: &RouteSnapshot) -> [Label<'_>; 2] {
    [("port", &route.port), ("route", &route.route)]
}

fn service_labels(service: &ServiceSnapshot) -> [Label<'_>; 1] {
    [("service", &service.service)]
}

fn endpoint_labels(endpoint: &EndpointSnapshot) -> [Label<'_>; 2] {
    [("service", &endpoint.service), ("endpoint", &endpoint.endpoint)]
}

fn unix_seconds(time: SystemTime) -> f64 {
    time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64()
}
