//! Drawing by weight.

/// An index below `n` drawn by weight; all alike when no weight is above zero.
pub(crate) fn weighted<I: Iterator<Item = f64>>(
    weights: impl Fn() -> I,
    n: usize,
    rng: &mut fastrand::Rng,
) -> usize {
    let total: f64 = weights().sum();
    if n == 0 {
        return 0;
    }
    if total <= 0.0 {
        return rng.usize(0..n);
    }
    let mut point = rng.f64() * total;
    let mut last = 0;
    for (i, weight) in weights().enumerate() {
        if weight > 0.0 {
            last = i;
            if point < weight {
                return i;
            }
            point -= weight;
        }
    }
    // Rounding may carry the point past the end: then it is the last branch that has a share.
    last
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rows 24 to 26 of routing.md §9.
    #[test]
    fn weights_decide_the_shares() {
        let check = |weights: &[f64], want: &[f64]| {
            let mut rng = fastrand::Rng::with_seed(7);
            let mut hits = vec![0u32; weights.len()];
            for _ in 0..20_000 {
                hits[weighted(|| weights.iter().copied(), weights.len(), &mut rng)] += 1;
            }
            for (hit, share) in hits.iter().zip(want) {
                let got = f64::from(*hit) / 20_000.0;
                assert!((got - share).abs() < 0.015, "{weights:?}: {hits:?}");
                assert!(*share > 0.0 || *hit == 0, "{weights:?}: {hits:?}");
            }
        };
        check(&[0.9, 0.1], &[0.9, 0.1]);
        check(&[0.0, 0.0], &[0.5, 0.5]);
        check(&[0.0, 1.0], &[0.0, 1.0]);
        check(&[1.0, 0.0], &[1.0, 0.0]);
        check(&[3.0, 2.0, 5.0], &[0.3, 0.2, 0.5]);
        check(&[1e-300, 0.0], &[1.0, 0.0]);
        assert_eq!(weighted(std::iter::empty, 0, &mut fastrand::Rng::with_seed(1)), 0);
    }
}
