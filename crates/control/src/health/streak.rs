//! From single checks to a conclusion.

use portcullis_balance::Checked;
use portcullis_plan::HealthPlan;

/// Results in a row that agree.
#[derive(Debug, Default)]
pub(super) struct Streak {
    passed: u32,
    failed: u32,
}

impl Streak {
    /// Checks in a row that have passed.
    pub(super) fn passed(&self) -> u32 {
        self.passed
    }

    /// Takes one result; returns what it makes of an endpoint that was `before`, if that is something else.
    ///
    /// The very first result decides at once: nobody knows anything better, and a service that was never there should
    /// not get traffic for `fall` intervals. From then on it takes `rise` or `fall` of them in a row.
    pub(super) fn add(&mut self, has_passed: bool, before: Checked, plan: &HealthPlan) -> Option<Checked> {
        if has_passed {
            (self.passed, self.failed) = (self.passed.saturating_add(1), 0);
        } else {
            (self.passed, self.failed) = (0, self.failed.saturating_add(1));
        }
        match (before, has_passed) {
            (Checked::Unchecked, true) => Some(Checked::Up),
            (Checked::Unchecked, false) => Some(Checked::Down),
            (Checked::Down, true) if self.passed >= plan.rise => Some(Checked::Up),
            (Checked::Up, false) if self.failed >= plan.fall => Some(Checked::Down),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use portcullis_plan::HealthProbe;

    use super::*;

    /// `+` is a check that passes, `-` one that fails; the states after each.
    fn states(results: &str) -> String {
        let plan = HealthPlan {
            probe: HealthProbe::Tcp,
            every: Duration::from_secs(2),
            timeout: Duration::from_secs(1),
            rise: 2,
            fall: 3,
        };
        let mut streak = Streak::default();
        let mut state = Checked::Unchecked;
        results
            .chars()
            .map(|result| {
                state = streak.add(result == '+', state, &plan).unwrap_or(state);
                match state {
                    Checked::Unchecked => '?',
                    Checked::Up => 'U',
                    Checked::Down => 'D',
                }
            })
            .collect()
    }

    #[test]
    fn the_first_result_decides_and_then_rise_and_fall_do() {
        for (results, expected) in
            [("+", "U"), ("-", "D"), ("+--+---", "UUUUUUD"), ("-+-++", "DDDDU"), ("----++---", "DDDDDUUUD")]
        {
            assert_eq!(states(results), expected, "{results}");
        }
    }
}
