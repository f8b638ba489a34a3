//! The known name a mistyped one was probably meant to be.

/// The candidate nearest to `name`, if any is near enough to be worth suggesting.
pub fn nearest<'a>(name: &str, candidates: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let wanted: Vec<char> = name.to_lowercase().chars().take(MAX_LENGTH).collect();
    let allowed = 1 + wanted.len() / 4;
    let scored = candidates.map(|candidate| {
        let known: Vec<char> = candidate.to_lowercase().chars().collect();
        let part = known.len() > 3 && last_part(candidate).eq_ignore_ascii_case(name);
        (if part { 0 } else { distance(&wanted, &known) }, candidate)
    });
    scored
        .filter(|(distance, _)| *distance <= allowed)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name)
}

/// Longer names are cut: nothing known is that long, and the work grows with the square.
const MAX_LENGTH: usize = 80;

/// `consecutiveFailures` for `io.l5d.consecutiveFailures`: people forget the prefix of a kind.
fn last_part(candidate: &str) -> &str {
    candidate.rsplit('.').next().unwrap_or(candidate)
}

/// Edits between two words: insert, delete, replace, swap of neighbours (optimal string alignment).
fn distance(a: &[char], b: &[char]) -> usize {
    let mut before: Vec<usize> = Vec::new();
    let mut above: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, y) in b.iter().enumerate() {
            let replace = above[j] + usize::from(x != y);
            let mut best = replace.min(above[j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && *x == b[j - 1] && a[i - 1] == *y {
                best = best.min(before[j - 1] + 1);
            }
            row.push(best);
        }
        before = std::mem::replace(&mut above, row);
    }
    above[b.len()]
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn suggests_only_what_is_near() {
        let known = ["maxWaiters", "maxSize", "io.l5d.consecutiveFailures", "ttlSecs", "port", "ip"];
        let check = |name: &str, expected: Option<&str>| {
            assert_eq!(nearest(name, known.iter().copied()), expected, "{name}");
        };
        check("maxWaitrs", Some("maxWaiters"));
        check("MAXSIZE", Some("maxSize"));
        check("prot", Some("port"));
        check("consecutiveFailures", Some("io.l5d.consecutiveFailures"));
        check("ttlMs", None);
        check("fancy", None);
        check("", None);
        check(&"x".repeat(100_000), None);
    }
}
