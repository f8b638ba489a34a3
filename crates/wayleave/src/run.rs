//! Running a proxy in the foreground, from its sockets to its exit code.

use crate::log::Log;
use crate::takeover::Meeting;
use crate::{arguments, check, reloading};
use handover::activation;
use handover::notify::Notifier;
use handover::takeover::{Claim, Offer};
use proxy::document::Document;
use proxy::{Cause, Health, Options, Proxy, Sockets};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::task::JoinSet;

/// Threads of the control world: discovery, configuration, admin. They sleep nearly always.
const CONTROL_THREADS: usize = 2;
/// Exit code after a second signal.
const NOT_WAITED: u8 = 3;
/// How long accepting goes on after SIGTERM in a Kubernetes pod by default: other nodes take a while to learn of the end.
const KUBERNETES_DELAY: Duration = Duration::from_secs(5);

/// `wayleave proxy`: exit codes as its `--help` says.
pub(crate) fn proxy(arguments: &arguments::Proxy, log: &Arc<Log>) -> ExitCode {
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
    let sockets = Arc::new(Sockets::default());
    // Before there is a second thread.
    sockets.give(activation::sockets());
    let notifier = Arc::new(Notifier::from_env());
    let options = Options {
        workers: arguments.workers.map(usize::from),
        reload: Some(reloading::source(arguments, &notifier)),
        loggers: Some(log.clone()),
        sockets,
        drain_delay: drain_delay(),
    };
    let runtime = match runtime() {
        Ok(runtime) => runtime,
        Err(e) => return fail(&format!("cannot start: {e}")),
    };
    let counting = log.clone();
    runtime.spawn(async move { counting.count_out().await });
    let code = runtime
        .block_on(start(&document, &options, arguments, notifier))
        .unwrap_or_else(|error| fail(&error));
    log.finish();
    code
}

fn drain_delay() -> Duration {
    let pod = std::env::var_os("KUBERNETES_SERVICE_HOST").is_some();
    if pod { KUBERNETES_DELAY } else { Duration::ZERO }
}

/// The runtime of the control world.
pub(crate) fn runtime() -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(CONTROL_THREADS)
        .thread_name("control")
        .enable_all()
        .build()
}

/// Starts the proxy, in the place of the one that runs where that was asked for, and runs it to its end.
async fn start(
    document: &Document,
    options: &Options,
    arguments: &arguments::Proxy,
    notifier: Arc<Notifier>,
) -> Result<ExitCode, String> {
    // From here on a signal is kept until somebody looks.
    let signals = Signals::new().map_err(|error| format!("cannot listen for signals: {error}"))?;
    let meeting = Meeting::new(arguments.takeover_socket.as_deref(), document.admin.address());
    let claim = if arguments.takeover { meeting.claim(&options.sockets).await? } else { None };
    // Before anything is started: where it is taken, another process runs that should have been taken over from.
    let offer = if claim.is_none() { meeting.offer().await? } else { None };
    let proxy = Proxy::start(document, options).await.map_err(|error| error.to_string())?;
    for address in options.sockets.close_unused() {
        tracing::warn!("the socket that was handed over for {address} is closed: no server has that address");
    }
    let ready = proxy.health().ready().await;
    let Some(claim) = claim else {
        if let Err(why) = ready {
            tracing::warn!("started, but not ready: {}", why.trim_end());
        }
        notifier.ready();
        return Ok(serve(proxy, signals, offer, options, notifier).await);
    };
    if let Err(error) = hand_over(claim, ready).await {
        // The process that runs goes on; this one must not serve beside it.
        proxy.stop().await;
        return Err(format!("takeover: {error}"));
    }
    notifier.took_over();
    Ok(serve(proxy, signals, meeting.offer_in_place(), options, notifier).await)
}

/// Tells the process that ran so far to drain, if this one is ready.
async fn hand_over(claim: Claim, ready: Result<(), String>) -> Result<(), String> {
    ready?;
    claim.ready().await.map_err(|error| error.to_string())?;
    tracing::info!("takeover: the process before this one drains");
    Ok(())
}

/// Runs until somebody asks for the end.
async fn serve(
    proxy: Proxy,
    mut signals: Signals,
    mut offer: Option<Offer>,
    options: &Options,
    notifier: Arc<Notifier>,
) -> ExitCode {
    let mut tasks = JoinSet::new();
    tasks.spawn(watchdog(notifier.clone(), proxy.health().clone()));
    let cause = tokio::select! {
        cause = signals.any() => cause,
        cause = proxy.shutdown_asked() => cause,
        () = taken(&mut offer, options) => Cause::TakenOver,
    };
    tracing::info!("{}", announced(cause));
    // The service goes on where another process has taken over.
    if cause != Cause::TakenOver {
        notifier.stopping();
    }
    // Nobody can take over from a process that ends.
    drop(offer);
    end(proxy, cause, signals).await
}

/// Resolves when a successor serves.
async fn taken(offer: &mut Option<Offer>, options: &Options) {
    match offer {
        Some(offer) => offer.given(|| options.sockets.duplicates()).await,
        None => std::future::pending().await,
    }
}

fn announced(cause: Cause) -> &'static str {
    match cause {
        Cause::Terminated => "SIGTERM: draining",
        Cause::Interrupted => "SIGINT: draining",
        Cause::Asked(_) => "asked to shut down: draining",
        Cause::TakenOver => "another process has taken over: draining",
    }
}

/// Ends the proxy; another signal ends the process at once.
async fn end(proxy: Proxy, cause: Cause, mut signals: Signals) -> ExitCode {
    let ending = proxy.ending(cause);
    let drained = tokio::select! {
        drained = proxy.end(ending) => drained,
        _ = signals.any() => {
            fail("second signal: ended without waiting");
            return ExitCode::from(NOT_WAITED);
        }
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

/// Tells the service manager that all is well, as long as the workers turn.
async fn watchdog(notifier: Arc<Notifier>, health: Health) {
    let Some(beat) = notifier.beat() else { return };
    let mut beats = tokio::time::interval(beat);
    loop {
        beats.tick().await;
        match health.live() {
            Ok(()) => notifier.alive(),
            Err(why) => tracing::error!("watchdog: {}", why.trim_end()),
        }
    }
}

struct Signals {
    term: Signal,
    int: Signal,
}

impl Signals {
    fn new() -> std::io::Result<Signals> {
        Ok(Signals { term: signal(SignalKind::terminate())?, int: signal(SignalKind::interrupt())? })
    }

    /// The next one.
    async fn any(&mut self) -> Cause {
        tokio::select! {
            _ = self.term.recv() => Cause::Terminated,
            _ = self.int.recv() => Cause::Interrupted,
        }
    }
}

#[expect(
    clippy::print_stderr,
    reason = "what the operator must read goes to standard error, whatever the log level"
)]
pub(crate) fn fail(text: &str) -> ExitCode {
    eprintln!("{}", text.trim_end());
    ExitCode::FAILURE
}
