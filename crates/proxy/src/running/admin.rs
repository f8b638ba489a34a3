//! The admin server of a running proxy, and the one beside it that names requests (`admin.httpIdentifierPort`), which may
//! move to other addresses while it runs.

use crate::document as doc;
use crate::sockets::{Kept, Sockets, StartError};
use crate::translate;
use admin::{Admin, AdminHandle, Routes};
use router::SocketSettings;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::task::JoinSet;

/// How long the answers that are under way at the proxy's end may take.
const FAREWELL: Duration = Duration::from_secs(1);

/// What the two servers answer.
pub(super) struct BothRoutes {
    pub(super) admin: Routes,
    pub(super) identifier: Routes,
}

/// The servers of the admin world.
pub(super) struct RunningAdmin {
    admin: Server,
    /// Where one is asked for.
    identifier: Option<Server>,
    /// Those that finish their answers, and that nobody asks for any more.
    former: Vec<Server>,
}

/// What they serve next; new addresses are bound already.
pub(super) struct NextAdmin {
    admin: Next,
    identifier: NextIdentifier,
}

enum NextIdentifier {
    /// None is asked for.
    Gone,
    /// There was none.
    Started(Server),
    Goes(Next),
}

impl RunningAdmin {
    pub(super) fn start(
        document: &doc::Document,
        routes: BothRoutes,
        sockets: &Sockets,
    ) -> Result<RunningAdmin, StartError> {
        let admin = Server::start(Asked::admin(document), routes.admin, sockets)?;
        let identifier = Asked::identifier(document);
        let identifier =
            identifier.map(|asked| Server::start(asked, routes.identifier, sockets)).transpose()?;
        Ok(RunningAdmin { admin, identifier, former: Vec::new() })
    }

    /// Where the admin server listens.
    pub(super) fn bound(&self) -> SocketAddr {
        self.admin.bound
    }

    /// What is to be served from the next document on.
    pub(super) fn next(
        &self,
        document: &doc::Document,
        routes: BothRoutes,
        sockets: &Sockets,
    ) -> Result<NextAdmin, StartError> {
        let admin = self.admin.next(Asked::admin(document), routes.admin, sockets)?;
        let routes = routes.identifier;
        let identifier = match (&self.identifier, Asked::identifier(document)) {
            (_, None) => NextIdentifier::Gone,
            (None, Some(asked)) => NextIdentifier::Started(Server::start(asked, routes, sockets)?),
            (Some(server), Some(asked)) => NextIdentifier::Goes(server.next(asked, routes, sockets)?),
        };
        Ok(NextAdmin { admin, identifier })
    }

    /// Whether the admin server's socket stays although other options are asked for.
    pub(super) fn keeps_other_options(&self, document: &doc::Document) -> bool {
        let (is, asked) = (self.admin.asked, Asked::admin(document));
        asked.address == is.address && asked.socket != is.socket
    }

    /// Serves that from now on. A server that has another in its place finishes its answers.
    pub(super) fn replace(&mut self, next: NextAdmin) {
        self.admin.replace(next.admin);
        self.former.retain_mut(Server::is_busy);
        match (next.identifier, &mut self.identifier) {
            (NextIdentifier::Gone, identifier) => self.former.extend(identifier.take().map(Server::closed)),
            (NextIdentifier::Started(server), identifier) => *identifier = Some(server),
            (NextIdentifier::Goes(next), Some(server)) => server.replace(next),
            (NextIdentifier::Goes(_), None) => {}
        }
    }

    /// They answer what they were asked, and nothing more.
    pub(super) fn close(&mut self) {
        self.former.extend(self.identifier.take().map(Server::closed));
        self.admin.close();
    }

    pub(super) async fn stop(mut self) {
        self.close();
        let ended = async {
            for server in self.former.iter_mut().chain([&mut self.admin]) {
                server.ended().await;
            }
        };
        // They answer until then side by side.
        let _ = tokio::time::timeout(FAREWELL, ended).await;
    }
}

/// A server that serves.
struct Server {
    asked: Asked,
    bound: SocketAddr,
    handle: AdminHandle,
    /// Its socket's duplicate.
    kept: Option<Kept>,
    /// It, and those that end because another has taken their place. They end with the proxy however that ends.
    tasks: JoinSet<()>,
}

/// What a server serves next.
enum Next {
    /// Other routes on the same socket.
    Here(Routes),
    /// On another socket.
    Elsewhere(Asked, Box<Admin>, Kept),
}

/// What the document says of a server's socket.
#[derive(Clone, Copy, PartialEq)]
struct Asked {
    /// In messages.
    what: &'static str,
    /// In the log, as Linkerd has it.
    logged: &'static str,
    address: SocketAddr,
    socket: SocketSettings,
}

impl Asked {
    fn admin(document: &doc::Document) -> Asked {
        Asked::of(("the admin server", "http admin"), document.admin.address(), document)
    }

    fn identifier(document: &doc::Document) -> Option<Asked> {
        let address = document.admin.identifier_address()?;
        Some(Asked::of(("`admin.httpIdentifierPort`", "http identifier"), address, document))
    }

    fn of(
        (what, logged): (&'static str, &'static str),
        address: SocketAddr,
        document: &doc::Document,
    ) -> Asked {
        Asked { what, logged, address, socket: translate::socket(&document.admin.socket_options) }
    }

    fn bind(self, routes: Routes, sockets: &Sockets) -> Result<(Admin, Kept), StartError> {
        let (listener, kept) = sockets.listen(self.what, self.address, &self.socket)?;
        let server = Admin::on(listener, routes, translate::admin_limits(&self.socket));
        Ok((server.map_err(StartError::System)?, kept))
    }
}

impl Server {
    fn start(asked: Asked, routes: Routes, sockets: &Sockets) -> Result<Server, StartError> {
        let (server, kept) = asked.bind(routes, sockets)?;
        let (bound, handle) = (server.address(), server.handle());
        let mut running = Server { asked, bound, handle, kept: Some(kept), tasks: JoinSet::new() };
        running.serve(server);
        Ok(running)
    }

    fn serve(&mut self, server: Admin) {
        tracing::info!("serving {} on {}", self.asked.logged, server.address());
        self.tasks.spawn(server.serve());
    }

    fn next(&self, asked: Asked, routes: Routes, sockets: &Sockets) -> Result<Next, StartError> {
        if asked.address == self.asked.address {
            return Ok(Next::Here(routes));
        }
        let (server, kept) = asked.bind(routes, sockets)?;
        Ok(Next::Elsewhere(asked, Box::new(server), kept))
    }

    fn replace(&mut self, next: Next) {
        while self.tasks.try_join_next().is_some() {}
        match next {
            Next::Here(routes) => self.handle.replace(routes),
            Next::Elsewhere(asked, server, kept) => {
                self.kept = Some(kept);
                std::mem::replace(&mut self.handle, server.handle()).stop();
                (self.asked, self.bound) = (asked, server.address());
                self.serve(*server);
            }
        }
    }

    fn close(&mut self) {
        self.kept = None;
        self.handle.stop();
    }

    fn closed(mut self) -> Server {
        self.close();
        self
    }

    /// Whether it has not ended yet.
    fn is_busy(&mut self) -> bool {
        while self.tasks.try_join_next().is_some() {}
        !self.tasks.is_empty()
    }

    async fn ended(&mut self) {
        while self.tasks.join_next().await.is_some() {}
    }
}
