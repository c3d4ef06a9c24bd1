//! Bounds on connections to one control port (invariant 10): an operator must find a place while somebody floods it.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Arc, Mutex, PoisonError},
};

use portcullis_observe::Termination;
use portcullis_plan::PortLimits;

/// Whatever the file allows, a control port holds no more: it is for a few people and scrapers.
pub(super) const MOST_CONNECTIONS: u32 = 256;
/// Of one source, so that one of them can not take all places.
pub(super) const MOST_PER_SOURCE: u32 = 64;

/// The places of one port.
#[derive(Debug, Clone)]
pub(super) struct Room(Arc<Mutex<Taken>>);

#[derive(Debug, Default)]
struct Taken {
    all: u32,
    by_source: HashMap<Option<IpAddr>, u32>,
}

/// A place that is taken; dropping it makes room.
#[derive(Debug)]
pub(super) struct Place {
    room: Room,
    source: Option<IpAddr>,
}

impl Room {
    pub(super) fn new() -> Self {
        Self(Arc::default())
    }

    /// A place for one more connection, or which bound is reached. `None` is the one source of a Unix socket.
    pub(super) fn enter(&self, source: Option<IpAddr>, limits: &PortLimits) -> Result<Place, Termination> {
        let mut taken = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if taken.all >= limits.connections.min(MOST_CONNECTIONS) {
            return Err(Termination::RefusedLimitPort);
        }
        let of_source = taken.by_source.entry(source).or_insert(0);
        if *of_source >= limits.connections_per_source.min(MOST_PER_SOURCE) {
            return Err(Termination::RefusedLimitSource);
        }
        *of_source += 1;
        taken.all += 1;
        Ok(Place { room: self.clone(), source })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.room.0.lock().unwrap_or_else(PoisonError::into_inner);
        taken.all -= 1;
        if let Some(of_source) = taken.by_source.get_mut(&self.source) {
            *of_source -= 1;
            if *of_source == 0 {
                taken.by_source.remove(&self.source);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits(connections: u32, connections_per_source: u32) -> PortLimits {
        PortLimits {
            connections,
            connections_per_source,
            head_bytes: 16384,
            headers: 100,
            target_bytes: 8192,
            body_bytes: None,
            minimum_rate: 0,
        }
    }

    #[test]
    fn one_source_can_not_take_all_places_and_a_place_comes_back() {
        let room = Room::new();
        let (one, other) = (Some([10, 0, 0, 1].into()), Some([10, 0, 0, 2].into()));
        let limits = limits(3, 2);
        let first = room.enter(one, &limits).unwrap();
        let _second = room.enter(one, &limits).unwrap();
        assert_eq!(room.enter(one, &limits).unwrap_err(), Termination::RefusedLimitSource);
        let _third = room.enter(other, &limits).unwrap();
        assert_eq!(room.enter(other, &limits).unwrap_err(), Termination::RefusedLimitPort);
        drop(first);
        assert!(room.enter(one, &limits).is_ok());
    }

    #[test]
    fn the_file_can_lower_the_bounds_but_not_raise_them() {
        let room = Room::new();
        let places: Vec<Place> = (0..=u8::MAX)
            .map_while(|host| room.enter(Some([10, 0, 0, host].into()), &limits(50_000, 1_000)).ok())
            .collect();
        assert_eq!(places.len(), MOST_CONNECTIONS as usize);
        let from_one = Room::new();
        let places: Vec<Place> = std::iter::from_fn(|| from_one.enter(None, &limits(50_000, 1_000)).ok()).collect();
        assert_eq!(places.len(), MOST_PER_SOURCE as usize);
    }
}
