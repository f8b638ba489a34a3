//! The IP addresses of this host, for the transformer `io.l5d.localhost` (routing.md §5).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The addresses of all interfaces that are up, in order. Read from `/proc/net`; what is not there counts as none.
#[must_use]
pub fn local_ips() -> Vec<IpAddr> {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let mut ips: Vec<IpAddr> = ipv4(&read("/proc/net/fib_trie")).map(IpAddr::V4).collect();
    ips.extend(ipv6(&read("/proc/net/if_inet6")).map(IpAddr::V6));
    ips.sort_unstable();
    ips.dedup();
    ips
}

/// The kernel's routing table names each local address on one line and says so on the next.
fn ipv4(trie: &str) -> impl Iterator<Item = Ipv4Addr> {
    trie.lines().zip(trie.lines().skip(1)).filter_map(|(name, kind)| {
        let ip = name.trim().strip_prefix("|-- ")?;
        (kind.trim() == "/32 host LOCAL").then(|| ip.parse().ok())?
    })
}

/// Lines of `<32 hex digits> <interface number> ...`.
fn ipv6(table: &str) -> impl Iterator<Item = Ipv6Addr> {
    table.lines().filter_map(|line| {
        let digits = line.split_whitespace().next().filter(|digits| digits.len() == 32)?;
        u128::from_str_radix(digits, 16).ok().map(Ipv6Addr::from)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables() {
        let trie = "Main:\n  +-- 127.0.0.0/31 1 0 0\n     |-- 127.0.0.0\n        /8 host LOCAL\n     |-- 127.0.0.1\n        \
                    /32 host LOCAL\n  |-- 10.1.2.3\n     /32 host LOCAL\n  |-- 10.1.2.255\n     /32 link BROADCAST\n";
        let expected: Vec<Ipv4Addr> = ["127.0.0.1", "10.1.2.3"].map(|ip| ip.parse().unwrap()).into();
        assert_eq!(ipv4(trie).collect::<Vec<_>>(), expected);
        let table = "00000000000000000000000000000001 01 80 10 80       lo\nfe800000000000000000000000000abc 02 40 20 80 eth0\nx\n";
        let expected: Vec<Ipv6Addr> = ["::1", "fe80::abc"].map(|ip| ip.parse().unwrap()).into();
        assert_eq!(ipv6(table).collect::<Vec<_>>(), expected);
    }

    #[test]
    fn loopback_is_here() {
        assert!(local_ips().contains(&IpAddr::V4(Ipv4Addr::LOCALHOST)));
    }
}
