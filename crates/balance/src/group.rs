//! The endpoints of one service and the policies that choose among them.

use std::{cell::Cell, sync::Arc};

use crate::{EjectPolicy, EndpointState, Fault, Standing};

/// How the next endpoint is chosen. To add one: a variant here, its line in [`Policy::ALL`], its arm in
/// [`Group::pick`], its word in the configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Policy {
    /// One after the other, as often as their weights say, evenly mixed.
    RoundRobin,
    /// The one with the fewest requests in flight for its weight.
    LeastRequests,
}

impl Policy {
    /// Every policy, in the order in which the reference lists them.
    pub const ALL: [Self; 2] = [Self::RoundRobin, Self::LeastRequests];

    /// Its word in configuration, API and map.
    pub fn name(self) -> &'static str {
        match self {
            Self::RoundRobin => "round-robin",
            Self::LeastRequests => "least-requests",
        }
    }
}

/// One endpoint and its share.
#[derive(Debug, Clone)]
pub struct Member {
    /// Runtime state.
    pub state: Arc<EndpointState>,
    /// 0 takes it out of balancing.
    pub weight: u32,
}

/// Where a worker is in a group's rotation. Worker-local; start workers at different places ([`Cursor::starting_at`])
/// so that they do not hit the same endpoint in step.
#[derive(Debug, Default)]
pub struct Cursor(Cell<usize>);

impl Cursor {
    /// A cursor that begins at `position` of the rotation.
    pub fn starting_at(position: usize) -> Self {
        Self(Cell::new(position))
    }

    fn advance(&self) -> usize {
        let position = self.0.get();
        self.0.set(position.wrapping_add(1));
        position
    }
}

/// Endpoints that this request has already failed on: a retry goes elsewhere while there is an elsewhere.
#[derive(Debug, Default, Clone, Copy)]
pub struct Tried(u64);

impl Tried {
    /// Remembers a member; those past the 64th are not remembered and may be tried again.
    pub fn add(&mut self, member: usize) {
        if member < 64 {
            self.0 |= 1 << member;
        }
    }

    fn contains(self, member: usize) -> bool {
        member < 64 && self.0 & (1 << member) != 0
    }
}

/// The endpoints of one service under one policy.
#[derive(Debug)]
pub struct Group {
    members: Box<[Member]>,
    policy: Policy,
    /// Member indices in smooth weighted order; each member stands in it as often as its share says.
    rotation: Box<[u32]>,
}

/// A rotation is at most this long; weights are scaled down to fit (every positive weight keeps one place).
const ROTATION_LIMIT: usize = 4096;

impl Group {
    /// A group; an empty one is legal and never yields an endpoint.
    pub fn new(members: Vec<Member>, policy: Policy) -> Self {
        let rotation = smooth_rotation(&members.iter().map(|member| member.weight).collect::<Vec<_>>());
        Self { members: members.into(), policy, rotation: rotation.into() }
    }

    /// All endpoints, also those that may not be picked.
    pub fn members(&self) -> &[Member] {
        &self.members
    }

    /// The policy.
    pub fn policy(&self) -> Policy {
        self.policy
    }

    /// The member that gets the next request, or `None` when no endpoint may get one. Prefers members not yet tried.
    pub fn pick(&self, cursor: &Cursor, now_ms: u64, tried: Tried) -> Option<usize> {
        let fresh = |member: usize| {
            !tried.contains(member) && self.members[member].state.standing(now_ms) == Standing::Available
        };
        let any = |member: usize| self.members[member].state.standing(now_ms) == Standing::Available;
        self.choose(cursor, fresh).or_else(|| if tried.0 == 0 { None } else { self.choose(cursor, any) })
    }

    fn choose(&self, cursor: &Cursor, eligible: impl Fn(usize) -> bool) -> Option<usize> {
        let length = self.rotation.len();
        if length == 0 {
            return None;
        }
        let start = cursor.advance() % length;
        let mut rotated =
            (0..length).map(|step| self.rotation[(start + step) % length] as usize).filter(|&member| eligible(member));
        match self.policy {
            Policy::RoundRobin => rotated.next(),
            Policy::LeastRequests => self.least_loaded(cursor, rotated),
        }
    }

    /// Up to 16 members are compared all; past that, the better of two that the rotation offers, which is nearly as
    /// even (Mitzenmacher, "The power of two choices") and costs the same for any number.
    fn least_loaded(&self, cursor: &Cursor, mut rotated: impl Iterator<Item = usize>) -> Option<usize> {
        if self.members.len() > 16 {
            let first = rotated.next()?;
            cursor.advance();
            return Some(match rotated.find(|&member| member != first) {
                Some(second) if self.is_less_loaded(second, first) => second,
                _ => first,
            });
        }
        // `rotated` begins at the cursor, so that equals take turns; a member that stands in it again loses to itself.
        rotated.reduce(|best, member| if self.is_less_loaded(member, best) { member } else { best })
    }

    /// Compares (in flight + 1) / weight without dividing.
    fn is_less_loaded(&self, a: usize, b: usize) -> bool {
        let (a, b) = (&self.members[a], &self.members[b]);
        let load = |member: &Member| u64::from(member.state.in_flight()) + 1;
        load(a) * u64::from(b.weight) < load(b) * u64::from(a.weight)
    }

    /// A request on `member` failed. Ejects it when the policy says so, unless that would leave less than half of
    /// the group: ejection alone must not turn a bad service into no service.
    pub fn failed(&self, member: usize, policy: EjectPolicy, now_ms: u64, fault: Fault, why: &str) {
        let Some(member) = self.members.get(member) else { return };
        if !member.state.failed(policy, fault, why) {
            return;
        }
        let available = self.members.iter().filter(|other| other.state.standing(now_ms) == Standing::Available).count();
        if available > self.members.len() / 2 && available > 1 {
            member.state.eject(now_ms + policy.duration_ms, why);
        }
    }
}

/// Smooth weighted round robin (the order nginx made known), computed once for the whole cycle.
fn smooth_rotation(weights: &[u32]) -> Vec<u32> {
    let divisor = weights.iter().copied().filter(|&weight| weight > 0).fold(0, greatest_common_divisor).max(1);
    let total: usize = weights.iter().map(|&weight| (weight / divisor) as usize).sum();
    let scale = total.div_ceil(ROTATION_LIMIT).max(1) as u32;
    let shares: Vec<i64> = weights
        .iter()
        .map(|&weight| if weight == 0 { 0 } else { i64::from((weight / divisor / scale).max(1)) })
        .collect();
    let cycle: i64 = shares.iter().sum();
    // All equal (the usual case): the order is the order, without the quadratic walk.
    if shares.iter().all(|&share| share <= 1) {
        return (0..shares.len()).filter(|&member| shares[member] > 0).map(|member| member as u32).collect();
    }
    let mut current = vec![0_i64; shares.len()];
    let mut rotation = Vec::with_capacity(usize::try_from(cycle).unwrap_or(0));
    for _ in 0..cycle {
        let mut best = None;
        for (member, share) in shares.iter().enumerate().filter(|(_, share)| **share > 0) {
            current[member] += share;
            if best.is_none_or(|best: usize| current[member] > current[best]) {
                best = Some(member);
            }
        }
        let Some(best) = best else { break };
        current[best] -= cycle;
        rotation.push(best as u32);
    }
    rotation
}

fn greatest_common_divisor(a: u32, b: u32) -> u32 {
    if b == 0 { a } else { greatest_common_divisor(b, a % b) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Address, Checked, EndpointKey, Registry};

    fn group(weights: &[u32], policy: Policy) -> Group {
        let registry = Registry::new(1);
        let members = weights.iter().enumerate().map(|(index, &weight)| Member {
            state: registry.endpoint(&EndpointKey {
                service: "shop".into(),
                address: Address::Tcp(([127, 0, 0, 1], 3000 + index as u16).into()),
                form: 0,
            }),
            weight,
        });
        Group::new(members.collect(), policy)
    }

    fn picks(group: &Group, count: usize) -> Vec<usize> {
        let cursor = Cursor::default();
        (0..count).filter_map(|_| group.pick(&cursor, 0, Tried::default())).collect()
    }

    #[test]
    fn round_robin_mixes_weights_evenly() {
        assert_eq!(picks(&group(&[5, 1, 1], Policy::RoundRobin), 7), [0, 0, 1, 0, 2, 0, 0]);
        assert_eq!(picks(&group(&[1, 1, 1], Policy::RoundRobin), 4), [0, 1, 2, 0]);
    }

    #[test]
    fn weight_zero_is_never_picked() {
        assert_eq!(picks(&group(&[0, 2], Policy::RoundRobin), 3), [1, 1, 1]);
        assert!(picks(&group(&[0], Policy::LeastRequests), 3).is_empty());
    }

    #[test]
    fn huge_weights_keep_everyone_in_a_bounded_rotation() {
        let rotation = smooth_rotation(&[1_000_000, 1, 3]);
        assert!(rotation.len() <= ROTATION_LIMIT + 3);
        assert!([0, 1, 2].iter().all(|member| rotation.contains(member)));
    }

    #[test]
    fn least_requests_follows_load_and_weight() {
        let group = group(&[1, 2], Policy::LeastRequests);
        group.members()[1].state.began(0);
        // (0 + 1) / 1 against (1 + 1) / 2: equal, so they take turns; one more and the first has it.
        group.members()[1].state.began(0);
        assert_eq!(picks(&group, 2), [0, 0]);
        group.members()[0].state.began(0);
        group.members()[0].state.began(0);
        assert_eq!(picks(&group, 2), [1, 1]);
    }

    #[test]
    fn a_member_that_is_down_is_skipped_and_all_down_is_none() {
        let group = group(&[1, 1], Policy::RoundRobin);
        group.members()[0].state.conclude(Checked::Down, Some("refused".into()));
        assert_eq!(picks(&group, 2), [1, 1]);
        group.members()[1].state.conclude(Checked::Down, None);
        assert!(picks(&group, 2).is_empty());
    }

    #[test]
    fn a_retry_goes_elsewhere_while_there_is_an_elsewhere() {
        let group = group(&[1, 1], Policy::RoundRobin);
        let cursor = Cursor::default();
        let mut tried = Tried::default();
        tried.add(0);
        assert_eq!(group.pick(&cursor, 0, tried), Some(1));
        tried.add(1);
        assert!(group.pick(&cursor, 0, tried).is_some());
    }

    #[test]
    fn ejection_leaves_half_and_ends_by_itself() {
        let group = group(&[1, 1, 1], Policy::RoundRobin);
        let policy = EjectPolicy { failures: 2, duration_ms: 1000 };
        for member in [0, 0, 1, 1, 2, 2] {
            group.failed(member, policy, 0, Fault::Unserved, "reset");
        }
        assert_eq!(group.members()[0].state.standing(0), Standing::Ejected);
        let out = group.members().iter().filter(|member| member.state.standing(0) != Standing::Available).count();
        assert!((1..=2).contains(&out), "{out}");
        assert!(group.pick(&Cursor::default(), 0, Tried::default()).is_some());
        assert_eq!(group.members()[0].state.standing(1000), Standing::Available);
    }

    #[test]
    fn the_only_endpoint_is_never_ejected() {
        let group = group(&[1], Policy::RoundRobin);
        group.failed(0, EjectPolicy { failures: 1, duration_ms: 1000 }, 0, Fault::Unserved, "reset");
        assert_eq!(picks(&group, 1), [0]);
    }

    #[test]
    fn large_groups_pick_the_better_of_two() {
        let group = group(&[1; 40], Policy::LeastRequests);
        let mut seen = std::collections::HashSet::new();
        let cursor = Cursor::default();
        for _ in 0..400 {
            let member = group.pick(&cursor, 0, Tried::default()).unwrap();
            group.members()[member].state.began(0);
            seen.insert(member);
        }
        assert_eq!(seen.len(), 40);
        assert!(group.members().iter().all(|member| member.state.in_flight() <= 14));
    }
}
