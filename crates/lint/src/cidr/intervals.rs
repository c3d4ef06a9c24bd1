//! Sets of numbers as intervals: what the two address families have in common.

/// Inclusive intervals, ascending, with a gap of at least one number between any two.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub(super) struct Intervals(Vec<(u128, u128)>);

impl Intervals {
    /// The numbers from `first` to `last`, which is not smaller.
    pub(super) fn one(first: u128, last: u128) -> Self {
        Self(vec![(first, last)])
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn contains(&self, number: u128) -> bool {
        let behind = self.0.partition_point(|(first, _)| *first <= number);
        behind.checked_sub(1).and_then(|index| self.0.get(index)).is_some_and(|(_, last)| number <= *last)
    }

    /// How many numbers there are; all of 128 bits count as one fewer than they are.
    pub(super) fn size(&self) -> u128 {
        self.0.iter().fold(0, |size: u128, (first, last)| size.saturating_add((last - first).saturating_add(1)))
    }

    pub(super) fn add(&mut self, other: &Self) {
        *self = Self::union(vec![std::mem::take(self), other.clone()]);
    }

    /// All numbers of all sets.
    pub(super) fn union(sets: Vec<Self>) -> Self {
        let mut all: Vec<(u128, u128)> = sets.into_iter().flat_map(|set| set.0).collect();
        all.sort_unstable();
        let mut merged: Vec<(u128, u128)> = Vec::with_capacity(all.len());
        for (first, last) in all {
            match merged.last_mut() {
                Some((_, end)) if first <= end.saturating_add(1) => *end = (*end).max(last),
                _ => merged.push((first, last)),
            }
        }
        Self(merged)
    }

    pub(super) fn without(&self, other: &Self) -> Self {
        let mut left = Vec::with_capacity(self.0.len());
        for (first, last) in &self.0 {
            let mut next = Some(*first);
            let from = other.0.partition_point(|(_, end)| end < first);
            for (start, end) in other.0.iter().skip(from).take_while(|(start, _)| start <= last) {
                if let Some(next) = next
                    && next < *start
                {
                    left.push((next, start - 1));
                }
                next = end.checked_add(1);
            }
            if let Some(next) = next
                && next <= *last
            {
                left.push((next, *last));
            }
        }
        Self(left)
    }

    /// The fewest aligned blocks, each as first number and prefix length in numbers of `width` bits.
    pub(super) fn blocks(&self, width: u8) -> impl Iterator<Item = (u128, u8)> {
        self.0.iter().flat_map(move |(first, last)| {
            let mut next = Some(*first);
            std::iter::from_fn(move || {
                let first = next.filter(|first| first <= last)?;
                // The largest block that starts here and does not reach beyond the end.
                let aligned = first.trailing_zeros().min(u32::from(width));
                let fitting = (last - first).checked_add(1).map_or(128, u128::ilog2);
                let bits = aligned.min(fitting);
                next = 1_u128.checked_shl(bits).and_then(|size| first.checked_add(size));
                Some((first, width - bits as u8))
            })
        })
    }
}
