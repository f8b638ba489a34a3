//! `Forwarded` (RFC 7239): where a request came from and where it arrived, each end under a label of the operator's choice
//! (dataplane.md §3.4).

use crate::absolute;
use crate::header::Known;
use crate::seam::{Arrival, RequestHead};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::Write as _;
use std::net::{IpAddr, SocketAddr};

/// What `Forwarded` tells (`addForwardedHeader`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Forwarded {
    /// How this end of the caller's connection is called.
    pub by: Labeler,
    /// How the caller's end is called.
    pub r#for: Labeler,
}

/// How one end of a connection is called. An address that is not known, or stands for any, is `unknown`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Labeler {
    /// `ip`: its address.
    Ip,
    /// `ip:port`: its address and port.
    IpPort,
    /// `requestRandom`: something new for each request.
    #[default]
    RequestRandom,
    /// `connectionRandom`: something new for each connection.
    ConnectionRandom,
    /// `router` and `static`: always the same; made with [`Labeler::fixed`].
    Fixed(Box<[u8]>),
}

/// Random characters in a label.
const RANDOM: usize = 6;

impl Labeler {
    /// The label that is always `label`, in quotes where it is no token.
    #[must_use]
    pub fn fixed(label: &str) -> Labeler {
        let mut value = Vec::new();
        push_value(label.as_bytes(), &mut value);
        Labeler::Fixed(value.into())
    }

    fn push(&self, address: Option<SocketAddr>, seed: u64, rng: &mut fastrand::Rng, out: &mut Vec<u8>) {
        let address = match (self, address) {
            (Labeler::Fixed(label), _) => return out.extend_from_slice(label),
            (_, Some(address)) if !address.ip().is_unspecified() => address,
            _ => return out.extend_from_slice(b"unknown"),
        };
        match self {
            Labeler::Ip => push_ip(address.ip(), None, out),
            Labeler::IpPort => push_ip(address.ip(), Some(address.port()), out),
            Labeler::ConnectionRandom => push_random(&mut fastrand::Rng::with_seed(seed), out),
            Labeler::RequestRandom | Labeler::Fixed(_) => push_random(rng, out),
        }
    }
}

impl Forwarded {
    /// Whether the address the caller connected to is needed.
    pub(crate) fn needs_local(&self) -> bool {
        !matches!(self.by, Labeler::Fixed(_))
    }

    /// Adds the line. Must see the target before it is rewritten. `scratch` is a buffer to use.
    pub(crate) fn add(
        &self,
        head: &mut impl RequestHead,
        arrival: &Arrival,
        salt: u64,
        rng: &mut fastrand::Rng,
        scratch: &mut Vec<u8>,
    ) {
        let seed = |end: u8| {
            let mut hasher = DefaultHasher::new();
            (arrival.peer, arrival.connected.0, salt, end).hash(&mut hasher);
            hasher.finish()
        };
        scratch.clear();
        scratch.extend_from_slice(b"by=");
        self.by.push(arrival.local, seed(0), rng, scratch);
        scratch.extend_from_slice(b";for=");
        self.r#for.push(Some(arrival.peer), seed(1), rng, scratch);
        if let Some(host) = head.get(Known::Host.into()).filter(|host| !host.is_empty()) {
            scratch.extend_from_slice(b";host=");
            push_value(host, scratch);
        }
        if let Some(scheme) = absolute::scheme(head.target()) {
            scratch.extend_from_slice(b";proto=");
            scratch.extend_from_slice(scheme);
        }
        head.append(Known::Forwarded.into(), scratch);
    }
}

/// A value: as it is where it is a token, else quoted, so that it cannot be taken for more than itself.
fn push_value(value: &[u8], out: &mut Vec<u8>) {
    let token = |b: &u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(b);
    if value.iter().all(token) {
        return out.extend_from_slice(value);
    }
    out.push(b'"');
    for &b in value {
        match b {
            b'"' | b'\\' => out.extend([b'\\', b]),
            // No header line can hold these.
            0..=0x1f | 0x7f => out.push(b'_'),
            _ => out.push(b),
        }
    }
    out.push(b'"');
}

/// An address in the form Linkerd's Java gives it: IPv6 in eight groups, nothing left out.
fn push_ip(ip: IpAddr, port: Option<u16>, out: &mut Vec<u8>) {
    let ip = ip.to_canonical();
    let quoted = ip.is_ipv6() || port.is_some();
    out.extend_from_slice(if quoted { b"\"" } else { b"" });
    // Writing to a Vec cannot fail.
    let _ = match ip {
        IpAddr::V4(ip) => write!(out, "{ip}"),
        IpAddr::V6(ip) => {
            let [a, b, c, d, e, f, g, h] = ip.segments();
            write!(out, "[{a:x}:{b:x}:{c:x}:{d:x}:{e:x}:{f:x}:{g:x}:{h:x}]")
        }
    };
    if let Some(port) = port {
        let _ = write!(out, ":{port}");
    }
    out.extend_from_slice(if quoted { b"\"" } else { b"" });
}

fn push_random(rng: &mut fastrand::Rng, out: &mut Vec<u8>) {
    out.push(b'_');
    out.extend((0..RANDOM).map(|_| rng.alphanumeric() as u8));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::FakeRequest;
    use balance::Nanos;

    fn arrival(local: &str, peer: &str) -> Arrival {
        let local = Some(local.parse().unwrap());
        let (now, connected) = (Nanos(9), Nanos(7));
        Arrival { peer: peer.parse().unwrap(), local, connected, now, replayable: true }
    }

    fn added(forwarded: &Forwarded, head: &mut FakeRequest, arrival: &Arrival, seed: u64) -> String {
        let mut rng = fastrand::Rng::with_seed(seed);
        forwarded.add(head, arrival, 1, &mut rng, &mut Vec::new());
        head.all("forwarded").pop().unwrap()
    }

    /// Rows 50 and 51 of dataplane.md §13 and the table of §3.4.
    #[test]
    fn rows_50_and_51_labels() {
        let check = |by: Labeler, r#for: Labeler, ends: (&str, &str), want: &str| {
            let mut head = FakeRequest::get("/");
            head.line("Forwarded", "for=8.8.4.4");
            let got = added(&Forwarded { by, r#for }, &mut head, &arrival(ends.0, ends.1), 1);
            assert_eq!((got.as_str(), head.all("forwarded").len()), (want, 2));
        };
        let http = || Labeler::fixed("_http");
        let v4 = ("192.0.2.43:8080", "8.8.8.8:99");
        let v6 = ("[2001:db8:cafe::17]:8080", "[2001:db8:cafe::17]:4711");
        check(http(), Labeler::Ip, v4, "by=_http;for=8.8.8.8");
        check(http(), Labeler::Ip, v6, r#"by=_http;for="[2001:db8:cafe:0:0:0:0:17]""#);
        check(
            Labeler::IpPort,
            Labeler::IpPort,
            v6,
            r#"by="[2001:db8:cafe:0:0:0:0:17]:8080";for="[2001:db8:cafe:0:0:0:0:17]:4711""#,
        );
        check(Labeler::IpPort, Labeler::Ip, v4, r#"by="192.0.2.43:8080";for=8.8.8.8"#);
        check(Labeler::Ip, Labeler::Ip, ("0.0.0.0:1", "[::ffff:1.2.3.4]:5"), "by=unknown;for=1.2.3.4");
        check(Labeler::RequestRandom, http(), ("[::]:1", "1.1.1.1:1"), "by=unknown;for=_http");
        check(Labeler::fixed("_a b\"\r\n"), http(), v4, "by=\"_a b\\\"__\";for=_http");
    }

    #[test]
    fn random_labels() {
        let forwarded = |both: Labeler, head: &mut FakeRequest, connected: u64, seed: u64| {
            let mut arrival = arrival("127.0.0.1:80", "127.0.0.1:9");
            arrival.connected = Nanos(connected);
            added(&Forwarded { by: both.clone(), r#for: both }, head, &arrival, seed)
        };
        let mut head = FakeRequest::get("/");
        let first = forwarded(Labeler::RequestRandom, &mut head, 1, 1);
        let labels: Vec<&str> = first.split(&['=', ';']).filter(|part| part.starts_with('_')).collect();
        assert!(labels.len() == 2 && labels[0] != labels[1], "{first}");
        assert!(labels.iter().all(|l| l.len() == 7 && l[1..].bytes().all(|b| b.is_ascii_alphanumeric())));
        assert_ne!(forwarded(Labeler::RequestRandom, &mut head, 1, 2), first);

        let first = forwarded(Labeler::ConnectionRandom, &mut head, 1, 1);
        assert_eq!(forwarded(Labeler::ConnectionRandom, &mut head, 1, 2), first, "the same connection");
        assert_ne!(forwarded(Labeler::ConnectionRandom, &mut head, 2, 1), first, "another connection");
    }

    #[test]
    fn host_and_scheme() {
        let check = |target: &str, host: &str, want: &str| {
            let mut head = FakeRequest::get(target);
            head.line("Host", host);
            let forwarded = Forwarded { by: Labeler::fixed("_b"), r#for: Labeler::fixed("_f") };
            let got = added(&forwarded, &mut head, &arrival("127.0.0.1:80", "127.0.0.1:9"), 1);
            assert_eq!(got, format!("by=_b;for=_f{want}"));
        };
        check("/", "web", ";host=web");
        check("/", "", "");
        check("http://other/x", "web", ";host=web;proto=http");
        check("HTTPS://other/x", "web", ";host=web;proto=HTTPS");
        check("nopath", "web", ";host=web");
        check("/", "web:80", ";host=\"web:80\"");
        check("/", "a;for=evil\"", ";host=\"a;for=evil\\\"\"");
    }
}
