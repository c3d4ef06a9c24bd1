//! Which arrows of a graph lead in circles: files that include each other, modules that call each other.

use std::{collections::HashMap, hash::Hash};

/// For each arrow, whether it is part of a circle or lies between two of them. Where no arrow ends or none begins, no
/// circle passes; what is left once all those places are taken away is told. Each arrow is looked at once or twice.
pub(crate) fn circular<T: Eq + Hash>(arrows: &[(T, T)]) -> Vec<bool> {
    let mut is_left = vec![true; arrows.len()];
    trim(&mut is_left, arrows, |(from, to)| (from, to));
    trim(&mut is_left, arrows, |(from, to)| (to, from));
    is_left
}

/// Takes away the arrows that begin where none ends, again and again.
fn trim<'a, T: Eq + Hash>(is_left: &mut [bool], arrows: &'a [(T, T)], way: fn(&'a (T, T)) -> (&'a T, &'a T)) {
    let mut outgoing: HashMap<&T, Vec<usize>> = HashMap::new();
    let mut incoming: HashMap<&T, usize> = HashMap::new();
    for (index, (from, to)) in arrows.iter().map(way).enumerate().filter(|(index, _)| is_left[*index]) {
        outgoing.entry(from).or_default().push(index);
        *incoming.entry(to).or_default() += 1;
    }
    let mut loose: Vec<&T> = outgoing.keys().copied().filter(|place| !incoming.contains_key(place)).collect();
    while let Some(place) = loose.pop() {
        for index in outgoing.remove(place).unwrap_or_default() {
            is_left[index] = false;
            let (_, to) = way(&arrows[index]);
            if let Some(count) = incoming.get_mut(to) {
                *count -= 1;
                if *count == 0 {
                    loose.push(to);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_leads_back_is_circular() {
        for (arrows, expected) in [
            (vec![], vec![]),
            (vec![("a", "a")], vec![true]),
            (vec![("a", "b"), ("b", "c"), ("a", "c")], vec![false, false, false]),
            (vec![("a", "b"), ("b", "c"), ("c", "b"), ("c", "d")], vec![false, true, true, false]),
        ] {
            assert_eq!(circular(&arrows), expected, "{arrows:?}");
        }
    }
}
