//! A proxy in this process: one server, one name (`web`), one address behind it.

use balance::{AccrualPolicy, Nanos};
use engines::{Clock, Drained, HttpSettings, Workers, listen};
use naming::{Binder, BinderSettings, Namers, NoHosts};
use router::{
    ClientFactory, ClientPartial, PoolSettings, Router, RouterSettings, Scope, ServerId, ServerSettings,
    ServicePartial, SessionSettings, SocketSettings,
};
use socket2::{Domain, SockRef, Socket, Type};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use telemetry::{JsonQuery, Metrics, render_json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Handle;

/// A running engine with its router.
pub(crate) struct World {
    pub(crate) address: SocketAddr,
    workers: Workers,
    metrics: Metrics,
}

/// What a test changes of the router's settings.
#[derive(Clone, Default)]
pub(crate) struct Settings {
    pub(crate) service: ServicePartial,
    pub(crate) attempt_timeout: Option<Nanos>,
    pub(crate) binding_timeout: Option<Nanos>,
    pub(crate) accrual: Option<AccrualPolicy>,
    pub(crate) pool: Option<PoolSettings>,
    pub(crate) session: Option<SessionSettings>,
    pub(crate) socket: Option<SocketSettings>,
    pub(crate) server: ServerSettings,
    pub(crate) http: HttpSettings,
}

impl Settings {
    pub(crate) fn http(http: HttpSettings) -> Settings {
        Settings { http, ..Settings::default() }
    }
}

impl World {
    /// `web` is at `back`.
    pub(crate) async fn start(width: usize, back: SocketAddr) -> World {
        World::with(width, back, Settings::default()).await
    }

    pub(crate) async fn with(width: usize, back: SocketAddr, settings: Settings) -> World {
        let socket = settings.server.socket;
        let http = settings.http;
        let dtab = format!("/svc/web => /$/inet/{}/{}", back.ip(), back.port());
        let client = ClientPartial {
            accrual: Some(settings.accrual.unwrap_or(AccrualPolicy::None)),
            attempt_timeout: settings.attempt_timeout,
            pool: settings.pool,
            session: settings.session,
            socket: settings.socket,
            ..ClientPartial::default()
        };
        let defaults = RouterSettings::default();
        let settings = RouterSettings {
            binding_timeout: settings.binding_timeout.unwrap_or(defaults.binding_timeout),
            label: "out".into(),
            dtab: dtab.parse().expect("a good dtab"),
            servers: vec![ServerSettings { label: "s".into(), ..settings.server }],
            services: vec![Scope::global(settings.service)],
            clients: vec![Scope::global(client)],
            // One key for both.
            stream_after: http.hold_body,
            ..defaults
        };
        let metrics = Metrics::new(width);
        let factory = ClientFactory::new(&settings, &metrics);
        let namers = Arc::new(Namers::new(Arc::new(NoHosts)));
        let (binder, task) = Binder::new(namers, settings.dtab.clone(), factory, BinderSettings::default());
        tokio::spawn(task);
        let router = Router::new(settings, binder, &metrics, width);
        let workers = Workers::start(width, Clock::start(), &metrics).expect("threads");
        let listener = listen(([127, 0, 0, 1], 0).into(), &socket).expect("a free port");
        let address = listener.local_addr().expect("a bound socket");
        workers.serve(listener, &router, ServerId(0), http, &Handle::current()).expect("serving");
        World { address, workers, metrics }
    }

    pub(crate) async fn caller(&self) -> TcpStream {
        let io = TcpStream::connect(self.address).await.expect("the proxy accepts");
        io.set_nodelay(true).expect("a TCP socket");
        io
    }

    /// A caller for whom the kernels on both sides hold next to nothing: what it does not read stays in the proxy.
    pub(crate) async fn narrow_caller(&self) -> TcpStream {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
        socket.set_recv_buffer_size(4 << 10).expect("a size");
        socket.set_tcp_mss(536).expect("a size");
        socket.connect(&self.address.into()).expect("the proxy accepts");
        socket.set_nonblocking(true).expect("a socket");
        TcpStream::from_std(socket.into()).expect("a connected socket")
    }

    /// The whole of what the proxy says to `bytes`, sent at once.
    pub(crate) async fn ask(&self, bytes: &[u8]) -> Vec<u8> {
        let mut io = self.caller().await;
        io.write_all(bytes).await.expect("room");
        rest(&mut io).await.0
    }

    /// The sum of all metrics whose name ends so.
    pub(crate) fn sum(&self, end: &str) -> f64 {
        sum(&self.metrics, end)
    }

    /// Summarises histograms: what was recorded up to now is what they show.
    pub(crate) fn snapshot(&self) {
        self.metrics.snapshot_histograms();
    }

    /// The sum, with histograms summarised up to now.
    pub(crate) fn summary(&self, end: &str) -> f64 {
        self.snapshot();
        self.sum(end)
    }

    /// Waits until all metrics whose name ends so add up to this.
    pub(crate) async fn wait(&self, end: &str, value: f64) {
        let what = format!("{end} = {value}");
        testkit::eventually(testkit::PATIENCE, &what, || async { self.sum(end) == value }).await;
    }

    /// Begins to end the proxy, with so much time for what runs.
    pub(crate) async fn drain(self, grace: Duration) -> Drained {
        testkit::within("a drain", self.workers.drain(Duration::ZERO, grace)).await
    }

    /// Ends the proxy: nothing is cut, and nothing is left in the gauges.
    pub(crate) async fn finish(self) {
        let grace = Duration::from_secs(10);
        let drained = testkit::within("a drain", self.workers.drain(Duration::ZERO, grace)).await;
        assert_eq!(drained, Drained { cut: 0 });
        for gauge in ["/connections", "/pending"] {
            assert_eq!(sum(&self.metrics, gauge), 0.0, "{gauge}");
        }
    }
}

fn sum(metrics: &Metrics, end: &str) -> f64 {
    let text = render_json(metrics, &JsonQuery::default()).expect("the whole tree");
    let lines = text.split([',', '{', '}']).filter_map(|line| line.trim().split_once(':'));
    lines
        .filter(|(name, _)| name.trim_matches([' ', '"']).ends_with(end))
        .map(|(_, value)| value.trim().parse::<f64>().unwrap_or(0.0))
        .sum()
}

/// A listener for a back end.
pub(crate) async fn back_end() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("a bound socket");
    (listener, address)
}

/// An address that does not answer: a listener whose queue is full drops what comes, like a black hole. With what fills it.
pub(crate) async fn black_hole() -> (SocketAddr, Vec<TcpStream>, Socket) {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
    let any: SocketAddr = ([127, 0, 0, 1], 0).into();
    socket.bind(&any.into()).expect("a free port");
    socket.listen(0).expect("a listener");
    let hole = socket.local_addr().expect("bound").as_socket().expect("an address");
    let mut fill = Vec::new();
    while let Ok(Ok(io)) = tokio::time::timeout(Duration::from_millis(200), TcpStream::connect(hole)).await {
        fill.push(io);
        assert!(fill.len() < 100, "the queue does not fill");
    }
    (hole, fill, socket)
}

pub(crate) async fn accept(listener: &TcpListener) -> TcpStream {
    let (io, _) = testkit::within("a connection from the proxy", listener.accept()).await.expect("one");
    io.set_nodelay(true).expect("a TCP socket");
    io
}

/// A caller whose request the back end has read the head of, and the back end's side of that.
pub(crate) async fn asked(world: &World, listener: &TcpListener, request: &[u8]) -> (TcpStream, TcpStream) {
    let mut io = world.caller().await;
    io.write_all(request).await.expect("room");
    let mut back = accept(listener).await;
    head(&mut back).await;
    (io, back)
}

/// A head, read byte by byte so that nothing behind it is touched.
pub(crate) async fn head(io: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    let read = async {
        while !bytes.ends_with(b"\r\n\r\n") {
            match io.read_u8().await {
                Ok(b) => bytes.push(b),
                Err(e) => panic!("{e} behind {:?}", String::from_utf8_lossy(&bytes)),
            }
        }
        String::from_utf8(bytes.clone()).expect("text")
    };
    testkit::within("a head", read).await
}

/// So many bytes.
pub(crate) async fn bytes(io: &mut TcpStream, n: usize) -> Vec<u8> {
    let mut bytes = vec![0; n];
    testkit::within("bytes", io.read_exact(&mut bytes)).await.expect("so many bytes");
    bytes
}

/// What comes until the end, and whether that end was orderly.
pub(crate) async fn rest(io: &mut TcpStream) -> (Vec<u8>, bool) {
    let mut bytes = Vec::new();
    let ended = testkit::within("the end of the connection", io.read_to_end(&mut bytes)).await;
    (bytes, ended.is_ok())
}

/// Writes one byte at a time, each in a packet of its own.
pub(crate) async fn drip(io: &mut TcpStream, bytes: &[u8]) {
    for b in bytes {
        io.write_all(std::slice::from_ref(b)).await.expect("room");
        tokio::task::yield_now().await;
    }
}

/// Ends a connection with a reset.
pub(crate) fn reset(io: TcpStream) {
    SockRef::from(&io).set_linger(Some(Duration::ZERO)).expect("a TCP socket");
    drop(io);
}
