//! The command line.
//!
//! Deployed Linkerd manifests pass flags in the style of TwitterServer, with one dash, before the file
//! (dataplane.md §1.1). They are taken off before clap sees the rest, so that those manifests work unchanged.

use crate::explain::Explain;
use crate::lint::Lint;
use crate::log::{Format as LogFormat, Levels, Setting};
use clap::{Args, Parser, Subcommand, ValueEnum};
use std::ffi::OsString;
use std::io::Write as _;
use std::path::PathBuf;

/// What to do.
#[derive(Debug)]
pub(crate) struct Arguments {
    pub(crate) command: Command,
    /// From `-log.level` and `--log-level`; INFO by default.
    pub(crate) levels: Levels,
}

#[derive(Debug, Parser)]
#[command(
    name = "wayleave",
    version,
    about = "A service mesh that takes Linkerd 1.x configurations unchanged"
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run a proxy on a Linkerd 1.x configuration file
    #[command(after_help = SIGNALS_AND_CODES)]
    Proxy(Proxy),
    /// Check configuration files without starting anything: exit code 0 when all of them would start, else 1. With
    /// --kubernetes, also whether the cluster has what they need
    Check(Check),
    /// Print the JSON Schema of configurations, for editors and other programs
    Schema,
    /// Print the configuration reference (docs/reference/linkerd.md)
    #[command(hide = true)]
    Reference {
        /// Only the keys that do nothing (docs/keys-without-effect.md)
        #[arg(long)]
        keys_without_effect: bool,
    },
    /// Look dtabs over for entries that are never tried, loops, names nobody answers
    Lint(Lint),
    /// Tell where a name or a request would go, and why
    Explain(Explain),
    /// Watch a mesh on this machine: sample services, a proxy, traffic, and commands to try
    Demo(Demo),
}

/// docs/operation.md tells more.
const SIGNALS_AND_CODES: &str = "\
Signals:
  TERM  drain: /admin/ready fails, accepting goes on for admin.drainDelayMs, requests in flight finish within admin.shutdownGraceMs
  INT   the same without the delay; a second TERM or INT ends the process at once

Exit codes:
  0  ended in order, also where connections still busy after the grace period were cut (the log says how many)
  1  not started: the command line or the configuration is faulty, or a socket cannot be had
  3  ended at once by a second signal";

/// Arguments of `wayleave proxy`.
#[derive(Debug, Args)]
pub(crate) struct Proxy {
    /// The configuration: a YAML or JSON file, or `-` for standard input
    pub(crate) config: OsString,
    /// Worker threads; by default one for each processor the process may use, at most 4
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub(crate) workers: Option<u16>,
    /// Follow the file: when it has changed, go over to what it says (so do SIGHUP and `POST /admin/reload`)
    #[arg(long)]
    pub(crate) watch: bool,
    /// Only check the configuration (also `-validate`)
    #[arg(long)]
    pub(crate) validate: bool,
    /// Take over from the process that runs: start on its listening sockets, then have it drain. Without one, just start
    #[arg(long)]
    pub(crate) takeover: bool,
    /// Where processes meet to take over from one another; by default wayleave/ADMIN-ADDRESS.sock in $RUNTIME_DIRECTORY,
    /// $XDG_RUNTIME_DIR or (as root) /run
    #[arg(long, value_name = "PATH")]
    pub(crate) takeover_socket: Option<PathBuf>,
    /// How the log's lines look
    #[arg(long, value_enum, value_name = "FORMAT", default_value_t)]
    pub(crate) log_format: LogFormat,
    /// A level, or that of one logger: DEBUG, engines=DEBUG; may be given several times (also `-log.level=DEBUG`)
    #[arg(long, value_name = "[LOGGER=]LEVEL")]
    pub(crate) log_level: Vec<Setting>,
}

/// Ends with what is wrong with the command line, or with the help it asks for. Scripts around Linkerd know what a faulty one
/// looks like: exit status 1 and its usage as the first line (dataplane.md §1.1).
fn refuse(arguments: &[OsString], error: &clap::Error) -> ! {
    if !error.use_stderr() || arguments.get(1).is_none_or(|command| command != "proxy") {
        error.exit();
    }
    let mut out = std::io::stderr().lock();
    // Nobody is left to tell when standard error is gone; the exit code stays.
    let _ = writeln!(out, "usage: wayleave proxy [flags] path/to/config\n{error}");
    std::process::exit(1)
}

/// Arguments of `wayleave check`.
#[derive(Debug, Args)]
pub(crate) struct Check {
    /// The configurations: YAML or JSON files, `-` for standard input
    #[arg(required_unless_present = "kubernetes", value_name = "FILE")]
    pub(crate) files: Vec<OsString>,
    /// Ask the Kubernetes cluster for what the configurations need of it: rights, nodes, Services and ports, ingress rules.
    /// In a pod the API is asked as the proxy would, elsewhere as kubectl would
    #[arg(long)]
    pub(crate) kubernetes: bool,
    /// With --kubernetes: look at the rights of this service account, not at those of whoever asks
    #[arg(long, value_name = "NAMESPACE/NAME", requires = "kubernetes", value_parser = service_account)]
    pub(crate) service_account: Option<(String, String)>,
    /// For people, or a JSON list with an object for each fault: file, line, column, severity, reason, message, hint; with
    /// --kubernetes an object: success, and categories with their checks
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub(crate) output: Format,
}

fn service_account(text: &str) -> Result<(String, String), String> {
    match text.split_once('/') {
        Some((namespace, name)) if !namespace.is_empty() && !name.is_empty() && !name.contains('/') => {
            Ok((namespace.to_owned(), name.to_owned()))
        }
        _ => Err("expected NAMESPACE/NAME".to_owned()),
    }
}

/// Who reads the output.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// People.
    Text,
    /// Programs.
    Json,
}

/// Arguments of `wayleave demo`.
#[derive(Debug, Args)]
pub(crate) struct Demo {
    /// Worker threads of the proxy; by default one for each processor the process may use, at most 4
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub(crate) workers: Option<u16>,
    /// End after so many seconds; by default with Ctrl-C
    #[arg(long, value_name = "SECS")]
    pub(crate) duration: Option<u64>,
    /// Make no requests, only serve those that come
    #[arg(long)]
    pub(crate) no_traffic: bool,
}

/// What the old flags said.
#[derive(Debug, PartialEq)]
struct Legacy {
    levels: Levels,
    validate: bool,
    rest: Vec<OsString>,
}

impl Arguments {
    /// Reads the command line; prints and exits where it is faulty or asks for help.
    pub(crate) fn read(arguments: impl IntoIterator<Item = OsString>) -> Arguments {
        let Legacy { mut levels, validate, rest } = legacy(arguments);
        let mut command = Cli::try_parse_from(&rest).unwrap_or_else(|error| refuse(&rest, &error)).command;
        if let Command::Proxy(proxy) = &mut command {
            proxy.validate |= validate;
            proxy.log_level.drain(..).for_each(|setting| levels.set(setting));
        }
        Arguments { command, levels }
    }
}

/// Takes TwitterServer's flags off the command line.
fn legacy(arguments: impl IntoIterator<Item = OsString>) -> Legacy {
    let mut found = Legacy { levels: Levels::default(), validate: false, rest: Vec::new() };
    for argument in arguments {
        let text = argument.to_string_lossy();
        let single = text.strip_prefix('-').filter(|t| !t.starts_with('-') && t.len() > 1);
        let (name, value) = match single.map(|t| t.split_once('=').unwrap_or((t, "true"))) {
            Some(pair) => pair,
            None => {
                found.rest.push(argument);
                continue;
            }
        };
        match name {
            "validate" => found.validate = value != "false",
            "help" => found.rest.push("--help".into()),
            // As Finagle, of what it does not know it takes no notice.
            "log.level" => value.split(',').filter_map(|s| s.parse().ok()).for_each(|s| found.levels.set(s)),
            // Flags of the JVM's logging and of Finagle have nothing to act on here.
            _ if name.contains('.') => {}
            _ => found.rest.push(argument),
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(line: &str, levels: &str, validate: bool, rest: &str) {
        let got = legacy(line.split(' ').map(OsString::from));
        let rest = rest.split(' ').map(OsString::from).collect();
        let mut expected = Levels::default();
        levels.split(',').for_each(|setting| expected.set(setting.parse().unwrap()));
        assert_eq!(got, Legacy { levels: expected, validate, rest }, "{line}");
    }

    /// dataplane.md §1.1.
    #[test]
    fn flags_of_deployed_manifests_are_taken() {
        check("wayleave proxy a.yml", "INFO", false, "wayleave proxy a.yml");
        check("wayleave proxy -log.level=DEBUG a.yml", "DEBUG", false, "wayleave proxy a.yml");
        check("wayleave proxy -log.level=LOUD a.yml", "INFO", false, "wayleave proxy a.yml");
        let both = "wayleave proxy -log.level=WARNING,engines=TRACE a.yml";
        check(both, "WARNING,engines=TRACE", false, "wayleave proxy a.yml");
        check("wayleave proxy -validate a.yml", "INFO", true, "wayleave proxy a.yml");
        check("wayleave proxy -validate=true a.yml", "INFO", true, "wayleave proxy a.yml");
        check("wayleave proxy -validate=false a.yml", "INFO", false, "wayleave proxy a.yml");
        check("wayleave proxy -log.append -com.twitter.finagle.x=1 -", "INFO", false, "wayleave proxy -");
        check("wayleave proxy -io.buoyant.telemetry.x=1 a", "INFO", false, "wayleave proxy a");
        check("wayleave proxy -help", "INFO", false, "wayleave proxy --help");
        check("wayleave proxy --workers 2 -x a", "INFO", false, "wayleave proxy --workers 2 -x a");
    }

    #[test]
    fn levels_of_both_kinds_of_flags() {
        let read = |line: &str| Arguments::read(line.split(' ').map(OsString::from)).levels;
        let expected = |all: &[&str]| {
            let mut levels = Levels::default();
            all.iter().for_each(|setting| levels.set(setting.parse().unwrap()));
            levels
        };
        let line =
            "wayleave proxy -log.level=ERROR --log-level engines=debug --log-level naming::binder=OFF a.yml";
        assert_eq!(read(line), expected(&["ERROR", "engines=DEBUG", "naming::binder=OFF"]));
        assert_eq!(read("wayleave proxy a.yml"), Levels::default());
        let faulty = |text: &str| text.parse::<Setting>().unwrap_err();
        assert!(faulty("LOUD").contains("expected OFF, ERROR, WARNING"));
        assert!(faulty("nobody=INFO").contains("expected root, admin, "));
    }

    #[test]
    fn clap_agrees_with_itself() {
        use clap::CommandFactory;
        Cli::command().debug_assert();
    }
}
