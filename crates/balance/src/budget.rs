//! How many requests may be sent again, as a share of those sent (dataplane.md §5.2).

use crate::Nanos;
use std::sync::atomic::{
    AtomicU64,
    Ordering::{AcqRel, Acquire, Relaxed},
};

/// The numbers of a budget.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BudgetConfig {
    /// Retries allowed every second whatever the traffic (`minRetriesPerSec`, 10).
    pub min_retries_per_sec: u32,
    /// Retries allowed for each request, on top (`percentCanRetry`, 0.2 = one in five). Negative or not a number is as 0.
    pub percent_can_retry: f64,
    /// How long a request counts (`ttlSecs`, 10 s).
    pub ttl: Nanos,
}

impl Default for BudgetConfig {
    fn default() -> BudgetConfig {
        BudgetConfig { min_retries_per_sec: 10, percent_can_retry: 0.2, ttl: Nanos::from_secs(10) }
    }
}

/// The age of a deposit or withdrawal is known to a tenth of the ttl.
const SLICES: u64 = 10;
/// Slots of a ring of slices: more than [`SLICES`], so that threads whose clocks differ a little do not collide.
const SLOTS: usize = 16;
/// How far ahead of the reader's clock a slice may be and still count.
const AHEAD: u64 = (SLOTS as u64) - SLICES - 1;
/// Rings for deposits: threads spread over them, so that they do not fight for one cache line.
const STRIPES: usize = 4;
/// Worth of one deposit; what a withdrawal costs is a multiple of it.
const DEPOSIT: i64 = 1000;

/// A token bucket shared by all workers.
///
/// Requests deposit, retries withdraw, both are forgotten after the ttl, and a reserve is always there on top. A deposit is
/// one uncontended addition. Withdrawals all go through one word, so no two of them can spend the same token; at the moment
/// one is granted, the tokens it needs were there by the clock of the thread that asked.
#[derive(Debug)]
pub struct Budget {
    /// 2^64 / length of a slice: a multiplication finds the slice of a moment.
    slices_per_nano: u64,
    deposits: bool,
    cost: i64,
    reserve: i64,
    /// The newest slice with withdrawals (upper 40 bits) and how many it has (lower 24).
    newest: AtomicU64,
    /// The same for slices before it.
    withdrawn: [AtomicU64; SLOTS],
    deposited: [Stripe; STRIPES],
}

/// Deposits of some of the threads: slice (upper 32 bits, wrapping) and count. Two cache lines of its own.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Stripe([AtomicU64; SLOTS]);

impl Budget {
    /// An empty budget with its reserve.
    #[must_use]
    pub fn new(config: BudgetConfig) -> Budget {
        let percent = config.percent_can_retry;
        let deposits = percent > 0.0;
        // As the original's conversion to int: out of range becomes the largest int.
        let cost =
            if deposits { ((DEPOSIT as f64 / percent) as i64).clamp(1, i64::from(i32::MAX)) } else { 1 };
        let seconds = config.ttl.0 as f64 / 1e9;
        // A millisecond at least keeps the number of a slice within its bits for decades.
        let slice = (config.ttl.0 / SLICES).max(1_000_000);
        Budget {
            slices_per_nano: u64::MAX / slice + 1,
            deposits,
            cost,
            reserve: (f64::from(config.min_retries_per_sec) * seconds * cost as f64) as i64,
            newest: AtomicU64::new(0),
            withdrawn: Default::default(),
            deposited: Default::default(),
        }
    }

    /// A request was sent. Any thread, a few nanoseconds.
    #[inline]
    pub fn deposit(&self, now: Nanos) {
        if !self.deposits {
            return;
        }
        let slice = self.slice(now);
        let slot = &self.deposited[stripe()].0[slice as usize % SLOTS];
        if (slot.load(Relaxed) >> 32) as u32 == slice as u32 {
            slot.fetch_add(1, Relaxed);
        } else {
            first_deposit(slot, slice as u32);
        }
    }

    /// Takes the tokens of one retry if they are there.
    #[must_use]
    pub fn try_withdraw(&self, now: Nanos) -> bool {
        let mut newest = self.newest.load(Acquire);
        loop {
            // A thread whose clock is behind spends in the newest slice: one word decides about all withdrawals.
            let slice = self.slice(now).max(newest >> COUNT_BITS);
            if newest >> COUNT_BITS != slice {
                newest = self.advance(newest, slice);
                continue;
            }
            if newest & COUNT == COUNT || self.tokens(slice, newest) < self.cost {
                return false;
            }
            match self.newest.compare_exchange_weak(newest, newest + 1, AcqRel, Acquire) {
                Ok(_) => return true,
                Err(seen) => newest = seen,
            }
        }
    }

    /// Retries the tokens suffice for: the gauge `retries/budget`.
    #[must_use]
    pub fn balance(&self, now: Nanos) -> u64 {
        let tokens = self.tokens(self.slice(now), self.newest.load(Acquire));
        u64::try_from(tokens / self.cost).unwrap_or(0)
    }

    /// How often one request may be requeued, given the balance when it starts: a fifth of it, rounded up.
    #[must_use]
    pub fn request_limit(&self, now: Nanos) -> u64 {
        self.balance(now).div_ceil(5)
    }

    /// The slice a moment lies in.
    #[inline]
    fn slice(&self, now: Nanos) -> u64 {
        ((u128::from(now.0) * u128::from(self.slices_per_nano)) >> 64) as u64
    }

    /// Files the newest slice and begins another. Returns the newest there is then.
    #[cold]
    fn advance(&self, newest: u64, slice: u64) -> u64 {
        let filed = &self.withdrawn[(newest >> COUNT_BITS) as usize % SLOTS];
        // The largest value of a slot is its latest slice with its final count, in whatever order threads get here.
        filed.fetch_max(newest, AcqRel);
        let next = slice << COUNT_BITS;
        match self.newest.compare_exchange(newest, next, AcqRel, Acquire) {
            Ok(_) => next,
            Err(seen) => seen,
        }
    }

    /// Tokens as of a slice, given the word of the newest withdrawals.
    fn tokens(&self, now: u64, newest: u64) -> i64 {
        let newest_slice = newest >> COUNT_BITS;
        let filed = self.withdrawn.iter().map(|slot| slot.load(Acquire));
        let older = filed.filter(|word| word >> COUNT_BITS < newest_slice);
        let withdrawn: u64 = older
            .chain([newest])
            .filter(|word| is_recent(now, word >> COUNT_BITS, u64::MAX))
            .map(|word| word & COUNT)
            .sum();
        let words = self.deposited.iter().flat_map(|stripe| stripe.0.iter().map(|slot| slot.load(Relaxed)));
        let deposited: u64 = words
            .filter(|word| is_recent(now, word >> 32, u64::from(u32::MAX)))
            .map(|word| word & u64::from(u32::MAX))
            .sum();
        let tokens = i128::from(deposited) * i128::from(DEPOSIT) + i128::from(self.reserve)
            - i128::from(withdrawn) * i128::from(self.cost);
        tokens.clamp(i64::MIN.into(), i64::MAX.into()) as i64
    }
}

/// Withdrawals of one slice that can be told apart; more are refused.
const COUNT_BITS: u32 = 24;
const COUNT: u64 = (1 << COUNT_BITS) - 1;

/// Whether what happened in `slice` (known modulo `mask` + 1) still counts in slice `now`.
fn is_recent(now: u64, slice: u64, mask: u64) -> bool {
    let age = now.wrapping_sub(slice) & mask;
    age < SLICES || (slice.wrapping_sub(now) & mask) <= AHEAD
}

/// The first deposit in a slice takes the slot over from a slice long past.
#[cold]
fn first_deposit(slot: &AtomicU64, slice: u32) {
    let mut word = slot.load(Relaxed);
    loop {
        let found = (word >> 32) as u32;
        if found == slice {
            slot.fetch_add(1, Relaxed);
            return;
        }
        // Half the numbers are later, half are earlier: a thread that slept for a whole ttl must not wipe a newer slice.
        if found.wrapping_sub(slice) < u32::MAX / 2 {
            return;
        }
        match slot.compare_exchange_weak(word, u64::from(slice) << 32 | 1, Relaxed, Relaxed) {
            Ok(_) => return,
            Err(seen) => word = seen,
        }
    }
}

/// The stripe of this thread, from the place of its thread-local storage: no registration, no process-wide counter.
#[inline]
fn stripe() -> usize {
    thread_local!(static MARK: u8 = const { 0 });
    let place = MARK.with(|mark| std::ptr::from_ref(mark) as usize as u64);
    // Storage of threads lies at regular distances; the multiplication by 2^64 / golden ratio scatters them.
    (place.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 62) as usize
}

#[cfg(test)]
mod tests;
