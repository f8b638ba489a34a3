//! A Kubernetes API that does what tests tell it: objects are listed and watched as the real one does it, and every fault
//! of user-demand.md §5 comes on cue.

mod objects;
mod serve;

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;

use parking_lot::Mutex;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use objects::Objects;

/// Something that goes wrong with a list or a watch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// This status, with a `Status` object that says so.
    Status(u16),
    /// Status 200 and a text that is no JSON.
    Garbage,
    /// The text breaks off within, and the connection ends: of a list in the middle, of a watch after half an event.
    Half,
    /// The head of the answer, and then nothing for ever.
    Silence,
    /// The connection ends without an answer.
    Cut,
    /// A watch begins well and says `ERROR` with this code.
    Error(u16),
    /// A watch says that nothing has happened, and ends in good order at once.
    Brief,
}

/// What the API and its connections share.
struct Shared {
    inner: Mutex<Inner>,
    /// Goes up with everything that a connection has to look at.
    news: watch::Sender<u64>,
}

#[derive(Default)]
struct Inner {
    objects: Objects,
    /// For the next lists, the first one first; and for all of them once there are no more.
    lists: VecDeque<Fault>,
    all_lists: Option<Fault>,
    /// The same for watches.
    watches: VecDeque<Fault>,
    all_watches: Option<Fault>,
    /// Collections that nobody may read.
    refused: Vec<String>,
    asked: Vec<String>,
    streams: usize,
    /// Connections that were accepted before have to end.
    cuts: u64,
    /// Streams that were opened before have to end.
    ends: u64,
    /// Streams say nothing any more.
    muted: bool,
    /// Lists wait.
    held: bool,
}

/// The API. It ends when it is dropped.
pub struct KubeApi {
    shared: Arc<Shared>,
    address: SocketAddr,
    task: Option<JoinHandle<()>>,
}

impl KubeApi {
    /// An API without objects on a free port.
    pub async fn start() -> KubeApi {
        let shared = Arc::new(Shared { inner: Mutex::default(), news: watch::Sender::new(0) });
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("it is bound");
        let task = Some(tokio::spawn(serve::accept(listener, Arc::clone(&shared))));
        KubeApi { shared, address, task }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    fn change<T>(&self, change: impl FnOnce(&mut Inner) -> T) -> T {
        let result = change(&mut self.shared.inner.lock());
        self.shared.news.send_modify(|count| *count += 1);
        result
    }

    /// Creates or replaces an object, which needs `apiVersion`, `kind` and `metadata`. Returns its version.
    pub fn put(&self, object: Value) -> u64 {
        self.change(|inner| inner.objects.put(object))
    }

    /// Deletes the object of the kind, namespace and name of this one, if there is one.
    pub fn delete(&self, object: &Value) {
        self.change(|inner| inner.objects.delete(object));
    }

    /// Changes objects without an event, as a watch sees it that has missed them.
    pub fn put_unseen(&self, object: Value) {
        self.change(|inner| inner.objects.put_unseen(object));
    }

    /// Says this line to all streams: events out of order, or no events.
    pub fn say(&self, line: &str) {
        self.change(|inner| inner.objects.say(line));
    }

    /// Sends bookmarks of the present version to all streams.
    pub fn bookmark(&self) {
        self.change(|inner| {
            let version = inner.objects.version();
            let object = serde_json::json!({"metadata": {"resourceVersion": version.to_string()}});
            inner.objects.say(&serde_json::json!({"type": "BOOKMARK", "object": object}).to_string());
        });
    }

    /// The next list goes wrong so; of several the first one first.
    pub fn fail_list(&self, fault: Fault) {
        self.change(|inner| inner.lists.push_back(fault));
    }

    /// The next watch goes wrong so; of several the first one first.
    pub fn fail_watch(&self, fault: Fault) {
        self.change(|inner| inner.watches.push_back(fault));
    }

    /// All lists, or none any more, go wrong so.
    pub fn fail_all_lists(&self, fault: Option<Fault>) {
        self.change(|inner| inner.all_lists = fault);
    }

    /// All watches, or none any more, go wrong so.
    pub fn fail_all_watches(&self, fault: Option<Fault>) {
        self.change(|inner| inner.all_watches = fault);
    }

    /// Answers 403 to whoever wants objects of this collection, such as `endpoints`.
    pub fn refuse(&self, plural: &str) {
        self.change(|inner| inner.refused.push(plural.to_owned()));
    }

    /// Ends all streams as an API does it: in good order.
    pub fn end_streams(&self) {
        self.change(|inner| inner.ends += 1);
    }

    /// Ends all connections.
    pub fn cut(&self) {
        self.change(|inner| inner.cuts += 1);
    }

    /// Streams that are open and those to come say nothing more, or go on.
    pub fn mute(&self, muted: bool) {
        self.change(|inner| inner.muted = muted);
    }

    /// Lists have to wait for their answers, or not any more.
    pub fn hold_lists(&self, held: bool) {
        self.change(|inner| inner.held = held);
    }

    /// Ends as a process that is killed: nobody listens any more, all connections end. Objects stay.
    pub async fn kill(&mut self) {
        if let Some(task) = self.task.take() {
            task.abort();
            // Whether it ended by that or before is all the same.
            let _ended = task.await;
        }
        self.cut();
    }

    /// Listens again where it did.
    pub async fn revive(&mut self) {
        let listener = TcpListener::bind(self.address).await.expect("the port is still ours");
        self.task = Some(tokio::spawn(serve::accept(listener, Arc::clone(&self.shared))));
    }

    /// What was asked for: path and query of each request, in order.
    pub fn asked(&self) -> Vec<String> {
        self.shared.inner.lock().asked.clone()
    }

    /// How many watches are open.
    pub fn streams(&self) -> usize {
        self.shared.inner.lock().streams
    }
}

impl Drop for KubeApi {
    fn drop(&mut self) {
        if let Some(task) = &self.task {
            task.abort();
        }
        self.cut();
    }
}
