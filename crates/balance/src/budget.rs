//! Retries as a share of requests, so that a failing service is not buried under its own retries.

use std::cell::Cell;

/// Worker-local token bucket: each request earns a part of a retry, each retry spends a whole one.
#[derive(Debug)]
pub struct RetryBudget {
    /// Hundredths of a retry in hand, `<= LIMIT`.
    hundredths: Cell<u32>,
}

/// At most this many retries (in hundredths) are saved up for a bad moment.
const LIMIT: u32 = 10_00;

impl Default for RetryBudget {
    /// Starts full: the first requests after a start or reload may be retried.
    fn default() -> Self {
        Self { hundredths: Cell::new(LIMIT) }
    }
}

impl RetryBudget {
    /// A request was made; `percent` of one retry is earned.
    pub fn earn(&self, percent: u8) {
        self.hundredths.set((self.hundredths.get() + u32::from(percent)).min(LIMIT));
    }

    /// Takes one retry from the budget, if it holds one.
    pub fn spend(&self) -> bool {
        let left = self.hundredths.get().checked_sub(100);
        if let Some(left) = left {
            self.hundredths.set(left);
        }
        left.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retries_follow_the_share_of_requests_once_the_reserve_is_spent() {
        let budget = RetryBudget::default();
        assert_eq!((0..100).filter(|_| budget.spend()).count(), 10);
        let mut retries = 0;
        for _ in 0..100 {
            budget.earn(20);
            retries += u32::from(budget.spend());
        }
        assert_eq!(retries, 20);
    }
}
