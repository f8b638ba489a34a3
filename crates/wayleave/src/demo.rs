//! `wayleave demo`: sample services, a proxy on an ordinary configuration, traffic, and a table of what happens.
//!
//! One process and one directory, both gone at the end. The proxy is the same as `wayleave proxy` runs, started from the
//! same file a person can read while the demo runs.

mod config;
mod control;
mod figures;
mod fleet;
mod intro;
mod ports;
mod screen;
mod table;
mod traffic;

use crate::arguments;
use crate::run;
use figures::{Figures, Meter, WINDOW};
use fleet::Fleet;
use ports::Ports;
use proxy::{Options, Proxy, StartError, document};
use screen::Screen;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;
use telemetry::JsonQuery;
use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::Mutex;
use tokio::task::JoinSet;
use tokio::time::Instant;
use traffic::{Row, SharedSeen, Totals};

/// How often the table is redrawn.
const REDRAW: Duration = Duration::from_secs(1);
/// After how many readings a line is written where there is no terminal.
const LINE_EVERY: u32 = 5;
/// How often ports are chosen anew because somebody else took one of them in between.
const START_TRIES: u32 = 5;

/// Exit code 0 after an orderly end, 1 where the demo could not start.
pub(crate) fn demo(arguments: &arguments::Demo, levels: crate::log::Levels) -> ExitCode {
    let runtime = match run::runtime() {
        Ok(runtime) => runtime,
        Err(e) => return run::fail(&format!("cannot start: {e}")),
    };
    match runtime.block_on(run(arguments, levels)) {
        Ok(()) => ExitCode::SUCCESS,
        // Who reads the output has had enough of it, as with `| head`.
        Err(e) if e.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(e) => run::fail(&format!("demo: {e}")),
    }
}

async fn run(arguments: &arguments::Demo, levels: crate::log::Levels) -> io::Result<()> {
    // Before anything is made that has to be removed.
    let mut signals = Signals::new()?;
    let folder = tempfile::Builder::new().prefix("wayleave-demo-").tempdir()?;
    crate::log::begin_in(levels, std::fs::File::create(folder.path().join("log"))?);
    let mut demo = Demo::start(arguments, folder.path()).await?;
    let ended = tokio::select! {
        // A signal is looked at first, so that the first one is enough.
        biased;
        () = signals.any() => Ok(()),
        _ = demo.proxy.shutdown_asked() => Ok(()),
        () = until(arguments.duration) => Ok(()),
        shown = show(&mut demo.screen, &demo.view, &demo.intro) => shown,
    };
    // Whatever happened above, everything is stopped and the folder removed.
    let stopped = tokio::select! {
        stopped = demo.stop() => stopped,
        () = signals.any() => Ok(()),
    };
    folder.close()?;
    ended.and(stopped)
}

async fn until(seconds: Option<u64>) {
    match seconds {
        Some(seconds) => tokio::time::sleep(Duration::from_secs(seconds)).await,
        None => std::future::pending().await,
    }
}

/// Everything that runs.
struct Demo {
    screen: Screen,
    intro: String,
    proxy: Proxy,
    view: View,
    control: JoinSet<()>,
    callers: JoinSet<()>,
}

/// What the table is made from.
struct View {
    metrics: telemetry::Metrics,
    fleet: control::Shared,
    seen: SharedSeen,
    started: Instant,
}

impl Demo {
    async fn start(arguments: &arguments::Demo, folder: &Path) -> io::Result<Demo> {
        let disco = folder.join("disco");
        std::fs::create_dir(&disco)?;
        let (proxy, ports, fleet) = mesh(arguments, folder, &disco).await?;
        let listener = match TcpListener::bind((Ipv4Addr::LOCALHOST, ports.control)).await {
            Ok(listener) => listener,
            Err(_) => TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?,
        };
        let ports = Ports { control: listener.local_addr()?.port(), ..ports };
        let fleet = Arc::new(Mutex::new(fleet));
        let mut control = JoinSet::new();
        control.spawn(control::serve(listener, fleet.clone()));
        let seen = SharedSeen::default();
        let callers = match arguments.no_traffic {
            true => JoinSet::new(),
            false => traffic::start(local(ports.outgoing), &seen),
        };
        let view = View { metrics: proxy.metrics().clone(), fleet, seen, started: Instant::now() };
        let intro = intro::text(ports, folder, !arguments.no_traffic);
        Ok(Demo { screen: Screen::new(), intro, proxy, view, control, callers })
    }

    /// Ends the callers first, so that nothing fails because of the end, and says what came of them.
    async fn stop(self) -> io::Result<()> {
        let Demo { mut screen, proxy, view, mut control, mut callers, .. } = self;
        callers.shutdown().await;
        let mut meter = Meter::default();
        let figures = view.figures(&mut meter).await;
        let Totals { answered, failed } = traffic::with(&view.seen, |seen| seen.totals());
        let callers = format!("the demo's own callers: {answered} requests answered, {failed} not");
        let said = screen.say(&format!("\n{}\n{callers}", table::totals(&figures)));
        proxy.stop().await;
        control.shutdown().await;
        said
    }
}

/// Services and proxy on ports that are free.
async fn mesh(arguments: &arguments::Demo, folder: &Path, disco: &Path) -> io::Result<(Proxy, Ports, Fleet)> {
    let mut tries = 1;
    loop {
        let ports = Ports::choose(ports::PREFERRED)?;
        let fleet = Fleet::start(disco, local(ports.outgoing)).await?;
        match start_proxy(arguments, ports, folder, disco).await? {
            Ok(proxy) => return Ok((proxy, ports, fleet)),
            // Somebody else was quicker.
            Err(StartError::Listen { error, .. })
                if error.kind() == io::ErrorKind::AddrInUse && tries < START_TRIES =>
            {
                tries += 1;
            }
            Err(fault) => return Err(io::Error::other(fault)),
        }
    }
}

async fn start_proxy(
    arguments: &arguments::Demo,
    ports: Ports,
    folder: &Path,
    disco: &Path,
) -> io::Result<Result<Proxy, StartError>> {
    let file = folder.join("linkerd.yaml");
    std::fs::write(&file, config::text(ports, &file, disco))?;
    let document = document::load(&file.to_string_lossy(), &std::fs::read(&file)?)
        .map_err(|faults| io::Error::other(faults.to_string()))?;
    let options = Options { workers: arguments.workers.map(usize::from), ..Options::default() };
    Ok(Proxy::start(&document, &options).await)
}

/// Shows figures until the output is closed.
async fn show(screen: &mut Screen, view: &View, intro: &str) -> io::Result<()> {
    screen.explain(intro)?;
    screen.say("")?;
    let mut meter = Meter::default();
    let mut ticks = tokio::time::interval(REDRAW);
    for tick in 0_u32.. {
        ticks.tick().await;
        let figures = view.figures(&mut meter).await;
        if screen.is_terminal() {
            screen.draw(&table::table(&figures))?;
        } else if tick > 0 && tick % LINE_EVERY == 0 {
            screen.say(&table::line(&figures, view.started.elapsed()))?;
        }
    }
    Ok(())
}

impl View {
    async fn figures(&self, meter: &mut Meter) -> Figures {
        let now = Instant::now();
        // Everything is asked for, so nothing can be missing.
        let json = telemetry::render_json(&self.metrics, &JsonQuery::default()).unwrap_or_default();
        meter.read(now, &json);
        let latency = traffic::with(&self.seen, |seen| {
            if let Some(since) = now.checked_sub(WINDOW) {
                seen.forget_before(since);
            }
            [Row::Hello, Row::World].map(|row| seen.latency(row))
        });
        meter.figures(latency, self.fleet.lock().await.alive())
    }
}

fn local(port: u16) -> SocketAddr {
    (Ipv4Addr::LOCALHOST, port).into()
}

/// The signals that end the demo: Ctrl-C, a plain `kill`, a terminal that is closed.
struct Signals([Signal; 3]);

impl Signals {
    fn new() -> io::Result<Signals> {
        let [int, term, hup] =
            [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup()].map(signal);
        Ok(Signals([int?, term?, hup?]))
    }

    async fn any(&mut self) {
        let Signals([int, term, hup]) = self;
        tokio::select! {
            _ = int.recv() => {}
            _ = term.recv() => {}
            _ = hup.recv() => {}
        }
    }
}
