//! A dtab in a file, followed for as long as somebody holds it: the interpreter `io.l5d.fs` (routing.md §6).
//!
//! Looked at by polling, like the files of [`crate::FsNamer`], and compared by content, so that no way of replacing a
//! file goes unseen. A text that is no dtab is a failure; who has a good tree keeps it.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use names::Dtab;
use naming::{Live, Publisher, State};
use tokio::runtime::Handle;
use tokio::task::AbortHandle;

use crate::fs::POLL_INTERVAL;

/// Larger files are mistakes.
const MAX_BYTES: u64 = 1 << 20;

/// The file. Its task ends when it is dropped.
#[derive(Debug)]
pub struct DtabFile {
    live: Live<Dtab>,
    task: AbortHandle,
}

impl DtabFile {
    /// Follows `path`, looking at it four times a second; while it is missing the dtab is pending. The task runs on
    /// `handle`, the control runtime.
    #[must_use]
    pub fn new(path: PathBuf, handle: &Handle) -> DtabFile {
        DtabFile::with_interval(path, handle, POLL_INTERVAL)
    }

    /// The same with another interval; for tests.
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
    let mut last = None;
    loop {
        let file = path.clone();
        let Ok(found) = tokio::task::spawn_blocking(move || look(&file)).await else {
            // The runtime is going down.
            return;
        };
        if last.as_ref() != Some(&found) {
            let state = state(&found);
            match &state {
                State::Ok(dtab) if last.is_some() => {
                    tracing::info!("{}: a dtab of {} entries takes effect", path.display(), dtab.len());
                }
                State::Ok(_) => {}
                State::Failed(text) => {
                    let text = text.replace('\n', "\\n");
                    tracing::warn!("{}: {text}; names that are bound stay bound", path.display());
                }
                State::Pending => {
                    tracing::warn!("{} is missing; names that are bound stay bound", path.display());
                }
            }
            publisher.set(state);
            last = Some(found);
        }
        tokio::time::sleep(interval).await;
    }
}

fn look(path: &std::path::Path) -> Found {
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
    use names::Path;
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
            let (base, name) = (Dtab::parse(base.as_bytes()).unwrap(), Path::parse(name.as_bytes()).unwrap());
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

        fn create(&self, _: &Path) -> Arc<Client> {
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
        let bind = |name: &str| binder.bind(&Path::parse(name.as_bytes()).unwrap(), &Dtab::empty());
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
