//! What was found, for people and for programs.

use super::{Linted, Totals, find::Found};
use config::{Fault, Faults};
use names::lint::{Finding, Report};
use serde_json::{Value, json};
use std::fmt::Write as _;

/// For people: each finding with file, line, column and caret, then what it comes to.
pub(super) fn text(linted: &[Linted], totals: Totals) -> String {
    let mut out = String::new();
    for Linted { file, dtabs, faults } in linted {
        if !faults.is_empty() {
            write!(out, "{faults}\n\n").expect("writing to a string");
        } else if dtabs.is_empty() {
            writeln!(out, "{file}: no dtab in it").expect("writing to a string");
        }
        for (found, report) in dtabs {
            findings(&mut out, found, report);
        }
    }
    let Totals { errors, warnings, notes } = totals;
    let (entries, dtabs) = sizes(linted);
    writeln!(
        out,
        "{}: {}, {}, {}",
        count(dtabs, "dtab") + " with " + &count(entries, "entry"),
        count(errors, "error"),
        count(warnings, "warning"),
        count(notes, "note")
    )
    .expect("writing to a string");
    out
}

fn findings(out: &mut String, found: &Found, report: &Report) {
    for finding in &report.findings {
        let mut fault = fault(found, finding);
        if let Some(related) = finding.related {
            let entry = &found.dtab.entries()[related];
            let line = found.source().position(found.span(&entry.span).start).line;
            fault.hint = Some(format!("{}\n  = `{}` is on line {line}", finding.advice, entry.prefix));
        }
        let shown = Faults::new(found.source().clone(), vec![fault]);
        write!(out, "{shown}\n\n").expect("writing to a string");
    }
    if let Some(worst) = &report.worst {
        let owner = found.owner.as_deref().map(|owner| format!("{owner}: ")).unwrap_or_default();
        writeln!(out, "{}: {owner}the worst name is {worst}", found.source().name())
            .expect("writing to a string");
    }
}

/// The form faults of configurations have, so that both read alike.
fn fault(found: &Found, finding: &Finding) -> Fault {
    let message = format!("{}[{}]: {}", finding.severity.name(), finding.rule.name(), finding.message);
    Fault { hint: Some(finding.advice.clone()), ..Fault::new(found.span(&finding.span), message) }
}

fn sizes(linted: &[Linted]) -> (usize, usize) {
    let dtabs = || linted.iter().flat_map(|linted| &linted.dtabs);
    (dtabs().map(|(found, _)| found.dtab.len()).sum(), dtabs().count())
}

fn count(n: usize, what: &str) -> String {
    match (n, what.strip_suffix('y')) {
        (1, _) => format!("1 {what}"),
        (_, Some(stem)) => format!("{n} {stem}ies"),
        (_, None) => format!("{n} {what}s"),
    }
}

/// For programs.
pub(super) fn json(linted: &[Linted], totals: Totals) -> String {
    let mut all = Vec::new();
    let mut dtabs = Vec::new();
    for Linted { file, dtabs: linted, faults } in linted {
        all.extend(faults.iter().map(|fault| unread(file, faults, fault)));
        for (found, report) in linted {
            all.extend(report.findings.iter().map(|finding| one(file, found, finding)));
            let worst = report.worst.as_ref();
            let worst = worst.map(|w| json!({ "name": w.name, "depth": w.depth, "lookups": w.lookups }));
            dtabs.push(json!({
                "file": file, "owner": found.owner, "entries": found.dtab.len(), "worst": worst,
            }));
        }
    }
    let Totals { errors, warnings, notes } = totals;
    let out = json!({
        "findings": all, "dtabs": dtabs, "errors": errors, "warnings": warnings, "notes": notes,
    });
    format!("{out:#}\n")
}

fn unread(file: &str, faults: &Faults, fault: &Fault) -> Value {
    let place = (!fault.span.is_nowhere()).then(|| faults.source().position(fault.span.start));
    json!({
        "file": file, "line": place.map(|p| p.line), "column": place.map(|p| p.column),
        "rule": "unreadable", "severity": "error", "message": fault.message, "advice": fault.hint,
    })
}

fn one(file: &str, found: &Found, finding: &Finding) -> Value {
    let position =
        |entry: usize| found.source().position(found.span(&found.dtab.entries()[entry].span).start);
    let start = position(finding.entry);
    let related = finding.related.map(|other| {
        let place = position(other);
        json!({
            "entry": other, "line": place.line, "column": place.column,
            "dentry": found.dtab.entries()[other].to_string(),
        })
    });
    json!({
        "file": file, "line": start.line, "column": start.column, "owner": found.owner,
        "entry": finding.entry, "dentry": found.dtab.entries()[finding.entry].to_string(),
        "rule": finding.rule.name(), "severity": finding.severity.name(),
        "message": finding.message, "advice": finding.advice, "related": related,
    })
}
