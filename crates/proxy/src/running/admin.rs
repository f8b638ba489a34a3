//! The admin server of a running proxy, which may move to another address while it runs.

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

/// An admin server that serves.
pub(super) struct RunningAdmin {
    asked: Asked,
    bound: SocketAddr,
    handle: AdminHandle,
    /// Its socket's duplicate.
    kept: Option<Kept>,
    /// It, and those that end because another has taken their place. They end with the proxy however that ends.
    tasks: JoinSet<()>,
}

/// What is to be served next.
pub(super) enum Next {
    /// Other routes on the same socket.
    Here(Routes),
    /// On another socket.
    Elsewhere(Asked, Admin, Kept),
}

/// What the document says of its socket.
#[derive(Clone, Copy, PartialEq)]
pub(super) struct Asked {
    address: SocketAddr,
    socket: SocketSettings,
}

impl Asked {
    fn of(document: &doc::Document) -> Asked {
        let socket = translate::socket(&document.admin.socket_options);
        Asked { address: document.admin.address(), socket }
    }
}

impl RunningAdmin {
    pub(super) fn start(
        document: &doc::Document,
        routes: Routes,
        sockets: &Sockets,
    ) -> Result<RunningAdmin, StartError> {
        let (server, kept) = bind(document, routes, sockets)?;
        let (asked, bound, handle) = (Asked::of(document), server.address(), server.handle());
        let mut running = RunningAdmin { asked, bound, handle, kept: Some(kept), tasks: JoinSet::new() };
        running.serve(server);
        Ok(running)
    }

    fn serve(&mut self, server: Admin) {
        tracing::info!("serving http admin on {}", server.address());
        self.tasks.spawn(server.serve());
    }

    /// Where it listens.
    pub(super) fn bound(&self) -> SocketAddr {
        self.bound
    }

    /// What is to be served from the next document on; a new address is bound already.
    pub(super) fn next(
        &self,
        document: &doc::Document,
        routes: Routes,
        sockets: &Sockets,
    ) -> Result<Next, StartError> {
        let asked = Asked::of(document);
        if asked.address == self.asked.address {
            return Ok(Next::Here(routes));
        }
        let (server, kept) = bind(document, routes, sockets)?;
        Ok(Next::Elsewhere(asked, server, kept))
    }

    /// Whether the socket stays although other options are asked for.
    pub(super) fn keeps_other_options(&self, document: &doc::Document) -> bool {
        let asked = Asked::of(document);
        asked.address == self.asked.address && asked.socket != self.asked.socket
    }

    /// Serves that from now on. A server that has another in its place finishes its answers.
    pub(super) fn replace(&mut self, next: Next) {
        while self.tasks.try_join_next().is_some() {}
        match next {
            Next::Here(routes) => self.handle.replace(routes),
            Next::Elsewhere(asked, server, kept) => {
                self.kept = Some(kept);
                std::mem::replace(&mut self.handle, server.handle()).stop();
                (self.asked, self.bound) = (asked, server.address());
                self.serve(server);
            }
        }
    }

    /// It answers what it was asked, and nothing more.
    pub(super) fn close(&mut self) {
        self.kept = None;
        self.handle.stop();
    }

    pub(super) async fn stop(mut self) {
        self.close();
        let ended = async { while self.tasks.join_next().await.is_some() {} };
        let _ = tokio::time::timeout(FAREWELL, ended).await;
    }
}

fn bind(document: &doc::Document, routes: Routes, sockets: &Sockets) -> Result<(Admin, Kept), StartError> {
    let socket = translate::socket(&document.admin.socket_options);
    let (listener, kept) = sockets.listen("the admin server", document.admin.address(), &socket)?;
    let admin = Admin::on(listener, routes, translate::admin_limits(&socket));
    Ok((admin.map_err(StartError::System)?, kept))
}
