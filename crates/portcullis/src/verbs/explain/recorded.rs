//! A real request, by its id: what was decided then, as the audit has it, and the same request through the file as it is.

use anyhow::{Context, bail};
use portcullis_audit::{Action, AuditRecord, Decision, Event, Filter, Kind, Selection, neutralise};
use portcullis_config::declared::Protocol;
use portcullis_control::Reading;
use portcullis_policy::CERTIFICATE;
use portcullis_store::Store;

use super::{Answer, Explain, request};
use crate::{file, sender::Traits, verdict::Verdict};

/// What is known of the request with this id.
pub(super) fn explain(mut arguments: Explain, id: &str) -> anyhow::Result<Answer> {
    let records = find(&arguments, id)?;
    let mut answer = Answer::new(&format!("request {id}"));
    for record in &records {
        tell(&mut answer, record);
    }
    let Some(decided) = records.iter().find(|record| record.event == Event::Decision) else {
        bail!("the audit knows only how request {id} ended; what was decided was cut off or dropped");
    };
    let was_refused = decided.decision == Some(Decision::Refused);
    answer.verdict = Some(if was_refused { Verdict::Findings } else { Verdict::Fine });
    let Some(url) = url(&arguments, decided)? else { return Ok(answer) };
    describe(&mut arguments, decided, url);
    let walked = request::explain(&arguments)?;
    answer.say("now", format!("the same request, as {} says it", name_of_file(&arguments)?), None);
    answer.lines.extend(walked.lines);
    answer.decision = walked.decision;
    answer.verdict = walked.verdict;
    Ok(answer)
}

/// Its records, the oldest first: of the decision, and of the end of what lasted.
fn find(arguments: &Explain, id: &str) -> anyhow::Result<Vec<AuditRecord>> {
    let path = arguments.store.path()?;
    if !path.exists() {
        bail!("there is no store {}, so no request is on record; name another with `--store FILE`", path.display());
    }
    let filter = Filter { text: Some(id.to_lowercase()), ..Filter::default() };
    let mut records = Vec::new();
    portcullis_audit::read(&mut Store::open(&path)?, &filter, Selection::All, |found| {
        records.extend(found.record.filter(|record| record.request.as_deref() == Some(id)));
        Ok(())
    })?;
    if records.is_empty() {
        bail!(
            "no record in {} is of request {id}; decisions are recorded where `audit` of the file says so, and their ids \
             are those of the access log",
            path.display()
        );
    }
    Ok(records)
}

/// What the record says, step by step. What came from outside does nothing on the terminal.
fn tell(answer: &mut Answer, record: &AuditRecord) {
    let mut say = |about, text: String| answer.say(about, neutralise(&text), None);
    if record.event != Event::Decision {
        let time = record.last.zip(record.first).map(|(last, first)| last.since(first).as_secs_f64());
        let time = time.map(|time| format!(" after {time:.1} s")).unwrap_or_default();
        say("ended", format!("{}{time}, {} B in, {} B out", record.time, record.bytes_in, record.bytes_out));
        if let Some(reason) = &record.reason {
            say("ended", reason.to_string());
        }
        return;
    }
    let word = record.decision.map_or("decided", Decision::word);
    say("then", format!("{word}, {}", record.time));
    if let Some(Action::Request { method, host, path }) = &record.action {
        say("asked", format!("{method} {host}{path}"));
    }
    let way = [("from", record.source.map(|source| source.to_string()))]
        .into_iter()
        .chain(
            [("through", &record.port), ("by route", &record.route), ("to", &record.service)]
                .map(|(word, name)| (word, name.as_ref().map(ToString::to_string))),
        )
        .filter_map(|(word, name)| Some(format!("{word} {}", name?)));
    say("way", way.collect::<Vec<_>>().join(" "));
    match &record.principal {
        Some(principal) if principal.groups.is_empty() => {
            say("who", format!("{} ({})", principal.name, principal.provider));
        }
        Some(principal) => {
            say("who", format!("{} ({}), in {}", principal.name, principal.provider, principal.groups.join(", ")));
        }
        None => say("who", "nobody was proven".to_owned()),
    }
    if !record.policies.is_empty() {
        say("by", record.policies.join(", "));
    }
    if let Some(grant) = &record.grant {
        say("grant", grant.to_string());
    }
    if let Some(reason) = &record.reason {
        say("because", reason.to_string());
    }
}

/// The URL that was asked for; `None` for a session, or if the file has no such port any more.
fn url(arguments: &Explain, record: &AuditRecord) -> anyhow::Result<Option<String>> {
    let (Some(Action::Request { host, path, .. }), Some(port)) = (&record.action, &record.port) else {
        return Ok(None);
    };
    let reading = Reading::of(&file::existing(arguments.config.clone())?);
    let declared = reading.declared.context("the file can not be read; `portcullis check` says why")?;
    let port = declared.ports.iter().find(|declared| *declared.name.value == **port);
    let protocol = port.and_then(|port| port.protocol).map(|protocol| protocol.value);
    let scheme = match protocol {
        Some(Protocol::Https) => "https",
        Some(Protocol::Http) => "http",
        _ => return Ok(None),
    };
    let host = if host.is_empty() { "localhost" } else { host };
    Ok(Some(format!("{scheme}://{host}{path}")))
}

/// Describes the request as it came. What the command line says beside its id counts more.
fn describe(arguments: &mut Explain, record: &AuditRecord, url: String) {
    arguments.subject = Some(url);
    arguments.on = record.port.as_deref().map(str::to_owned);
    arguments.from = arguments.from.or(record.source.map(|source| source.ip()));
    if let Some(Action::Request { method, .. }) = &record.action {
        arguments.method = method.to_string();
    }
    if arguments.at.is_none() {
        arguments.at = Some(record.time.to_string());
    }
    arguments.granted |= record.grant.is_some();
    let Some(principal) = record.principal.as_ref().filter(|_| arguments.sender.is_none()) else { return };
    if *principal.provider == *CERTIFICATE {
        arguments.certificate = vec![principal.subject.to_string()];
        return;
    }
    arguments.sender = Some(format!("{}:{}", principal.provider, principal.name));
    let groups = principal.groups.iter().map(ToString::to_string).collect();
    let kind = if principal.kind == Kind::Workload {
        portcullis_policy::Kind::Workload
    } else {
        portcullis_policy::Kind::User
    };
    arguments.traits = Traits::known(kind, groups);
}

fn name_of_file(arguments: &Explain) -> anyhow::Result<String> {
    Ok(file::existing(arguments.config.clone())?.display().to_string())
}
