//! Process metrics under Linkerd's Java names (observability.md §2.5), read when they are rendered.
//!
//! Linux tells all of them under `/proc`; elsewhere what cannot be known is 0, or the machine's value where that exists.

use std::fs;
use std::path::Path;

use crate::tree::Metrics;

const NAMES: &[&str] = &[
    "thread/count",
    "fd_count",
    "fd_limit",
    "heap/used",
    "heap/committed",
    "heap/max",
    "mem/current/used",
    "num_cpus",
    "gc/msec",
    "gc/cycles",
    "start_time",
];

/// Adds the `jvm` gauges to `metrics`. `uptime_ms` tells the milliseconds since the process started,
/// `start_time_ms` is that moment in milliseconds since 1970.
pub fn register(metrics: &Metrics, start_time_ms: f64, uptime_ms: impl Fn() -> f64 + Send + Sync + 'static) {
    let scope = metrics.scope(&["jvm"]);
    let memory = memory_limit();
    scope.gauge("uptime", uptime_ms);
    scope.gauges(NAMES, move |i| match NAMES[i] {
        "thread/count" => status("Threads:"),
        "fd_count" => open_files(),
        "fd_limit" => open_files_limit(),
        "heap/used" | "heap/committed" | "mem/current/used" => status("VmRSS:") * 1024.0,
        "heap/max" => memory,
        "num_cpus" => std::thread::available_parallelism().map_or(1.0, |n| n.get() as f64),
        "start_time" => start_time_ms,
        _ => 0.0,
    });
}

/// A number of `/proc/self/status`, 0 when there is none.
fn status(key: &str) -> f64 {
    fs::read_to_string("/proc/self/status").ok().and_then(|text| number_after(&text, key)).unwrap_or(0.0)
}

/// The first number behind `key` at the start of a line.
fn number_after(text: &str, key: &str) -> Option<f64> {
    let rest = text.lines().find_map(|line| line.strip_prefix(key))?;
    rest.split_whitespace().find_map(|word| word.parse().ok())
}

fn open_files() -> f64 {
    let entries = fs::read_dir("/proc/self/fd").or_else(|_| fs::read_dir("/dev/fd"));
    // Looking opens one more.
    entries.map_or(0.0, |entries| entries.count().saturating_sub(1) as f64)
}

fn open_files_limit() -> f64 {
    fs::read_to_string("/proc/self/limits")
        .ok()
        .and_then(|text| number_after(&text, "Max open files"))
        .unwrap_or(0.0)
}

/// The smallest limit of the process's control groups, else the machine's memory, in bytes.
fn memory_limit() -> f64 {
    let total = fs::read_to_string("/proc/meminfo").ok().and_then(|t| number_after(&t, "MemTotal:"));
    let total = total.map_or(f64::INFINITY, |kb| kb * 1024.0);
    let groups = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let limit = limit_files(&groups)
        .iter()
        .filter_map(|file| fs::read_to_string(file).ok()?.trim().parse().ok())
        .fold(total, f64::min);
    if limit.is_finite() { limit } else { 0.0 }
}

/// Where the limits of the groups of a `/proc/self/cgroup` text stand, from the process's own group to the outermost.
fn limit_files(groups: &str) -> Vec<String> {
    let mut files = Vec::new();
    for line in groups.lines() {
        let mut fields = line.splitn(3, ':').skip(1);
        let (Some(controllers), Some(group)) = (fields.next(), fields.next()) else { continue };
        let (top, file) = match controllers {
            "" => ("/sys/fs/cgroup", "memory.max"),
            c if c.split(',').any(|c| c == "memory") => ("/sys/fs/cgroup/memory", "memory.limit_in_bytes"),
            _ => continue,
        };
        for ancestor in Path::new(group).ancestors() {
            let ancestor = ancestor.to_string_lossy();
            files.push(format!("{top}{}/{file}", ancestor.trim_end_matches('/')));
        }
    }
    files
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_found() {
        let check =
            |text: &str, key: &str, expected: Option<f64>| assert_eq!(number_after(text, key), expected);
        check("Name:\tx\nThreads:\t12\n", "Threads:", Some(12.0));
        check("VmRSS:\t  4096 kB\n", "VmRSS:", Some(4096.0));
        check(
            "Max open files            1024                 4096                 files",
            "Max open files",
            Some(1024.0),
        );
        check("Threads:\n", "Threads:", None);
        check("", "Threads:", None);
    }

    #[test]
    fn limits_of_every_group_above() {
        assert_eq!(limit_files("0::/\n"), ["/sys/fs/cgroup/memory.max"]);
        assert_eq!(
            limit_files("0::/a/b\n"),
            ["/sys/fs/cgroup/a/b/memory.max", "/sys/fs/cgroup/a/memory.max", "/sys/fs/cgroup/memory.max"]
        );
        assert_eq!(
            limit_files("4:memory:/d\n3:cpu,cpuacct:/d\n"),
            ["/sys/fs/cgroup/memory/d/memory.limit_in_bytes", "/sys/fs/cgroup/memory/memory.limit_in_bytes"]
        );
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn the_names_dashboards_read_have_values() {
        let metrics = Metrics::new(1);
        register(&metrics, 1.7e12, || 42.0);
        let text = crate::render_prometheus(&metrics, "");
        let value = |name: &str| -> f64 {
            let line = text.lines().find_map(|l| l.strip_prefix(name)?.strip_prefix(' '));
            line.unwrap_or_else(|| panic!("{name} missing in {text}")).parse().unwrap()
        };
        assert_eq!(value("jvm:uptime"), 42.0);
        for name in ["jvm:num_cpus", "jvm:thread:count", "jvm:fd_count", "jvm:fd_limit"] {
            assert!(value(name) >= 1.0, "{name}");
        }
        for name in ["jvm:heap:used", "jvm:mem:current:used", "jvm:heap:committed"] {
            assert!(value(name) > 100_000.0, "{name}");
        }
        assert!(value("jvm:heap:max") > value("jvm:heap:used"));
        assert_eq!((value("jvm:gc:msec"), value("jvm:gc:cycles")), (0.0, 0.0));
    }
}
