//! Which paths may be asked for (`admin.security`, observability.md §6.1).

use regex::Regex;

/// Pages for people, and what they are made of.
const UI: [&str; 13] = [
    "/",
    "/config.json",
    "/metrics.json",
    "/admin/metrics.json",
    "/admin/metrics",
    "/admin/events",
    "/delegator",
    "/delegator.json",
    "/explain",
    "/explain.json",
    "/logging",
    "/help",
    "/services",
];
/// The same, by their beginning.
const UI_BELOW: [&str; 2] = ["/files/", "/admin/files/"];
/// What changes the process.
const CONTROL: [&str; 3] = ["/admin/shutdown", "/admin/reload", "/logging.json"];

/// What sort of thing a path is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Category {
    Ui,
    Control,
    Diagnostics,
}

impl Category {
    fn of(path: &str) -> Category {
        if UI.contains(&path) || UI_BELOW.iter().any(|prefix| path.starts_with(prefix)) {
            Category::Ui
        } else if CONTROL.contains(&path) {
            Category::Control
        } else {
            Category::Diagnostics
        }
    }
}

/// A rule over paths: those of a category that is on, and those of the whitelist, but none of the blacklist.
#[derive(Clone, Debug)]
pub struct Security {
    /// Pages for people, and what they are made of.
    pub ui: bool,
    /// Shutting down, reloading, and log levels.
    pub control: bool,
    /// Everything else.
    pub diagnostics: bool,
    /// Allowed whatever their category.
    pub whitelist: Vec<PathRule>,
    /// Refused whatever else allows them.
    pub blacklist: Vec<PathRule>,
}

impl Default for Security {
    /// Everything may be asked for.
    fn default() -> Security {
        let (whitelist, blacklist) = (Vec::new(), Vec::new());
        Security { ui: true, control: true, diagnostics: true, whitelist, blacklist }
    }
}

impl Security {
    pub(crate) fn permits(&self, path: &str) -> bool {
        let enabled = match Category::of(path) {
            Category::Ui => self.ui,
            Category::Control => self.control,
            Category::Diagnostics => self.diagnostics,
        };
        let any = |rules: &[PathRule]| rules.iter().any(|rule| rule.0.is_match(path));
        !any(&self.blacklist) && (enabled || any(&self.whitelist))
    }
}

/// A regular expression that whole paths are held to.
#[derive(Clone, Debug)]
pub struct PathRule(Regex);

impl PathRule {
    /// Reads a regular expression. Look-around and back-references, which Java has, are not understood.
    ///
    /// # Errors
    /// One line: what is wrong with it.
    pub fn parse(pattern: &str) -> Result<PathRule, String> {
        // By itself first: `a)(b` must not become right by what is put around it.
        let checked = Regex::new(pattern).and_then(|_| Regex::new(&format!("^(?:{pattern})$")));
        checked.map(PathRule).map_err(|error| {
            let text = error.to_string();
            let last = text.lines().last().unwrap_or_default();
            last.trim().trim_start_matches("error: ").to_owned()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(patterns: &[&str]) -> Vec<PathRule> {
        patterns.iter().map(|pattern| PathRule::parse(pattern).unwrap()).collect()
    }

    fn check(security: &Security, path: &str, expected: bool) {
        assert_eq!(security.permits(path), expected, "{path}");
    }

    /// §9 check 12.
    #[test]
    fn row_12_ui_only() {
        let ui = Security { control: false, diagnostics: false, ..Security::default() };
        for path in
            ["/", "/files/a", "/config.json", "/admin/metrics.json", "/delegator.json", "/admin/events"]
        {
            check(&ui, path, true);
        }
        for path in
            ["/admin/shutdown", "/admin/reload", "/logging.json", "/admin/ping", "/config.jsonx", "/files"]
        {
            check(&ui, path, false);
        }
    }

    #[test]
    fn row_12_whitelist() {
        let whitelist = rules(&["^/fooba[rz]$", "^/abc/def/.*$"]);
        let none = Security { ui: false, control: false, diagnostics: false, whitelist, blacklist: vec![] };
        for path in ["/foobar", "/foobaz", "/abc/def/", "/abc/def/ghi"] {
            check(&none, path, true);
        }
        for path in ["/foobax", "/abc/def", "/x/foobar", "/foobarr", "/"] {
            check(&none, path, false);
        }
    }

    #[test]
    fn row_12_the_blacklist_wins_over_both() {
        let listed = || rules(&["/foo.*"]);
        let all = Security { whitelist: listed(), blacklist: listed(), ..Security::default() };
        check(&all, "/foobar", false);
        check(&all, "/a/foobar", true);
    }

    #[test]
    fn row_12_control() {
        let control = Security { ui: false, diagnostics: false, ..Security::default() };
        for (path, expected) in [("/admin/shutdown", true), ("/logging.json", true), ("/logging", false)] {
            check(&control, path, expected);
        }
    }

    #[test]
    fn rules_are_regular_expressions() {
        check(&Security { ui: false, whitelist: rules(&["/help|/"]), ..Security::default() }, "/help", true);
        check(&Security { blacklist: rules(&["/a|/b"]), ..Security::default() }, "/ab", true);
        for wrong in ["(", "a)(b", "*", "[z-a]", "(?=x)"] {
            let error = PathRule::parse(wrong).unwrap_err();
            assert!(!error.is_empty() && !error.contains('\n'), "{wrong}: {error}");
        }
    }
}
