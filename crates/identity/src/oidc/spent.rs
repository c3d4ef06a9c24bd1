//! What is good for one use, and has been used.

use std::{collections::HashMap, fmt};

/// Remembered at once; past it the one that ends first is forgotten, and with it only this second line of defence: a
/// code is good for one use at the provider too.
const MOST: usize = 10_000;

/// Texts that were used, until they would not be valid any more.
#[derive(Default)]
pub(super) struct Spent {
    until: HashMap<Box<str>, u64>,
}

impl Spent {
    /// Uses one up; whether it was unused. It is remembered until then (seconds since 1970).
    pub(super) fn spend(&mut self, text: &str, until: u64, now: u64) -> bool {
        if self.until.len() >= MOST {
            self.until.retain(|_, until| *until > now);
        }
        if self.until.len() >= MOST
            && let Some(first) = self.until.iter().min_by_key(|(_, until)| **until).map(|(text, _)| text.clone())
        {
            self.until.remove(&first);
        }
        self.until.insert(text.into(), until).is_none_or(|known| known <= now)
    }
}

/// How many there are, not what they are.
impl fmt::Debug for Spent {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Spent").field("count", &self.until.len()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_good_for_one_use_and_memory_is_bounded() {
        let mut spent = Spent::default();
        assert!(spent.spend("a", 100, 0));
        assert!(!spent.spend("a", 100, 99));
        for number in 0..MOST + 10 {
            assert!(spent.spend(&format!("n{number}"), 1000, 50));
        }
        assert!(spent.until.len() <= MOST);
        assert!(!spent.spend(&format!("n{}", MOST + 9), 1000, 50));
    }
}
