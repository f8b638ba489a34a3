//! The sample service of Linkerd's examples as a program: flags, environment, signals.

use helloworld::{Fault, Settings};
use std::io::{self, Write};
use std::process::ExitCode;
use std::sync::Arc;
use tokio::signal::unix::{Signal, SignalKind, signal};

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(fault) => {
            // Nothing can be done if standard error is closed.
            let _ = writeln!(io::stderr(), "{}", fault.text().trim_end());
            ExitCode::from(fault.exit_code())
        }
    }
}

fn run() -> Result<(), Fault> {
    let args: Vec<_> = std::env::args_os().skip(1).map(|arg| arg.to_string_lossy().into_owned()).collect();
    let settings = Settings::read(&args, |name| std::env::var(name).ok())?;
    settings.check_built()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(fatal)?;
    runtime.block_on(serve(settings))
}

async fn serve(settings: Settings) -> Result<(), Fault> {
    // Before listening, so that a signal that comes early is not lost.
    let stop = stop_signal().map_err(fatal)?;
    let listener = helloworld::bind(&settings.addr).await.map_err(fatal)?;
    helloworld::serve_announcing(settings, listener, stop, Arc::new(print)).await.map_err(fatal)
}

/// Ends with SIGINT (as the original) or SIGTERM (as Kubernetes sends).
fn stop_signal() -> io::Result<impl Future<Output = ()>> {
    let (mut int, mut term): (Signal, Signal) =
        (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    Ok(async move {
        tokio::select! {
            _ = int.recv() => {}
            _ = term.recv() => {}
        }
    })
}

fn print(line: &str) {
    // A closed standard output is no reason to stop serving.
    let _ = writeln!(io::stdout(), "{line}");
}

#[allow(clippy::needless_pass_by_value, reason = "used as a function for map_err")]
fn fatal(fault: io::Error) -> Fault {
    Fault::Fatal(fault.to_string())
}
