//! The Linkerd document, tested from its text: values, faults, the reference files, the recorded cases.

mod client;
mod conformance;
mod connections;
mod declarations;
mod describe;
mod effects;
mod golden;
mod mutations;
mod reference;
mod refusals;
mod schema;
mod telemetry;
mod values;

use super::{Document, load_with};
use config::{Faults, Reason};
use std::path::Path;

/// Loads a text on a machine where every directory exists.
fn anywhere(text: &str) -> Result<Document, Faults> {
    load_with("linkerd.yaml", text.as_bytes(), |_: &Path| true)
}

/// The faults other than keys and kinds that are not built yet.
fn wrong(faults: &Faults) -> Vec<String> {
    let wrong = faults.iter().filter(|fault| fault.reason == Reason::Wrong);
    wrong
        .map(|fault| format!("{}: {}", faults.source().position(fault.span.start).line, fault.message))
        .collect()
}

/// A document with one http router; `more` are further lines of that router, indented by two.
fn router(more: &str) -> String {
    format!("routers:\n- protocol: http\n{more}  servers:\n  - port: 4140\n")
}
