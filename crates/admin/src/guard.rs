//! Which requests a browser sends on behalf of another site. An operator's browser can reach the admin server while
//! strangers' pages are open in it; none of them may change anything here.

use hyper::HeaderMap;
use hyper::header::{HOST, ORIGIN};

/// Whether a request was made by a page of another site. Programs send neither of the two fields; of browsers those before
/// 2023 may lack `Sec-Fetch-Site`, and all send `Origin` with a POST.
pub(crate) fn is_cross_site(headers: &HeaderMap) -> bool {
    if let Some(site) = headers.get("sec-fetch-site") {
        return !matches!(site.as_bytes(), b"same-origin" | b"none");
    }
    let Some(origin) = headers.get(ORIGIN) else { return false };
    let origin = origin.to_str().ok().and_then(|origin| origin.split_once("://"));
    let host = headers.get(HOST).and_then(|host| host.to_str().ok());
    match (origin, host) {
        (Some((_, origin)), Some(host)) => !origin.eq_ignore_ascii_case(host),
        // `null`, or nothing to compare it with.
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whose_request_it_is() {
        let check = |fields: &[(&'static str, &str)], expected: bool| {
            let mut headers = HeaderMap::new();
            for (name, value) in fields {
                headers.insert(*name, value.parse().unwrap());
            }
            assert_eq!(is_cross_site(&headers), expected, "{fields:?}");
        };
        check(&[("host", "proxy:9990")], false);
        check(&[("host", "proxy:9990"), ("sec-fetch-site", "same-origin")], false);
        check(&[("host", "proxy:9990"), ("sec-fetch-site", "none")], false);
        check(&[("host", "proxy:9990"), ("sec-fetch-site", "same-site")], true);
        check(&[("host", "proxy:9990"), ("sec-fetch-site", "cross-site")], true);
        check(&[("host", "proxy:9990"), ("origin", "http://proxy:9990")], false);
        check(&[("host", "proxy:9990"), ("origin", "http://Proxy:9990")], false);
        check(&[("host", "proxy:9990"), ("origin", "http://proxy:80")], true);
        check(&[("host", "proxy:9990"), ("origin", "https://evil.example")], true);
        check(&[("host", "proxy:9990"), ("origin", "null")], true);
        check(&[("origin", "http://proxy:9990")], true);
    }
}
