//! A balancer at work: its kind, and what all workers together know besides the replicas' own loads.

use super::{Balancer, Band, Choice, Node};
use crate::{Load, Nanos, Probe};
use fastrand::Rng;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// Chooses among the replicas of one set for all workers.
///
/// The order of the replicas it is given must stay as it is while they do, and should be another one in each proxy:
/// `aperture` uses the first of them only, `roundRobin` goes through them in turn.
#[derive(Debug)]
pub struct Picker {
    kind: Balancer,
    /// `aperture` only.
    band: Option<Arc<Band>>,
    turn: Turn,
}

/// Whose turn it is (`roundRobin` only), in a cache line of its own.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Turn(AtomicUsize);

impl Picker {
    /// A balancer that has not chosen yet.
    #[must_use]
    pub fn new(kind: Balancer) -> Picker {
        let band = if let Balancer::Aperture(settings) = kind { Some(Band::new(settings)) } else { None };
        Picker { kind, band: band.map(Arc::new), turn: Turn::default() }
    }

    /// The aperture, which must be told when requests begin and end; `None` for all other kinds.
    #[inline]
    #[must_use]
    pub fn band(&self) -> Option<&Arc<Band>> {
        self.band.as_ref()
    }

    /// The replica for the next request; `None` when there are none at all.
    ///
    /// Claims nothing: when the replica is dead and due for a probe, several callers may get it. [`Picker::choose`] does not
    /// have that gap.
    #[inline]
    pub fn pick<N: Node>(&self, nodes: &[N], now: Nanos, rng: &mut Rng) -> Option<usize> {
        self.search(nodes, now, rng).map(|(index, _)| index)
    }

    /// As [`Picker::pick`], and claims the probe when the replica is a dead one whose back-off is over. Whoever loses the
    /// race for a probe picks again, so that each back-off ends in one probe in the whole process; only when nothing else
    /// is left is a replica used without being available.
    #[inline]
    pub fn choose<N: Node>(&self, nodes: &[N], now: Nanos, rng: &mut Rng) -> Option<Choice> {
        let mut races = 0;
        loop {
            let (index, available) = self.search(nodes, now, rng)?;
            let node = &nodes[index];
            let alive = node.accrual().is_alive() && node.reach().is_none_or(|reach| reach.is_alive());
            if alive || !available {
                return Some(Choice { index, available, probe: None, reconnect: None });
            }
            let claimed = claim(node, now);
            races += 1;
            if claimed.is_some() || races >= self.kind.max_effort() {
                let available = claimed.is_some();
                let (probe, reconnect) = claimed.unwrap_or_default();
                return Some(Choice { index, available, probe, reconnect });
            }
        }
    }

    /// The pick and whether it was available.
    #[inline]
    fn search<N: Node>(&self, nodes: &[N], now: Nanos, rng: &mut Rng) -> Option<(usize, bool)> {
        match (nodes.len(), &self.kind) {
            (0, _) => None,
            (1, kind) => {
                if kind.warm_up_millis() != 0 {
                    // It is no newcomer any more when others join it.
                    nodes[0].load().known_for(now);
                }
                Some((0, nodes[0].is_available(now)))
            }
            (n, Balancer::P2c { .. } | Balancer::Ewma { .. }) => Some(self.pairs(nodes, n, now, rng)),
            (n, Balancer::Aperture(_)) => {
                let width = self.band.as_ref().map_or(n, |band| band.width(n));
                Some(self.pairs(nodes, width, now, rng))
            }
            (_, Balancer::Heap) => Some(least(nodes, now, rng)),
            (_, Balancer::RoundRobin { .. }) => Some(self.in_turn(nodes, now, rng)),
        }
    }

    /// Pairs among the first `width` replicas.
    #[inline]
    fn pairs<N: Node>(&self, nodes: &[N], width: usize, now: Nanos, rng: &mut Rng) -> (usize, bool) {
        if width <= 1 {
            return if nodes[0].is_available(now) { (0, true) } else { self.last_resort(nodes, 1, now, rng) };
        }
        for _ in 0..self.kind.max_effort() {
            let picked = self.better(nodes, draw(width, rng), now, rng);
            if picked.1 {
                return picked;
            }
        }
        self.last_resort(nodes, width, now, rng)
    }

    /// The next in turn that is available.
    #[inline]
    fn in_turn<N: Node>(&self, nodes: &[N], now: Nanos, rng: &mut Rng) -> (usize, bool) {
        for _ in 0..self.kind.max_effort() {
            let index = self.turn.0.fetch_add(1, Relaxed) % nodes.len();
            if nodes[index].is_available(now) {
                return (index, true);
            }
        }
        // Not the next living one behind the dead: it would get the turns of all of them.
        self.last_resort(nodes, nodes.len(), now, rng)
    }

    /// The better of two and whether it is available.
    #[inline]
    fn better<N: Node>(
        &self,
        nodes: &[N],
        (first, second): (usize, usize),
        now: Nanos,
        rng: &mut Rng,
    ) -> (usize, bool) {
        let (a, b) = (&nodes[first], &nodes[second]);
        match (a.is_available(now), b.is_available(now)) {
            (true, false) => (first, true),
            (false, true) => (second, true),
            (available, _) => {
                if let Some(elder) = self.spare(a.load(), b.load(), now, rng) {
                    return (if elder { second } else { first }, available);
                }
                (if self.kind.heavier(a.load(), b.load(), now) { second } else { first }, available)
            }
        }
    }

    /// Whether to leave the newer of two alone because it is still warming up: `Some(true)` sends the request to the second,
    /// `Some(false)` to the first, whatever their loads; `None` lets the loads decide.
    ///
    /// How likely the loads may decide is the ratio of the two shares, so that two that joined together, all of a set that
    /// has just been found, have what they would have without.
    #[inline]
    fn spare(&self, a: &Load, b: &Load, now: Nanos, rng: &mut Rng) -> Option<bool> {
        let span = self.kind.warm_up_millis();
        if span == 0 {
            return None;
        }
        let (first, second) = (warmth(a, span, now), warmth(b, span, now));
        let (newer, older) = (first.min(second), first.max(second));
        (newer < older && rng.f32() * older >= newer).then_some(first < second)
    }

    /// After all picks failed: two of the first `width` available ones if there are any, otherwise two of the first
    /// `width` of all.
    #[cold]
    fn last_resort<N: Node>(&self, nodes: &[N], width: usize, now: Nanos, rng: &mut Rng) -> (usize, bool) {
        let available = nodes.iter().enumerate().filter(|(_, n)| n.is_available(now)).map(|(i, _)| i);
        let mut seen = 0;
        let mut pair = (0, 0);
        for index in available.take(width) {
            seen += 1;
            // Reservoir of two: each available node is as likely as any other to be kept.
            match seen {
                1 => pair = (index, index),
                2 => pair.1 = index,
                seen => match rng.usize(0..seen) {
                    0 => pair.0 = index,
                    1 => pair.1 = index,
                    _ => {}
                },
            }
        }
        if seen == 0 && width > 1 {
            pair = draw(width, rng);
        } else if rng.bool() {
            // The first wins a tie, and early nodes tend to be kept first.
            pair = (pair.1, pair.0);
        }
        self.better(nodes, pair, now, rng)
    }
}

/// The share of the requests that a newcomer gets at once: enough to warm up at all.
const COLD: f32 = 0.1;

/// The share of a replica in what it will have once it is warm.
fn warmth(load: &Load, span: u64, now: Nanos) -> f32 {
    (load.known_for(now) as f32 / span as f32).clamp(COLD, 1.0)
}

/// The right to find out whether a replica is back; `None` when somebody else does.
#[cold]
fn claim<N: Node>(node: &N, now: Nanos) -> Option<(Option<Probe>, Option<Probe>)> {
    let accrual = node.accrual();
    let probe = if accrual.is_alive() { None } else { Some(accrual.begin_probe(now)?) };
    let Some(reach) = node.reach().filter(|reach| !reach.is_alive()) else { return Some((probe, None)) };
    let reconnect = reach.begin_probe(now);
    if reconnect.is_none()
        && let Some(probe) = probe
    {
        accrual.release(probe);
        return None;
    }
    reconnect.map(|reconnect| (probe, Some(reconnect)))
}

/// How many replicas are looked at before all are, in the hope of an idle one.
const GLANCES: usize = 4;

/// The replica with the fewest outstanding requests, of those that are available if there are any; ties at random.
#[inline]
fn least<N: Node>(nodes: &[N], now: Nanos, rng: &mut Rng) -> (usize, bool) {
    for _ in 0..GLANCES {
        let index = rng.usize(0..nodes.len());
        if nodes[index].load().outstanding() == 0 && nodes[index].is_available(now) {
            return (index, true);
        }
    }
    least_of_all(nodes, now, rng)
}

fn least_of_all<N: Node>(nodes: &[N], now: Nanos, rng: &mut Rng) -> (usize, bool) {
    let (mut best, mut ties, mut rank) = (0, 0, (true, u32::MAX));
    for (index, node) in nodes.iter().enumerate() {
        let outstanding = node.load().outstanding();
        // Whether it is fit is asked only where that can matter.
        if (false, outstanding) > rank {
            continue;
        }
        let this = (!node.is_available(now), outstanding);
        if this > rank {
            continue;
        }
        ties = if this == rank { ties + 1 } else { 1 };
        // Each of those seen so far is as likely as any other to be kept.
        if ties == 1 || rng.usize(0..ties) == 0 {
            best = index;
        }
        rank = this;
    }
    (best, !rank.0)
}

/// Two different numbers below `n` (at least 2) in random order, from one random word. Sets are far smaller than 2^32, so
/// the unevenness of the multiplication is beyond notice.
#[inline]
pub(super) fn draw(n: usize, rng: &mut Rng) -> (usize, usize) {
    let word = rng.u64(..);
    let below = |half: u64, n: usize| ((half * n as u64) >> 32) as usize;
    let first = below(word >> 32, n);
    let second = below(word & 0xffff_ffff, n - 1);
    (first, if second >= first { second + 1 } else { second })
}
