//! What a file of addresses says (routing.md §2.3): a line each, `host port` or `host port * weight`.

use naming::Address;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

/// One line.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Line {
    /// A literal address or a host name.
    pub(super) host: Box<str>,
    /// 1 to 65535.
    pub(super) port: u16,
    /// Relative load, if given.
    pub(super) weight: Option<f64>,
}

impl Line {
    /// The replica at an address of its host.
    pub(super) fn address(&self, ip: IpAddr) -> Address {
        let address = Address::new(SocketAddr::new(ip, self.port));
        match self.weight {
            Some(weight) => address.weighing(weight),
            None => address,
        }
    }
}

/// Reads a whole file. One bad line spoils it, because routing to some of the replicas somebody meant is not better than
/// saying so.
pub(super) fn parse(bytes: &[u8]) -> Result<Vec<Line>, Arc<str>> {
    let text = String::from_utf8_lossy(bytes);
    let mut lines = Vec::new();
    for line in text.lines() {
        let line = line.split('#').next().unwrap_or(line).trim();
        if !line.is_empty() {
            lines.push(parse_line(line).ok_or_else(|| format!("malformed address: {line}"))?);
        }
    }
    Ok(lines)
}

fn parse_line(line: &str) -> Option<Line> {
    let mut words = line.split_whitespace();
    let host = words.next()?;
    let port = words.next()?.parse::<u16>().ok().filter(|&port| port > 0)?;
    let weight = match words.next() {
        None => None,
        Some("*") => Some(words.next()?.parse::<f64>().ok().filter(|w| w.is_finite() && *w >= 0.0)?),
        Some(_) => return None,
    };
    words.next().is_none().then(|| Line { host: host.into(), port, weight })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &[(&str, u16, Option<f64>)]) {
        let expected: Vec<_> =
            expected.iter().map(|&(host, port, weight)| Line { host: host.into(), port, weight }).collect();
        assert_eq!(parse(text.as_bytes()), Ok(expected), "{text:?}");
    }

    fn check_bad(text: &str, line: &str) {
        assert_eq!(parse(text.as_bytes()), Err(format!("malformed address: {line}").into()), "{text:?}");
    }

    #[test]
    fn lines() {
        check("", &[]);
        check("\n # nobody\n\t\n", &[]);
        check("10.0.0.1 8080", &[("10.0.0.1", 8080, None)]);
        check("127.0.0.1 8081 * 0.23\n", &[("127.0.0.1", 8081, Some(0.23))]);
        check(" a\t 1 \r\nb 65535#c\n", &[("a", 1, None), ("b", 65535, None)]);
        check("a 1 * 0", &[("a", 1, Some(0.0))]);
    }

    /// What is written is shown (`endpoint_addr_weight`), were it the weight all have.
    #[test]
    fn weights_that_are_written() {
        let check = |text: &str, expected: (f64, bool)| {
            let address = parse(text.as_bytes()).unwrap()[0].address([127, 0, 0, 1].into());
            assert_eq!((address.weight, address.weighed), expected, "{text}");
        };
        check("a 1", (1.0, false));
        check("a 1 * 1", (1.0, true));
        check("a 1 * 0.5", (0.5, true));
    }

    #[test]
    fn bad_lines() {
        check_bad("junk", "junk");
        check_bad("a 1\n b 0 # zero\n", "b 0");
        check_bad("a 65536", "a 65536");
        check_bad("a http", "a http");
        check_bad("a 1 0.5", "a 1 0.5");
        check_bad("a 1 *", "a 1 *");
        check_bad("a 1 * x", "a 1 * x");
        check_bad("a 1 * -1", "a 1 * -1");
        check_bad("a 1 * NaN", "a 1 * NaN");
        check_bad("a 1 * 2 3", "a 1 * 2 3");
        check_bad("a 1 *0.5", "a 1 *0.5");
    }
}
