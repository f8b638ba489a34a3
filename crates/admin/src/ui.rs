//! The pages for people: a frame all of them share, and the files they are made of, which are part of the binary.
//!
//! Pages load nothing from elsewhere and run no script that is not one of these files; the browser is told so
//! (`Content-Security-Policy`). What they show they ask for as JSON, so that no text of a stranger is ever written into
//! HTML here.

use hyper::StatusCode;
use hyper::body::Bytes;
use hyper::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, HeaderName, HeaderValue, REFERRER_POLICY};

use crate::reply::reply;
use crate::{Response, Routes, status};

const HTML: &str = "text/html;charset=UTF-8";

/// Nothing from elsewhere, no script or style in the page itself, no frame around it.
const POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; \
     form-action 'self'; frame-ancestors 'none'",
);

const LAYOUT: &str = include_str!("../ui/layout.html");
const DASHBOARD: &str = include_str!("../ui/dashboard.html");
const LOGGING: &str = include_str!("../ui/logging.html");
const HELP: &str = include_str!("../ui/help.html");
const DELEGATOR: &str = include_str!("../ui/delegator.html");

/// Files below `/files/`, with their types.
const FILES: [(&str, &str, &str); 6] = [
    ("css/dashboard.css", "text/css;charset=UTF-8", include_str!("../ui/dashboard.css")),
    ("js/page.js", "text/javascript;charset=UTF-8", include_str!("../ui/page.js")),
    ("js/dashboard.js", "text/javascript;charset=UTF-8", include_str!("../ui/dashboard.js")),
    ("js/delegator.js", "text/javascript;charset=UTF-8", include_str!("../ui/delegator.js")),
    ("js/logging.js", "text/javascript;charset=UTF-8", include_str!("../ui/logging.js")),
    ("images/favicon.svg", ICON_TYPE, ICON),
];
const ICON_TYPE: &str = "image/svg+xml";
const ICON: &str = include_str!("../ui/favicon.svg");

/// The frame of the pages. Cheap to clone.
#[derive(Clone, Copy, Debug)]
pub struct Ui {
    version: &'static str,
    /// Whether there is a page of recent requests to lead to.
    requests: bool,
}

/// A page within the frame.
#[derive(Clone, Copy, Debug)]
pub struct Page<'a> {
    /// Its path, by which the frame knows where one is.
    pub path: &'a str,
    /// Its HTML.
    pub main: &'a str,
    /// The script below `/files/js/` that brings it to life.
    pub script: Option<&'a str>,
    /// JSON texts for the script.
    pub data: &'a [String],
}

impl Ui {
    /// The frame for pages of this version.
    #[must_use]
    pub fn new(version: &'static str, requests: bool) -> Ui {
        Ui { version, requests }
    }

    /// A page.
    #[must_use]
    pub fn page(&self, page: &Page<'_>) -> Response {
        let data: String = page.data.iter().map(|json| data_block(json)).collect();
        let script =
            page.script.map(|script| format!("<script type=\"module\" src=\"files/js/{script}\"></script>"));
        let html = LAYOUT
            .replace("<!--version-->", self.version)
            .replace("<!--path-->", page.path)
            .replace("<!--nav-->", &self.nav(page.path))
            .replace("<!--main-->", page.main)
            .replace("<!--script-->", &script.unwrap_or_default())
            // The last one, so that nothing in it is taken for a place to fill.
            .replace("<!--data-->", &data);
        let mut response = reply(StatusCode::OK, HTML, html.into());
        let headers = response.headers_mut();
        headers.insert(CONTENT_SECURITY_POLICY, POLICY);
        headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        headers.insert(
            HeaderName::from_static("cross-origin-opener-policy"),
            HeaderValue::from_static("same-origin"),
        );
        response
    }

    /// The page about dtabs. `external` and `base` are JSON: for each router the entries its interpreter brings along, and
    /// its own.
    #[must_use]
    pub fn delegator(&self, external: String, base: String) -> Response {
        let (main, data) = (DELEGATOR, [external, base]);
        self.page(&Page { path: "/delegator", main, script: Some("delegator.js"), data: &data })
    }

    fn nav(&self, path: &str) -> String {
        let mut items = vec![("/", "dashboard"), ("/services", "services"), ("/delegator", "dtab")];
        items.push(("/logging", "logging"));
        if self.requests {
            items.push(("/requests", "requests"));
        }
        items.push(("/help", "help"));
        let item = |(to, name): (&str, &str)| {
            let current = if to == path { " aria-current=\"page\"" } else { "" };
            let to = if to == "/" { "." } else { &to[1..] };
            format!("<li><a href=\"{to}\"{current}>{name}</a></li>\n")
        };
        items.into_iter().map(item).collect()
    }
}

/// JSON inside a page, which no browser runs. `<` would end the block if it began `</script>`.
fn data_block(json: &str) -> String {
    format!("<script type=\"application/json\">{}</script>\n", json.replace('<', "\\u003c"))
}

impl Routes {
    /// Adds the pages that need nothing but what other routes tell: `/`, `/services`, `/logging`, `/help`, and the files
    /// all pages are made of.
    #[must_use]
    pub fn pages(self, ui: Ui) -> Routes {
        let page = |path: &'static str, main: &'static str, script: Option<&'static str>| {
            move |_: &crate::Request| ui.page(&Page { path, main, script, data: &[] })
        };
        self.get("/", page("/", DASHBOARD, Some("dashboard.js")))
            .get("/services", page("/services", DASHBOARD, Some("dashboard.js")))
            .get("/logging", page("/logging", LOGGING, Some("logging.js")))
            .get("/help", page("/help", HELP, None))
            .get("/favicon.ico", |_| asset(ICON_TYPE, ICON))
            .prefix("/files/", |request| file(request.uri().path()))
            .prefix("/admin/files/", |request| file(request.uri().path()))
    }
}

/// A file by the part of the path behind `files/`.
fn file(path: &str) -> Response {
    let name = path.split_once("files/").map_or("", |(_, name)| name);
    match FILES.iter().find(|(known, _, _)| *known == name) {
        Some((_, kind, text)) => asset(kind, text),
        None => status(StatusCode::NOT_FOUND, ""),
    }
}

fn asset(kind: &'static str, text: &'static str) -> Response {
    let mut response = reply(StatusCode::OK, kind, Bytes::from_static(text.as_bytes()));
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn html(page: Response) -> String {
        let bytes = http_body_util::BodyExt::collect(page.into_body()).await.unwrap().to_bytes();
        String::from_utf8(bytes.to_vec()).unwrap()
    }

    /// §9 row 17.
    #[tokio::test]
    async fn row_17_pages_have_their_title_and_the_version() {
        let ui = Ui::new("9.8.7", true);
        let data = ["{\"a\":\"</script><!--main-->\"}".to_owned()];
        let page = html(ui.page(&Page { path: "/help", main: HELP, script: None, data: &data })).await;
        for expected in [
            "<title>linkerd admin</title>",
            "9.8.7",
            "<a href=\"help\" aria-current=\"page\">help</a>",
            "<a href=\"requests\">requests</a>",
            "{\"a\":\"\\u003c/script>\\u003c!--main-->\"}",
        ] {
            assert!(page.contains(expected), "{expected} is missing in {page}");
        }
        assert!(!page.contains("<!--"), "a place was not filled: {page}");
        let without =
            html(Ui::new("1", false).page(&Page { path: "/", main: "", script: None, data: &[] })).await;
        assert!(!without.contains("requests</a>"));
    }

    /// The policy forbids them, so that one would do nothing.
    #[test]
    fn pages_hold_no_scripts_or_styles_of_their_own() {
        for page in [LAYOUT, DASHBOARD, LOGGING, HELP, DELEGATOR] {
            for word in ["<style", "style=", "onclick", "onload", "src=\"http", "href=\"http", "src=\"//"] {
                assert!(!page.contains(word), "{word} in {page}");
            }
            for script in page.split("<script").skip(1) {
                assert!(script.contains("src="), "{script}");
            }
        }
    }

    #[test]
    fn files_by_their_names() {
        let check = |path: &str, code: u16, kind: &str| {
            let response = file(path);
            assert_eq!(response.status().as_u16(), code, "{path}");
            assert!(response.headers()["content-type"].to_str().unwrap().starts_with(kind), "{path}");
        };
        check("/files/css/dashboard.css", 200, "text/css");
        check("/admin/files/js/page.js", 200, "text/javascript");
        check("/files/images/favicon.svg", 200, "image/svg+xml");
        check("/files/../Cargo.toml", 404, "");
        check("/files/", 404, "");
    }
}
