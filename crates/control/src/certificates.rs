//! When certificates end: told to the metrics, and to people while there is time to do something.

use std::{
    collections::HashSet,
    sync::Arc,
    time::{Duration, SystemTime},
};

use portcullis_observe::metrics::CertificateExpiry;
use portcullis_plan::{Plan, Registries};
use tokio::sync::watch;

use crate::Running;

/// People are warned when so little is left.
const WARN_BEFORE: Duration = Duration::from_hours(14 * 24);
/// Between two warnings of the same certificate.
const REMIND_EVERY: Duration = Duration::from_hours(24);

/// Keeps the metrics up to date with every plan; warns with every new certificate that ends soon, and every day.
pub(crate) async fn watch_expiry(mut running: watch::Receiver<Arc<Running>>, registries: Arc<Registries>) {
    let mut warned: HashSet<(String, SystemTime)> = HashSet::new();
    loop {
        let expiries = expiries(&running.borrow_and_update().plan);
        for (expiry, left) in expiries.iter().filter_map(|expiry| Some((expiry, left(expiry)?))) {
            if warned.insert((expiry.port.clone(), expiry.not_after)) {
                let (port, name) = (expiry.port.as_str(), expiry.name.as_str());
                tracing::warn!(port, name, "{}", words(left));
            }
        }
        registries.metrics.process().set_certificates(expiries);
        match tokio::time::timeout(REMIND_EVERY, running.changed()).await {
            Ok(Ok(())) => {}
            Ok(Err(_)) => return,
            Err(_) => warned.clear(),
        }
    }
}

fn expiries(plan: &Plan) -> Vec<CertificateExpiry> {
    let terminated = plan.ports.iter().filter_map(|port| Some((port, port.protocol.terminated()?)));
    terminated
        .flat_map(|(port, terminated)| {
            terminated.certificates.iter().map(|certificate| CertificateExpiry {
                port: port.name.to_string(),
                name: certificate.names.first().cloned().unwrap_or_default(),
                not_after: certificate.not_after,
            })
        })
        .collect()
}

/// What is left, if it is little; zero if nothing is.
fn left(expiry: &CertificateExpiry) -> Option<Duration> {
    let left = expiry.not_after.duration_since(SystemTime::now()).unwrap_or_default();
    (left < WARN_BEFORE).then_some(left)
}

fn words(left: Duration) -> String {
    let hours = left.as_secs() / 3600;
    match hours {
        0 if left.is_zero() => "the certificate has expired; clients refuse it".to_owned(),
        0 => "the certificate expires within the hour; renew it".to_owned(),
        1..48 => format!("the certificate expires within {} hours; renew it", hours + 1),
        _ => format!("the certificate expires in {} days; renew it", hours / 24),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_is_said_in_the_unit_that_matters() {
        for (left, expected) in [
            (Duration::ZERO, "the certificate has expired; clients refuse it"),
            (Duration::from_mins(90), "the certificate expires within 2 hours; renew it"),
            (Duration::from_hours(13 * 24 + 5), "the certificate expires in 13 days; renew it"),
        ] {
            assert_eq!(words(left), expected);
        }
    }
}
