//! Explanation: where a name leads and why, from the same walks that route requests.
//!
//! [`explain`] starts the namers of a document without serving anything, [`explain_in`] asks those of a running process;
//! both wait a bounded time for the namers' answers and return a value, which [`to_text`] and [`to_json`] show. What a
//! request would meet is taken from
//! [`naming::Interpreter::bind`], what was tried on the way from [`naming::Interpreter::delegate`].

mod ask;
mod chance;
mod json;
pub(crate) mod page;
mod place;
mod step;
mod text;

use crate::Sources;
use crate::document::{self as doc, Document};
use names::{Dtab, Path};
use naming::{Addr, BoundName, Interpreter, State};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

pub(crate) use ask::local_dtab;
pub use json::to_json;
pub use page::SERVED;
pub use place::Place;
pub use step::{By, Fate, Step, What};
pub use text::to_text;

/// What shall be explained.
#[derive(Clone, Debug)]
pub struct Question {
    /// The router's label; may be absent where there is but one.
    pub router: Option<String>,
    /// A name, or a request that gets one.
    pub subject: Subject,
    /// The dtab of the request, beside those in its headers; it wins over them.
    pub local: Dtab,
    /// How long to wait for namers that have not answered.
    pub wait: Duration,
}

/// The header line that stands for the target of a request; `/` without it.
pub const TARGET: &str = ":path";

/// What is asked about.
#[derive(Clone, Debug)]
pub enum Subject {
    /// A name as the identifier would give it, for example `/svc/web`.
    Name(Path),
    /// A request with these header lines, for the router's identifier; [`TARGET`] stands for its target.
    Request(Vec<(String, String)>),
}

/// Where a name leads, and why.
#[derive(Clone, Debug)]
pub struct Explanation {
    /// The router's label.
    pub router: String,
    /// How the request got its name; none when the name was given.
    pub identified: Option<String>,
    /// The name.
    pub name: Path,
    /// The router's dtab.
    pub base: Dtab,
    /// The request's.
    pub local: Dtab,
    /// What a request would meet.
    pub outcome: Outcome,
    /// The replica sets a request may be sent to, each with its probability; the likeliest first.
    pub choices: Vec<Choice>,
    /// Everything that was tried, and what was not and why.
    pub tree: Step,
    /// Why the tree does not show all, if so.
    pub incomplete: Option<String>,
}

/// What a request would meet.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// It is sent to one of the choices. `refused` is the share of requests (0 to 1) that get 502 all the same, because
    /// a branch is empty or a replica set without addresses.
    Routed {
        /// The share that is refused.
        refused: f64,
    },
    /// 502: nobody is behind the name.
    NoReplicas(Nobody),
    /// 502 with this text: binding failed.
    Failed(Arc<str>),
    /// 502 after the router's binding time-out: a namer has not answered.
    Pending,
}

impl Outcome {
    /// Whether somebody answers at least some requests.
    #[must_use]
    pub fn is_served(&self) -> bool {
        matches!(self, Outcome::Routed { refused } if *refused < 1.0)
    }
}

/// In which way nobody is behind a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Nobody {
    /// `~`: no such name.
    Neg,
    /// `!`.
    Fail,
    /// `$`.
    Empty,
}

/// A replica set that may be chosen.
#[derive(Clone, Debug, PartialEq)]
pub struct Choice {
    /// Id and residual.
    pub bound: BoundName,
    /// Its addresses as they are now.
    pub addr: Addr,
    /// How likely a request is to be sent there, from 0 to 1.
    pub probability: f64,
}

/// Why there is nothing to explain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unexplained(pub String);

impl fmt::Display for Unexplained {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Unexplained {}

/// Explains a name of a document that is not running. Must be called on a tokio runtime.
///
/// # Errors
/// When there is no such router, or the request gets no name.
pub async fn explain(document: &Document, question: &Question) -> Result<Explanation, Unexplained> {
    let sources = Sources::new(document).map_err(|e| Unexplained(e.to_string()))?;
    explain_in(document, &sources, question).await
}

/// Explains a name to `sources`, those of `document`, which may be serving it.
///
/// # Errors
/// As [`explain`].
pub async fn explain_in(
    document: &Document,
    sources: &Sources,
    question: &Question,
) -> Result<Explanation, Unexplained> {
    explain_edited(document, sources, question, None).await
}

/// A dtab in the place of the router's own, to see what it would do.
#[derive(Clone, Debug)]
pub(crate) struct Edited {
    pub(crate) text: String,
    pub(crate) dtab: Dtab,
}

/// As [`explain_in`], with another dtab in the place of the router's if one is given.
pub(crate) async fn explain_edited(
    document: &Document,
    sources: &Sources,
    question: &Question,
    edited: Option<&Edited>,
) -> Result<Explanation, Unexplained> {
    let (index, router) = find_router(document, question.router.as_deref())?;
    let (name, identified, from_headers) = match &question.subject {
        Subject::Name(name) => (name.clone(), None, Dtab::empty()),
        Subject::Request(headers) => {
            let headers = &ask::taken(router, headers);
            let rules = sources.rules(router.label());
            let (name, how) = ask::identify(router, headers, &rules, question.wait).await?;
            (name, Some(how), local_dtab(headers)?)
        }
    };
    let local = from_headers.concat(&question.local);
    let own = sources.routers.get(index).and_then(|router| router.dtab.as_ref()?.file());
    let mut places = place::Places::of(document, index, own);
    if let Some(edited) = edited {
        places = places.edited(&edited.text);
    }
    let dtabs = [edited.map_or(&router.dtab, |edited| &edited.dtab), &local];
    let explained = through(&sources.of(router), dtabs, &name, &places, question.wait).await;
    Ok(Explanation { router: router.label().to_owned(), identified, ..explained })
}

pub(crate) fn find_router<'a>(
    document: &'a Document,
    label: Option<&str>,
) -> Result<(usize, &'a doc::HttpRouter), Unexplained> {
    let labels =
        || document.routers.iter().map(|r| format!("`{}`", r.label())).collect::<Vec<_>>().join(", ");
    let found = match label {
        Some(label) => document.routers.iter().position(|router| router.label() == label),
        None if document.routers.len() > 1 => {
            return Err(Unexplained(format!("which router? The configuration has {}", labels())));
        }
        None => Some(0),
    };
    let not_found =
        || Unexplained(format!("there is no router `{}`; there are {}", label.unwrap_or_default(), labels()));
    let index = found.ok_or_else(not_found)?;
    let doc::Router::Http(router) = document.routers.get(index).ok_or_else(not_found)?;
    Ok((index, router))
}

/// Explains a name to an interpreter; router and identifier are left blank.
async fn through(
    interpreter: &Interpreter,
    [base, local]: [&Dtab; 2],
    name: &Path,
    places: &place::Places,
    wait: Duration,
) -> Explanation {
    let ask = |reader: &mut dyn naming::Reader| {
        let walked = interpreter.bind(base, local, name, reader);
        let tree = interpreter.delegate(base, local, name, reader);
        let choices = match &walked {
            State::Ok(tree) => chance::choices(tree, |id| interpreter.addresses(id, reader)),
            _ => Vec::new(),
        };
        (walked, tree, choices)
    };
    let pending = |(walked, tree, choices): &(naming::Walked, naming::Delegation, Vec<Choice>)| {
        walked.is_pending() || tree.is_pending() || choices.iter().any(|choice| choice.addr.is_pending())
    };
    let (walked, tree, choices) = ask::settled(ask, pending, wait).await;
    let incomplete = incomplete(interpreter, &tree);
    let explainer = step::Explainer { places, namers: interpreter.namers() };
    Explanation {
        router: String::new(),
        identified: None,
        name: name.clone(),
        base: base.clone(),
        local: local.clone(),
        outcome: chance::outcome(&walked, &choices),
        choices,
        tree: explainer.tree(&tree),
        incomplete,
    }
}

fn incomplete(interpreter: &Interpreter, tree: &naming::Delegation) -> Option<String> {
    if !interpreter.delegates() {
        let text =
            "a transformer of the interpreter puts other replica sets in the place of those of the tree";
        return Some(text.to_owned());
    }
    tree.cut().map(ToString::to_string)
}

#[cfg(test)]
mod tests;
