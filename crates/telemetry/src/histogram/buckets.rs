//! The bucket limits of observability.md §2.1 and the way from a value to its bucket.
//!
//! Bucket 0 holds the value 0, bucket `i` the values from `LIMITS[i - 1]` up to but excluding `LIMITS[i]`, the last
//! bucket everything from the last limit on. A lookup reads one table entry and compares at most a few times.

/// Largest value that is told apart; larger ones count as this one.
pub(crate) const MAX_VALUE: u64 = i32::MAX as u64;

const GROWTH: f64 = 1.01;

/// Number of limits; one bucket more than limits.
pub(crate) const LIMIT_COUNT: usize = count_limits();

/// Number of buckets.
pub(crate) const BUCKET_COUNT: usize = LIMIT_COUNT + 1;

/// The limits, ascending, from 1.
pub(crate) static LIMITS: [u32; LIMIT_COUNT] = limits();

/// Where the search for a value's bucket starts: the bucket of the smallest value with the same eight leading bits.
static START: [u16; START_LEN] = starts();

const LEADING_BITS: u32 = 8;
const VALUE_BITS: u32 = 31;
const HALF: usize = 1 << (LEADING_BITS - 1);
const START_LEN: usize = slot(i32::MAX as u32) + 1;

/// 1, then each power of the growth factor floored and raised by one (so that the first step makes 2), once each.
const fn next_limit(power: &mut f64, last: u32) -> Option<u32> {
    loop {
        *power *= GROWTH;
        if *power >= i32::MAX as f64 {
            return None;
        }
        let limit = *power as u32 + 1;
        if limit != last {
            return Some(limit);
        }
    }
}

const fn count_limits() -> usize {
    let (mut power, mut last, mut count) = (1.0, 1, 1);
    while let Some(limit) = next_limit(&mut power, last) {
        last = limit;
        count += 1;
    }
    count
}

const fn limits() -> [u32; LIMIT_COUNT] {
    let mut out = [1; LIMIT_COUNT];
    let (mut power, mut i) = (1.0, 1);
    while let Some(limit) = next_limit(&mut power, out[i - 1]) {
        out[i] = limit;
        i += 1;
    }
    out
}

/// Position in `START`: values below 256 each have their own, larger ones share one per eight leading bits.
const fn slot(value: u32) -> usize {
    let bits = u32::BITS - value.leading_zeros();
    let shift = bits.saturating_sub(LEADING_BITS);
    shift as usize * HALF + (value >> shift) as usize
}

const fn smallest_of(slot: usize) -> u32 {
    if slot < 2 * HALF {
        return slot as u32;
    }
    let shift = slot / HALF - 1;
    ((slot - shift * HALF) as u32) << shift
}

const fn starts() -> [u16; START_LEN] {
    assert!(LEADING_BITS < VALUE_BITS && BUCKET_COUNT < u16::MAX as usize);
    let mut out = [0; START_LEN];
    let (mut slot, mut bucket) = (0, 0);
    while slot < START_LEN {
        while bucket < LIMIT_COUNT && smallest_of(slot) >= LIMITS[bucket] {
            bucket += 1;
        }
        out[slot] = bucket as u16;
        slot += 1;
    }
    out
}

/// The bucket of `value`, which the caller has capped at [`MAX_VALUE`].
#[inline]
pub(crate) fn bucket_of(value: u32) -> usize {
    let mut bucket = START[slot(value)] as usize;
    while bucket < LIMIT_COUNT && value >= LIMITS[bucket] {
        bucket += 1;
    }
    bucket
}

/// The value that stands for all of a bucket's.
pub(crate) fn midpoint(bucket: usize) -> u64 {
    match bucket {
        0 => 0,
        LIMIT_COUNT.. => MAX_VALUE,
        _ => (u64::from(LIMITS[bucket - 1]) + u64::from(LIMITS[bucket])) / 2,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_those_of_the_specification() {
        assert_eq!(LIMIT_COUNT, 1797);
        assert!(LIMITS.windows(2).all(|w| w[0] < w[1]));
        assert_eq!(LIMITS[..5], [1, 2, 3, 4, 5]);
        // Worked out apart, in double arithmetic: the tail depends on every multiplication before it.
        assert_eq!(LIMITS[LIMIT_COUNT - 1], 2_137_204_091);
        for w in LIMITS.windows(2) {
            let step = f64::from(w[1] - w[0]);
            assert!(step == 1.0 || step / f64::from(w[0]) <= 0.0202, "{w:?}");
        }
    }

    #[test]
    fn lookup_equals_a_plain_search() {
        let plain = |v: u32| LIMITS.partition_point(|&l| l <= v);
        let edges = LIMITS.iter().flat_map(|&l| [l - 1, l, l + 1]);
        for v in (0..100_000).chain(edges).chain([i32::MAX as u32 - 1, i32::MAX as u32]) {
            assert_eq!(bucket_of(v), plain(v), "value {v}");
        }
    }

    #[test]
    fn midpoints_stay_within_half_a_percent() {
        for v in (0..200_000u32).chain((200_000..2_137_000_000).step_by(99_991)) {
            let mid = midpoint(bucket_of(v)) as f64;
            let off = (mid - f64::from(v)).abs();
            assert!(off <= (f64::from(v) * 0.0051).max(0.0) + 0.5, "value {v} shown as {mid}");
        }
        assert_eq!(midpoint(bucket_of(0)), 0);
        assert_eq!(midpoint(bucket_of(1)), 1);
        assert_eq!(midpoint(bucket_of(i32::MAX as u32)), MAX_VALUE);
    }
}
