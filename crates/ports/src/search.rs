//! In which order the numbers of a range are tried.
//!
//! Where a search begins depends on the names alone, so that the same service gets the same number on every machine and
//! from an empty store; from there it goes on number by number. Replicas begin side by side.

use crate::Owner;

/// The numbers, ascending, in the order in which `owner` tries them.
pub(crate) fn order(numbers: &[u16], owner: &Owner) -> impl Iterator<Item = u16> {
    let (before, from) = numbers.split_at(start(owner, numbers.len()));
    from.iter().chain(before).copied()
}

/// Below `count`; 0 if there is nothing to begin at.
fn start(owner: &Owner, count: usize) -> usize {
    let names = owner.service.bytes().chain([0]).chain(owner.environment.bytes());
    let begin = fnv1a(names).wrapping_add(owner.replica.into());
    usize::try_from(begin.checked_rem(count as u64).unwrap_or(0)).unwrap_or(0)
}

/// FNV-1a, 64 bits. Written down here because it must never change: `std`'s hasher may with every release.
fn fnv1a(bytes: impl Iterator<Item = u8>) -> u64 {
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owner(service: &str, environment: &str, replica: u32) -> Owner {
        let (service, environment) = (service.to_owned(), environment.to_owned());
        Owner { project: "anywhere".to_owned(), service, environment, replica }
    }

    #[test]
    fn the_hash_is_fnv1a() {
        // Test vectors of draft-eastlake-fnv.
        for (text, expected) in
            [("", 0xcbf2_9ce4_8422_2325), ("a", 0xaf63_dc4c_8601_ec8c), ("foobar", 0x8594_4171_f739_67e8)]
        {
            assert_eq!(fnv1a(text.bytes()), expected, "{text}");
        }
    }

    #[test]
    fn every_number_is_tried_once_and_the_first_depends_on_the_names() {
        let numbers: Vec<u16> = (3100..=3999).collect();
        let tried: Vec<u16> = order(&numbers, &owner("shop", "", 0)).collect();
        let mut sorted = tried.clone();
        sorted.sort_unstable();
        assert_eq!(sorted, numbers);
        let first = |owner| order(&numbers, &owner).next().unwrap();
        assert_eq!(first(owner("shop", "", 0)), tried[0]);
        assert_eq!(first(owner("shop", "", 1)), tried[1]);
        assert_ne!(first(owner("shop", "staging", 0)), tried[0]);
        assert_ne!(first(owner("cart", "", 0)), tried[0]);
        // Must never change: everybody's ports would move.
        assert_eq!(tried[0], 3527);
        assert_eq!(order(&[], &owner("shop", "", 0)).next(), None);
    }
}
