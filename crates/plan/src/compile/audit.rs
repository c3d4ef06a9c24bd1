//! `audit:` and `grants:`

use std::{sync::Arc, time::Duration};

use portcullis_audit::{Destination, Settings};
use portcullis_config::{
    declared::{AuditNeed, Circle, Declared, LogTarget, Port, Route},
    defaults,
    span::Spanned,
};
use portcullis_grants::{Terms, WebhookSettings};
use portcullis_identity::fetch::ProviderUrl;

use super::said;
use crate::{Access, AuditPlan, GrantsPlan};

/// How long the webhook may take to answer.
const WEBHOOK_TIME: Duration = Duration::from_secs(10);

/// How decisions are recorded; `None` if nothing is.
pub(super) fn audit(declared: &Declared) -> Option<AuditPlan> {
    let needs = |need: &Option<Spanned<AuditNeed>>| need.is_some_and(|need| need.value != AuditNeed::Off);
    let is_asked_for = declared.audit.is_some()
        || declared.ports.iter().any(|port| needs(&port.audit))
        || declared.routes.iter().any(|route| needs(&route.audit));
    is_asked_for.then(|| {
        let said = declared.audit.as_ref();
        let settings = Settings {
            retention: said.and_then(|audit| audit.retention.as_ref()).map(|time| time.value),
            copy: said.and_then(|audit| audit.copy.as_ref()).and_then(|copy| match &copy.value {
                LogTarget::Stdout => Some(Destination::Stdout),
                LogTarget::File(path) => Some(Destination::File(path.clone())),
                LogTarget::Off => None,
            }),
            heads: said.and_then(|audit| audit.heads.as_ref()).map(|heads| heads.value.clone()),
            ..Settings::default()
        };
        AuditPlan { settings, recorder: None }
    })
}

/// Of what the port itself refuses.
pub(super) fn of_port(declared: &Declared, port: &Port) -> AuditNeed {
    let unsaid = if declared.audit.is_some() { AuditNeed::On } else { AuditNeed::Off };
    said(port.audit, unsaid)
}

/// Of the decisions of a route, for the traffic of one of its ports.
pub(super) fn of_route(declared: &Declared, route: &Route, port: &str, access: &Access) -> AuditNeed {
    let of_port = declared.ports.iter().find(|known| known.name.as_str() == port).and_then(|port| port.audit);
    // Where everybody may pass, nothing is decided.
    let is_judged = matches!(access, Access::Judged { .. });
    let unsaid = if declared.audit.is_some() && is_judged { AuditNeed::On } else { AuditNeed::Off };
    said(route.audit.or(of_port), unsaid)
}

/// Access that somebody asks for; `None` if no service is granted.
pub(super) fn grants(declared: &Declared) -> Option<GrantsPlan> {
    let grants = &declared.grants;
    let terms = grants.services.iter().map(|terms| {
        let longest = terms.longest.map_or(defaults::LONGEST_GRANT, |longest| longest.value);
        let terms_of = Terms {
            askers: terms.ask.as_ref().map(circle),
            approvers: circle(&terms.approve),
            longest,
            break_glass: terms.break_glass.as_ref().map(circle),
        };
        (terms.service.as_str().into(), terms_of)
    });
    // The reader has checked the address.
    let url = grants.webhook.as_ref().and_then(|webhook| webhook.expose().parse::<ProviderUrl>().ok());
    let settings = portcullis_grants::Settings {
        services: terms.collect(),
        webhook: url.map(|url| WebhookSettings { url, timeout: WEBHOOK_TIME }),
    };
    (!settings.services.is_empty()).then(|| GrantsPlan { settings: Arc::new(settings), active: None })
}

fn circle(said: &Circle) -> portcullis_grants::Circle {
    let names = |list: &[Spanned<String>]| list.iter().map(|name| name.as_str().into()).collect();
    portcullis_grants::Circle { users: names(&said.users), groups: names(&said.groups) }
}
