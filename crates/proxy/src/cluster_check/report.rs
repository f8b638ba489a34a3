//! What was found, for people and for programs.

use serde_json::{Value, json};
use std::fmt::Write as _;

/// How a check ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// As it should be.
    Good,
    /// It may work; somebody should look.
    Warning,
    /// It will not work.
    Failed,
}

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    /// What should be so, in a few words.
    pub what: String,
    /// Whether it is.
    pub verdict: Verdict,
    /// What was found instead.
    pub found: Option<String>,
    /// What to do, or where to look.
    pub hint: Option<String>,
}

impl Check {
    /// What is as it should be.
    #[must_use]
    pub fn good(what: impl Into<String>) -> Check {
        Check { what: what.into(), verdict: Verdict::Good, found: None, hint: None }
    }

    /// What will not work, and why.
    #[must_use]
    pub fn failed(what: impl Into<String>, found: impl Into<String>, hint: impl Into<String>) -> Check {
        let (found, hint) = (Some(found.into()), Some(hint.into()));
        Check { what: what.into(), verdict: Verdict::Failed, found, hint }
    }

    /// What may not work, and why.
    #[must_use]
    pub fn warning(what: impl Into<String>, found: impl Into<String>, hint: impl Into<String>) -> Check {
        Check { verdict: Verdict::Warning, ..Check::failed(what, found, hint) }
    }
}

/// Checks that belong together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Section {
    /// A word or two.
    pub title: &'static str,
    /// In the order they were made.
    pub checks: Vec<Check>,
}

/// Everything that was looked at.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Those with at least one check.
    pub sections: Vec<Section>,
}

impl Report {
    /// Puts a section at the end, unless nothing was looked at in it.
    pub fn add(&mut self, section: Section) {
        if !section.checks.is_empty() {
            self.sections.push(section);
        }
    }

    /// How the worst of its checks ended.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        let mut worst = Verdict::Good;
        for check in self.sections.iter().flat_map(|section| &section.checks) {
            match check.verdict {
                Verdict::Failed => return Verdict::Failed,
                Verdict::Warning => worst = Verdict::Warning,
                Verdict::Good => {}
            }
        }
        worst
    }

    /// For people: a line for each check, with what was found and a hint below those that did not go well. `colour` for
    /// terminals.
    #[must_use]
    pub fn to_text(&self, colour: bool) -> String {
        let mut text = String::new();
        for Section { title, checks } in &self.sections {
            // Writing to a string cannot fail.
            let _ = writeln!(text, "{title}\n{}", "-".repeat(title.len()));
            for check in checks {
                let _ = writeln!(text, "{} {}", mark(check.verdict, colour), check.what);
                for line in check.found.iter().chain(&check.hint).flat_map(|part| part.lines()) {
                    let _ = writeln!(text, "    {line}");
                }
            }
            text.push('\n');
        }
        let _ = writeln!(text, "Status check results are {}", mark(self.verdict(), colour));
        text
    }

    /// For programs: `success`, and `categories` with their `checks`.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let check = |check: &Check| {
            json!({
                "description": check.what,
                "result": match check.verdict {
                    Verdict::Good => "success",
                    Verdict::Warning => "warning",
                    Verdict::Failed => "error",
                },
                "found": check.found,
                "hint": check.hint,
            })
        };
        let category = |section: &Section| {
            let checks: Vec<Value> = section.checks.iter().map(check).collect();
            json!({ "categoryName": section.title, "checks": checks })
        };
        let categories: Vec<Value> = self.sections.iter().map(category).collect();
        json!({ "success": self.verdict() != Verdict::Failed, "categories": categories })
    }
}

fn mark(verdict: Verdict, colour: bool) -> String {
    let (mark, shade) = match verdict {
        Verdict::Good => ("√", 32),
        Verdict::Warning => ("‼", 33),
        Verdict::Failed => ("×", 31),
    };
    if colour { format!("\u{1b}[{shade}m{mark}\u{1b}[0m") } else { mark.to_owned() }
}
