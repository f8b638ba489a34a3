//! Workers: each one thread with its own single-threaded runtime, connections, buffers and idle pool
//! (architecture.md §2). Control speaks to them through a queue of commands; they never wait for it.

mod serving;

use crate::accept::{self, Accepted};
use crate::clock::Clock;
use crate::context::{Context, Draining, Live};
use crate::health::{Health, LastBeat, Stall};
use crate::http1::{Compression, Connection, Limits};
use crate::pulse::Pulse;
use crate::seat::{Seat, ServerContext};
use balance::Nanos;
use router::{Router, ServerId};
use std::collections::HashMap;
use std::io;
use std::net::TcpListener;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;
use telemetry::Metrics;
use tokio::net::TcpStream;
use tokio::runtime::Builder;
use tokio::sync::{mpsc, oneshot, watch};

use serving::Acceptors;
pub use serving::ServerKey;

/// Settings of an HTTP/1 server that concern the engine (dataplane.md §4.1, §4.4).
#[derive(Clone, Copy, Debug)]
pub struct HttpSettings {
    /// Limits of heads, of requests and responses.
    pub limits: Limits,
    /// Request bodies with a Content-Length up to this many bytes are held whole, so that they can be sent again.
    /// Default 5,120. Answers of that size are held likewise, so that one that breaks off can be had again.
    pub hold_body: u64,
    /// With `streamingEnabled: false`: all bodies are held whole, up to so many bytes; longer ones are refused. Default
    /// none: longer bodies are passed on as they come.
    pub hold_all: Option<u64>,
    /// Which answers are compressed.
    pub compression: Compression,
    /// Whether `Upgrade` and CONNECT are passed on and a connection may become a tunnel. Default no.
    pub tunnels: bool,
    /// How long a caller may keep others waiting without sending any of its body or taking any of its answer. Default 5
    /// min.
    pub stall: Nanos,
    /// How long an answer that does not move is waited for on behalf of a caller that has closed its side of the
    /// connection. Default 10 s.
    pub half_closed: Nanos,
}

impl Default for HttpSettings {
    fn default() -> Self {
        HttpSettings {
            limits: Limits::default(),
            hold_body: 5 << 10,
            hold_all: None,
            compression: Compression::default(),
            tunnels: false,
            stall: Nanos::from_secs(300),
            half_closed: Nanos::from_secs(10),
        }
    }
}

/// How often a worker shows that it lives.
const BEAT: Duration = Duration::from_millis(250);
/// After how many beats it looks after what is not urgent: once a second.
const TICK: u32 = 4;

pub(crate) enum Command {
    /// A new server, or another router for one that is there.
    Serve(Serve),
    /// One server ends, step by step.
    End(usize, Draining),
    /// Say that everything before this is done.
    Settle(oneshot::Sender<()>),
    /// Give idle connections to this endpoint to those who wait for one.
    Share(u64),
    Connection(usize, Accepted),
    Drain(Draining),
    /// For tests of what notices it.
    Stall(Stall),
    Stop,
}

pub(crate) struct Serve {
    key: usize,
    router: Arc<Router>,
    server: ServerId,
    settings: HttpSettings,
    /// Present where the worker itself accepts.
    accepting: Option<(TcpListener, watch::Receiver<bool>)>,
}

/// The traffic world.
pub struct Workers {
    workers: Vec<WorkerHandle>,
    acceptors: Acceptors,
    clock: Clock,
}

/// The way to all workers, from any.
#[derive(Clone)]
pub(crate) struct Peers(Arc<[mpsc::UnboundedSender<Command>]>);

impl Peers {
    /// How many workers there are.
    pub(crate) fn count(&self) -> usize {
        self.0.len()
    }

    /// Asks a worker to share its idle connections to an endpoint.
    pub(crate) fn ask_to_share(&self, worker: usize, endpoint: u64) {
        if let Some(commands) = self.0.get(worker) {
            // A worker that is gone has no connections.
            let _ = commands.send(Command::Share(endpoint));
        }
    }
}

struct WorkerHandle {
    commands: mpsc::UnboundedSender<Command>,
    live: Arc<AtomicUsize>,
    last: LastBeat,
    thread: Option<JoinHandle<()>>,
}

/// How a drain went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Drained {
    /// Connections that were still busy when time was up, and were cut.
    pub cut: usize,
}

impl Workers {
    /// Starts so many workers. What they have to do is told in `workers/<number>` of `metrics`.
    ///
    /// # Errors
    /// What the system says when it has no thread or no descriptor left.
    pub fn start(count: usize, clock: Clock, metrics: &Metrics) -> io::Result<Workers> {
        let (commands, queues): (Vec<_>, Vec<_>) =
            (0..count.max(1)).map(|_| mpsc::unbounded_channel()).unzip();
        let peers = Peers(commands.into());
        // If one cannot be started, dropping this stops those before it.
        let mut all =
            Workers { workers: Vec::with_capacity(queues.len()), acceptors: Acceptors::default(), clock };
        for (i, queue) in queues.into_iter().enumerate() {
            let last = LastBeat::new(clock.now());
            let pulse = Pulse::new(&metrics.scope(&["workers", &i.to_string()]), last.clone());
            all.workers.push(WorkerHandle::start(i, clock, peers.clone(), queue, pulse, last)?);
        }
        Ok(all)
    }

    /// How many there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.workers.len()
    }

    /// How they are; stays valid when they have ended.
    #[must_use]
    pub fn health(&self) -> Health {
        Health::new(self.clock, self.workers.iter().map(|w| (w.commands.clone(), w.last.clone())).collect())
    }

    /// The workers' clock.
    #[must_use]
    pub fn clock(&self) -> Clock {
        self.clock
    }

    /// Callers' connections that are open.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.workers.iter().map(|w| w.live.load(Ordering::Acquire)).sum()
    }

    /// Ends all servers without losing a request: accepts what is queued, closes the sockets, announces the end with
    /// each answer for up to `announce`, then closes idle connections and waits for busy ones. Whatever is not done
    /// `grace` after the call is cut.
    pub async fn drain(mut self, announce: Duration, grace: Duration) -> Drained {
        let end = tokio::time::Instant::now() + grace;
        // Acceptors hold receivers; a channel closes when its acceptor has emptied its queue.
        for stop in self.acceptors.stop() {
            let _ = tokio::time::timeout_at(end, stop.closed()).await;
        }
        self.tell(|| Command::Drain(Draining::Announce));
        self.wait_idle(end.min(tokio::time::Instant::now() + announce)).await;
        self.tell(|| Command::Drain(Draining::Close));
        self.wait_idle(end).await;
        let cut = self.connections();
        self.tell(|| Command::Stop);
        let threads: Vec<_> = self.workers.iter_mut().filter_map(|w| w.thread.take()).collect();
        let joined = tokio::task::spawn_blocking(move || {
            for thread in threads {
                let _ = thread.join();
            }
        });
        let _ = joined.await;
        Drained { cut }
    }

    async fn wait_idle(&self, until: tokio::time::Instant) {
        let mut looks = tokio::time::interval(Duration::from_millis(5));
        while self.connections() > 0 && tokio::time::Instant::now() < until {
            looks.tick().await;
        }
    }

    fn tell(&self, command: impl Fn() -> Command) {
        for worker in &self.workers {
            worker.tell(command());
        }
    }
}

impl Drop for Workers {
    fn drop(&mut self) {
        self.acceptors.stop();
        self.tell(|| Command::Stop);
        for thread in self.workers.iter_mut().filter_map(|w| w.thread.take()) {
            let _ = thread.join();
        }
    }
}

impl WorkerHandle {
    fn start(
        index: usize,
        clock: Clock,
        peers: Peers,
        queue: mpsc::UnboundedReceiver<Command>,
        pulse: Pulse,
        last: LastBeat,
    ) -> io::Result<WorkerHandle> {
        let runtime = Builder::new_current_thread().enable_io().enable_time().build()?;
        let commands = peers.0[index].clone();
        let live = Arc::new(AtomicUsize::new(0));
        let count = live.clone();
        let run = move || {
            let context = Rc::new(Context::new(clock, index, count, peers));
            let local = tokio::task::LocalSet::new();
            // A panic of a connection's task stays in that task. One that arrives here means that the worker's own
            // state is broken: half a proxy is worse than a restart.
            let ran = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
                local.block_on(&runtime, work(context, queue, pulse));
                drop(local);
            }));
            if ran.is_err() {
                std::process::abort();
            }
        };
        let thread = std::thread::Builder::new().name(format!("worker-{index}")).spawn(run)?;
        Ok(WorkerHandle { commands, live, last, thread: Some(thread) })
    }

    fn tell(&self, command: Command) {
        // A worker that is gone has ended on purpose.
        let _ = self.commands.send(command);
    }
}

async fn distribute(
    listener: TcpListener,
    stop: watch::Receiver<bool>,
    key: usize,
    live: Vec<Arc<AtomicUsize>>,
    commands: Vec<mpsc::UnboundedSender<Command>>,
) {
    let mut last = 0;
    let hand = |io: TcpStream, peer| {
        let to = accept::least_loaded(&live, &mut last);
        if let Ok(io) = io.into_std() {
            let accepted = Accepted { io, peer, live: Live::begin(&live[to]) };
            let _ = commands[to].send(Command::Connection(key, accepted));
        }
    };
    if let Err(e) = accept::accept(listener, stop, hand).await {
        tracing::error!(error = %e, "cannot accept connections");
    }
}

/// A worker's life.
async fn work(context: Rc<Context>, mut queue: mpsc::UnboundedReceiver<Command>, mut pulse: Pulse) {
    let mut servers: HashMap<usize, Rc<Seat>> = HashMap::new();
    let mut beats = tokio::time::interval(BEAT);
    beats.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut since_tick = 0;
    loop {
        let command = tokio::select! {
            // Never closed: each worker holds the way to all.
            Some(command) = queue.recv() => command,
            due = beats.tick() => {
                pulse.beat(due, context.clock);
                since_tick = (since_tick + 1) % TICK;
                if since_tick == 0 {
                    tick(&context, &servers);
                }
                continue;
            }
        };
        match command {
            Command::Serve(serve) => serve_on(&context, &mut servers, serve),
            Command::Connection(key, accepted) => {
                if let (Some(seat), Ok(io)) = (servers.get(&key), TcpStream::from_std(accepted.io)) {
                    welcome(seat, io, accepted.peer, accepted.live);
                }
            }
            Command::End(key, how_far) => end(&context, &mut servers, key, how_far),
            // Nobody may be waiting any more.
            Command::Settle(done) => drop(done.send(())),
            Command::Share(endpoint) => context.pool.borrow_mut().share(endpoint),
            Command::Drain(draining) => context.connections.drain(draining),
            Command::Stall(stall) => stall.hold(),
            Command::Stop => return,
        }
    }
}

/// A new server, or another router for one that is there.
fn serve_on(context: &Rc<Context>, servers: &mut HashMap<usize, Rc<Seat>>, serve: Serve) {
    let router = serve.router.worker(serve.server, context.worker, fastrand::u64(..));
    let server = ServerContext::new(context.clone(), router, serve.settings);
    if let Some(seat) = servers.get(&serve.key) {
        seat.replace(server);
        // Idle connections, too, are to let go of what was before.
        context.connections.wake();
        return;
    }
    let seat = Rc::new(Seat::new(server));
    servers.insert(serve.key, seat.clone());
    if let Some((listener, stop)) = serve.accepting {
        tokio::task::spawn_local(accept_here(context.clone(), seat, listener, stop));
    }
}

async fn accept_here(
    context: Rc<Context>,
    seat: Rc<Seat>,
    listener: TcpListener,
    stop: watch::Receiver<bool>,
) {
    let hand = |io, peer| welcome(&seat, io, peer, context.connections.begin());
    if let Err(e) = accept::accept(listener, stop, hand).await {
        tracing::error!(error = %e, "cannot accept connections");
    }
}

fn end(context: &Context, servers: &mut HashMap<usize, Rc<Seat>>, key: usize, how_far: Draining) {
    if let Some(seat) = servers.get(&key) {
        seat.leave(how_far);
        context.connections.wake();
    }
    if how_far == Draining::Close {
        servers.remove(&key);
    }
}

fn welcome(seat: &Rc<Seat>, io: TcpStream, peer: std::net::SocketAddr, live: Live) {
    tokio::task::spawn_local(Connection::new(seat.clone(), io, peer, live).serve());
}

fn tick(context: &Context, servers: &HashMap<usize, Rc<Seat>>) {
    let now = context.clock.now();
    for seat in servers.values() {
        seat.current().router.borrow_mut().tick(now);
    }
    context.pool.borrow_mut().sweep(now);
    context.trim();
}
