//! What a workload serves, as far as its image and port tell.

use crate::{
    estate::Transport,
    kubernetes::{cluster::Pods, model::Container},
    sensitive::{self, Class},
};

/// Something that should not be reached by everybody.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Interface {
    /// For people: "the Prometheus interface".
    pub(crate) name: &'static str,
    pub(crate) class: Class,
    /// Whether it asks for a login by itself, as it is usually installed.
    pub(crate) has_login: bool,
}

/// An image, and on which ports what it is served; none means any.
struct Known {
    image: &'static str,
    ports: &'static [u16],
    interface: Interface,
}

const fn known(image: &'static str, ports: &'static [u16], name: &'static str, class: Class, has_login: bool) -> Known {
    Known { image, ports, interface: Interface { name, class, has_login } }
}

/// By the last part of the image's name, or the last two where one is too common a word.
static KNOWN: &[Known] = &[
    known("kubernetesui/dashboard", &[], "the Kubernetes dashboard", Class::WebAdministration, true),
    known("kubernetes-dashboard-amd64", &[], "the Kubernetes dashboard", Class::WebAdministration, false),
    known("prometheus", &[], "Prometheus", Class::Monitoring, false),
    known("alertmanager", &[], "Alertmanager", Class::Monitoring, false),
    known("pushgateway", &[], "the Prometheus push gateway", Class::Monitoring, false),
    known("node-exporter", &[], "metrics of the node", Class::Monitoring, false),
    known("cadvisor", &[], "metrics of all containers", Class::Monitoring, false),
    known("rayproject/ray", &[8265, 10001], "the Ray dashboard (runs jobs)", Class::WebAdministration, false),
    known("mlflow", &[], "MLflow", Class::WebAdministration, false),
    known("vllm-openai", &[], "the vLLM API (asks for no key by default)", Class::WebAdministration, false),
    known("ollama", &[], "the Ollama API (knows no login)", Class::WebAdministration, false),
    known("phpmyadmin", &[], "phpMyAdmin", Class::WebAdministration, true),
    known("adminer", &[], "Adminer", Class::WebAdministration, true),
    known("pgadmin4", &[], "pgAdmin", Class::WebAdministration, true),
    known("mongo-express", &[], "mongo-express", Class::WebAdministration, false),
    known("redis-commander", &[], "Redis Commander", Class::WebAdministration, false),
    known("kafka-ui", &[], "Kafka UI", Class::WebAdministration, false),
    known("kafdrop", &[], "Kafdrop", Class::WebAdministration, false),
    known("kibana", &[], "Kibana", Class::WebAdministration, true),
    known("portainer", &[], "Portainer", Class::WebAdministration, true),
    known("portainer-ce", &[], "Portainer", Class::WebAdministration, true),
    known("weaveworks/scope", &[], "Weave Scope (opens shells in containers)", Class::WebAdministration, false),
    known("zeppelin", &[], "Zeppelin (runs code)", Class::WebAdministration, false),
    known("flower", &[5555], "Flower", Class::WebAdministration, false),
    known("all-in-one", &[16686], "the Jaeger interface", Class::Monitoring, false),
    known("zipkin", &[9411], "Zipkin", Class::Monitoring, false),
    known("etcd", &[2379, 2380], "etcd", Class::Cluster, false),
    known("consul", &[8500, 8501], "the Consul API", Class::Cluster, false),
    known("elasticsearch", &[9200, 9300], "Elasticsearch", Class::Database, false),
    known("opensearch", &[9200, 9300], "OpenSearch", Class::Database, true),
    known("postgres", &[], "PostgreSQL", Class::Database, true),
    known("postgresql", &[], "PostgreSQL", Class::Database, true),
    known("postgis", &[], "PostgreSQL", Class::Database, true),
    known("mysql", &[], "MySQL", Class::Database, true),
    known("mariadb", &[], "MariaDB", Class::Database, true),
    known("mssql-server", &[], "SQL Server", Class::Database, true),
    known("mssql/server", &[], "SQL Server", Class::Database, true),
    known("mongo", &[], "MongoDB", Class::Database, false),
    known("mongodb", &[], "MongoDB", Class::Database, false),
    known("cassandra", &[7000, 7001, 7199, 9042, 9160], "Cassandra", Class::Database, false),
    known("scylla", &[9042, 9180, 10000], "ScyllaDB", Class::Database, false),
    known("couchdb", &[5984, 4369, 9100], "CouchDB", Class::Database, true),
    known("cockroach", &[26257], "CockroachDB", Class::Database, true),
    known("clickhouse-server", &[], "ClickHouse", Class::Database, false),
    known("neo4j", &[], "Neo4j", Class::Database, true),
    known("influxdb", &[], "InfluxDB", Class::Database, false),
    known("rethinkdb", &[], "RethinkDB", Class::Database, false),
    known("redis", &[], "Redis", Class::Cache, false),
    known("valkey", &[], "Valkey", Class::Cache, false),
    known("memcached", &[], "memcached", Class::Cache, false),
    known("hazelcast", &[5701], "Hazelcast", Class::Cache, false),
    known("rabbitmq", &[5672, 15672, 25672, 4369], "RabbitMQ", Class::Queue, true),
    known("kafka", &[], "Kafka", Class::Queue, false),
    known("cp-kafka", &[], "Kafka", Class::Queue, false),
    known("nats", &[4222, 6222, 8222], "NATS", Class::Queue, false),
    known("activemq", &[], "ActiveMQ", Class::Queue, true),
    known("zookeeper", &[], "ZooKeeper", Class::Cluster, false),
];

/// Ports that are hardly ever something else, so that the number alone is enough.
const UNMISTAKABLE: [u16; 23] = [
    22, 23, 445, 1433, 1521, 2049, 2375, 2376, 2379, 2380, 3306, 3389, 5432, 5672, 5900, 6379, 9042, 9200, 9300, 10250,
    11211, 27017, 27018,
];

/// What is served on a port of a pod.
pub(crate) fn interface(pods: &Pods, number: u16, transport: Transport) -> Option<Interface> {
    let pod = &pods.spec.pod;
    let declares = |container: &&Container| container.ports.iter().any(|port| port.number.number() == Some(number));
    let container = pod.running().find(declares).or_else(|| pod.running().next());
    let image = container.and_then(|container| container.image.as_ref()).map(|image| image.as_str());
    image.and_then(|image| by_image(image, number)).or_else(|| by_number(number, transport))
}

/// What an image is for, whatever the port.
pub(crate) fn of_image(image: &str) -> Option<Interface> {
    let name = image.split(['@']).next().unwrap_or_default();
    let name = match name.rsplit_once(':') {
        Some((before, tag)) if !tag.contains('/') => before,
        _ => name,
    };
    let is_named =
        |known: &&Known| name == known.image || name.strip_suffix(known.image).is_some_and(|rest| rest.ends_with('/'));
    KNOWN.iter().find(is_named).map(|known| known.interface)
}

fn by_image(image: &str, number: u16) -> Option<Interface> {
    let interface = of_image(image)?;
    let known = KNOWN.iter().find(|known| known.interface == interface)?;
    (known.ports.is_empty() || known.ports.contains(&number)).then_some(interface)
}

fn by_number(number: u16, transport: Transport) -> Option<Interface> {
    let entry = sensitive::lookup(number, transport).filter(|_| UNMISTAKABLE.contains(&number))?;
    Some(Interface { name: entry.name, class: entry.class, has_login: false })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_are_known_whatever_registry_and_tag_they_have() {
        for (image, expected) in [
            ("postgres", Some("PostgreSQL")),
            ("docker.io/library/postgres:16@sha256:00", Some("PostgreSQL")),
            ("localhost:5000/postgres", Some("PostgreSQL")),
            ("bitnami/postgresql:16", Some("PostgreSQL")),
            ("prom/prometheus:v3", Some("Prometheus")),
            ("quay.io/prometheus/prometheus", Some("Prometheus")),
            ("prometheus-operator", None),
            ("my-postgres-client", None),
            ("nginx", None),
        ] {
            assert_eq!(of_image(image).map(|interface| interface.name), expected, "{image}");
        }
    }

    #[test]
    fn numbers_that_are_enough_are_all_known() {
        for number in UNMISTAKABLE {
            assert!(by_number(number, Transport::Tcp).is_some(), "{number}");
        }
        assert_eq!(by_number(9000, Transport::Tcp), None);
    }
}
