//! Numbers that mean something to others: to the programs that everybody expects there, and to browsers.

use crate::declared::ServiceProtocol;

/// A number that belongs to a program by general custom.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WellKnown {
    /// The number.
    pub port: u16,
    /// What people and scanners expect there.
    pub name: &'static str,
    /// The protocol, if it is one that a service can declare.
    protocol: Option<ServiceProtocol>,
}

impl WellKnown {
    /// Whether a service of this protocol may be what is expected. Of one that speaks `tcp` that is not known.
    pub fn may_be(&self, protocol: ServiceProtocol) -> bool {
        protocol == ServiceProtocol::Tcp || self.protocol == Some(protocol)
    }
}

/// What is expected on a number from 1024 up. Whoever finds something else there has been misled, and scanners raise
/// the alarm, so such numbers are never handed out.
pub fn well_known(port: u16) -> Option<WellKnown> {
    let found = WELL_KNOWN.binary_search_by_key(&port, |(port, ..)| *port).ok()?;
    let (port, name, protocol) = WELL_KNOWN[found];
    Some(WellKnown { port, name, protocol })
}

/// Whether browsers refuse to fetch from this number (WHATWG Fetch, "bad port").
pub fn is_blocked_by_browsers(port: u16) -> bool {
    BLOCKED_BY_BROWSERS.binary_search(&port).is_ok()
}

const HTTP: Option<ServiceProtocol> = Some(ServiceProtocol::Http);
const POSTGRES: Option<ServiceProtocol> = Some(ServiceProtocol::Postgres);
const REDIS: Option<ServiceProtocol> = Some(ServiceProtocol::Redis);

/// Ascending. The usual numbers of web programs under development (3000, 8000, 8080) are not among them: they belong to
/// nobody.
const WELL_KNOWN: &[(u16, &str, Option<ServiceProtocol>)] = &[
    (1433, "Microsoft SQL Server", None),
    (1434, "Microsoft SQL Server", None),
    (1521, "Oracle Database", None),
    (1883, "MQTT", None),
    (2019, "Caddy's admin API", HTTP),
    (2049, "NFS", None),
    (2181, "ZooKeeper", None),
    (2375, "Docker without TLS", HTTP),
    (2376, "Docker", HTTP),
    (2379, "etcd", HTTP),
    (2380, "etcd", HTTP),
    (2483, "Oracle Database", None),
    (2484, "Oracle Database", None),
    (3020, "SMB", None),
    (3260, "iSCSI", None),
    (3306, "MySQL", None),
    (3389, "Remote Desktop", None),
    (4505, "Salt", None),
    (4506, "Salt", None),
    (4848, "GlassFish's admin console", HTTP),
    (5005, "the Java debugger", None),
    (5060, "SIP", None),
    (5061, "SIP", None),
    (5432, "PostgreSQL", POSTGRES),
    (5433, "PostgreSQL", POSTGRES),
    (5500, "VNC", None),
    (5601, "Kibana", HTTP),
    (5671, "RabbitMQ", None),
    (5672, "RabbitMQ", None),
    (5900, "VNC", None),
    (5984, "CouchDB", HTTP),
    (5985, "Windows Remote Management", HTTP),
    (5986, "Windows Remote Management", HTTP),
    (6000, "X11", None),
    (6379, "Redis", REDIS),
    (6380, "Redis", REDIS),
    (6443, "the Kubernetes API", HTTP),
    (7000, "Cassandra", None),
    (7001, "Cassandra", None),
    (7199, "Cassandra", None),
    (7474, "Neo4j", HTTP),
    (7687, "Neo4j", None),
    (8123, "ClickHouse", HTTP),
    (8140, "Puppet", HTTP),
    (8300, "Consul", None),
    (8301, "Consul", None),
    (8302, "Consul", None),
    (8500, "Consul", HTTP),
    (8600, "Consul's DNS", None),
    (9042, "Cassandra", None),
    (9090, "Prometheus", HTTP),
    (9092, "Kafka", None),
    (9160, "Cassandra", None),
    (9200, "Elasticsearch", HTTP),
    (9229, "the Node.js debugger", None),
    (9300, "Elasticsearch", None),
    (9901, "Envoy's admin interface", HTTP),
    (9990, "WildFly's admin console", HTTP),
    (10250, "the kubelet", HTTP),
    (10255, "the kubelet", HTTP),
    (11211, "memcached", None),
    (15672, "RabbitMQ's admin console", HTTP),
    (27017, "MongoDB", None),
    (27018, "MongoDB", None),
    (33060, "MySQL", None),
    (50000, "SAP and Db2", None),
    (61616, "ActiveMQ", None),
    (61620, "Cassandra OpsCenter", None),
    (61621, "Cassandra OpsCenter", None),
];

/// Ascending. <https://fetch.spec.whatwg.org/#port-blocking>, read in 2026; 0 is left out, for it is no port.
const BLOCKED_BY_BROWSERS: &[u16] = &[
    1, 7, 9, 11, 13, 15, 17, 19, 20, 21, 22, 23, 25, 37, 42, 43, 53, 69, 77, 79, 87, 95, 101, 102, 103, 104, 109, 110,
    111, 113, 115, 117, 119, 123, 135, 137, 139, 143, 161, 179, 389, 427, 465, 512, 513, 514, 515, 526, 530, 531, 532,
    540, 548, 554, 556, 563, 587, 601, 636, 989, 990, 993, 995, 1719, 1720, 1723, 2049, 3659, 4045, 4190, 5060, 5061,
    6000, 6566, 6665, 6666, 6667, 6668, 6669, 6679, 6697, 10080,
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tables_are_in_order_and_say_each_number_once() {
        assert!(WELL_KNOWN.is_sorted_by(|a, b| a.0 < b.0));
        assert!(BLOCKED_BY_BROWSERS.is_sorted_by(|a, b| a < b));
    }

    #[test]
    fn a_well_known_number_fits_the_protocol_that_is_spoken_there() {
        use ServiceProtocol::{Http, Postgres, Redis, Tcp};
        for (port, fitting, other) in
            [(3306, vec![Tcp], Http), (5432, vec![Tcp, Postgres], Redis), (9090, vec![Tcp, Http], Postgres)]
        {
            let known = well_known(port).unwrap();
            assert!(fitting.into_iter().all(|protocol| known.may_be(protocol)) && !known.may_be(other), "{known:?}");
        }
        for port in [80, 3000, 3001, 8000, 8080, 65535] {
            assert_eq!(well_known(port), None);
        }
        assert!(is_blocked_by_browsers(6666) && is_blocked_by_browsers(3659) && !is_blocked_by_browsers(3000));
    }
}
