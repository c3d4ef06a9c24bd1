//! Whether somebody listens where it is declared, and nowhere wider.

use std::{io, os::unix::net::UnixStream, path::Path};

use portcullis_config::{
    declared::{EndpointAddress, ListenAddress},
    scope::Scope,
};
use portcullis_kernel::{
    inventory::{Families, Inventory, OpenSocket},
    refused::nobody_listens,
};

use super::{Declaration, Sockets, Who, held, holders, words};
use crate::{
    check::Check,
    estate::{Estate, Seat},
    outcome::Outcome,
};

const LOOKED: &str = "looked for a TCP listener on the address";

pub(super) fn check(
    place: &Declaration<'_, '_>,
    sockets: &Sockets<'_>,
    inventory: &Inventory,
    outcomes: &mut Vec<Outcome>,
) {
    let dead = match place.who {
        Who::Proxy => Check::DeadPort,
        Who::Service(_) => Check::DeadEndpoint,
    };
    let serving = sockets.serving();
    if serving.is_empty() {
        outcomes.push(match held::by(place, inventory) {
            Some(stolen) => stolen,
            None => nobody(place, dead),
        });
        return;
    }
    outcomes.push(place.pass(dead, LOOKED, format!("{} listens", holders(serving))));
    outcomes.push(scope(place, sockets));
}

/// A namespace that can not be looked at.
pub(super) fn unseen(place: &Declaration<'_, '_>) -> Outcome {
    place
        .unknown(Check::DeadEndpoint, LOOKED, "its network namespace can not be seen")
        .fix("run the probe as root, or make the namespace")
}

fn nobody(place: &Declaration<'_, '_>, dead: Check) -> Outcome {
    match place.who {
        Who::Proxy => place
            .fail(dead, LOOKED, format!("nobody listens on {}", place.address))
            .fix("start the proxy with this file (`portcullis run`), or `portcullis reload` if it runs an older one"),
        Who::Service(_) if place.seat != Seat::Here => place
            .fail(dead, LOOKED, format!("nobody listens on {} there", place.address))
            .fix("start the service there, or declare where it listens"),
        Who::Service(endpoint) => {
            let siblings = endpoint.service.endpoints.iter().filter_map(|sibling| match sibling.address {
                EndpointAddress::Tcp(address) => Some(address),
                _ => None,
            });
            let why = nobody_listens(place.address, None, &siblings.collect::<Vec<_>>());
            place.fail(dead, LOOKED, why.to_string()).fix("start the service there, or declare where it listens")
        }
    }
}

fn scope(place: &Declaration<'_, '_>, sockets: &Sockets<'_>) -> Outcome {
    const TRIED: &str = "compared the address of the listener with the declared one";
    let wider: Vec<&&OpenSocket> = sockets.wider.iter().filter(|_| sockets.exact.is_empty()).collect();
    let Some(widest) = wider.iter().max_by_key(|socket| socket.families == Families::Both) else {
        return place.pass(Check::WrongScope, TRIED, format!("{} is all that it listens on", place.address));
    };
    if place.seat != Seat::Here {
        let got = format!("{} is all that the namespace has of it", words::place(widest));
        return place.pass(Check::WrongScope, TRIED, got);
    }
    let who = holders(&sockets.wider);
    let where_it_is = words::place(widest);
    if place.address.ip().is_unspecified() {
        let got = format!("{who} listens on {where_it_is}, where IPv4 alone is declared");
        return place
            .fail(Check::WrongScope, TRIED, got)
            .fix("set IPV6_V6ONLY on the IPv6 socket, or declare it as well");
    }
    let declared = Scope::of(place.address.ip()).word();
    let got = format!("{who} listens on {where_it_is}, which every interface brings; declared is {declared}");
    let fix = match place.who {
        Who::Proxy => format!("find out what listens there: the proxy would bind {} alone", place.address),
        Who::Service(_) => {
            format!("let it listen on {} alone: as it is, it can be reached beside the proxy", place.address)
        }
    };
    place.fail(Check::WrongScope, TRIED, got).fix(fix)
}

/// Unix sockets, of the proxy and of services: the kernel's table tells no state, so they are knocked at.
pub(super) fn check_unix(estate: &Estate<'_>, outcomes: &mut Vec<Outcome>) {
    const TRIED: &str = "connected to the socket";
    let knock = |check: Check, title: String, path: &Path, span| {
        let outcome = match UnixStream::connect(path) {
            Ok(_) => Outcome::pass(check, title, TRIED, "somebody listens"),
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                Outcome::unknown(check, title, TRIED, format!("{}: permission denied", path.display()))
                    .fix("run the probe as the user who owns the socket, or as root")
            }
            Err(error) => Outcome::fail(check, title, TRIED, format!("nobody listens on {}: {error}", path.display()))
                .fix("start what should listen there"),
        };
        outcome.at(estate.place(span))
    };
    for port in &estate.declared.ports {
        if let ListenAddress::Unix(path) = &port.listen.value {
            let title = format!("port `{}` (unix:{})", port.name.value, path.display());
            outcomes.push(knock(Check::DeadPort, title, path, port.listen.span));
        }
    }
    for service in &estate.declared.services {
        for endpoint in &service.endpoints {
            if let EndpointAddress::Unix(path) = &endpoint.address {
                let title = format!("endpoint unix:{} of service `{}`", path.display(), service.name.value);
                outcomes.push(knock(Check::DeadEndpoint, title, path, endpoint.span));
            }
        }
    }
}

/// An endpoint whose name leads nowhere can not be looked for.
pub(super) fn report_unresolved(estate: &Estate<'_>, outcomes: &mut Vec<Outcome>) {
    for (service, why, span) in &estate.unresolved {
        let subject = format!("an endpoint of service `{}`", service.name.value);
        outcomes.push(
            Outcome::unknown(Check::DeadEndpoint, subject, "resolved its name", why.clone()).at(estate.place(*span)),
        );
    }
}
