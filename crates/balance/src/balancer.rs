//! Which of the replicas gets the next request (dataplane.md §6.3).

use crate::{Accrual, Load, Nanos, Probe};
use fastrand::Rng;
use std::sync::Arc;

/// A replica as a balancer sees it. Weights are not seen: p2c and ewma ignore them.
pub trait Node {
    /// Its load.
    fn load(&self) -> &Load;
    /// Whether it is fit.
    fn accrual(&self) -> &Accrual;
}

impl<N: Node + ?Sized> Node for Arc<N> {
    fn load(&self) -> &Load {
        (**self).load()
    }
    fn accrual(&self) -> &Accrual {
        (**self).accrual()
    }
}

/// How to choose. Both draw two different replicas at random and take the better one: an available one before one that is
/// not, then the less loaded, on a tie the first drawn. When `max_effort` draws bring none that is available, all are
/// looked at; when none is, the request goes to one of them anyway (fail open).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Balancer {
    /// Compares outstanding requests.
    P2c {
        /// How often to draw (`maxEffort`, 5).
        max_effort: u32,
    },
    /// Compares the peak-sensitive average of round trips times outstanding requests.
    Ewma {
        /// Time constant of the average (`decayTimeMs`, 10 s).
        decay: Nanos,
        /// How often to draw (`maxEffort`, 5).
        max_effort: u32,
    },
}

/// A replica chosen by [`Balancer::choose`].
#[derive(Debug)]
#[must_use]
pub struct Choice {
    /// Its place in the slice.
    pub index: usize,
    /// Set when this request is the one that finds out whether a dead replica is back.
    pub probe: Option<Probe>,
}

impl Default for Balancer {
    fn default() -> Balancer {
        Balancer::p2c()
    }
}

impl Balancer {
    /// Draws unless configured otherwise.
    pub const MAX_EFFORT: u32 = 5;
    /// Decay time unless configured otherwise: 10 s.
    pub const DECAY: Nanos = Nanos::from_secs(10);

    /// `kind: p2c` with default numbers.
    #[must_use]
    pub const fn p2c() -> Balancer {
        Balancer::P2c { max_effort: Self::MAX_EFFORT }
    }

    /// `kind: ewma` with default numbers.
    #[must_use]
    pub const fn ewma() -> Balancer {
        Balancer::Ewma { decay: Self::DECAY, max_effort: Self::MAX_EFFORT }
    }

    /// The name in the metric `loadbalancer/algorithm/<name>`.
    #[must_use]
    pub const fn algorithm(&self) -> &'static str {
        match self {
            Balancer::P2c { .. } => "p2c_least_loaded",
            Balancer::Ewma { .. } => "p2c_peak_ewma",
        }
    }

    /// A fresh load for an endpoint under this balancer: it measures only what this balancer reads.
    #[must_use]
    pub fn new_load(&self) -> Load {
        match *self {
            Balancer::P2c { .. } => Load::counted(),
            Balancer::Ewma { decay, .. } => Load::measured(decay),
        }
    }

    /// The replica for the next request; `None` when there are none at all.
    ///
    /// Claims nothing: when the replica is dead and due for a probe, several callers may get it. [`Balancer::choose`] does
    /// not have that gap.
    #[inline]
    pub fn pick<N: Node>(&self, nodes: &[N], now: Nanos, rng: &mut Rng) -> Option<usize> {
        self.search(nodes, now, rng).map(|(index, _)| index)
    }

    /// As [`Balancer::pick`], and claims the probe when the replica is a dead one whose back-off is over. Whoever loses the
    /// race for a probe picks again, so that each back-off ends in one probe in the whole process; only when nothing else
    /// is left is a replica used without being available.
    #[inline]
    pub fn choose<N: Node>(&self, nodes: &[N], now: Nanos, rng: &mut Rng) -> Option<Choice> {
        let mut races = 0;
        loop {
            let (index, available) = self.search(nodes, now, rng)?;
            let accrual = nodes[index].accrual();
            if accrual.is_alive() || !available {
                return Some(Choice { index, probe: None });
            }
            let probe = accrual.begin_probe(now);
            races += 1;
            if probe.is_some() || races >= self.max_effort() {
                return Some(Choice { index, probe });
            }
        }
    }

    /// The pick and whether it was available.
    #[inline]
    fn search<N: Node>(&self, nodes: &[N], now: Nanos, rng: &mut Rng) -> Option<(usize, bool)> {
        match nodes.len() {
            0 => None,
            1 => Some((0, nodes[0].accrual().is_available(now))),
            n => {
                for _ in 0..self.max_effort() {
                    let picked = self.better(nodes, draw(n, rng), now);
                    if picked.1 {
                        return Some(picked);
                    }
                }
                Some(self.last_resort(nodes, now, rng))
            }
        }
    }

    const fn max_effort(&self) -> u32 {
        match *self {
            Balancer::P2c { max_effort } | Balancer::Ewma { max_effort, .. } => max_effort,
        }
    }

    /// The better of two and whether it is available.
    #[inline]
    fn better<N: Node>(&self, nodes: &[N], (first, second): (usize, usize), now: Nanos) -> (usize, bool) {
        let (a, b) = (&nodes[first], &nodes[second]);
        match (a.accrual().is_available(now), b.accrual().is_available(now)) {
            (true, false) => (first, true),
            (false, true) => (second, true),
            (available, _) => (if self.heavier(a.load(), b.load(), now) { second } else { first }, available),
        }
    }

    /// Whether `a` is more loaded than `b`.
    #[inline]
    fn heavier(&self, a: &Load, b: &Load, now: Nanos) -> bool {
        match self {
            Balancer::P2c { .. } => a.outstanding() > b.outstanding(),
            Balancer::Ewma { .. } => a.score(now) > b.score(now),
        }
    }

    /// After all draws failed: two of the available ones if there are any, otherwise two of all.
    #[cold]
    fn last_resort<N: Node>(&self, nodes: &[N], now: Nanos, rng: &mut Rng) -> (usize, bool) {
        let mut available = 0;
        let mut pair = (0, 0);
        for index in nodes.iter().enumerate().filter(|(_, n)| n.accrual().is_available(now)).map(|(i, _)| i) {
            available += 1;
            // Reservoir of two: each available node is as likely as any other to be kept.
            match available {
                1 => pair = (index, index),
                2 => pair.1 = index,
                seen => match rng.usize(0..seen) {
                    0 => pair.0 = index,
                    1 => pair.1 = index,
                    _ => {}
                },
            }
        }
        if available == 0 {
            pair = draw(nodes.len(), rng);
        } else if rng.bool() {
            // The first wins a tie, and early nodes tend to be kept first.
            pair = (pair.1, pair.0);
        }
        self.better(nodes, pair, now)
    }
}

/// Two different numbers below `n` (at least 2) in random order, from one random word. Sets are far smaller than 2^32, so
/// the unevenness of the multiplication is beyond notice.
#[inline]
fn draw(n: usize, rng: &mut Rng) -> (usize, usize) {
    let word = rng.u64(..);
    let below = |half: u64, n: usize| ((half * n as u64) >> 32) as usize;
    let first = below(word >> 32, n);
    let second = below(word & 0xffff_ffff, n - 1);
    (first, if second >= first { second + 1 } else { second })
}

#[cfg(test)]
mod tests;
