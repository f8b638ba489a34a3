//! A proxy in this process with one back end, which sends whatever it was told to.

use balance::AccrualPolicy;
use engines::{Clock, HttpSettings, Workers, listen};
use naming::{Binder, BinderSettings, Namers, NoHosts};
use router::{ClientFactory, ClientPartial, Router, RouterSettings, Scope, ServerId, ServerSettings};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use telemetry::{JsonQuery, Metrics, render_json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::{Handle, Runtime};
use tokio::time::timeout;

/// Longer than anything here takes: whoever waits so long waits for ever.
const FOREVER: Duration = Duration::from_secs(60);

pub(crate) struct World {
    runtime: Runtime,
    address: SocketAddr,
    metrics: Metrics,
    /// What the back end sends on each connection.
    answer: Arc<Mutex<Vec<u8>>>,
    _workers: Workers,
}

impl World {
    pub(crate) fn start() -> World {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .expect("threads");
        let answer = Arc::new(Mutex::new(Vec::new()));
        let (address, metrics, workers) = runtime.block_on(async {
            let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
            let back = listener.local_addr().expect("a bound socket");
            tokio::spawn(serve(listener, answer.clone()));
            proxy(back)
        });
        World { runtime, address, metrics, answer, _workers: workers }
    }

    /// A caller sends `caller`, the back end sends `back`.
    pub(crate) fn play(&self, caller: &[u8], back: &[u8]) {
        *self.answer.lock().expect("nobody panics with the lock") = back.to_vec();
        self.runtime.block_on(async {
            let call = call(self.address, caller);
            timeout(FOREVER, call).await.expect("the proxy ends the connection");
            timeout(FOREVER, self.quiet()).await.expect("gauges return to zero");
        });
    }

    async fn quiet(&self) {
        while self.sum("/s/connections") + self.sum("/pending") != 0.0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    /// The sum of all metrics whose name ends so.
    fn sum(&self, end: &str) -> f64 {
        let text = render_json(&self.metrics, &JsonQuery::default()).expect("the whole tree");
        let lines = text.split([',', '{', '}']).filter_map(|line| line.trim().split_once(':'));
        let ours = lines.filter(|(name, _)| name.trim_matches([' ', '"']).ends_with(end));
        ours.map(|(_, value)| value.trim().parse::<f64>().unwrap_or(0.0)).sum()
    }
}

fn proxy(back: SocketAddr) -> (SocketAddr, Metrics, Workers) {
    let dtab = format!("/svc/* => /$/inet/{}/{}", back.ip(), back.port());
    let client = ClientPartial { accrual: Some(AccrualPolicy::None), ..ClientPartial::default() };
    let settings = RouterSettings {
        label: "out".into(),
        dtab: dtab.parse().expect("a good dtab"),
        servers: vec![ServerSettings { label: "s".into() }],
        clients: vec![Scope::global(client)],
        ..RouterSettings::default()
    };
    let metrics = Metrics::new(1);
    let factory = ClientFactory::new(&settings, &metrics);
    let namers = Arc::new(Namers::new(Arc::new(NoHosts)));
    let (binder, task) = Binder::new(namers, settings.dtab.clone(), factory, BinderSettings::default());
    tokio::spawn(task);
    let router = Router::new(settings, binder, &metrics, 1);
    let workers = Workers::start(1, Clock::start()).expect("threads");
    let listener = listen(([127, 0, 0, 1], 0).into()).expect("a free port");
    let address = listener.local_addr().expect("a bound socket");
    workers
        .serve(listener, &router, ServerId(0), HttpSettings::default(), &Handle::current())
        .expect("serving");
    (address, metrics, workers)
}

/// Sends pieces and the end, and reads to the end.
async fn call(to: SocketAddr, bytes: &[u8]) {
    let Ok(mut io) = TcpStream::connect(to).await else { return };
    let (mut from, mut into) = io.split();
    let send = async {
        send_pieces(&mut into, bytes).await;
        let _ = into.shutdown().await;
    };
    let mut heard = Vec::new();
    let _ = tokio::join!(send, from.read_to_end(&mut heard));
}

async fn send_pieces(to: &mut (impl AsyncWriteExt + Unpin), bytes: &[u8]) {
    for piece in bytes.split(|byte| *byte == 0xff) {
        if to.write_all(piece).await.is_err() {
            return;
        }
        tokio::task::yield_now().await;
    }
}

/// On each connection: the answer when something has come, then the end.
async fn serve(listener: TcpListener, answer: Arc<Mutex<Vec<u8>>>) {
    while let Ok((mut io, _)) = listener.accept().await {
        let answer = answer.clone();
        tokio::spawn(async move {
            let mut heard = [0; 4096];
            if !matches!(io.read(&mut heard).await, Ok(n) if n > 0) {
                return;
            }
            let bytes = answer.lock().expect("nobody panics with the lock").clone();
            let (mut from, mut into) = io.split();
            let send = async {
                send_pieces(&mut into, &bytes).await;
                let _ = into.shutdown().await;
            };
            let drain = async { while matches!(from.read(&mut heard).await, Ok(n) if n > 0) {} };
            tokio::join!(send, drain);
        });
    }
}
