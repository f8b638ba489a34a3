//! How replicas are chosen (dataplane.md §6.3): the kinds of balancers with their numbers.

mod band;
mod picker;

use crate::{Accrual, Load, Nanos, Probe};
use std::sync::Arc;

pub use band::Band;
pub use picker::Picker;

/// A replica as a balancer sees it. Weights are not seen: whoever honours them has a balancer for each weight.
pub trait Node {
    /// Its load.
    fn load(&self) -> &Load;
    /// Whether it is fit, judged by its answers.
    fn accrual(&self) -> &Accrual;
    /// Whether it can be reached, judged by its connects ([`crate::AccrualPolicy::FAIL_FAST`]); `None` when nobody asks.
    fn reach(&self) -> Option<&Accrual> {
        None
    }
    /// Whether it may be chosen.
    #[inline]
    fn is_available(&self, now: Nanos) -> bool {
        self.accrual().is_available(now) && self.reach().is_none_or(|reach| reach.is_available(now))
    }
}

impl<N: Node + ?Sized> Node for Arc<N> {
    fn load(&self) -> &Load {
        (**self).load()
    }
    fn accrual(&self) -> &Accrual {
        (**self).accrual()
    }
    fn reach(&self) -> Option<&Accrual> {
        (**self).reach()
    }
}

/// How to choose.
///
/// Whatever the kind, an available replica is taken before one that is not. The kinds that pick without looking at all of
/// the set try again up to `max_effort` times; then all are looked at, and when none is available, the request goes to one of
/// them anyway (fail open).
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Balancer {
    /// `p2c`: two different replicas at random; the one with fewer outstanding requests, on a tie the first drawn.
    P2c {
        /// How often to pick (`maxEffort`, 5).
        max_effort: u32,
        /// Over how long a newcomer's share grows (`warmUpMs`, 0: it has its share at once).
        warm_up: Nanos,
    },
    /// `ewma`: as `p2c`, but compares the peak-sensitive average of round trips times outstanding requests.
    Ewma {
        /// Time constant of the average (`decayTimeMs`, 10 s).
        decay: Nanos,
        /// How often to pick (`maxEffort`, 5).
        max_effort: u32,
        /// Over how long a newcomer's share grows (`warmUpMs`, 0: it has its share at once).
        warm_up: Nanos,
    },
    /// `aperture`: as `p2c` among the first replicas of the set only, as many as the load needs.
    Aperture(Aperture),
    /// `heap`: of all replicas one with the fewest outstanding requests, ties at random.
    ///
    /// Looks at a few for an idle one, then through the whole set. A heap that all workers share would need a lock, and one
    /// for each worker would know a quarter of the load; looking through is cheaper than either up to some hundred
    /// replicas (`bench/benches/decide.rs`), and for larger sets there is `p2c`.
    Heap,
    /// `roundRobin`: one after the other, whichever worker asks.
    RoundRobin {
        /// How often to pick (`maxEffort`, 5).
        max_effort: u32,
    },
}

/// The numbers of `kind: aperture`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Aperture {
    /// Over how long the offered load is averaged (`smoothWindowMs`, 5 s).
    pub smooth_window: Nanos,
    /// The aperture narrows when an endpoint has so many outstanding requests on average, or fewer (`lowLoad`, 0.5).
    pub low_load: f64,
    /// It widens from so many on (`highLoad`, 2.0).
    pub high_load: f64,
    /// It is never narrower than this (`minAperture`, 1).
    pub min_aperture: u32,
    /// How often to pick (`maxEffort`, 5).
    pub max_effort: u32,
}

impl Default for Aperture {
    fn default() -> Aperture {
        Aperture {
            smooth_window: Nanos::from_secs(5),
            low_load: 0.5,
            high_load: 2.0,
            min_aperture: 1,
            max_effort: Balancer::MAX_EFFORT,
        }
    }
}

/// A replica chosen by [`Picker::choose`].
#[derive(Debug)]
#[must_use]
pub struct Choice {
    /// Its place in the slice.
    pub index: usize,
    /// Whether it was available; when not, none was.
    pub available: bool,
    /// Set when this request is the one that finds out whether a dead replica is back.
    pub probe: Option<Probe>,
    /// Set when this request is the one that finds out whether a replica can be reached again.
    pub reconnect: Option<Probe>,
}

impl Default for Balancer {
    fn default() -> Balancer {
        Balancer::p2c()
    }
}

impl Balancer {
    /// Picks unless configured otherwise.
    pub const MAX_EFFORT: u32 = 5;
    /// Decay time unless configured otherwise: 10 s.
    pub const DECAY: Nanos = Nanos::from_secs(10);

    /// `kind: p2c` with default numbers.
    #[must_use]
    pub const fn p2c() -> Balancer {
        Balancer::P2c { max_effort: Self::MAX_EFFORT, warm_up: Nanos(0) }
    }

    /// `kind: ewma` with default numbers.
    #[must_use]
    pub const fn ewma() -> Balancer {
        Balancer::Ewma { decay: Self::DECAY, max_effort: Self::MAX_EFFORT, warm_up: Nanos(0) }
    }

    /// `kind: aperture` with default numbers.
    #[must_use]
    pub fn aperture() -> Balancer {
        Balancer::Aperture(Aperture::default())
    }

    /// `kind: roundRobin` with default numbers.
    #[must_use]
    pub const fn round_robin() -> Balancer {
        Balancer::RoundRobin { max_effort: Self::MAX_EFFORT }
    }

    /// The name in the metric `loadbalancer/algorithm/<name>`.
    #[must_use]
    pub const fn algorithm(&self) -> &'static str {
        match self {
            Balancer::P2c { .. } => "p2c_least_loaded",
            Balancer::Ewma { .. } => "p2c_peak_ewma",
            Balancer::Aperture(_) => "aperture_least_loaded",
            Balancer::Heap => "heap_least_loaded",
            Balancer::RoundRobin { .. } => "round_robin",
        }
    }

    /// A fresh load for an endpoint under this balancer: it measures only what this balancer reads.
    #[must_use]
    pub fn new_load(&self) -> Load {
        match *self {
            Balancer::Ewma { decay, .. } => Load::measured(decay),
            _ => Load::counted(),
        }
    }

    const fn max_effort(&self) -> u32 {
        match *self {
            Balancer::P2c { max_effort, .. }
            | Balancer::Ewma { max_effort, .. }
            | Balancer::RoundRobin { max_effort } => max_effort,
            Balancer::Aperture(Aperture { max_effort, .. }) => max_effort,
            Balancer::Heap => Self::MAX_EFFORT,
        }
    }

    /// Over how many milliseconds the share of a newcomer grows; 0 when it has its share at once.
    #[inline]
    const fn warm_up_millis(&self) -> u64 {
        match *self {
            Balancer::P2c { warm_up, .. } | Balancer::Ewma { warm_up, .. } => warm_up.millis(),
            _ => 0,
        }
    }

    /// Whether `a` is more loaded than `b`.
    #[inline]
    fn heavier(&self, a: &Load, b: &Load, now: Nanos) -> bool {
        match self {
            Balancer::Ewma { .. } => a.score(now) > b.score(now),
            _ => a.outstanding() > b.outstanding(),
        }
    }
}

#[cfg(test)]
mod tests;
