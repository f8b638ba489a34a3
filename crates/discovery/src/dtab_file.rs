//! A dtab in a file, followed for as long as somebody holds it: the interpreter `io.l5d.fs` (routing.md §6).
//!
//! Looked at when the kernel says that it has changed ([`FileWatch`]) and compared by content, so that no way of replacing
//! a file goes unseen. A text that is no dtab is a failure; who has a good tree keeps it.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use names::Dtab;
use naming::{Live, Publisher, State};
use tokio::runtime::Handle;
use tokio::task::AbortHandle;
use tokio::time::Instant;

use crate::changes::Word;
use crate::file_watch::FileWatch;
use crate::fs::POLL_INTERVAL;
use crate::rest::{Rest, Verdict};

/// Larger files are mistakes.
const MAX_BYTES: u64 = 1 << 20;

/// The file. Its task ends when it is dropped.
#[derive(Debug)]
pub struct DtabFile {
    live: Live<Dtab>,
    task: AbortHandle,
}

impl DtabFile {
    /// Follows `path`; while it is missing the dtab is pending. The task runs on `handle`, the control runtime.
    #[must_use]
    pub fn new(path: PathBuf, handle: &Handle) -> DtabFile {
        DtabFile::with_interval(path, handle, POLL_INTERVAL)
    }

    /// The same with another interval between looks where the kernel does not tell of changes; for tests.
    #[must_use]
    pub fn with_interval(path: PathBuf, handle: &Handle, interval: Duration) -> DtabFile {
        let publisher = Publisher::default();
        let live = publisher.live();
        let task = handle.spawn(follow(path, publisher, interval)).abort_handle();
        DtabFile { live, task }
    }

    /// The dtab: pending while there is no file, failed while its text is none, with the parser's words.
    #[must_use]
    pub fn live(&self) -> Live<Dtab> {
        self.live.clone()
    }
}

impl Drop for DtabFile {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// What was found at the last look.
#[derive(PartialEq)]
enum Found {
    Missing,
    Text(Vec<u8>),
    Trouble(String),
}

async fn follow(path: PathBuf, publisher: Publisher<Dtab>, interval: Duration) {
    let mut watch = FileWatch::new(path.clone(), interval);
    let mut rest = Rest::new(None);
    let mut soon = None;
    // Ends with the runtime.
    while let Some(found) = watch.look(soon, look).await {
        let (first, word) = (rest.believed().is_none(), watch.word());
        let hold = |found: &Found| hold(found, first, word, interval);
        soon = match rest.see(found, Instant::now(), hold, interval * 4) {
            Verdict::Known => None,
            Verdict::Wait(wait) => Some(wait),
            Verdict::New => {
                let state = rest.believed().map_or(State::Pending, state);
                tell(&path, &state, first);
                publisher.set(state);
                None
            }
        };
    }
}

/// How long something found must stay to be believed: what takes names away longest, because it may be half of a text.
fn hold(found: &Found, first: bool, word: Option<Word>, interval: Duration) -> Duration {
    match (found, state(found)) {
        (Found::Missing, _) if first => Duration::ZERO,
        (_, State::Ok(dtab)) if !dtab.is_empty() => word.map_or(Duration::ZERO, |word| word.rest(interval)),
        _ if first => interval / 5,
        _ => interval,
    }
}

fn tell(path: &Path, state: &State<Dtab>, first: bool) {
    let path = path.display();
    match state {
        State::Ok(dtab) if !first => tracing::info!("{path}: a dtab of {} entries takes effect", dtab.len()),
        State::Ok(_) => {}
        State::Failed(text) => {
            let text = text.replace('\n', "\\n");
            tracing::warn!("{path}: {text}; names that are bound stay bound");
        }
        State::Pending => tracing::warn!("{path} is missing; names that are bound stay bound"),
    }
}

fn look(path: &Path) -> Found {
    let read = || {
        let bytes = std::fs::metadata(path)?.len();
        if bytes > MAX_BYTES {
            return Ok(Err(format!("file {} is {bytes}", path.display())));
        }
        std::fs::read(path).map(Ok)
    };
    match read() {
        Ok(Ok(text)) => Found::Text(text),
        Ok(Err(large)) => Found::Trouble(large),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Found::Missing,
        Err(error) => Found::Trouble(error.to_string()),
    }
}

fn state(found: &Found) -> State<Dtab> {
    match found {
        Found::Missing => State::Pending,
        Found::Trouble(text) => State::Failed(Arc::from(text.as_str())),
        Found::Text(text) => match Dtab::parse(text) {
            Ok(dtab) => State::Ok(dtab),
            Err(error) => State::failed(error.to_string()),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use naming::{Interpreter, Namers, NoHosts, Untracked};

    async fn until(live: &Live<Dtab>, expected: &State<Dtab>) {
        let reached = async {
            while live.get() != *expected {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        };
        let reached = tokio::time::timeout(Duration::from_secs(10), reached).await;
        assert!(reached.is_ok(), "expected {expected:?}, still {:?}", live.get());
    }

    fn dtab(text: &str) -> State<Dtab> {
        State::Ok(Dtab::parse(text.as_bytes()).unwrap())
    }

    #[tokio::test]
    async fn the_dtab_follows_its_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("web.dtab");
        let file = DtabFile::with_interval(path.clone(), &Handle::current(), Duration::from_millis(5));
        let live = file.live();
        tokio::time::sleep(Duration::from_millis(30)).await;
        until(&live, &State::Pending).await;
        std::fs::write(&path, "/svc => /a ; # comment\n").unwrap();
        until(&live, &dtab("/svc=>/a")).await;
        std::fs::write(&path, "svc => /b").unwrap();
        until(&live, &State::failed("'/' expected but 's' found at '[s]vc => /b'")).await;
        // Same length, same second, another inode.
        let other = dir.path().join("other");
        std::fs::write(&other, "/vc=> /bb").unwrap();
        std::fs::rename(&other, &path).unwrap();
        until(&live, &dtab("/vc=>/bb")).await;
        std::fs::remove_file(&path).unwrap();
        until(&live, &State::Pending).await;
        std::fs::write(&path, "").unwrap();
        until(&live, &dtab("")).await;
        std::fs::write(&path, vec![b' '; (1 << 20) + 1]).unwrap();
        until(&live, &State::failed(format!("file {} is 1048577", path.display()))).await;
    }

    /// The file's dtab comes first, so that the router's and the request's win.
    #[tokio::test]
    async fn an_interpreter_of_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("web.dtab");
        std::fs::write(&path, "/svc=>/$/inet/1; /svc/own=>/$/inet/2").unwrap();
        let file = DtabFile::with_interval(path.clone(), &Handle::current(), Duration::from_millis(5));
        let namers = Arc::new(Namers::new(Arc::new(NoHosts)));
        let interpreter = Interpreter::from(namers).with_dtab(file.live());
        let bind = |base: &str, name: &str| {
            let (base, name) =
                (Dtab::parse(base.as_bytes()).unwrap(), names::Path::parse(name.as_bytes()).unwrap());
            let bound = interpreter.bind(&base, &Dtab::empty(), &name, &mut Untracked);
            let shown = interpreter.delegate(&base, &Dtab::empty(), &name, &mut Untracked);
            assert_eq!(shown.bound(), bound);
            match bound {
                State::Ok(tree) => {
                    tree.leaves().map(|name| name.id.to_string()).collect::<Vec<_>>().join(" ")
                }
                other => format!("{other:?}"),
            }
        };
        assert_eq!(bind("", "/svc/own"), "Pending");
        until(&file.live(), &dtab("/svc=>/$/inet/1;/svc/own=>/$/inet/2")).await;
        assert_eq!(bind("", "/svc/own"), "/$/inet/2");
        assert_eq!(bind("/svc=>/$/inet/3", "/svc/own"), "/$/inet/3");
        assert_eq!(bind("/svc=>/gone", "/svc/own"), "/$/inet/2");
        std::fs::write(&path, "!").unwrap();
        until(&file.live(), &State::failed("'/' expected but '!' found at '[!]'")).await;
        assert_eq!(bind("", "/svc"), "Failed(\"'/' expected but '!' found at '[!]'\")");
    }

    struct Clients;
    struct Client;

    impl naming::Replicas for Client {
        fn update(&self, _: &naming::Addr) {}
    }

    impl naming::ReplicasFactory for Clients {
        type Replicas = Client;

        fn create(&self, _: &names::Path) -> Arc<Client> {
            Arc::new(Client)
        }
    }

    /// Bad content changes nothing for names that are bound, others fail with the parser's words, and a good text heals
    /// both.
    #[tokio::test]
    async fn traffic_outlives_bad_content() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("web.dtab");
        std::fs::write(&path, "/svc=>/$/inet/1").unwrap();
        let file = DtabFile::with_interval(path.clone(), &Handle::current(), Duration::from_millis(5));
        let interpreter = Interpreter::from(Arc::new(Namers::new(Arc::new(NoHosts)))).with_dtab(file.live());
        let settings = naming::BinderSettings::default();
        let (binder, task) = naming::Binder::new(interpreter, Dtab::empty(), Clients, settings);
        tokio::spawn(task);
        let bind = |name: &str| binder.bind(&names::Path::parse(name.as_bytes()).unwrap(), &Dtab::empty());
        let check = async |binding: &Arc<naming::Binding<Client>>, expected: &str| {
            let show = || match binding.current().as_deref() {
                None => "nothing".to_owned(),
                Some(naming::Bound::Failed(text)) => text.to_string(),
                Some(naming::Bound::Tree(tree)) => tree.leaves().map(|leaf| leaf.id.to_string()).collect(),
            };
            let reached = async {
                while show() != expected {
                    tokio::time::sleep(Duration::from_millis(2)).await;
                }
            };
            let reached = tokio::time::timeout(Duration::from_secs(10), reached).await;
            assert!(reached.is_ok(), "expected {expected}, still {}", show());
        };
        let old = bind("/svc/old");
        check(&old, "/$/inet/1").await;
        std::fs::write(&path, "svc").unwrap();
        let bad = State::failed("'/' expected but 's' found at '[s]vc'");
        until(&file.live(), &bad).await;
        let new = bind("/svc/new");
        check(&new, "'/' expected but 's' found at '[s]vc'").await;
        check(&old, "/$/inet/1").await;
        std::fs::write(&path, "/svc=>/$/inet/2").unwrap();
        check(&old, "/$/inet/2").await;
        check(&new, "/$/inet/2").await;
        std::fs::remove_file(&path).unwrap();
        until(&file.live(), &State::Pending).await;
        let late = bind("/svc/late");
        tokio::time::sleep(Duration::from_millis(50)).await;
        check(&late, "nothing").await;
        check(&old, "/$/inet/2").await;
    }
}
