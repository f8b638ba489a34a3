//! `io.l5d.recentRequests`: the latest requests at `/requests`, a table, and `/requests.json` (observability.md §6.4).

use admin::{HeaderValue, Response, Routes, json, text};
use router::{Recent, RecentRequests};
use std::fmt::Write;

const COLUMNS: [&str; 7] =
    ["Timestamp", "Source", "Server", "Router", "Logical Name", "Concrete Name", "Destination"];

const STYLE: &str = "body{font:14px system-ui,sans-serif;margin:1.5rem;color-scheme:light dark}\
                     table{border-collapse:collapse}th,td{text-align:left;padding:.3rem .8rem;\
                     border-bottom:1px solid color-mix(in srgb,currentColor 25%,transparent)}";

/// Adds the pages.
pub(super) fn add(routes: Routes, recent: &RecentRequests) -> Routes {
    let (page, list) = (recent.clone(), recent.clone());
    routes
        .get("/requests", move |_| html(&to_html(&page.list())))
        .get("/requests.json", move |_| json(to_json(&list.list())))
}

fn html(page: &str) -> Response {
    let mut response = text(page.to_owned());
    response.headers_mut().insert("content-type", HeaderValue::from_static("text/html;charset=UTF-8"));
    response
}

fn to_html(requests: &[Recent]) -> String {
    let mut page = format!(
        "<!DOCTYPE html><html lang=en><meta charset=utf-8><title>linkerd admin</title><style>{STYLE}</style>\
         <main><h1>Recent requests</h1><table><thead><tr>"
    );
    for column in COLUMNS {
        let _ = write!(page, "<th scope=col>{column}</th>");
    }
    page.push_str("</tr></thead><tbody>");
    for request in requests {
        let Recent { source, server, router, service, client, destination, .. } = request;
        let _ = write!(page, "<tr><td>{}</td><td>{source}</td>", timestamp(request.at));
        for plain in [server, router] {
            let _ = write!(page, "<td>{}</td>", escaped(plain));
        }
        for name in [service, client] {
            let (at, of) = (encoded(router), encoded(name));
            let _ = write!(page, "<td><a href=\"delegator?router={at}#{of}\">{}</a></td>", escaped(name));
        }
        let _ = write!(page, "<td>{destination}</td></tr>");
    }
    page.push_str("</tbody></table>");
    if requests.is_empty() {
        page.push_str("<p>None so far.</p>");
    }
    page.push_str("</main></html>\n");
    page
}

fn to_json(requests: &[Recent]) -> String {
    let one = |r: &Recent| {
        serde_json::json!({
            "timestamp": timestamp(r.at),
            "source": r.source.to_string(),
            "server": r.server,
            "router": r.router,
            "logicalName": r.service,
            "concreteName": r.client,
            "destination": r.destination.to_string(),
        })
    };
    serde_json::Value::Array(requests.iter().map(one).collect()).to_string()
}

/// RFC 3339, in UTC, with milliseconds.
fn timestamp(nanos: u64) -> String {
    telemetry::utc_millis(nanos / 1_000_000)
}

fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            c => out.push(c),
        }
    }
    out
}

/// For a URL: all but letters, digits and what names mostly hold is escaped.
fn encoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => out.push(char::from(byte)),
            byte => _ = write!(out, "%{byte:02X}"),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_of_the_table() {
        let request = Recent {
            at: 1_600_000_000_123_456_789,
            source: [10, 0, 0, 1].into(),
            server: "0.0.0.0/4140".into(),
            router: "out <x>".into(),
            service: "/svc/a&b".into(),
            client: "/#/io.l5d.fs/web".into(),
            destination: ([10, 0, 0, 2], 80).into(),
        };
        let page = to_html(std::slice::from_ref(&request));
        let row = "<tr><td>2020-09-13T12:26:40.123Z</td><td>10.0.0.1</td><td>0.0.0.0/4140</td><td>out &lt;x&gt;</td>\
                   <td><a href=\"delegator?router=out%20%3Cx%3E#%2Fsvc%2Fa%26b\">/svc/a&amp;b</a></td>\
                   <td><a href=\"delegator?router=out%20%3Cx%3E#%2F%23%2Fio.l5d.fs%2Fweb\">/#/io.l5d.fs/web</a></td>\
                   <td>10.0.0.2:80</td></tr>";
        assert!(page.contains(row), "{page}");
        assert_eq!(
            to_json(&[request]),
            r##"[{"concreteName":"/#/io.l5d.fs/web","destination":"10.0.0.2:80","logicalName":"/svc/a&b","router":"out <x>","server":"0.0.0.0/4140","source":"10.0.0.1","timestamp":"2020-09-13T12:26:40.123Z"}]"##
        );
        assert!(to_html(&[]).contains("None so far"));
    }
}
