//! `wayleave check`: everything that can be said about a configuration without starting it. `wayleave proxy` reads its
//! file the same way, so that what passes here starts there.

mod kubernetes;

use crate::arguments::{self, Format};
use proxy::document::{self, Document};
use serde_json::{Value, json};
use std::ffi::OsStr;
use std::fmt::Write as _;
use std::io::{Read, Write as _};
use std::path::Path;
use std::process::ExitCode;

/// Why a configuration cannot be used.
pub(crate) enum Refusal {
    /// There is no text to check.
    Unreadable(String),
    /// What is wrong with the text.
    Faulty(document::Faults),
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Refusal::Unreadable(text) => f.write_str(text),
            Refusal::Faulty(faults) => faults.fmt(f),
        }
    }
}

/// Reads and checks a configuration; `-` is standard input.
pub(crate) fn load(path: &OsStr) -> Result<Document, Refusal> {
    let bytes = read(path).map_err(Refusal::Unreadable)?;
    document::load(&name(path), &bytes).map_err(Refusal::Faulty)
}

fn read(path: &OsStr) -> Result<Vec<u8>, String> {
    let name = path.to_string_lossy();
    let mut bytes = Vec::new();
    if path == "-" {
        std::io::stdin().read_to_end(&mut bytes).map_err(|e| format!("cannot read standard input: {e}"))?;
        return Ok(bytes);
    }
    if !Path::new(path).is_file() {
        return Err(format!("config is not a file: {name}"));
    }
    std::fs::read(path).map_err(|e| format!("cannot read {name}: {e}"))
}

/// What faults call a file.
fn name(path: &OsStr) -> String {
    if path == "-" { "standard input".to_owned() } else { path.to_string_lossy().into_owned() }
}

/// `wayleave check`: exit code 0 when every file would start, 1 otherwise; warnings are shown and change nothing. A cluster is
/// only asked when the files are good.
pub(crate) fn check(arguments: &arguments::Check) -> ExitCode {
    let checked: Vec<_> = arguments.files.iter().map(|path| (name(path), load(path))).collect();
    let good = checked.iter().all(|(_, result)| result.is_ok());
    if arguments.kubernetes && good {
        let documents: Vec<_> = checked.into_iter().filter_map(|(_, result)| result.ok()).collect();
        return kubernetes::check(&documents, arguments);
    }
    let text = match arguments.output {
        Format::Text => checked.iter().map(|(name, result)| shown(name, result)).collect(),
        Format::Json => {
            let faults: Vec<Value> =
                checked.iter().flat_map(|(name, result)| entries(name, result)).collect();
            format!("{:#}\n", Value::from(faults))
        }
    };
    print(&text);
    if good { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// `wayleave proxy -validate`: silent when all is well, as Linkerd; faults and warnings go to standard error.
pub(crate) fn validate(path: &OsStr) -> ExitCode {
    let result = load(path);
    let (text, code) = match &result {
        Ok(document) => (document.warnings.to_string(), ExitCode::SUCCESS),
        Err(refusal) => (refusal.to_string(), ExitCode::FAILURE),
    };
    if !text.is_empty() {
        // Nobody is left to tell when standard error is gone; the exit code stays.
        let _ = writeln!(std::io::stderr(), "{}", text.trim_end());
    }
    code
}

/// Prints what a command was asked for.
pub(crate) fn print(text: &str) {
    let mut out = std::io::stdout().lock();
    // A reader that went away (`| head`) is no fault.
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

fn shown(name: &str, result: &Result<Document, Refusal>) -> String {
    let (faults, errors, warnings) = match result {
        Ok(document) => (document.warnings.to_string(), 0, document.warnings.len()),
        Err(Refusal::Faulty(faults)) => (faults.to_string(), faults.len(), 0),
        Err(Refusal::Unreadable(text)) => return format!("{text}\n"),
    };
    let mut text = String::new();
    if !faults.is_empty() {
        let _ = writeln!(text, "{}\n", faults.trim_end());
    }
    let verdict = match (errors, warnings) {
        (0, 0) => "ok".to_owned(),
        (0, warnings) => format!("ok, {}", counted(warnings, "warning")),
        (errors, _) => counted(errors, "error"),
    };
    let _ = writeln!(text, "{name}: {verdict}");
    text
}

fn counted(count: usize, noun: &str) -> String {
    format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
}

/// One object for each fault, the same keys in all of them.
fn entries(name: &str, result: &Result<Document, Refusal>) -> Vec<Value> {
    let faults = match result {
        Ok(document) => &document.warnings,
        Err(Refusal::Faulty(faults)) => faults,
        Err(Refusal::Unreadable(text)) => {
            return vec![json!({
                "file": name, "line": null, "column": null, "severity": "error", "reason": "unreadable",
                "message": text, "hint": null,
            })];
        }
    };
    let entry = |fault: &document::Fault| {
        let at = (!fault.span.is_nowhere()).then(|| faults.source().position(fault.span.start));
        json!({
            "file": name,
            "line": at.map(|at| at.line),
            "column": at.map(|at| at.column),
            "severity": match fault.severity {
                document::Severity::Error => "error",
                document::Severity::Warning => "warning",
            },
            "reason": match fault.reason {
                document::Reason::Wrong => "wrong",
                document::Reason::NotBuilt => "not-built",
            },
            "message": fault.message,
            "hint": fault.hint,
        })
    };
    faults.iter().map(entry).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Checks a text as the file `linkerd.yaml`.
    fn checked(text: &str) -> Result<Document, Refusal> {
        document::load("linkerd.yaml", text.as_bytes()).map_err(Refusal::Faulty)
    }

    const GOOD: &str = "routers: [{protocol: http, servers: [{}]}]\n";

    #[test]
    fn people_read_faults_and_a_verdict() {
        let check = |text: &str, expected: &str| assert_eq!(shown("linkerd.yaml", &checked(text)), expected);
        check(GOOD, "linkerd.yaml: ok\n");
        let excerpt = "  |\n1 | routers: [{protocol: http, servers: [{prot: 1}]}]\n  |                                       ^^^^\n";
        check(
            &GOOD.replace("{}", "{prot: 1}"),
            &format!(
                "linkerd.yaml:1:39: unknown key `prot`\n{excerpt}  = did you mean `port`?\n\nlinkerd.yaml: 1 error\n"
            ),
        );
        let warned = shown("linkerd.yaml", &checked(&GOOD.replace("{}", "{port: 80.5}")));
        assert!(warned.ends_with("\n\nlinkerd.yaml: ok, 1 warning\n"), "{warned}");
        let absent = load(OsStr::new("/no/such/file"));
        assert_eq!(shown("/no/such/file", &absent), "config is not a file: /no/such/file\n");
    }

    #[test]
    fn programs_read_every_fault_with_the_same_keys() {
        let check = |text: &str, expected: Value| {
            assert_eq!(Value::from(entries("linkerd.yaml", &checked(text))), expected, "{text}");
        };
        check(GOOD, json!([]));
        check(
            "routers:\n- {protocol: http, servers: [{prot: 1, tls: {}}]}\n",
            json!([
                { "file": "linkerd.yaml", "line": 2, "column": 31, "severity": "error", "reason": "wrong",
                  "message": "unknown key `prot`", "hint": "did you mean `port`?" },
                { "file": "linkerd.yaml", "line": 2, "column": 40, "severity": "error", "reason": "not-built",
                  "message": "key `tls` is known to Linkerd but not built yet in Wayleave", "hint": null },
            ]),
        );
        let warned = entries("linkerd.yaml", &checked(&GOOD.replace("{}", "{port: 80.5}")));
        assert_eq!(warned[0]["severity"], "warning");
        let absent = entries("x", &load(OsStr::new("/no/such/file")));
        assert_eq!((&absent[0]["line"], &absent[0]["reason"]), (&Value::Null, &Value::from("unreadable")));
    }
}
