//! `wayleave check --kubernetes`: asks the cluster for what good configurations need of it.

use super::print;
use crate::arguments::{self, Format};
use crate::run;
use proxy::cluster_check::{Account, Verdict, check_documents};
use proxy::document::Document;
use std::io::IsTerminal;
use std::process::ExitCode;

/// Exit code 0 unless something will not work; what may not work is only shown.
pub(super) fn check(documents: &[Document], arguments: &arguments::Check) -> ExitCode {
    let account = match &arguments.service_account {
        Some((namespace, name)) => Account::Service(namespace.clone(), name.clone()),
        None => Account::Asking,
    };
    let runtime = match run::runtime() {
        Ok(runtime) => runtime,
        Err(e) => return run::fail(&format!("cannot start: {e}")),
    };
    let report = runtime.block_on(check_documents(documents, &account));
    // A connection may still be open; nobody waits for it.
    runtime.shutdown_background();
    let colour = std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    print(&match arguments.output {
        Format::Text => report.to_text(colour),
        Format::Json => format!("{:#}\n", report.to_json()),
    });
    if report.verdict() == Verdict::Failed { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}
