//! Proxies that are told by labels or variables of other containers where to send traffic: Traefik, nginx-proxy,
//! caddy-docker-proxy.

use super::{super::rules::told_ports, Teller};
use crate::{
    compose::{
        model::{Service, Setting},
        nature,
    },
    estate::{Forward, Guard, Target},
    inputs::Span,
};

/// From the proxy to each service that asks it for traffic.
pub(super) fn forwards(teller: &Teller<'_>) -> Vec<Forward> {
    let mut forwards = Vec::new();
    for service in teller.project.services.iter().filter(|service| teller.is_told(service)) {
        let Some(wish) = wish(service) else { continue };
        let proxies = teller.project.services.iter().filter(|proxy| {
            nature::software(proxy).is_some_and(|software| wish.proxies.contains(&software.name))
                && proxy.name != service.name
        });
        let told = told_ports(service).next().map(|told| told.port);
        let only = service.mappings().find_map(|(_, mapping)| mapping.target.known());
        let known = nature::software(service).and_then(|software| software.ports.first().copied());
        let port = told.or(only.map(|target| target.first)).or(known);
        forwards.extend(proxies.map(|proxy| Forward {
            from: teller.service_key(proxy),
            when: wish.when.clone(),
            target: Target::Workload { key: teller.service_key(service), port },
            guard: wish.guard.clone(),
            place: wish.place,
        }));
    }
    forwards
}

/// What a service asks of a proxy.
struct Wish {
    /// Names of the software that reads it.
    proxies: &'static [&'static str],
    when: String,
    guard: Guard,
    place: Span,
}

fn wish(service: &Service) -> Option<Wish> {
    let label = |wanted: &dyn Fn(&str) -> bool| service.labels.iter().find(|label| wanted(&label.key));
    if let Some(rule) = label(&|key| is_router_key(key, "rule")) {
        let disabled =
            label(&|key| key == "traefik.enable").is_some_and(|label| label.value.as_deref() == Some("false"));
        return (!disabled).then(|| Wish {
            proxies: &["Traefik"],
            when: rule.value.clone().unwrap_or_default(),
            guard: middlewares(service),
            place: rule.place,
        });
    }
    if let Some(host) = service.environment.iter().find(|setting| setting.key == "VIRTUAL_HOST") {
        return Some(of_host(&["nginx"], host));
    }
    let caddy = label(&|key| key == "caddy")?;
    Some(of_host(&["Caddy"], caddy))
}

fn of_host(proxies: &'static [&'static str], setting: &Setting) -> Wish {
    let when = format!("host {}", setting.value.as_deref().unwrap_or_default());
    // Who else may be asked for (a password file named after the host, say) cannot be seen from here.
    Wish { proxies, when, guard: Guard::Unknown, place: setting.place }
}

/// A middleware may ask for anything: one with `auth` in its name most likely for a proof of identity.
fn middlewares(service: &Service) -> Guard {
    let named = service
        .labels
        .iter()
        .find(|label| label.key.starts_with("traefik.http.routers.") && label.key.ends_with(".middlewares"));
    match named.and_then(|label| label.value.as_deref()) {
        None => Guard::Open,
        Some(names) if names.contains("auth") => Guard::Identity(format!("Traefik middleware `{names}`")),
        Some(_) => Guard::Unknown,
    }
}

/// `traefik.http.routers.NAME.WORD`
fn is_router_key(key: &str, word: &str) -> bool {
    key.strip_prefix("traefik.http.routers.")
        .and_then(|rest| rest.rsplit_once('.'))
        .is_some_and(|(_, last)| last == word)
}
