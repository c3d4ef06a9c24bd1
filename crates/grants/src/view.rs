//! A grant as it is shown: to people, to programs, to a chat.

use portcullis_audit::{Event, Kind, Moment};
use portcullis_store::grants::GrantRow;
use serde::{Deserialize, Serialize};

/// Everything that is known of a grant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GrantView {
    /// Its id.
    pub id: String,
    /// How far it is.
    pub state: State,
    /// A person or a program.
    pub kind: Kind,
    /// Who vouches for it.
    pub provider: String,
    /// The provider's name for it.
    pub subject: String,
    /// The name that people know.
    pub name: String,
    /// To what.
    pub service: String,
    /// Why.
    pub reason: String,
    /// For how long, in seconds.
    pub seconds: u64,
    /// Whether it was taken without approval.
    pub break_glass: bool,
    /// When it was asked for.
    pub asked: Moment,
    /// When the question, and once it is approved the grant, ends by itself.
    pub expires: Moment,
    /// When it was approved or refused.
    pub decided: Option<Moment>,
    /// By whom.
    pub decided_by: Option<String>,
    /// What they said to it.
    pub answer: Option<String>,
    /// When it ended.
    pub ended: Option<Moment>,
    /// Why.
    pub ended_because: Option<String>,
}

/// How far a grant is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// It waits for an answer.
    Asked,
    /// It holds.
    Approved,
    /// It was refused.
    Refused,
    /// It has ended, or nobody answered.
    Ended,
}

impl State {
    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Asked => "asked",
            Self::Approved => "approved",
            Self::Refused => "refused",
            Self::Ended => "ended",
        }
    }

    fn from_word(word: &str) -> Self {
        match word {
            "asked" => Self::Asked,
            "approved" => Self::Approved,
            "refused" => Self::Refused,
            // A word that nobody knows grants nothing.
            _ => Self::Ended,
        }
    }
}

impl GrantView {
    pub(crate) fn of(row: GrantRow) -> Self {
        let kind = match row.kind.as_str() {
            "workload" => Kind::Workload,
            _ => Kind::User,
        };
        Self {
            state: State::from_word(&row.state),
            kind,
            seconds: row.duration.unsigned_abs() / 1_000_000,
            asked: Moment::from_micros(row.asked),
            expires: Moment::from_micros(row.expires),
            decided: row.decided.map(Moment::from_micros),
            ended: row.ended.map(Moment::from_micros),
            id: row.id,
            provider: row.provider,
            subject: row.subject,
            name: row.name,
            service: row.service,
            reason: row.reason,
            break_glass: row.break_glass,
            decided_by: row.decided_by,
            answer: row.answer,
            ended_because: row.ended_because,
        }
    }
}

/// Something that happened to a grant, for whoever is to be told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Step {
    /// What.
    pub event: Event,
    /// One sentence for people.
    pub text: String,
    /// The grant, as it is now.
    pub grant: GrantView,
}

impl Step {
    /// What brought a grant where it is now.
    pub(crate) fn of(row: GrantRow) -> Self {
        let grant = GrantView::of(row);
        let event = match grant.state {
            State::Asked => Event::GrantAsked,
            State::Approved if grant.break_glass => Event::BreakGlass,
            State::Approved => Event::GrantApproved,
            State::Refused => Event::GrantRefused,
            State::Ended => Event::GrantEnded,
        };
        let by = grant.decided_by.as_deref().unwrap_or_default();
        let GrantView { id, name, provider, service, reason, answer, ended_because, seconds, .. } = &grant;
        let who = format!("{name} ({provider})");
        let time = minutes(*seconds);
        let answer = answer.as_ref().map(|answer| format!(": {answer}")).unwrap_or_default();
        let because = ended_because.as_deref().unwrap_or("its time is over");
        let text = match event {
            Event::GrantAsked => format!("{who} asks for access to {service} for {time}: {reason} (grant {id})"),
            Event::GrantApproved => {
                format!("{by} approved access of {who} to {service} for {time}{answer} (grant {id})")
            }
            Event::GrantRefused => format!("{by} refused access of {who} to {service}{answer} (grant {id})"),
            Event::BreakGlass => {
                format!(
                    "BREAK-GLASS: {who} took access to {service} for {time} without approval: {reason} (grant {id})"
                )
            }
            _ => format!("access of {who} to {service} ended: {because} (grant {id})"),
        };
        Self { event, text: portcullis_audit::neutralise(&text), grant }
    }
}

/// `90 min`, `8 h`.
fn minutes(seconds: u64) -> String {
    match seconds {
        0..=119 => format!("{seconds} s"),
        _ if seconds.is_multiple_of(3600) => format!("{} h", seconds / 3600),
        _ => format!("{} min", seconds / 60),
    }
}
