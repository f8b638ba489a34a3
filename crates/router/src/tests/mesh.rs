//! A router, a namer whose answers tests set, and an engine that plays a script instead of talking to sockets.

use crate::seam::{Arrival, Failure, Generated, OnResponse, Outcome, Sent, Step};
use crate::testing::{FakeRequest, FakeResponse};
use crate::*;
use balance::Nanos;
use names::{NameTree, Path};
use naming::{
    Addr, Address, Binder, BinderSettings, BoundName, Named, Namer, Namers, NoHosts, Publisher, Reader,
    State, configured_prefix,
};
use parking_lot::Mutex;
use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use telemetry::{JsonQuery, Metrics, render_json};

/// `/#/t/<name>/<rest>`: a name nobody put is pending.
#[derive(Default)]
pub(super) struct Stage {
    trees: Mutex<HashMap<Path, Publisher<bool>>>,
    addresses: Mutex<HashMap<Path, Publisher<Addr>>>,
}

impl Stage {
    pub(super) fn put(&self, name: &str, exists: State<bool>) {
        self.put_heard(name, exists, tokio::time::Instant::now());
    }

    /// The same of which word came earlier.
    pub(super) fn put_heard(&self, name: &str, exists: State<bool>, heard: tokio::time::Instant) {
        self.trees.lock().entry(name.parse().unwrap()).or_default().set_heard(exists, heard);
    }

    pub(super) fn serve(&self, name: &str, addr: Addr) {
        self.serve_heard(name, addr, tokio::time::Instant::now());
    }

    /// The same of which word came earlier.
    pub(super) fn serve_heard(&self, name: &str, addr: Addr, heard: tokio::time::Instant) {
        self.addresses.lock().entry(name.parse().unwrap()).or_default().set_heard(State::Ok(addr), heard);
    }

    /// The name exists and has replicas at these ports of 127.0.0.1.
    pub(super) fn up(&self, name: &str, ports: &[u16]) {
        self.serve(name, Addr::bound(ports.iter().map(|&p| Address::new(at(p))).collect()));
        self.put(name, State::Ok(true));
    }
}

impl Namer for Stage {
    fn bind(&self, rest: &Path, reader: &mut dyn Reader) -> State<NameTree<Named>> {
        let live = self.trees.lock().entry(rest.take(1)).or_default().live();
        reader.read(&live).map(|exists| {
            let id = configured_prefix(&Path::from_elems([b"t"])).concat(&rest.take(1));
            let leaf = NameTree::Leaf(Named::Bound(BoundName { id, residual: rest.skip(1) }));
            if exists { leaf } else { NameTree::Neg }
        })
    }

    fn addresses(&self, id: &Path, reader: &mut dyn Reader) -> Addr {
        let live = self.addresses.lock().entry(id.skip(2)).or_default().live();
        match reader.read(&live) {
            State::Ok(addr) => addr,
            State::Pending => Addr::Pending,
            State::Failed(why) => Addr::Failed(why),
        }
    }
}

pub(super) fn at(port: u16) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], port))
}

/// A request from `peer`, whose connection is as old as the router.
pub(super) fn arrival(peer: SocketAddr, now: Nanos, replayable: bool) -> Arrival {
    Arrival { peer, local: Some(at(4140)), connected: Nanos(0), now, replayable }
}

/// What a back end does with one attempt.
#[derive(Clone)]
pub(super) enum Does {
    /// Answers.
    Answers(FakeResponse),
    /// Is not there.
    Refuses,
    /// Ends the connection.
    Closes(Sent),
    /// Sends nonsense.
    Babbles,
    /// Lets the exchange wait for its deadline.
    Hangs,
    /// Lets it wait for a connection.
    Drops,
    /// Answers, and breaks off in the body.
    Cuts,
}

pub(super) fn status(code: u16) -> Does {
    Does::Answers(FakeResponse::new(code))
}

/// What came of a request.
#[derive(Debug, Default)]
pub(super) struct Got {
    pub(super) status: u16,
    pub(super) body: String,
    /// The proxy's own answer.
    pub(super) generated: Option<Generated>,
    /// The forwarded answer.
    pub(super) response: Option<FakeResponse>,
    /// The heads back ends received, and at which port.
    pub(super) saw: Vec<(u16, FakeRequest)>,
    /// Back-offs waited for.
    pub(super) delays: Vec<u64>,
}

impl Got {
    pub(super) fn generated_header(&self, name: &str) -> Option<String> {
        let headers = &self.generated.as_ref()?.headers;
        headers.iter().find(|(n, _)| *n == name).map(|(_, v)| String::from_utf8(v.clone()).unwrap())
    }
}

pub(super) struct Mesh {
    pub(super) stage: Arc<Stage>,
    pub(super) metrics: Metrics,
    pub(super) router: Arc<Router>,
    pub(super) worker: WorkerRouter,
    pub(super) now: Nanos,
}

impl Mesh {
    /// A router of these settings with this dtab. Must be made within a tokio runtime.
    pub(super) fn new(dtab: &str, settings: RouterSettings) -> Mesh {
        // Tests change what they want of the first server; its name is always this.
        let entrance = settings.servers.first().cloned().unwrap_or_default();
        Mesh::behind(entrance, dtab, settings)
    }

    /// As [`Mesh::new`], its one server with these settings.
    pub(super) fn behind(entrance: ServerSettings, dtab: &str, settings: RouterSettings) -> Mesh {
        let settings = RouterSettings {
            dtab: dtab.parse().unwrap(),
            servers: vec![ServerSettings { label: "127.0.0.1/4140".to_owned(), ..entrance }],
            epoch: 1_000_000_000_000,
            ..settings
        };
        let stage = Arc::new(Stage::default());
        let namers = Namers::new(Arc::new(NoHosts)).with(&"/t".parse().unwrap(), Arc::clone(&stage) as _);
        let metrics = Metrics::new(2);
        let factory = ClientFactory::new(&settings, &metrics);
        let binder = BinderSettings::default();
        let (binder, task) = Binder::new(Arc::new(namers), settings.dtab.clone(), factory, binder);
        tokio::spawn(task);
        let router = Router::new(settings, binder, &metrics, 2);
        let worker = router.worker(ServerId(0), 0, 42);
        Mesh { stage, metrics, router, worker, now: Nanos::from_secs(100) }
    }

    /// As [`Mesh::new`] without failure accrual.
    pub(super) fn plain(dtab: &str) -> Mesh {
        Mesh::new(dtab, no_accrual(RouterSettings::default()))
    }

    pub(super) fn advance(&mut self, ms: u64) {
        self.now = self.now + Nanos::from_millis(ms);
    }

    /// A request with this host and these lines, answered by `script`.
    pub(super) async fn get(&mut self, host: &str, script: &[Does]) -> Got {
        let mut request = FakeRequest::get("/");
        request.line("Host", host);
        self.send(request, script).await
    }

    pub(super) async fn send(&mut self, request: FakeRequest, script: &[Does]) -> Got {
        self.send_streamed(request, true, script).await
    }

    /// Attempts are answered by the script in turn; its last line answers all further ones.
    pub(super) async fn send_streamed(
        &mut self,
        request: FakeRequest,
        replayable: bool,
        script: &[Does],
    ) -> Got {
        let mut step = 0;
        self.play(request, replayable, &mut |_| {
            let does = script[step.min(script.len() - 1)].clone();
            step += 1;
            does
        })
        .await
    }

    /// A request whose attempts `script` answers, knowing the port.
    pub(super) async fn play(
        &mut self,
        mut request: FakeRequest,
        replayable: bool,
        script: &mut dyn FnMut(u16) -> Does,
    ) -> Got {
        let arrival = arrival(at(9999), self.now, replayable);
        let mut got = Got::default();
        let (mut ex, mut step) = self.worker.on_head(&mut request, arrival);
        let outcome = loop {
            step = match step {
                Step::AwaitBinding(wait) => self.await_binding(&mut ex, &mut request, wait).await,
                Step::Delay(span) => {
                    got.delays.push(span.millis());
                    self.now = self.now + span;
                    self.worker.resume(&mut ex, &mut request, self.now)
                }
                Step::Reply(reply) => {
                    got.status = reply.status;
                    got.body = String::from_utf8(reply.body.clone()).unwrap();
                    got.generated = Some(reply);
                    break Outcome::Complete;
                }
                Step::Send => {
                    let port = ex.endpoint().address.port();
                    got.saw.push((port, request.clone()));
                    self.advance(1);
                    match self.attempt(&mut ex, &mut request, script(port), &mut got) {
                        Ok(step) => step,
                        Err(outcome) => break outcome,
                    }
                }
            }
        };
        self.worker.on_end(ex, outcome, self.now);
        got
    }

    /// Waits in tokio's time, which is paused and jumps; the router's clock follows.
    async fn await_binding(
        &mut self,
        ex: &mut Exchange,
        request: &mut FakeRequest,
        wait: seam::BindingWait,
    ) -> Step {
        let deadline = ex.deadline().expect("binding has a time-out");
        let started = tokio::time::Instant::now();
        let bound = tokio::time::timeout(deadline.since(self.now).into(), wait).await;
        self.now = self.now + Nanos::from(started.elapsed());
        match bound {
            Ok(()) => self.worker.resume(ex, request, self.now),
            Err(_) => {
                self.now = self.now.max(deadline);
                self.worker.on_deadline(ex, self.now)
            }
        }
    }

    fn attempt(
        &mut self,
        ex: &mut Exchange,
        request: &mut FakeRequest,
        does: Does,
        got: &mut Got,
    ) -> Result<Step, Outcome> {
        let failure = match does {
            Does::Hangs | Does::Drops => {
                if matches!(does, Does::Hangs) {
                    ex.connected(self.now);
                }
                self.now = ex.deadline().expect("a script that hangs needs a time-out");
                return Ok(self.worker.on_deadline(ex, self.now));
            }
            Does::Answers(mut response) => {
                match self.worker.on_response(ex, request, &mut response, self.now) {
                    OnResponse::Again(step) => return Ok(step),
                    OnResponse::Forward => {}
                    OnResponse::Substitute(body) => response.body = body,
                    OnResponse::Extend(tail) => {
                        assert!(!response.streamed, "only bodies whose length is known are extended");
                        response.body.extend(tail);
                    }
                }
                got.status = response.status;
                got.body = String::from_utf8(response.body.clone()).unwrap();
                got.response = Some(response);
                return Err(Outcome::Complete);
            }
            Does::Cuts => {
                let mut response = FakeResponse::new(200);
                let OnResponse::Forward = self.worker.on_response(ex, request, &mut response, self.now)
                else {
                    panic!("a 200 is forwarded")
                };
                got.status = 200;
                return Err(Outcome::ResponseCut);
            }
            Does::Refuses => Failure::Connect { reason: "refused".into() },
            Does::Closes(sent) => Failure::Closed { reason: "reset".into(), sent },
            Does::Babbles => Failure::Malformed { reason: "no status line".into() },
        };
        Ok(self.worker.on_failure(ex, request, failure, self.now))
    }

    /// Every metric below `rt/http`, by its name there; histograms after a snapshot only.
    pub(super) fn all_metrics(&self) -> HashMap<String, f64> {
        let text = render_json(&self.metrics, &JsonQuery::default()).unwrap();
        let inner = text.trim().trim_start_matches('{').trim_end_matches('}');
        let pairs = inner.split(",\"").filter_map(|pair| {
            let (name, value) = pair.trim_start_matches('"').rsplit_once("\":")?;
            Some((name.strip_prefix("rt/http/")?.to_owned(), value.trim().parse().ok()?))
        });
        pairs.collect()
    }

    /// One metric below `rt/http`; 0 when it is not there.
    pub(super) fn metric(&mut self, name: &str) -> f64 {
        self.worker.tick(self.now);
        self.all_metrics().get(name).copied().unwrap_or(0.0)
    }

    /// Checks metrics below a scope: `("server/127.0.0.1/4140", "requests 1, success 0")`.
    pub(super) fn check(&mut self, scope: &str, wants: &str) {
        for want in wants.split(", ") {
            let (name, value) = want.rsplit_once(' ').unwrap();
            let got = self.metric(&format!("{scope}/{name}"));
            assert_eq!(got, value.parse::<f64>().unwrap(), "{scope}/{name}");
        }
    }
}

pub(super) fn no_accrual(settings: RouterSettings) -> RouterSettings {
    client(settings, ClientPartial { accrual: Some(balance::AccrualPolicy::None), ..Default::default() })
}

/// Adds a client scope for all ids.
pub(super) fn client(mut settings: RouterSettings, partial: ClientPartial) -> RouterSettings {
    settings.clients.push(Scope::global(partial));
    settings
}

/// Adds a service scope for all names.
pub(super) fn service(mut settings: RouterSettings, partial: ServicePartial) -> RouterSettings {
    settings.services.push(Scope::global(partial));
    settings
}

pub(super) fn classifier(kind: Classifier) -> RouterSettings {
    let partial = ServicePartial { classifier: Some(kind), ..Default::default() };
    service(no_accrual(RouterSettings::default()), partial)
}
