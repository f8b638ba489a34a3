//! `wayleave explain`: where a name or a request would go, and why; of a configuration, or of a running proxy.

mod live;

use crate::arguments::Format;
use crate::{check, run};
use clap::Args;
use names::{Dtab, Path};
use proxy::explain::{Question, Subject, TARGET, explain, to_json, to_text};
use std::ffi::OsString;
use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;
use std::time::Duration;

/// How long namers may take to answer, unless told otherwise.
const WAIT: &str = "3000";

/// Arguments of `wayleave explain`.
#[derive(Debug, Args)]
#[command(override_usage = "wayleave explain [OPTIONS] <CONFIG> <NAME|--host HOST>\n       \
    wayleave explain [OPTIONS] --admin <URL> <NAME|--host HOST>")]
pub(crate) struct Explain {
    /// The configuration: a YAML or JSON file, or `-` for standard input; not with --admin
    #[arg(required_unless_present = "admin")]
    pub(crate) config: Option<OsString>,
    /// The name, as the router's identifier would give it, such as `/svc/web`
    #[arg(
        required_unless_present_any = ["host", "target", "headers", "admin"],
        conflicts_with_all = ["host", "headers"]
    )]
    pub(crate) name: Option<Path>,
    /// Ask the running proxy whose admin server is there, such as `http://127.0.0.1:9990`, instead of a configuration
    #[arg(long, value_name = "URL")]
    pub(crate) admin: Option<String>,
    /// Ask for a request with this `Host` instead of a name
    #[arg(long)]
    pub(crate) host: Option<String>,
    /// The target of that request, such as `/a/b`; `/` unless told otherwise
    #[arg(long, value_name = "TARGET", conflicts_with = "name")]
    pub(crate) target: Option<String>,
    /// A header of that request, `name: value`; may be repeated
    #[arg(long = "header", value_name = "LINE", value_parser = header)]
    pub(crate) headers: Vec<(String, String)>,
    /// The router, by its label; needed where there are several
    #[arg(long, value_name = "LABEL")]
    pub(crate) router: Option<String>,
    /// A dtab that comes with the request, as `l5d-dtab` would bring it
    #[arg(long, value_name = "DTAB", default_value = "")]
    pub(crate) dtab: Dtab,
    /// How long to wait for namers that have not answered
    #[arg(long, value_name = "MS", default_value = WAIT)]
    pub(crate) wait: u64,
    /// Show also what lies behind names that are not tried
    #[arg(long)]
    pub(crate) all: bool,
    /// How to tell it
    #[arg(long, value_enum, default_value = "text")]
    pub(crate) output: Format,
}

/// What was found out, ready to be printed.
struct Told {
    text: String,
    /// Whether requests would be sent to somebody.
    served: bool,
}

/// `wayleave explain`: exit code 0 when a request would be sent to somebody, 1 when not.
pub(crate) fn run(arguments: &Explain) -> ExitCode {
    let runtime = match run::runtime() {
        Ok(runtime) => runtime,
        Err(e) => return run::fail(&format!("cannot start: {e}")),
    };
    let stdout = io::stdout();
    let colour = stdout.is_terminal() && std::env::var_os("NO_COLOR").is_none();
    let told = match &arguments.admin {
        Some(base) => runtime.block_on(live::ask(base, arguments, colour)),
        None => runtime.block_on(of_configuration(arguments, colour)),
    };
    // A resolver may still wait for its server; nobody waits for it.
    runtime.shutdown_background();
    match told {
        Ok(told) => {
            // Nobody is left to hear of a closed pipe.
            let _ = stdout.lock().write_all(told.text.as_bytes());
            if told.served { ExitCode::SUCCESS } else { ExitCode::FAILURE }
        }
        Err(text) => run::fail(&text),
    }
}

async fn of_configuration(arguments: &Explain, colour: bool) -> Result<Told, String> {
    let config = arguments.config.as_deref().unwrap_or_default();
    let document = check::load(config).map_err(|refusal| refusal.to_string())?;
    let of = explain(&document, &question(arguments)).await.map_err(|why| why.to_string())?;
    let text = match arguments.output {
        Format::Json => to_json(&of),
        Format::Text => to_text(&of, colour, arguments.all),
    };
    Ok(Told { text, served: of.outcome.is_served() })
}

fn question(arguments: &Explain) -> Question {
    let subject = match &arguments.name {
        Some(name) => Subject::Name(name.clone()),
        None => {
            let line = |name: &str, value: &Option<String>| Some((name.to_owned(), value.clone()?));
            let first = [line("Host", &arguments.host), line(TARGET, &arguments.target)];
            Subject::Request(first.into_iter().flatten().chain(arguments.headers.iter().cloned()).collect())
        }
    };
    Question {
        router: arguments.router.clone(),
        subject,
        local: arguments.dtab.clone(),
        wait: Duration::from_millis(arguments.wait),
    }
}

/// A header line of the command line.
fn header(line: &str) -> Result<(String, String), String> {
    match line.split_once(':') {
        Some((name, value)) if !name.trim().is_empty() => {
            Ok((name.trim().to_owned(), value.trim().to_owned()))
        }
        _ => Err("expected `name: value`".to_owned()),
    }
}

#[cfg(test)]
mod tests;
