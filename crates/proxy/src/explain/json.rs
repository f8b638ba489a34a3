//! Explanations for programs.

use super::text::sentence;
use super::{Choice, Explanation, Fate, Nobody, Outcome, Step, What};
use names::{NameTree, Path};
use naming::{Addr, Table, json_of_addr};
use serde_json::{Value, json};

/// The explanation as indented JSON, with a newline at the end.
#[must_use]
pub fn to_json(of: &Explanation) -> String {
    format!("{:#}\n", value(of))
}

/// The explanation as a value.
pub(super) fn value(of: &Explanation) -> Value {
    let (outcome, message, refused) = match &of.outcome {
        Outcome::Routed { refused } => ("routed", None, *refused),
        Outcome::NoReplicas(Nobody::Neg) => ("neg", None, 1.0),
        Outcome::NoReplicas(Nobody::Fail) => ("fail", None, 1.0),
        Outcome::NoReplicas(Nobody::Empty) => ("empty", None, 1.0),
        Outcome::Failed(text) => ("failed", Some(text.to_string()), 1.0),
        Outcome::Pending => ("pending", None, 1.0),
    };
    json!({
        "router": of.router, "name": of.name.to_string(), "identified": of.identified,
        "dtab": of.base.to_string(), "override": of.local.to_string(),
        "outcome": outcome, "message": message, "refused": refused,
        "choices": of.choices.iter().map(choice).collect::<Vec<_>>(),
        "incomplete": of.incomplete, "tree": step(&of.tree),
        "conclusion": sentence(of), "served": of.outcome.is_served(),
    })
}

fn choice(of: &Choice) -> Value {
    json!({
        "id": of.bound.id.to_string(), "residual": of.bound.residual.to_string(),
        "probability": of.probability, "addr": addr(&of.addr),
    })
}

/// As in the delegation API.
fn addr(of: &Addr) -> Value {
    serde_json::from_str(&json_of_addr(of)).unwrap_or(Value::Null)
}

/// Trees are at most some hundred deep.
fn step(of: &Step) -> Value {
    let mut out = json!({
        "path": of.path.to_string(), "type": kind(&of.what), "probability": of.probability,
        "fate": fate(of.fate),
    });
    let mut put = |key: &str, value: Value| {
        out[key] = value;
    };
    if let Some(by) = &of.by {
        let table = match by.table {
            Table::Interpreter => "interpreter",
            Table::Base => "router",
            Table::Local => "request",
        };
        let place = by.place.as_ref().map(|p| json!({ "file": p.file, "line": p.line, "column": p.column }));
        let dst: &NameTree<Path> = &by.entry.dst;
        put(
            "entry",
            json!({
                "prefix": by.entry.prefix.to_string(), "dst": dst.to_string(), "dtab": table,
                "index": by.index, "place": place,
            }),
        );
    }
    if let Fate::Beaten(winner) = of.fate {
        put("winner", (winner + 1).into());
    }
    if let Some(weight) = of.weight {
        put("weight", weight.into());
    }
    match &of.what {
        What::Replicas { bound, addr: of } => {
            put("id", bound.id.to_string().into());
            put("residual", bound.residual.to_string().into());
            put("addr", addr(of));
        }
        What::Transformed { by, bound } => {
            put("transformer", (*by).into());
            put("id", bound.id.to_string().into());
        }
        What::Unknown(why) => put("message", (*why).into()),
        What::Failure { message, .. } => put("message", message.to_string().into()),
        _ => {}
    }
    if !of.children.is_empty() {
        put("children", of.children.iter().map(step).collect());
    }
    out
}

fn kind(what: &What) -> &'static str {
    match what {
        What::Rewritten => "rewritten",
        What::Alternatives => "alternatives",
        What::Union => "union",
        What::Replicas { .. } => "replicas",
        What::Transformed { .. } => "transformed",
        What::Empty => "empty",
        What::Fail => "fail",
        What::Unknown(_) => "unknown",
        What::Pending => "pending",
        What::Failure { .. } => "failure",
    }
}

fn fate(fate: Fate) -> &'static str {
    match fate {
        Fate::Taken => "taken",
        Fate::PassedOver => "passedOver",
        Fate::Beaten(_) => "notTried",
        Fate::LeftOut => "leftOut",
    }
}
