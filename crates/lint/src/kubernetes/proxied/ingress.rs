//! Ingresses, with what their controllers take from annotations.

use super::{Backend, Carrying, is_plain};
use crate::{
    estate::Guard,
    inputs::Span,
    kubernetes::{
        cluster::{guard, is_private},
        model::{Declared, Ingress, IngressPath, IngressRule, Meta},
    },
    proxied::{Action, Allow, Match, PathMatch, Route, Speaks, Verify},
};

/// Annotations of controllers that are read here, by what stands behind the `/`.
const READ: [&str; 9] = [
    "ingress.class",
    "rewrite-target",
    "ssl-redirect",
    "force-ssl-redirect",
    "backend-protocol",
    "whitelist-source-range",
    "allowlist-source-range",
    "allow-list",
    "inbound-cidrs",
];

/// Whose annotations change what happens to requests.
const CONTROLLERS: [&str; 7] = [
    "nginx.ingress.kubernetes.io/",
    "ingress.kubernetes.io/",
    "haproxy.org/",
    "alb.ingress.kubernetes.io/",
    "traefik.ingress.kubernetes.io/",
    "konghq.com/",
    "nginx.org/",
];

/// Networks that the internet does not reach (RFC 1918, RFC 4193).
const PRIVATE: [&str; 4] = ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7"];

/// One path of an Ingress, and what becomes of it.
struct Way {
    matches: Match,
    prefix: Option<String>,
}

impl<'c> Carrying<'c> {
    pub(super) fn ingress(&mut self, ingress: &'c Declared<Ingress>) {
        self.annotations(&ingress.meta);
        let allow = allow(ingress);
        let (http, tls) = ("HTTP", "HTTPS");
        let protocol = annotated(&ingress.meta, "backend-protocol").unwrap_or(http).to_ascii_uppercase();
        if protocol != http && protocol != tls {
            let text = format!("{} is not carried over: it speaks {protocol} to its Services", ingress.meta.title());
            return self.left(ingress.meta.anchor(), text);
        }
        let verify = (protocol == tls).then_some(Verify::Off);
        if let Some(backend) = &ingress.spec.default_backend {
            let way = Way { matches: Match::default(), prefix: None };
            self.way(ingress, None, way, backend, &allow, verify.as_ref(), backend.service.span);
        }
        for rule in &ingress.spec.rules {
            for path in &rule.paths {
                let place = path.path.as_ref().map_or(rule.span, |path| path.span);
                let Some(backend) = &path.backend else {
                    self.left(place, "this path is not carried over: what is behind it is no Service".to_owned());
                    continue;
                };
                match way(&ingress.meta, rule, path) {
                    Ok(way) => self.way(ingress, Some(rule), way, backend, &allow, verify.as_ref(), place),
                    Err(why) => self.left(place, format!("this path is not carried over: {why}")),
                }
            }
        }
    }

    #[allow(clippy::too_many_arguments, reason = "what one path of an Ingress says, once")]
    fn way(
        &mut self,
        ingress: &'c Declared<Ingress>,
        rule: Option<&IngressRule>,
        way: Way,
        backend: &crate::kubernetes::model::Backend,
        allow: &Allow,
        verify: Option<&Verify>,
        place: Span,
    ) {
        let host = rule.and_then(|rule| rule.host.as_ref());
        let tls = ingress.spec.tls.as_ref();
        let tls = tls.filter(|tls| !tls.secrets.is_empty() && host.is_none_or(|host| tls.covers(host)));
        let secrets = tls.map(|tls| tls.secrets.as_slice()).unwrap_or_default();
        let number = if secrets.is_empty() { 80 } else { 443 };
        let Some(key) = self.port(number, Speaks::Http, secrets, place) else { return };
        let backend = Backend { service: &backend.service, namespace: None, port: backend.port.as_ref(), weight: None };
        let Some(behind) = self.behind(&[backend], &ingress.meta, Speaks::Http, verify.cloned()) else { return };
        let allow = self.told(allow.clone(), place);
        let route = Route::new(vec![key], way.matches, Action::Service(behind.clone()), allow.clone(), place);
        let route = Route { path_prefix: way.prefix, ..route };
        if !secrets.is_empty() {
            self.in_clear(&ingress.meta, &route);
        }
        self.add(route);
    }

    /// What the port without TLS does with requests that are for the one with it.
    fn in_clear(&mut self, meta: &Meta, route: &Route) {
        let Some(key) = self.port(80, Speaks::Http, &[], route.place) else { return };
        if annotated(meta, "ssl-redirect") == Some("false") {
            return self.add(Route { ports: vec![key], ..route.clone() });
        }
        let host = route.matches.host.clone();
        let to = match &host {
            Some(host) if !host.starts_with('*') => format!("https://{host}"),
            // Told by the port as a whole, where every route of it is so.
            _ => "https://".to_owned(),
        };
        let matches = Match { host, ..Match::default() };
        self.add(Route::new(vec![key], matches, Action::Redirect { to, status: 308 }, Allow::Anyone, route.place));
    }

    /// What controllers take from annotations and Portcullis does not.
    fn annotations(&mut self, meta: &Meta) {
        for (name, _) in &meta.annotations {
            let Some(key) = CONTROLLERS.iter().find_map(|prefix| name.strip_prefix(prefix)) else { continue };
            // Who may pass is told with the routes that it closes.
            if !READ.contains(&key) && !key.starts_with("auth-") {
                self.left(name.span, format!("the annotation `{}` is not carried over", **name));
            }
        }
    }
}

/// Who may pass.
fn allow(ingress: &Declared<Ingress>) -> Allow {
    let allow = match guard(&ingress.meta) {
        // It would be asked for on a port, of an authority that is in a secret.
        Guard::Identity(what) => Allow::Closed(format!("{what} was asked for")),
        other => Allow::of(&other),
    };
    if !is_private(ingress) {
        return allow;
    }
    let private = PRIVATE.iter().filter_map(|network| network.parse().ok()).collect();
    allow.and(Allow::From(private))
}

fn annotated<'m>(meta: &'m Meta, key: &str) -> Option<&'m str> {
    CONTROLLERS.iter().find_map(|prefix| meta.annotation(&format!("{prefix}{key}"))).map(|value| value.as_str())
}

/// What a path matches, and what its prefix is replaced by; or why that cannot be said.
fn way(meta: &Meta, rule: &IngressRule, path: &IngressPath) -> Result<Way, String> {
    let said = path.path.as_ref().map_or("/", |path| path.as_str());
    let host = rule.host.as_ref().map(|host| host.to_ascii_lowercase());
    let of = |path: PathMatch| Match { host: host.clone(), path, from: Vec::new() };
    let rewrite = annotated(meta, "rewrite-target");
    // As the documentation of ingress-nginx writes it: everything below a prefix, with or without the slash.
    if let (Some(rewrite), Some(prefix)) = (rewrite, said.strip_suffix("(/|$)(.*)")) {
        let target = rewrite.strip_suffix("$2").filter(|target| is_plain(target) && target.ends_with('/'));
        return match target {
            Some(target) if is_plain(prefix) => {
                Ok(Way { matches: of(PathMatch::prefix(prefix)), prefix: Some(target.to_owned()) })
            }
            _ => Err(format!("`{said}` is rewritten to `{rewrite}`")),
        };
    }
    if !is_plain(said) {
        return Err(format!("`{said}` is a pattern"));
    }
    let matches = match path.kind.as_deref() {
        Some("Exact") => of(PathMatch::Exact(said.to_owned())),
        _ => of(PathMatch::prefix(said)),
    };
    match rewrite {
        None => Ok(Way { matches, prefix: None }),
        // Without groups, every path becomes this one.
        Some(target) => match &matches.path {
            PathMatch::Exact(_) if is_plain(target) => Ok(Way { matches, prefix: Some(target.to_owned()) }),
            _ => Err(format!("every path below `{said}` becomes `{target}`")),
        },
    }
}
