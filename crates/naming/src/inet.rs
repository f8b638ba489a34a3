//! Hosts and ports as the JVM reads them: literal addresses at once, everything else through the injected resolver.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use crate::addr::{Addr, Address};
use crate::live::State;
use crate::namer::{Reader, Resolver};

/// The address that `host` itself spells: loopback for nothing and `localhost`, IPv4 in one to four decimal parts as
/// `inet_aton` reads them (`127.1`, `8080` = 0.0.31.144), IPv6 with or without brackets. `None`: a name to look up.
#[must_use]
pub fn literal(host: &str) -> Option<IpAddr> {
    if host.is_empty() || host.eq_ignore_ascii_case("localhost") {
        return Some(Ipv4Addr::LOCALHOST.into());
    }
    if host.contains(':') {
        let bare = host.strip_prefix('[').and_then(|h| h.strip_suffix(']')).unwrap_or(host);
        return bare.parse::<Ipv6Addr>().ok().map(|ip| ip.to_canonical());
    }
    short_ipv4(host).map(IpAddr::V4)
}

/// One to four decimal parts; the last one fills all bytes that are left.
fn short_ipv4(host: &str) -> Option<Ipv4Addr> {
    let mut parts = [0u32; 4];
    let mut count = 0;
    for part in host.split('.') {
        if count == 4 || part.is_empty() || !part.bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
        parts[count] = part.parse().ok()?;
        count += 1;
    }
    let (last, lead) = parts[..count].split_last()?;
    if lead.iter().any(|&part| part > 255) {
        return None;
    }
    let room = 32 - 8 * u32::try_from(lead.len()).expect("at most three");
    if room < 32 && *last >> room != 0 {
        return None;
    }
    let high = lead.iter().enumerate().fold(0, |bits, (i, &part)| bits | part << (24 - 8 * i));
    Some(Ipv4Addr::from(high | last))
}

/// The addresses of a literal or a host name.
pub fn resolve(host: &str, resolver: &dyn Resolver, reader: &mut dyn Reader) -> State<Arc<[IpAddr]>> {
    match literal(host) {
        Some(ip) => State::Ok(Arc::from([ip])),
        // With a colon it is neither a literal nor a name anybody could have registered.
        None if host.contains(':') => State::Ok(Arc::from([])),
        None => resolver.resolve(host, reader),
    }
}

/// A port of a path, or the text of the failure.
///
/// # Errors
/// `port out of range:<port>` outside 0..=65535, as the JVM says it.
pub fn port(number: i32) -> Result<u16, Arc<str>> {
    u16::try_from(number).map_err(|_| format!("port out of range:{number}").into())
}

/// The replica set of one port on all addresses of a host.
pub fn addresses(host: &[u8], number: i32, resolver: &dyn Resolver, reader: &mut dyn Reader) -> Addr {
    let port = match port(number) {
        Ok(port) => port,
        Err(text) => return Addr::Failed(text),
    };
    let Ok(host) = std::str::from_utf8(host) else { return Addr::Neg };
    match resolve(host, resolver, reader) {
        State::Pending => Addr::Pending,
        State::Failed(text) => Addr::Failed(text),
        State::Ok(ips) if ips.is_empty() => Addr::Neg,
        State::Ok(ips) => {
            Addr::bound(ips.iter().map(|&ip| Address::new(SocketAddr::new(ip, port))).collect())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(host: &str, expected: Option<&str>) {
        assert_eq!(literal(host), expected.map(|ip| ip.parse().unwrap()), "{host:?}");
    }

    #[test]
    fn literals() {
        check("", Some("127.0.0.1"));
        check("localhost", Some("127.0.0.1"));
        check("127.1", Some("127.0.0.1"));
        check("10.1.2", Some("10.1.0.2"));
        check("10.1.258", Some("10.1.1.2"));
        check("10.65536", Some("10.1.0.0"));
        check("8080", Some("0.0.31.144"));
        check("4294967295", Some("255.255.255.255"));
        check("4294967296", None);
        check("1.2.3.4", Some("1.2.3.4"));
        check("1.2.3.256", None);
        check("256.1", None);
        check("1.16777216", None);
        check("1.2.3.4.5", None);
        check("1..2", None);
        check("1.2.", None);
        check("0x7f.1", None);
        check("-1", None);
        check("::1", Some("::1"));
        check("[::1]", Some("::1"));
        check("::ffff:10.0.0.1", Some("10.0.0.1"));
        check("a:b", None);
        check("example.com", None);
    }
}
