//! Everything that is made of a document, running; and how it becomes what the next document says (docs/adr/0003).
//!
//! What is written the same goes on as the same object. What differs is built beside it, with its sockets bound and its
//! names known, before the first request is given to it; only then does the old one retire. So a change that cannot be
//! made changes nothing, and one that is made is seen by no request.

mod admin;
mod entrances;
mod routers;

use crate::access_logs::AccessLogs;
use crate::administration::{self, Current};
use crate::document as doc;
use crate::ending::{Ending, Shutdown};
use crate::health::Health;
use crate::reload::{Diff, Reloaded, Reloads};
use crate::sections;
use crate::sockets::{Sockets, StartError};
use crate::sources::Sources;
use crate::telemeters::Telemeters;
use crate::translate;
use crate::{Bound, ending, process};
use ::admin::{Events, Loggers};
use admin::{BothRoutes, RunningAdmin};
use engines::{Clock, Drained, Workers};
use entrances::{Door, Entrance};
use router::ServerId;
use routers::Served;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use telemetry::Metrics;
use tokio::runtime::Handle;
use tokio::task::JoinSet;

/// How long the names in use may take to be bound by what takes over; requests wait for those that take longer.
const MAKE_BEFORE_BREAK: Duration = Duration::from_secs(2);
/// How long a worker may take to hear of a change before it is held to stand still.
const HEARING: Duration = Duration::from_secs(2);

/// What outlives every document.
#[derive(Clone)]
pub(crate) struct Lasting {
    pub(crate) metrics: Metrics,
    pub(crate) clock: Clock,
    pub(crate) shutdown: Shutdown,
    pub(crate) health: Health,
    pub(crate) sockets: Arc<Sockets>,
    pub(crate) reloads: Reloads,
    pub(crate) loggers: Option<Arc<dyn Loggers>>,
    /// Where the dashboard's numbers go.
    pub(crate) events: Events,
}

/// What is made of a document, running.
pub(crate) struct Running {
    lasting: Lasting,
    /// The same as here, for the admin server.
    current: Current,
    document: Arc<doc::Document>,
    sources: Arc<Sources>,
    telemeters: Telemeters,
    /// Outlives the workers, whose last lines it writes.
    access_logs: AccessLogs,
    workers: Workers,
    routers: Vec<Served>,
    entrances: Vec<Entrance>,
    admin: RunningAdmin,
    /// Binders, and servers that end.
    tasks: JoinSet<()>,
}

impl Running {
    /// Starts everything the document asks for: all sockets are bound before the first is served, so that a port that is
    /// taken leaves nothing half started. Must be called on the control runtime.
    pub(crate) fn start(
        document: doc::Document,
        workers: usize,
        lasting: Lasting,
    ) -> Result<Running, StartError> {
        let document = Arc::new(document);
        let Lasting { metrics, clock, sockets, .. } = &lasting;
        let doors = entrances::doors(&document, &[], sockets)?;
        let sources = Arc::new(Sources::counted(&document, metrics)?);
        let telemeters = Telemeters::start(&document, metrics);
        let current = Current::new(document.clone(), sources.clone());
        let routes = routes(&document, &lasting, &telemeters, &current);
        let admin = RunningAdmin::start(&document, routes, sockets)?;
        let logs = AccessLogs::start(&document, &AccessLogs::default(), metrics, *clock);
        let logs = logs.map_err(StartError::System)?;
        let workers = Workers::start(workers, *clock, metrics).map_err(StartError::System)?;
        let mut running = Running {
            access_logs: AccessLogs::default(),
            telemeters: telemeters.clone(),
            document: document.clone(),
            sources: sources.clone(),
            routers: Vec::new(),
            entrances: Vec::new(),
            tasks: JoinSet::new(),
            workers,
            admin,
            current,
            lasting,
        };
        let routers = running.build(&document, &sources, &logs, &telemeters);
        running.entrances = running.open(&document, &routers, doors)?;
        (running.routers, running.access_logs) = (routers, logs);
        running.tell();
        running.lasting.health.serving(running.workers.health());
        Ok(running)
    }

    /// Becomes what `document` says. Requests under way end as they began; later ones, also on connections that are open,
    /// go by the new document once this has resolved.
    ///
    /// # Errors
    /// When a new socket cannot be bound, or the system has no thread left; nothing has changed then.
    pub(crate) async fn reload(&mut self, document: doc::Document) -> Result<Reloaded, StartError> {
        let diff = Diff::between(&self.document, &document);
        if diff.is_empty() {
            return Ok(Reloaded::Unchanged);
        }
        while self.tasks.try_join_next().is_some() {}
        let document = Arc::new(document);
        let notes = self.notes(&document);
        let doors = entrances::doors(&document, &self.entrances, &self.lasting.sockets)?;
        let sources = Arc::new(self.sources.succeed(&self.document, &document)?);
        let telemeters = self.telemeters.succeed(&document, &self.lasting.metrics);
        let routes = routes(&document, &self.lasting, &telemeters, &self.current);
        let admin = self.admin.next(&document, routes, &self.lasting.sockets)?;
        let Lasting { metrics, clock, .. } = &self.lasting;
        let logs = AccessLogs::start(&document, &self.access_logs, metrics, *clock);
        let logs = logs.map_err(StartError::System)?;
        let routers = self.build(&document, &sources, &logs, &telemeters);
        let successions = routers::successions(&self.routers, &routers, MAKE_BEFORE_BREAK).await;
        let entrances = self.open(&document, &routers, doors)?;
        successions.into_iter().for_each(router::Succession::finish);
        let entrances = std::mem::replace(&mut self.entrances, entrances);
        let retired = std::mem::replace(&mut self.routers, routers);
        (self.document, self.sources, self.access_logs) = (document, sources, logs);
        self.telemeters = telemeters;
        self.tell();
        self.admin.replace(admin);
        self.close(entrances);
        if !self.workers.health().ask(HEARING).await.is_empty() {
            tracing::warn!("a worker stands still: it will hear of the new configuration when it goes on");
        }
        routers::retire(&retired, &self.routers);
        Ok(Reloaded::Changed { diff, notes })
    }

    /// The routers of `document`: those that are written the same, and whose names come from the same sources, are the
    /// same.
    fn build(
        &mut self,
        document: &doc::Document,
        sources: &Arc<Sources>,
        logs: &AccessLogs,
        telemeters: &Telemeters,
    ) -> Vec<Served> {
        let same_around =
            sections::same_namers(&self.document, document) && telemeters.notes_as(&self.telemeters);
        let mut all = Vec::new();
        for (at, doc::Router::Http(from)) in document.routers.iter().enumerate() {
            let before = self.routers.iter().find(|of| of.label == from.label());
            let same = same_around
                && sections::same_router(&self.document, document, at).is_some()
                && self.access_logs.is_same(logs, from.label());
            all.push(match before {
                Some(before) if same => before.clone(),
                before => {
                    let (log, recent) = (logs.of(from.label()), telemeters.recent());
                    let parts = routers::Parts { lasting: &self.lasting, sources, log, recent, before };
                    let (made, binder) = routers::build(from, parts, self.workers.count());
                    self.tasks.spawn(process::vital(binder));
                    made
                }
            });
        }
        all
    }

    /// Serves all routers: new sockets first, then those that are open get their new routers.
    fn open(
        &self,
        document: &doc::Document,
        routers: &[Served],
        doors: Vec<Vec<Door>>,
    ) -> Result<Vec<Entrance>, StartError> {
        let mut opened = Vec::new();
        for ((served, doc::Router::Http(from)), doors) in routers.iter().zip(&document.routers).zip(doors) {
            for (i, (door, server)) in doors.into_iter().zip(&from.servers).enumerate() {
                opened.push(self.open_one(served, ServerId(i), server, door)?);
            }
        }
        for (entrance, served, server) in &opened {
            let is_new = self.entrances.iter().all(|e| e.key != entrance.key);
            let unchanged = self.routers.iter().any(|of| Arc::ptr_eq(&of.router, &served.router));
            if !is_new && !unchanged {
                self.workers.replace(entrance.key, &served.router, *server, served.settings);
            }
        }
        Ok(opened.into_iter().map(|(entrance, ..)| entrance).collect())
    }

    fn open_one<'a>(
        &self,
        served: &'a Served,
        id: ServerId,
        server: &doc::HttpServer,
        door: Door,
    ) -> Result<(Entrance, &'a Served, ServerId), StartError> {
        let router = served.label.clone();
        let entrance = match door {
            Door::Open(at) => Entrance { router, ..self.entrances[at].clone() },
            Door::New(listener, kept) => {
                let bound = listener.local_addr().map_err(StartError::System)?;
                let control = Handle::current();
                let key = self.workers.serve(listener, &served.router, id, served.settings, &control);
                tracing::info!("serving {router} on {bound}");
                let (asked, socket) = (server.address(), translate::socket(&server.socket_options));
                Entrance { router, asked, bound, socket, key: key.map_err(StartError::System)?, kept }
            }
        };
        Ok((entrance, served, id))
    }

    /// Ends the servers that are there no more.
    fn close(&mut self, before: Vec<Entrance>) {
        let gone = before.into_iter().filter(|was| self.entrances.iter().all(|is| is.key != was.key));
        for Entrance { router, bound, key, kept, .. } in gone {
            tracing::info!("no longer serving {router} on {bound}");
            drop(kept);
            self.tasks.spawn(self.workers.end(key, ending::ANNOUNCE));
        }
    }

    /// What is asked for and only a restart can give.
    fn notes(&self, document: &doc::Document) -> Vec<String> {
        const OPTIONS: &str =
            "the socket stays open; its other `socketOptions` take effect at the next start";
        let mut notes = Vec::new();
        for doc::Router::Http(router) in &document.routers {
            for server in &router.servers {
                let open = self.entrances.iter().find(|e| e.asked == server.address());
                if let Some(open) = open.filter(|open| entrances::keeps_other_options(open, server)) {
                    notes.push(format!("router `{}` on {}: {OPTIONS}", router.label(), open.bound));
                }
            }
        }
        if self.admin.keeps_other_options(document) {
            notes.push(format!("the admin server on {}: {OPTIONS}", self.admin.bound()));
        }
        notes
    }

    /// Has the admin server tell of what is served now.
    fn tell(&self) {
        self.current.set(administration::Served {
            document: self.document.clone(),
            sources: self.sources.clone(),
            routers: self.routers.iter().map(|served| served.router.clone()).collect(),
        });
    }

    /// The servers in the order of the document.
    pub(crate) fn servers(&self) -> Vec<Bound> {
        let bound = |e: &Entrance| Bound { router: e.router.clone(), address: e.bound };
        self.entrances.iter().map(bound).collect()
    }

    /// Where the admin server listens.
    pub(crate) fn admin(&self) -> SocketAddr {
        self.admin.bound()
    }

    /// How long the document lets the end take: accepting goes on, then requests in flight finish.
    pub(crate) fn patience(&self) -> (Option<Duration>, Duration) {
        (self.document.admin.drain_delay(), self.document.admin.shutdown_grace())
    }

    /// After the delay no new connections; requests in flight finish within the grace period (dataplane.md §1.2); then
    /// everything else ends.
    pub(crate) async fn end(mut self, ending: Ending) -> Drained {
        if ending.admin_first {
            self.admin.close();
        }
        tokio::time::sleep(ending.delay).await;
        self.entrances.clear();
        let drained = self.workers.drain(ending.announce, ending.grace).await;
        self.access_logs.stop().await;
        self.tasks.shutdown().await;
        self.admin.stop().await;
        drained
    }
}

fn routes(
    document: &doc::Document,
    lasting: &Lasting,
    telemeters: &Telemeters,
    current: &Current,
) -> BothRoutes {
    BothRoutes {
        admin: administration::routes(document, lasting, telemeters, current),
        identifier: administration::identifier_routes(current),
    }
}
