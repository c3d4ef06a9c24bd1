//! What a token, or a provider about a token, claims.

use serde_json::{Map, Value};

use crate::{Refusal, refusal::shown, strict_json};

/// Claims: one object, each member named once, bounded.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Claims(Map<String, Value>);

/// What must be true of claims, beside the signature.
#[derive(Debug, Clone)]
pub(crate) struct Expected {
    /// Exactly this `iss`.
    pub(crate) issuer: Box<str>,
    /// One of these in `aud`.
    pub(crate) audiences: Vec<Box<str>>,
    /// By how much clocks may differ, in seconds.
    pub(crate) leeway: u64,
}

impl Claims {
    /// Reads them.
    pub(crate) fn parse(text: &[u8]) -> Result<Self, Refusal> {
        strict_json::object(text).map(Self).map_err(|why| Refusal::token("malformed", format!("its claims: {why}")))
    }

    /// A claim.
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.0.get(name)
    }

    /// A claim that is a text.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.get(name)?.as_str()
    }

    /// A time, in whole seconds since 1970 (RFC 7519 2, NumericDate); an error if it is none.
    pub fn time(&self, name: &str) -> Result<Option<u64>, Refusal> {
        let Some(value) = self.get(name) else { return Ok(None) };
        let seconds = value.as_u64().or_else(|| value.as_f64().filter(|seconds| *seconds >= 0.0).map(whole));
        // What is beyond the year 9999 is milliseconds by mistake, or meant to overflow someone.
        match seconds.filter(|seconds| *seconds < 253_402_300_800) {
            Some(seconds) => Ok(Some(seconds)),
            None => Err(Refusal::token("malformed", format!("`{name}` is not a time in seconds"))),
        }
    }

    /// Checks `iss`, `aud`, `exp`, `nbf` and `iat` (RFC 7519 4.1); returns the moment from which it is refused.
    pub(crate) fn check(&self, expected: &Expected, now: u64) -> Result<u64, Refusal> {
        self.check_issuer(&expected.issuer)?;
        self.check_audience(&expected.audiences)?;
        let end = self.check_times(expected.leeway, now)?;
        end.ok_or_else(|| Refusal::token("no-expiry", "the token has no `exp`, so it would never end"))
    }

    /// Exactly this issuer: no slash more or less, no other case.
    pub(crate) fn check_issuer(&self, expected: &str) -> Result<(), Refusal> {
        match self.text("iss") {
            Some(issuer) if issuer == expected => Ok(()),
            Some(issuer) => {
                let detail = format!("the issuer is {}, expected \"{expected}\"", shown(issuer));
                Err(Refusal::token("wrong-issuer", detail))
            }
            None => Err(Refusal::token("wrong-issuer", format!("no issuer, expected \"{expected}\""))),
        }
    }

    /// One of these audiences, in a text or a list of texts (RFC 7519 4.1.3).
    pub(crate) fn check_audience(&self, expected: &[Box<str>]) -> Result<(), Refusal> {
        let is_ours = |value: &Value| value.as_str().is_some_and(|one| expected.iter().any(|own| **own == *one));
        let (found, first) = match self.get("aud") {
            Some(Value::Array(all)) => (all.iter().all(Value::is_string) && all.iter().any(is_ours), all.first()),
            Some(one) => (is_ours(one), Some(one)),
            None => (false, None),
        };
        if found {
            return Ok(());
        }
        let first = first.and_then(Value::as_str).map_or_else(|| "missing".to_owned(), shown);
        Err(Refusal::token("wrong-audience", format!("the audience is {first}, expected one of {expected:?}")))
    }

    /// `exp`, `nbf`, `iat`; returns the end with the leeway, if there is one.
    pub(crate) fn check_times(&self, leeway: u64, now: u64) -> Result<Option<u64>, Refusal> {
        let end = self.time("exp")?.map(|end| end.saturating_add(leeway));
        if let Some(end) = end.filter(|end| now >= *end) {
            let detail = format!("expired {} s ago (by more than the {leeway} s leeway)", now - end + leeway);
            return Err(Refusal::token("expired", detail));
        }
        for (name, reason) in [("nbf", "not-yet-valid"), ("iat", "issued-in-the-future")] {
            if let Some(ahead) = self.time(name)?.and_then(|from| from.checked_sub(now)).filter(|ahead| *ahead > leeway)
            {
                let detail =
                    format!("`{name}` is {ahead} s ahead of this host's clock; see that both clocks are right");
                return Err(Refusal::token(reason, detail));
            }
        }
        Ok(end)
    }
}

impl Claims {
    /// The same with the claims of another document of the same provider over them (OpenID Connect Core 5.3).
    #[must_use]
    pub(crate) fn overlaid(mut self, over: Self) -> Self {
        self.0.extend(over.0);
        self
    }
}

impl From<Map<String, Value>> for Claims {
    fn from(map: Map<String, Value>) -> Self {
        Self(map)
    }
}

#[allow(clippy::cast_sign_loss)] // not negative, and what is too large saturates
fn whole(seconds: f64) -> u64 {
    seconds as u64
}
