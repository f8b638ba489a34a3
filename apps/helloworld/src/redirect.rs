//! Where a redirect leads.

use hyper::Uri;

/// Redirects followed for one call.
pub(crate) const MAX: usize = 10;

/// Whether a status is a redirect that a GET follows.
pub(crate) const fn is_redirect(status: u16) -> bool {
    matches!(status, 301 | 302 | 303 | 307 | 308)
}

/// The URL a `Location` means, seen from `base`. Only plain HTTP can be followed here.
pub(crate) fn resolve(base: &Uri, location: &str) -> Result<Uri, String> {
    let location = location.split('#').next().unwrap_or_default();
    let authority = base.authority().map_or("", |a| a.as_str());
    let url = match location.split_once("://") {
        Some((scheme, _)) if scheme.eq_ignore_ascii_case("http") => location.to_owned(),
        Some((scheme, rest)) if !scheme.contains(['/', '?']) => {
            return Err(format!("unsupported protocol scheme {scheme:?} in redirect to {scheme}://{rest}"));
        }
        _ if location.starts_with("//") => format!("http:{location}"),
        _ => format!("http://{authority}{}", reference(base, location)),
    };
    url.parse().map_err(|fault| format!("failed to parse Location header {location:?}: {fault}"))
}

/// Path and query of a reference within the same server.
fn reference(base: &Uri, location: &str) -> String {
    if location.is_empty() {
        return base.path_and_query().map_or_else(|| "/".to_owned(), |pq| pq.as_str().to_owned());
    }
    if location.starts_with('?') {
        return format!("{}{location}", base.path());
    }
    let (path, query) = location.split_at(location.find('?').unwrap_or(location.len()));
    if path.starts_with('/') {
        return format!("{}{query}", without_dots(path));
    }
    let directory = base.path().rsplit_once('/').map_or("", |(directory, _)| directory);
    format!("{}{query}", without_dots(&format!("{directory}/{path}")))
}

/// Removes `.` and `..` segments.
fn without_dots(path: &str) -> String {
    let mut kept: Vec<&str> = Vec::new();
    let segments: Vec<_> = path.split('/').skip(1).collect();
    for (i, segment) in segments.iter().enumerate() {
        let last = i + 1 == segments.len();
        match *segment {
            "." | ".." => {
                if *segment == ".." {
                    kept.pop();
                }
                if last {
                    kept.push("");
                }
            }
            segment => kept.push(segment),
        }
    }
    format!("/{}", kept.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn locations() {
        #[track_caller]
        fn check(location: &str, expected: &str) {
            let base: Uri = "http://world:81/a/b/c?q".parse().unwrap();
            assert_eq!(resolve(&base, location).unwrap().to_string(), expected, "{location}");
        }
        check("http://earth/x?y#z", "http://earth/x?y");
        check("HTTP://earth/", "http://earth/");
        check("//earth:82/x", "http://earth:82/x");
        check("/x?y=http://z", "http://world:81/x?y=http://z");
        check("x?y", "http://world:81/a/b/x?y");
        check("../x", "http://world:81/a/x");
        check("../../../x/.", "http://world:81/x/");
        check("./", "http://world:81/a/b/");
        check("?r", "http://world:81/a/b/c?r");
        check("", "http://world:81/a/b/c?q");
        check("#top", "http://world:81/a/b/c?q");
    }

    #[test]
    fn what_cannot_be_followed() {
        let base: Uri = "http://world/".parse().unwrap();
        assert!(
            resolve(&base, "https://world/").unwrap_err().contains("unsupported protocol scheme \"https\"")
        );
        assert!(resolve(&base, "/a b").unwrap_err().contains("failed to parse Location header"));
    }
}
