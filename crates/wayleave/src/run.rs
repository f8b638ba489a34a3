//! Running a proxy in the foreground.

use crate::{arguments, check, reloading};
use proxy::{Options, Proxy};
use std::process::ExitCode;
use tokio::signal::unix::{SignalKind, signal};

/// Threads of the control world: discovery, configuration, admin. They sleep nearly always.
const CONTROL_THREADS: usize = 2;

/// `wayleave proxy`: exit code 0 after an orderly end, 1 where the proxy could not start or the file is faulty.
pub(crate) fn proxy(arguments: &arguments::Proxy) -> ExitCode {
    if arguments.validate {
        return check::validate(&arguments.config);
    }
    let document = match check::load(&arguments.config) {
        Ok(document) => document,
        Err(refusal) => return fail(&refusal.to_string()),
    };
    if !document.warnings.is_empty() {
        tracing::warn!("{}", document.warnings);
    }
    let options =
        Options { workers: arguments.workers.map(usize::from), reload: Some(reloading::source(arguments)) };
    let runtime = match runtime() {
        Ok(runtime) => runtime,
        Err(e) => return fail(&format!("cannot start: {e}")),
    };
    runtime.block_on(async {
        match Proxy::start(&document, &options).await {
            Ok(proxy) => until_asked(proxy).await,
            Err(e) => fail(&e.to_string()),
        }
    })
}

/// The runtime of the control world.
pub(crate) fn runtime() -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(CONTROL_THREADS)
        .thread_name("control")
        .enable_all()
        .build()
}

/// Runs until a signal or the admin server asks for the end; a second signal ends the process at once.
async fn until_asked(proxy: Proxy) -> ExitCode {
    let (Ok(mut term), Ok(mut int)) = (signal(SignalKind::terminate()), signal(SignalKind::interrupt()))
    else {
        return fail("cannot listen for signals");
    };
    tokio::select! {
        _ = term.recv() => tracing::info!("SIGTERM: draining"),
        _ = int.recv() => tracing::info!("SIGINT: draining"),
        () = proxy.shutdown_asked() => tracing::info!("asked to shut down: draining"),
    }
    let drained = tokio::select! {
        drained = proxy.stop() => drained,
        _ = term.recv() => return fail("second signal: ended without waiting"),
        _ = int.recv() => return fail("second signal: ended without waiting"),
    };
    match drained.cut {
        0 => tracing::info!("drained"),
        cut => tracing::warn!(
            connections = cut,
            "drained; connections still busy at the end of the grace period were cut"
        ),
    }
    ExitCode::SUCCESS
}

#[expect(
    clippy::print_stderr,
    reason = "what the operator must read goes to standard error, whatever the log level"
)]
pub(crate) fn fail(text: &str) -> ExitCode {
    eprintln!("{}", text.trim_end());
    ExitCode::FAILURE
}
