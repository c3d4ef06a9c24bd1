//! When certificates and revocation lists end: told to the metrics, and to people while there is time to do something.

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
/// The same for revocation lists, which are written anew every few days.
const WARN_BEFORE_OF_LIST: Duration = Duration::from_hours(12);
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
                tracing::warn!(port, name, "{}", words(name, left));
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
            let expiry = |name: String, not_after| CertificateExpiry { port: port.name.to_string(), name, not_after };
            let certificates = terminated.certificates.iter().map(move |certificate| {
                expiry(certificate.names.first().cloned().unwrap_or_default(), certificate.not_after)
            });
            let list = terminated.revocation_known_until.map(|until| expiry(REVOCATION_LIST.to_owned(), until));
            certificates.chain(list)
        })
        .collect()
}

/// The name under which the end of a port's revocation list is told.
const REVOCATION_LIST: &str = "revocation list";

/// What is left, if it is little; zero if nothing is.
fn left(expiry: &CertificateExpiry) -> Option<Duration> {
    let left = expiry.not_after.duration_since(SystemTime::now()).unwrap_or_default();
    let little = if expiry.name == REVOCATION_LIST { WARN_BEFORE_OF_LIST } else { WARN_BEFORE };
    (left < little).then_some(left)
}

fn words(name: &str, left: Duration) -> String {
    let (what, afterwards) = match name {
        REVOCATION_LIST => ("revocation list", "every client is refused"),
        _ => ("certificate", "clients refuse it"),
    };
    let hours = left.as_secs() / 3600;
    match hours {
        0 if left.is_zero() => format!("the {what} has expired; {afterwards}"),
        0 => format!("the {what} expires within the hour; renew it"),
        1..48 => format!("the {what} expires within {} hours; renew it", hours + 1),
        _ => format!("the {what} expires in {} days; renew it", hours / 24),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_is_said_in_the_unit_that_matters() {
        for (name, left, expected) in [
            ("shop.test", Duration::ZERO, "the certificate has expired; clients refuse it"),
            ("shop.test", Duration::from_mins(90), "the certificate expires within 2 hours; renew it"),
            ("shop.test", Duration::from_hours(13 * 24 + 5), "the certificate expires in 13 days; renew it"),
            (REVOCATION_LIST, Duration::ZERO, "the revocation list has expired; every client is refused"),
            (REVOCATION_LIST, Duration::from_mins(30), "the revocation list expires within the hour; renew it"),
        ] {
            assert_eq!(words(name, left), expected);
        }
    }
}
