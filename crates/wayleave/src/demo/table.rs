//! Figures as text: a table for terminals, one line for files.

use super::figures::{Figures, Replicas, Service};
use super::traffic::Latency;
use std::fmt::Write as _;
use std::time::Duration;

/// The table, whose number of lines never changes.
pub(crate) fn table(figures: &Figures) -> String {
    let mut text =
        format!("{:<10} {:>12} {:>10} {:>9} {:>9}\n", "service", "requests/s", "success", "p50", "p99");
    for s in &figures.services {
        let (p50, p99) = latency(s);
        let success = percent(s.success);
        let _ = writeln!(text, "{:<10} {:>12.1} {success:>10} {p50:>9} {p99:>9}", s.name, s.rate);
    }
    let _ = writeln!(text, "\n{:<10} {:>12} {:>10}", "replicas", "requests/s", "alive");
    for r in &figures.replicas {
        let _ = writeln!(text, "{:<10} {:>12.1} {:>10}{}", r.alive.set, r.rate, lives(r), dead(r));
    }
    let _ = writeln!(text, "\n{}", totals(figures));
    text
}

/// One line.
pub(crate) fn line(figures: &Figures, since_start: Duration) -> String {
    let mut text = format!("{:>4} s", since_start.as_secs());
    for s in &figures.services {
        let (p50, p99) = latency(s);
        let _ = write!(text, " | {} {:.1}/s {} p50 {p50} p99 {p99}", s.name, s.rate, percent(s.success));
    }
    let lives: Vec<_> = figures.replicas.iter().map(|r| format!("{} {}", r.alive.set, lives(r))).collect();
    let _ = write!(text, " | alive: {}", lives.join(", "));
    text
}

/// What has happened since the start.
pub(crate) fn totals(figures: &Figures) -> String {
    let Figures { requests, failed, requeued, retried, .. } = figures;
    format!(
        "so far: {requests} requests, {failed} failed, {requeued} sent to another replica, {retried} retried"
    )
}

fn lives(replicas: &Replicas) -> String {
    format!("{} of {}", replicas.alive.alive, replicas.alive.of())
}

fn dead(replicas: &Replicas) -> String {
    match replicas.alive.dead.as_slice() {
        [] => String::new(),
        dead => format!("   {} killed", dead.join(", ")),
    }
}

/// Two digits, rounded down: 100.00 % means that nothing failed.
fn percent(share: Option<f64>) -> String {
    match share {
        Some(share) => format!("{:.2} %", (share * 10_000.0).floor() / 100.0),
        None => "-".to_owned(),
    }
}

fn latency(service: &Service) -> (String, String) {
    match service.latency {
        Some(Latency { p50, p99 }) => (millis(p50), millis(p99)),
        None => ("-".to_owned(), "-".to_owned()),
    }
}

fn millis(time: Duration) -> String {
    format!("{:.1} ms", time.as_secs_f64() * 1_000.0)
}

#[cfg(test)]
mod tests {
    use super::super::fleet::Alive;
    use super::*;

    fn figures() -> Figures {
        let latency = Latency { p50: Duration::from_micros(1_840), p99: Duration::from_micros(12_300) };
        let replicas = |set, rate, alive, dead: &[&str]| {
            let dead = dead.iter().map(|d| (*d).to_owned()).collect();
            Replicas { rate, alive: Alive { set, alive, dead } }
        };
        Figures {
            services: vec![
                Service { name: "hello", rate: 35.0, success: Some(1.0), latency: Some(latency) },
                Service { name: "world", rate: 0.0, success: None, latency: None },
            ],
            replicas: vec![
                replicas("hello", 35.04, 2, &[]),
                replicas("world-v1", 0.0, 1, &["world-v1-2", "world-v1-3"]),
            ],
            requests: 1_234,
            failed: 0,
            requeued: 3,
            retried: 1,
        }
    }

    #[test]
    fn the_table() {
        let expected = "\
service      requests/s    success       p50       p99
hello              35.0   100.00 %    1.8 ms   12.3 ms
world               0.0          -         -         -

replicas     requests/s      alive
hello              35.0     2 of 2
world-v1            0.0     1 of 3   world-v1-2, world-v1-3 killed

so far: 1234 requests, 0 failed, 3 sent to another replica, 1 retried
";
        assert_eq!(table(&figures()), expected);
    }

    #[test]
    fn the_line() {
        assert_eq!(
            line(&figures(), Duration::from_millis(12_345)),
            "  12 s | hello 35.0/s 100.00 % p50 1.8 ms p99 12.3 ms | world 0.0/s - p50 - p99 - \
             | alive: hello 2 of 2, world-v1 1 of 3"
        );
    }

    #[test]
    fn a_failure_is_never_rounded_away() {
        for (share, expected) in
            [(Some(1.0), "100.00 %"), (Some(0.999_999), "99.99 %"), (Some(0.0), "0.00 %"), (None, "-")]
        {
            assert_eq!(percent(share), expected);
        }
    }
}
