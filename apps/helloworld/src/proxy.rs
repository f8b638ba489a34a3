//! Whether a call goes through a proxy, by the rules of Go's `http.ProxyFromEnvironment`.

use crate::settings::ProxySettings;
use hyper::Uri;
use std::net::IpAddr;

/// The rules of one environment.
#[derive(Debug)]
pub(crate) struct Proxy {
    /// Where calls go; a faulty address fails each call, as in Go.
    via: Option<Result<Peer, String>>,
    except: Except,
}

/// Somebody to connect to.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Peer {
    /// Name or address, without brackets.
    pub(crate) host: String,
    pub(crate) port: u16,
}

/// Who is called directly.
#[derive(Debug)]
enum Except {
    All,
    Some(Vec<Rule>),
}

#[derive(Debug)]
enum Rule {
    /// Network address and length of the prefix.
    Net(IpAddr, u32),
    Ip(IpAddr, Option<String>),
    /// Domain with its leading dot, whether the name without the dot is meant too, port.
    Domain(String, bool, Option<String>),
}

impl Peer {
    /// The server of a URL; 80 unless it has a port.
    pub(crate) fn of(url: &Uri) -> Result<Peer, String> {
        let host = url.host().filter(|host| !host.is_empty()).ok_or("http: no Host in request URL")?;
        let host = host.strip_prefix('[').and_then(|h| h.strip_suffix(']')).unwrap_or(host);
        Ok(Peer { host: host.to_owned(), port: url.port_u16().unwrap_or(80) })
    }
}

impl Proxy {
    pub(crate) fn new(settings: &ProxySettings) -> Proxy {
        Proxy {
            via: settings.http_proxy.as_deref().map(parse_address),
            except: parse_except(settings.no_proxy.as_deref().unwrap_or_default()),
        }
    }

    /// The proxy for a call to `peer`; `None` to call it directly.
    pub(crate) fn for_peer(&self, peer: &Peer) -> Result<Option<Peer>, String> {
        match &self.via {
            Some(via) if self.applies(peer) => via.clone().map(Some),
            _ => Ok(None),
        }
    }

    fn applies(&self, peer: &Peer) -> bool {
        let host = peer.host.trim().to_ascii_lowercase();
        let ip = host.parse::<IpAddr>().ok().map(|ip| ip.to_canonical());
        if host == "localhost" || ip.is_some_and(|ip| ip.is_loopback()) {
            return false;
        }
        match &self.except {
            Except::All => false,
            Except::Some(rules) => !rules.iter().any(|rule| rule.matches(&host, ip, peer.port)),
        }
    }
}

/// `http://host:port`, or the same without scheme.
fn parse_address(text: &str) -> Result<Peer, String> {
    let invalid = |why: &str| format!("invalid proxy address {text:?}: {why}");
    let url = match text.split_once("://") {
        Some(("http", _)) => text.to_owned(),
        Some((scheme, _)) => return Err(invalid(&format!("scheme {scheme} is not supported"))),
        None => format!("http://{text}"),
    };
    let url: Uri = url.parse().map_err(|fault: hyper::http::uri::InvalidUri| invalid(&fault.to_string()))?;
    if url.authority().is_some_and(|authority| authority.as_str().contains('@')) {
        return Err(invalid("credentials are not supported"));
    }
    Peer::of(&url).map_err(|why| invalid(&why))
}

fn parse_except(text: &str) -> Except {
    let mut rules = Vec::new();
    for entry in text.split(',') {
        let entry = entry.trim().to_ascii_lowercase();
        if entry == "*" {
            return Except::All;
        }
        rules.extend(parse_rule(&entry));
    }
    Except::Some(rules)
}

/// A network, an address or a domain, the latter two with or without port.
fn parse_rule(entry: &str) -> Option<Rule> {
    if let Some((net, length)) = entry.split_once('/')
        && let (Ok(net), Ok(length)) = (net.parse(), length.parse())
    {
        return Some(Rule::Net(net, length));
    }
    let (host, port) = split_port(entry);
    let port = port.filter(|port| !port.is_empty()).map(str::to_owned);
    if let Ok(ip) = host.parse::<IpAddr>() {
        return Some(Rule::Ip(ip.to_canonical(), port));
    }
    let host = host.strip_prefix("*.").map_or_else(|| host.to_owned(), |domain| format!(".{domain}"));
    match host.as_str() {
        "" => None,
        domain if domain.starts_with('.') => Some(Rule::Domain(host, false, port)),
        _ => Some(Rule::Domain(format!(".{host}"), true, port)),
    }
}

/// `host:port`, `[v6]:port` or a host alone (which may be a bare IPv6 address).
fn split_port(entry: &str) -> (&str, Option<&str>) {
    if let Some((host, rest)) = entry.strip_prefix('[').and_then(|e| e.split_once(']')) {
        return (host, rest.strip_prefix(':'));
    }
    match entry.split_once(':') {
        Some((host, port)) if !port.contains(':') => (host, Some(port)),
        _ => (entry, None),
    }
}

impl Rule {
    fn matches(&self, host: &str, ip: Option<IpAddr>, port: u16) -> bool {
        let port_fits = |wanted: &Option<String>| wanted.as_ref().is_none_or(|p| *p == port.to_string());
        match self {
            Rule::Net(net, length) => ip.is_some_and(|ip| contains(*net, *length, ip)),
            Rule::Ip(wanted, wanted_port) => ip == Some(*wanted) && port_fits(wanted_port),
            Rule::Domain(domain, itself, wanted_port) => {
                (host.ends_with(domain.as_str()) || *itself && *host == domain[1..]) && port_fits(wanted_port)
            }
        }
    }
}

fn contains(net: IpAddr, length: u32, ip: IpAddr) -> bool {
    let differing = match (net, ip) {
        (IpAddr::V4(a), IpAddr::V4(b)) => (a.to_bits() ^ b.to_bits()).leading_zeros(),
        (IpAddr::V6(a), IpAddr::V6(b)) => (a.to_bits() ^ b.to_bits()).leading_zeros(),
        _ => return false,
    };
    differing >= length
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a call to `target` goes through: `host:port`, `-` or the fault.
    #[track_caller]
    fn check(http_proxy: &str, no_proxy: &str, target: &str, expected: &str) {
        let some = |text: &str| Some(text.to_owned()).filter(|t| !t.is_empty());
        let proxy = Proxy::new(&ProxySettings { http_proxy: some(http_proxy), no_proxy: some(no_proxy) });
        let peer = Peer::of(&format!("http://{target}").parse().unwrap()).unwrap();
        let got = match proxy.for_peer(&peer) {
            Ok(Some(peer)) => format!("{}:{}", peer.host, peer.port),
            Ok(None) => "-".to_owned(),
            Err(text) => text,
        };
        assert_eq!(got, expected, "{http_proxy} / {no_proxy} / {target}");
    }

    #[test]
    fn proxy_addresses() {
        check("", "", "world", "-");
        check("node-1:4140", "", "world", "node-1:4140");
        check("http://node-1:4140", "", "world", "node-1:4140");
        check("http://node-1:4140/", "", "world:7778", "node-1:4140");
        check("node-1", "", "world", "node-1:80");
        check("10.1.2.3:4140", "", "world", "10.1.2.3:4140");
        check("[fd00::1]:4140", "", "world", "fd00::1:4140");
        check(
            "socks5://x:1",
            "",
            "world",
            "invalid proxy address \"socks5://x:1\": scheme socks5 is not supported",
        );
        check("u:p@x:1", "", "world", "invalid proxy address \"u:p@x:1\": credentials are not supported");
        check("socks5://x:1", "", "localhost", "-");
    }

    #[test]
    fn this_host_is_never_proxied() {
        for target in ["localhost", "localhost:80", "LOCALHOST", "127.0.0.1:7778", "127.1.2.3", "[::1]:80"] {
            check("l5d:4140", "", target, "-");
        }
        check("l5d:4140", "", "localhost.example.com", "l5d:4140");
        check("l5d:4140", "", "128.0.0.1", "l5d:4140");
    }

    #[test]
    fn no_proxy_rules() {
        fn direct(no_proxy: &str, target: &str) {
            check("l5d:4140", no_proxy, target, "-");
        }
        fn proxied(no_proxy: &str, target: &str) {
            check("l5d:4140", no_proxy, target, "l5d:4140");
        }
        direct("*", "world");
        direct("a, *", "world");
        direct("world", "world");
        direct("world", "www.world");
        direct("World", "wORLD");
        proxied("world", "underworld");
        proxied(".world", "world");
        direct(".world", "www.world");
        direct("*.world", "www.world");
        proxied("*.world", "world");
        direct("world:7778", "world:7778");
        proxied("world:7778", "world:7777");
        direct("world:80", "world");
        direct("a,b , world ,c", "world");
        proxied(",,", "world");
        proxied(":80", "world");
        direct("10.0.0.0/8", "10.1.2.3");
        direct("10.0.0.0/8", "10.1.2.3:99");
        proxied("10.0.0.0/8", "11.1.2.3");
        proxied("10.0.0.0/8", "ten");
        direct("0.0.0.0/0", "11.1.2.3");
        direct("10.1.2.3", "10.1.2.3:5");
        proxied("10.1.2.3:6", "10.1.2.3:5");
        direct("fd00::/16", "[fd00::1]:80");
        direct("fd00::1", "[fd00::1]:80");
        direct("[fd00::1]:80", "[fd00::1]");
        proxied("[fd00::1]:81", "[fd00::1]");
    }
}
