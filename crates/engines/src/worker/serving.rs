//! The servers of all workers: begun, given another router, ended, while the others go on.

use super::{Command, Serve, WorkerHandle, Workers, distribute};
use crate::HttpSettings;
use crate::context::Draining;
use router::{Router, ServerId};
use std::collections::HashMap;
use std::io;
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::sync::{mpsc, watch};

/// A server that is being served, for as long as the workers live.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ServerKey(pub(super) usize);

/// What stops the acceptors.
#[derive(Default)]
pub(super) struct Acceptors {
    next: AtomicUsize,
    stops: parking_lot::Mutex<HashMap<usize, watch::Sender<bool>>>,
}

impl Acceptors {
    /// A new server, and what its acceptor is to heed.
    fn begin(&self) -> (usize, watch::Receiver<bool>) {
        let key = self.next.fetch_add(1, Ordering::Relaxed);
        let (stop, stopped) = watch::channel(false);
        self.stops.lock().insert(key, stop);
        (key, stopped)
    }

    /// Tells all acceptors to end, now.
    pub(super) fn stop(&self) -> Vec<watch::Sender<bool>> {
        let stops: Vec<_> = self.stops.lock().drain().map(|(_, stop)| stop).collect();
        for stop in &stops {
            stop.send_replace(true);
        }
        stops
    }
}

impl Workers {
    /// Serves `listener`. With one worker it accepts itself; with several a task on `control` accepts and hands each
    /// connection to the worker with the fewest: one wake-up for each connection, none for a request.
    ///
    /// # Errors
    /// What the system says when the socket cannot be used.
    pub fn serve(
        &self,
        listener: TcpListener,
        router: &Arc<Router>,
        server: ServerId,
        settings: HttpSettings,
        control: &Handle,
    ) -> io::Result<ServerKey> {
        let (key, stop) = self.acceptors.begin();
        let mut accepting = Some((listener, stop));
        let alone = self.workers.len() == 1;
        for worker in &self.workers {
            let accepting = if alone { accepting.take() } else { None };
            worker.tell(Command::Serve(Serve { key, router: router.clone(), server, settings, accepting }));
        }
        if let Some((listener, stop)) = accepting {
            let live: Vec<_> = self.workers.iter().map(|w| w.live.clone()).collect();
            control.spawn(distribute(listener, stop, key, live, self.commands()));
        }
        Ok(ServerKey(key))
    }

    /// Gives a server another router. Its socket and its connections stay; each connection goes on with the new router at
    /// its next request, while requests under way end with the old one. In effect for all requests once
    /// [`crate::Health::ask`] has been answered by all workers.
    pub fn replace(&self, key: ServerKey, router: &Arc<Router>, server: ServerId, settings: HttpSettings) {
        for worker in &self.workers {
            let (router, accepting) = (router.clone(), None);
            worker.tell(Command::Serve(Serve { key: key.0, router, server, settings, accepting }));
        }
    }

    /// Ends one server without losing a request: accepts what is queued, closes the socket, announces the end with each
    /// answer for so long, then closes idle connections. Requests under way are finished, however long they take.
    pub fn end(&self, key: ServerKey, announce: Duration) -> impl Future<Output = ()> + Send + use<> {
        let stop = self.acceptors.stops.lock().remove(&key.0);
        let workers = self.commands();
        async move {
            if let Some(stop) = stop {
                stop.send_replace(true);
                // The acceptor holds the receiver; the channel closes when it has emptied its queue.
                stop.closed().await;
            }
            for how_far in [Draining::Announce, Draining::Close] {
                for worker in &workers {
                    let _ = worker.send(Command::End(key.0, how_far));
                }
                if how_far == Draining::Announce {
                    tokio::time::sleep(announce).await;
                }
            }
        }
    }

    fn commands(&self) -> Vec<mpsc::UnboundedSender<Command>> {
        self.workers.iter().map(|WorkerHandle { commands, .. }| commands.clone()).collect()
    }
}
