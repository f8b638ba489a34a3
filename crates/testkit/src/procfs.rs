//! What /proc tells of a process: descriptors, memory, threads.

use std::fs;

fn field(path: &str, name: &str) -> Option<u64> {
    let text = fs::read_to_string(path).ok()?;
    let line = text.lines().find(|l| l.starts_with(name))?;
    line.split_whitespace().nth(1)?.parse().ok()
}

/// Open file descriptors.
#[must_use]
pub fn descriptors(pid: u32) -> usize {
    fs::read_dir(format!("/proc/{pid}/fd")).map_or(0, Iterator::count)
}

/// Resident memory in bytes.
#[must_use]
pub fn rss(pid: u32) -> u64 {
    field(&format!("/proc/{pid}/status"), "VmRSS:").unwrap_or(0) * 1024
}

/// Proportional set size in bytes: memory of its own and its share of what others use too.
#[must_use]
pub fn pss(pid: u32) -> u64 {
    field(&format!("/proc/{pid}/smaps_rollup"), "Pss:").unwrap_or(0) * 1024
}

/// Memory in bytes that belongs to the process alone: neither its program nor what others map too, whose share would change
/// with them.
#[must_use]
pub fn anonymous(pid: u32) -> u64 {
    field(&format!("/proc/{pid}/status"), "RssAnon:").unwrap_or(0) * 1024
}

/// Threads.
#[must_use]
pub fn threads(pid: u32) -> u64 {
    field(&format!("/proc/{pid}/status"), "Threads:").unwrap_or(0)
}

#[cfg(test)]
mod tests {
    #[test]
    fn reads_this_process() {
        let pid = std::process::id();
        assert!(super::descriptors(pid) > 2);
        assert!(super::threads(pid) >= 1);
        assert!(super::pss(pid) > 0 && super::pss(pid) <= super::rss(pid));
        assert!(super::anonymous(pid) > 0 && super::anonymous(pid) <= super::rss(pid));
        assert_eq!(super::rss(u32::MAX), 0);
    }
}
