//! Whether a path is one that a rule is for. Answers in one pass, without allocating.
//!
//! Regular expressions are compiled whole, into automata that need no scratch memory: what another engine would build while
//! requests wait is built with the table, and one that would grow beyond its limit is refused.

use super::PathType;
use regex_automata::dfa::{Automaton, StartKind, dense};
use regex_automata::nfa::thompson;
use regex_automata::util::syntax;
use regex_automata::{Anchored, Input, MatchKind};
use std::sync::Arc;

/// Most memory for one compiled expression, and for compiling it, in bytes.
const LARGEST: usize = 1 << 20;

/// Characters with a meaning in a regular expression.
const SPECIAL: &[u8] = br"\.+*?()|[]{}^$";

/// Which paths a rule is for.
#[derive(Clone, Debug)]
pub(super) enum Pattern {
    /// All.
    Any,
    /// This one.
    Exact(Box<[u8]>),
    /// Those that begin with these elements; no slash at the end.
    Elements(Box<[u8]>),
    /// Those that begin with these bytes.
    Start(Box<[u8]>),
    /// Those that this expression matches as a whole.
    Regex(Arc<Regex>),
}

/// A compiled expression.
#[derive(Debug)]
pub(super) struct Regex(dense::DFA<Vec<u32>>);

impl Pattern {
    /// The paths that `path` means as `path_type`; `compile` makes automata.
    ///
    /// # Errors
    /// What is wrong with the regular expression.
    pub(super) fn new(
        path: &str,
        path_type: PathType,
        compile: impl FnOnce(&str) -> Result<Arc<Regex>, String>,
    ) -> Result<Pattern, String> {
        let elements = path.trim_end_matches('/');
        let is_literal = |text: &str| !text.bytes().any(|byte| SPECIAL.contains(&byte));
        Ok(match path_type {
            PathType::Exact => Pattern::Exact(path.as_bytes().into()),
            PathType::Prefix if elements.is_empty() => Pattern::Any,
            PathType::Prefix => Pattern::Elements(elements.as_bytes().into()),
            PathType::Pattern if path.is_empty() => Pattern::Any,
            PathType::Pattern if is_literal(path) => Pattern::Exact(path.as_bytes().into()),
            PathType::Pattern => match path.strip_suffix(".*") {
                Some(start) if is_literal(start) => Pattern::Start(start.as_bytes().into()),
                _ => Pattern::Regex(compile(path)?),
            },
        })
    }

    /// Whether the rule is for `path`, the path of a request's target without its query.
    #[inline]
    pub(super) fn matches(&self, path: &[u8]) -> bool {
        match self {
            Pattern::Any => true,
            Pattern::Exact(whole) => **whole == *path,
            Pattern::Elements(first) => {
                path.strip_prefix(&**first).is_some_and(|rest| rest.first().is_none_or(|byte| *byte == b'/'))
            }
            Pattern::Start(start) => path.starts_with(start),
            Pattern::Regex(regex) => regex.matches(path),
        }
    }
}

impl Regex {
    /// Compiles an expression for whole paths.
    ///
    /// # Errors
    /// What is wrong with it: no expression, one of a kind that cannot be had without backtracking, or too large a one.
    pub(super) fn new(text: &str) -> Result<Regex, String> {
        let config = dense::Config::new()
            .start_kind(StartKind::Anchored)
            .match_kind(MatchKind::All)
            .dfa_size_limit(Some(LARGEST))
            .determinize_size_limit(Some(LARGEST));
        let built = dense::Builder::new()
            .configure(config)
            .syntax(syntax::Config::new().unicode(false).utf8(false))
            .thompson(thompson::Config::new().utf8(false).nfa_size_limit(Some(LARGEST)))
            .build(text);
        built.map(Regex).map_err(|error| told(&error))
    }

    /// Whether it matches all of `path`: the automaton is in a match state when the path is at its end.
    fn matches(&self, path: &[u8]) -> bool {
        let dfa = &self.0;
        let Ok(mut state) = dfa.start_state_forward(&Input::new(path).anchored(Anchored::Yes)) else {
            return false;
        };
        for byte in path {
            state = dfa.next_state(state, *byte);
            if dfa.is_dead_state(state) {
                return false;
            }
        }
        dfa.is_match_state(dfa.next_eoi_state(state))
    }
}

/// What is wrong, in one line.
fn told(error: &dense::BuildError) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    let text = cause.to_string();
    let last = text.lines().last().unwrap_or_default();
    last.strip_prefix("error: ").unwrap_or(last).to_owned()
}
