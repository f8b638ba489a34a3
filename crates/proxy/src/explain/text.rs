//! Explanations for people: the tree of rewrites, then what a request would meet.

use super::{By, Explanation, Fate, Nobody, Outcome, Step, What};
use names::{Dtab, Path};
use naming::{Addr, BoundName, Table, fixed_status};
use std::fmt::Write as _;

/// How many addresses of a replica set are shown.
const SHOWN: usize = 4;

/// How many alternatives that are not tried are shown.
const UNTRIED: usize = 5;
/// After how many times the same name on one way is called a loop. Alternatives of branches repeat it harmlessly.
const ROUNDS: usize = 3;

/// Ways to show a text on a terminal.
#[derive(Clone, Copy)]
enum Paint {
    Plain,
    Good,
    Bad,
    Dim,
    Bold,
}

/// The explanation as text, with colours if wanted. Unless `all` is, what lies behind names that are not tried is left
/// out.
#[must_use]
pub fn to_text(of: &Explanation, colour: bool, all: bool) -> String {
    let mut page = Page { out: String::new(), colour, all };
    page.head(of);
    page.tree(&of.tree);
    page.end(of);
    page.out
}

struct Page {
    out: String,
    colour: bool,
    all: bool,
}

/// A line of the tree still to be written.
struct Line<'a> {
    step: &'a Step,
    guide: String,
    below: String,
    /// The names on the way here.
    above: Vec<Path>,
}

impl Page {
    fn put(&mut self, paint: Paint, text: &str) {
        let code = match paint {
            Paint::Plain => "",
            Paint::Good => "32",
            Paint::Bad => "31",
            Paint::Dim => "2",
            Paint::Bold => "1",
        };
        if self.colour && !code.is_empty() {
            write!(self.out, "\x1b[{code}m{text}\x1b[0m").expect("writing to a string");
        } else {
            self.out.push_str(text);
        }
    }

    fn line(&mut self, paint: Paint, text: &str) {
        self.put(paint, text);
        self.out.push('\n');
    }

    fn head(&mut self, of: &Explanation) {
        self.put(Paint::Plain, &format!("router {}, name ", of.router));
        self.line(Paint::Bold, &of.name.to_string());
        if let Some(identified) = &of.identified {
            self.line(Paint::Dim, &format!("  by {identified}"));
        }
        if !of.local.is_empty() {
            self.line(Paint::Plain, &format!("  with the request's dtab {}", of.local));
        }
        self.out.push('\n');
    }

    /// Depth first. The guides of a step stand before the lines of all below it.
    fn tree(&mut self, root: &Step) {
        let mut pending =
            vec![Line { step: root, guide: String::new(), below: String::new(), above: Vec::new() }];
        while let Some(Line { step, guide, below, mut above }) = pending.pop() {
            self.put(Paint::Dim, &guide);
            self.step(step);
            let goes_round = above.iter().filter(|path| **path == step.path).count() >= ROUNDS;
            if let Some(text) = self.folded(step, goes_round) {
                self.put(Paint::Dim, &format!("  ({text})\n"));
                continue;
            }
            self.out.push('\n');
            above.push(step.path.clone());
            let (shown, hidden) = self.shown(step);
            for (index, child) in step.children.iter().take(shown).enumerate().rev() {
                let last = index + 1 == shown;
                let (mark, line) = if last { ("└─ ", "   ") } else { ("├─ ", "│  ") };
                let number = match step.what {
                    What::Alternatives if last && hidden > 0 => {
                        format!("{}. and {hidden} more that are not tried, the first: ", index + 1)
                    }
                    What::Alternatives => format!("{}. ", index + 1),
                    _ => String::new(),
                };
                pending.push(Line {
                    step: child,
                    guide: format!("{below}{mark}{number}"),
                    below: format!("{below}{line}"),
                    above: above.clone(),
                });
            }
        }
    }

    /// Why the steps below this one are not shown, if they are not.
    fn folded(&self, step: &Step, goes_round: bool) -> Option<String> {
        if self.all || step.children.is_empty() {
            return None;
        }
        if goes_round {
            return Some("and so on, round and round".to_owned());
        }
        let below = step.all().len() - 1;
        matches!(step.fate, Fate::Beaten(_)).then(|| format!("{below} below it; --all shows them"))
    }

    /// How many children are shown, and how many that are not tried are not.
    fn shown(&self, step: &Step) -> (usize, usize) {
        let count = step.children.len();
        let tried = step.children.iter().filter(|child| !matches!(child.fate, Fate::Beaten(_))).count();
        let shown = if self.all { count } else { count.min(tried + UNTRIED) };
        (shown, count - shown)
    }

    fn step(&mut self, step: &Step) {
        let alive = step.probability > 0.0;
        let paint = if alive { Paint::Bold } else { Paint::Dim };
        if let Some(weight) = step.weight {
            self.put(Paint::Plain, &format!("{weight} * "));
        }
        self.put(paint, &step.path.to_string());
        if let Some((paint, text)) = said(&step.what) {
            self.put(Paint::Plain, "  ");
            self.put(if alive { paint } else { Paint::Dim }, &text);
        }
        if let Some(text) = fate(step) {
            self.put(Paint::Dim, &format!("  [{text}]"));
        } else if step.weight.is_some() {
            self.put(Paint::Plain, &format!("  {}", percent(step.probability)));
        }
        if let Some(by) = &step.by {
            self.put(Paint::Dim, &format!("  <- {}", written(by)));
        }
    }

    fn end(&mut self, of: &Explanation) {
        self.out.push('\n');
        if let Some(text) = &of.incomplete {
            self.line(Paint::Plain, &format!("the tree does not show all: {text}"));
        }
        for choice in &of.choices {
            let (paint, addr) = behind(&choice.bound, &choice.addr);
            self.put(paint, &format!("{:>6}", percent(choice.probability)));
            self.put(Paint::Plain, &format!("  {}", choice.bound.id));
            if !choice.bound.residual.is_empty() {
                self.put(Paint::Plain, &format!(" and {} of the name remains", choice.bound.residual));
            }
            self.line(Paint::Plain, &format!(", {addr}"));
        }
        let (paint, text) = conclusion(of);
        self.line(paint, &text);
    }
}

/// What a request would meet, in a sentence.
pub(super) fn sentence(of: &Explanation) -> String {
    conclusion(of).1
}

fn conclusion(of: &Explanation) -> (Paint, String) {
    match &of.outcome {
        Outcome::Routed { refused } if *refused <= 0.0 => {
            let sent = of.choices.iter().any(|choice| fixed_status(&choice.bound.id).is_none());
            let text =
                if sent { "requests are sent to the addresses above" } else { "requests are answered here" };
            (Paint::Good, text.to_owned())
        }
        Outcome::Routed { refused } if *refused < 1.0 => (
            Paint::Bad,
            format!("{} of the requests get 502: nobody is there to take them", percent(*refused)),
        ),
        Outcome::Routed { .. } => {
            (Paint::Bad, "requests get 502: the name is known, but it has no addresses".to_owned())
        }
        Outcome::NoReplicas(nobody) => {
            let why = match nobody {
                Nobody::Neg if lacks_entries(&of.base, of) => {
                    "no entry of the router's dtab is for this name"
                }
                Nobody::Neg => "nothing that was tried knows the name (`~`)",
                Nobody::Fail => "the name leads to `!`",
                Nobody::Empty => "the name leads to `$`, which is nobody",
            };
            (Paint::Bad, format!("requests get 502: {why}"))
        }
        Outcome::Failed(text) => (Paint::Bad, format!("requests get 502: {text}")),
        Outcome::Pending => {
            let text = "requests wait, then get 502: a namer has not answered within the time given (--wait)";
            (Paint::Bad, text.to_owned())
        }
    }
}

fn lacks_entries(base: &Dtab, of: &Explanation) -> bool {
    base.matches(&of.name).next().is_none() && of.tree.children.is_empty()
}

/// What a name is, where that is more than what its children tell.
fn said(what: &What) -> Option<(Paint, String)> {
    Some(match what {
        What::Rewritten | What::Union | What::Alternatives => return None,
        What::Replicas { addr, bound } => behind(bound, addr),
        What::Transformed { by, .. } => (Paint::Plain, format!("changed by {by}")),
        What::Empty => (Paint::Bad, "nobody ($)".to_owned()),
        What::Fail => (Paint::Bad, "fails (!)".to_owned()),
        What::Unknown(why) => (Paint::Bad, format!("unknown: {why}")),
        What::Pending => (Paint::Bad, "not answered yet".to_owned()),
        What::Failure { message, limit: false } => (Paint::Bad, format!("fails: {message}")),
        What::Failure { message, limit: true } => {
            (Paint::Bad, format!("fails: {message} (mostly a loop: see `wayleave lint`)"))
        }
    })
}

/// Who answers requests bound to a name.
fn behind(bound: &BoundName, addr: &Addr) -> (Paint, String) {
    match fixed_status(&bound.id) {
        Some(status) => (Paint::Good, format!("answered here with status {status}")),
        None => addresses(addr),
    }
}

fn addresses(addr: &Addr) -> (Paint, String) {
    match addr {
        Addr::Pending => (Paint::Bad, "addresses not known yet".to_owned()),
        Addr::Neg => (Paint::Bad, "there are no such addresses".to_owned()),
        Addr::Failed(text) => (Paint::Bad, format!("addresses not known: {text}")),
        Addr::Bound(set) if set.addresses.is_empty() => (Paint::Bad, "no addresses".to_owned()),
        Addr::Bound(set) => {
            let shown: Vec<String> =
                set.addresses.iter().take(SHOWN).map(|address| address.socket.to_string()).collect();
            let more = set.addresses.len().saturating_sub(SHOWN);
            let more = if more > 0 { format!(" and {more} more") } else { String::new() };
            (Paint::Good, format!("{}{more}", shown.join(", ")))
        }
    }
}

fn fate(step: &Step) -> Option<String> {
    match step.fate {
        Fate::Taken => None,
        Fate::PassedOver => Some("passed over".to_owned()),
        Fate::Beaten(taken) => Some(format!("not tried: {} comes first", taken + 1)),
        Fate::LeftOut => Some("left out of the union".to_owned()),
    }
}

/// An entry and where it stands.
fn written(by: &By) -> String {
    let whose = match (&by.place, by.table) {
        (Some(place), _) => format!("{}:{}:{}", place.file, place.line, place.column),
        (None, Table::Local) => format!("entry {} of the request's dtab", by.index + 1),
        (None, Table::Base) => format!("entry {} of the router's dtab", by.index + 1),
        (None, Table::Interpreter) => format!("entry {} of the interpreter's dtab", by.index + 1),
    };
    format!("{} => {}  {whose}", by.entry.prefix, by.entry.dst)
}

/// A probability for people: at most two decimals, never 0 % of something.
fn percent(probability: f64) -> String {
    let percent = probability * 100.0;
    if percent > 0.0 && percent < 0.01 {
        return "<0.01 %".to_owned();
    }
    let text = format!("{percent:.2}");
    format!("{} %", text.trim_end_matches('0').trim_end_matches('.'))
}
