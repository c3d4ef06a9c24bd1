//! Everything at the top of the file that is not a port, service, route or range.

use std::{path::Path, time::Duration};

use super::{
    mistake::{Mistake, nearest, word},
    port,
    reader::Reader,
    service,
    values::{self, number_between},
};
use crate::{
    declared::{AccessLog, Admin, Defaults, Log, LogTarget, Metrics, PortTimeouts, ProcessLimits, ServiceTimeouts},
    finding::Finding,
    rule::RuleId,
    secret::Secret,
    span::Spanned,
    yaml::Node,
};

/// Shortest admin token: 16 characters of hexadecimal are 64 bits, out of reach of guessing over a network.
const SHORTEST_TOKEN: usize = 16;

/// `defaults:`
pub(super) fn defaults(reader: &mut Reader<'_>, node: &Node<'_>) -> Option<Defaults> {
    reader.mapping(node, "Defaults", "`defaults`", |map| {
        let timeouts = map.optional("timeouts", |reader, node| {
            reader.mapping(node, "DefaultTimeouts", "`timeouts` of `defaults`", |map| {
                // Said once, it holds towards clients and towards endpoints.
                let keep_alive = map.value("keep-alive", values::duration);
                let port = PortTimeouts {
                    handshake: map.value("handshake", values::duration),
                    head: map.value("head", values::duration),
                    keep_alive,
                };
                let service = ServiceTimeouts {
                    connect: map.value("connect", values::duration),
                    response: map.value("response", values::duration),
                    idle: map.value("idle", values::duration),
                    half_close: map.value("half-close", values::duration),
                    keep_alive,
                };
                (port, service)
            })
        });
        let (port_timeouts, service_timeouts) = timeouts.map(|timeouts| timeouts.value).unwrap_or_default();
        Defaults {
            balance: map.value("balance", word),
            retries: map.optional("retries", service::retries),
            eject: map.optional("eject", service::eject),
            limits: port::limits(map),
            port_timeouts,
            service_timeouts,
        }
    })
}

/// `limits:` of the process.
pub(super) fn process_limits(reader: &mut Reader<'_>, node: &Node<'_>) -> Option<ProcessLimits> {
    reader.mapping(node, "ProcessLimits", "`limits`", |map| ProcessLimits {
        connections: map.value("connections", values::count),
        drain: map.value("drain", values::duration),
    })
}

/// `log:`
pub(super) fn log(reader: &mut Reader<'_>, node: &Node<'_>) -> Option<Log> {
    reader.mapping(node, "Log", "`log`", |map| {
        let access = map.optional("access", |reader, node| {
            reader.mapping(node, "AccessLog", "`access` of `log`", |map| {
                let directory = map.reader.directory;
                AccessLog {
                    to: map.value("to", |text| log_target(text, directory)),
                    format: map.value("format", word),
                    buffer_bytes: map.value("buffer", buffer_bytes),
                }
            })
        });
        Log { access: access.map(|access| access.value).unwrap_or_default(), level: map.value("level", word) }
    })
}

/// `metrics:`
pub(super) fn metrics(reader: &mut Reader<'_>, node: &Node<'_>) -> Option<Metrics> {
    reader.mapping(node, "Metrics", "`metrics`", |map| {
        let buckets = map.values("buckets", values::duration);
        report_unordered(map.reader, &buckets);
        Metrics { buckets }
    })
}

/// `admin:`, and whether there is a token that cannot be read.
pub(super) fn admin(reader: &mut Reader<'_>, node: &Node<'_>) -> Option<(Admin, bool)> {
    reader.mapping(node, "Admin", "`admin`", |map| {
        let token = map.optional("token", token);
        let is_unreadable = token.is_none() && map.says("token");
        (Admin { token }, is_unreadable)
    })
}

/// `workers:`
pub(super) fn workers(text: &str) -> Result<usize, Mistake> {
    number_between(1, 1024)(text)
}

/// Never shown, whatever is wrong with it.
fn token(reader: &mut Reader<'_>, node: &Node<'_>) -> Option<Secret> {
    let text = reader.text(node)?;
    if text.is_literal() {
        reader.substitutions.secret_at(node.span);
    }
    let mut report = |rule, message: String, help: &str| {
        reader.findings.push(Finding::new(rule, node.span, message).help(help));
    };
    if text.is_literal() {
        let help = "write `token: ${env:NAME}` or `token: ${file:PATH}`, and change the token";
        report(RuleId::SecretInClear, "the admin token stands in the file in clear text".to_owned(), help);
    }
    if !text.value.bytes().all(|byte| byte.is_ascii_graphic()) {
        let help = "a token is made of letters, digits and punctuation, without spaces";
        report(RuleId::InvalidValue, "the admin token cannot be sent in a header".to_owned(), help);
        return None;
    }
    if text.value.len() < SHORTEST_TOKEN {
        let message = format!("the admin token is shorter than {SHORTEST_TOKEN} characters");
        report(RuleId::ShortSecret, message, "make one with `openssl rand -hex 32`");
    }
    let secret = Secret::new(text.value.clone().into_owned());
    Some(secret)
}

/// `stdout`, `off` or a path. A path is told from a mistyped word by its slash.
pub(super) fn log_target(text: &str, directory: &Path) -> Result<LogTarget, Mistake> {
    match text {
        "stdout" | "-" => Ok(LogTarget::Stdout),
        "off" => Ok(LogTarget::Off),
        _ if text.contains('/') && !text.ends_with('/') && !text.contains('\0') => {
            Ok(LogTarget::File(directory.join(text)))
        }
        _ => {
            let mistake = Mistake::new("is not a place for a log", "stdout, off, or a path with a slash");
            Err(match nearest(text, ["stdout", "off"].into_iter()) {
                Some(near) => mistake.help(super::did_you_mean(near)),
                None => mistake.help(format!("write `./{text}` for a file beside this one")),
            })
        }
    }
}

/// Large enough for one record, small enough for memory.
fn buffer_bytes(text: &str) -> Result<u64, Mistake> {
    match values::bytes(text)? {
        bytes @ 65_536..=1_073_741_824 => Ok(bytes),
        _ => Err(Mistake::new("is out of bounds", "64KiB to 1GiB")),
    }
}

fn report_unordered(reader: &mut Reader<'_>, buckets: &[Spanned<Duration>]) {
    // As many as a histogram holds (`portcullis_observe::metrics::Buckets::MAX`).
    const MOST: usize = 24;
    for pair in buckets.windows(2) {
        if pair[0].value >= pair[1].value {
            let finding = Finding::new(RuleId::InvalidValue, pair[1].span, "the buckets do not ascend")
                .label("not above the one before")
                .related(pair[0].span, "the one before");
            reader.findings.push(finding);
        }
    }
    if let Some(beyond) = buckets.get(MOST) {
        let message = format!("more than {MOST} buckets");
        reader.findings.push(Finding::new(RuleId::InvalidValue, beyond.span, message));
    }
}
