//! `wayleave lint`: looks dtabs over, those of dtab files and those inside configurations.

mod find;
mod show;

use crate::arguments::Format;
use clap::Args;
use config::{Fault, Faults};
use find::Found;
use names::Path;
use names::lint::{Report, Scene, Severity, lint};
use std::ffi::{OsStr, OsString};
use std::io::{self, Read, Write};
use std::process::ExitCode;

/// Arguments of `wayleave lint`.
#[derive(Debug, Args)]
pub(crate) struct Lint {
    /// Dtab files, configurations of linkerd and namerd, Kubernetes manifests with them, or `-` for standard input
    #[arg(required = true)]
    pub(crate) files: Vec<OsString>,
    /// How to tell what was found
    #[arg(long, value_enum, default_value = "text")]
    pub(crate) output: Format,
    /// A name that will be asked for; may be repeated
    #[arg(long = "name", value_name = "PATH")]
    pub(crate) names: Vec<Path>,
    /// A namer there is, for dtabs that stand in no configuration, such as `/#/io.l5d.fs`; may be repeated
    #[arg(long = "namer", value_name = "PREFIX")]
    pub(crate) namers: Vec<Path>,
    /// End with exit code 1 for warnings too
    #[arg(long)]
    pub(crate) deny_warnings: bool,
}

/// What became of one file.
struct Linted {
    file: String,
    /// Its dtabs.
    dtabs: Vec<(Found, Report)>,
    /// Why others, or all of it, could not be read.
    faults: Faults,
}

/// How many findings there are of each severity.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Totals {
    errors: usize,
    warnings: usize,
    notes: usize,
}

/// `wayleave lint`: exit code 1 for errors, and with `--deny-warnings` for warnings.
pub(crate) fn run(arguments: &Lint) -> ExitCode {
    let linted: Vec<Linted> = arguments.files.iter().map(|file| lint_file(file, arguments)).collect();
    let totals = totals(&linted);
    let shown = match arguments.output {
        Format::Text => show::text(&linted, totals),
        Format::Json => show::json(&linted, totals),
    };
    // Nobody is left to hear of a closed pipe.
    let _ = io::stdout().lock().write_all(shown.as_bytes());
    let bad = totals.errors > 0 || (arguments.deny_warnings && totals.warnings > 0);
    if bad { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

fn lint_file(path: &OsStr, arguments: &Lint) -> Linted {
    let file = path.to_string_lossy().into_owned();
    let (found, faults) = match read(path) {
        Ok(bytes) => find::dtabs(&file, &bytes),
        Err(e) => {
            let fault = Fault::new(config::Span::NOWHERE, format!("cannot be read: {e}"));
            (Vec::new(), Faults::new(config::Source::new(&file, String::new()), vec![fault]))
        }
    };
    Linted { file, dtabs: lint_all(found, arguments), faults }
}

fn lint_all(found: Vec<Found>, arguments: &Lint) -> Vec<(Found, Report)> {
    let linted = found.into_iter().map(|found| {
        let given = Some(arguments.namers.clone()).filter(|namers| !namers.is_empty());
        let namers = found.namers.clone().or(given);
        let scene = Scene { namers: namers.as_deref(), whole: found.whole, names: &arguments.names };
        let report = lint(&found.dtab, &scene);
        (found, report)
    });
    linted.collect()
}

fn read(path: &OsStr) -> io::Result<Vec<u8>> {
    if path != "-" {
        return std::fs::read(path);
    }
    let mut bytes = Vec::new();
    io::stdin().read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn totals(linted: &[Linted]) -> Totals {
    let mut totals = Totals::default();
    for file in linted {
        totals.errors += file.faults.len();
        for finding in file.dtabs.iter().flat_map(|(_, report)| &report.findings) {
            match finding.severity {
                Severity::Error => totals.errors += 1,
                Severity::Warning => totals.warnings += 1,
                Severity::Note => totals.notes += 1,
            }
        }
    }
    totals
}

#[cfg(test)]
mod tests;
