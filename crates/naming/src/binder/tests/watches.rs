//! Who watches what, and who waits for whom (issue 4).

use super::*;
use crate::namer::Resolver;

/// `/#/t` before `/#/u`: the first alternative flaps; the second is watched once, however often it is needed.
#[tokio::test(start_paused = true)]
async fn a_flapping_first_alternative_opens_one_watch_of_the_second() {
    let (first, second) = (Arc::new(Stage::default()), Arc::new(Counted::default()));
    let namers =
        Namers::new(Arc::new(NoHosts)).with(&path("/t"), first.clone()).with(&path("/u"), second.clone());
    let base = dtab("/svc=>/#/t | /#/u");
    let (binder, task) = Binder::new(Arc::new(namers), base, Clients::default(), BinderSettings::default());
    tokio::spawn(task);
    first.up("/web", &[1]);
    let web = binder.bind(&path("/svc/web"), &Dtab::empty());
    web.ready().await;
    assert_eq!(second.opened(), 0, "what is not needed is not watched");
    for round in 0..200 {
        first.put("/web", State::Ok(false));
        sleep(100).await;
        assert_eq!(show(&web), "/#/u/web[2]", "round {round}");
        first.put("/web", State::Ok(true));
        sleep(100).await;
        assert_eq!(show(&web), "/#/t/web[1]", "round {round}");
    }
    assert_eq!(second.opened(), 1, "one watch outlives the short times without a reader");
    // Left alone for long it is closed, and opened anew when it is needed again.
    sleep(2 * LINGER.as_millis() as u64).await;
    second.close_idle();
    first.put("/web", State::Ok(false));
    sleep(100).await;
    assert_eq!((show(&web), second.opened()), ("/#/u/web[2]".to_owned(), 2));
}

/// A namer whose names all exist at one port, and which counts how often it had to open a watch.
#[derive(Default)]
struct Counted {
    watches: Watches<bool>,
    opened: AtomicUsize,
}

impl Counted {
    fn opened(&self) -> usize {
        self.opened.load(Ordering::SeqCst)
    }

    /// What every namer's task does once the linger is over.
    fn close_idle(&self) {
        self.watches.lock().retain(|_, watch| watch.idle_for().is_none_or(|idle| idle < LINGER));
    }
}

impl Namer for Counted {
    fn bind(&self, rest: &Path, reader: &mut dyn Reader) -> State<NameTree<Named>> {
        self.close_idle();
        let live = {
            let mut watches = self.watches.lock();
            let watch = watches.entry(rest.take(1)).or_insert_with(|| {
                self.opened.fetch_add(1, Ordering::SeqCst);
                Publisher::new(State::Ok(true))
            });
            watch.live()
        };
        reader.read(&live).map(|_| {
            let id = configured_prefix(&path("/u")).concat(rest);
            NameTree::Leaf(Named::Bound(BoundName { id, residual: Path::empty() }))
        })
    }

    fn addresses(&self, _: &Path, _: &mut dyn Reader) -> Addr {
        Addr::bound(vec![Address::new(SocketAddr::from(([10, 0, 0, 1], 2)))])
    }
}

/// A resolver that never answers, as one whose server is gone.
struct Silent(Publisher<Arc<[std::net::IpAddr]>>);

impl Resolver for Silent {
    fn resolve(&self, _: &str, reader: &mut dyn Reader) -> State<Arc<[std::net::IpAddr]>> {
        reader.read(&self.0.live())
    }
}

/// A namer and a resolver that never answer delay the names that need them, and no other: not those that come later in
/// the queue, not those that have them as a later alternative, not those with another branch.
#[tokio::test(start_paused = true)]
async fn who_never_answers_delays_only_names_that_need_it() {
    let stage = Arc::new(Stage::default());
    stage.up("/web", &[1]);
    let namers = Namers::new(Arc::new(Silent(Publisher::default()))).with(&path("/t"), stage.clone());
    let base = dtab(
        "/needs=>/#/t/never; /host=>/$/inet/silent.test/80; /first=>/#/t/never | /#/t/web; /svc=>/#/t; \
         /later=>/#/t/web | /#/t/never; /branch=>/#/t/never & /#/t/web",
    );
    let (binder, task) = Binder::new(Arc::new(namers), base, Clients::default(), BinderSettings::default());
    tokio::spawn(task);
    let bind = |name: &str| binder.bind(&path(name), &Dtab::empty());
    let waiting = ["/needs", "/host", "/first"].map(bind);
    let many: Vec<_> = (0..500).map(|i| bind(&format!("/needs/{i}"))).collect();
    let others = ["/svc/web", "/later", "/branch"].map(bind);
    settle().await;
    for binding in &others {
        assert_eq!(show(binding), "/#/t/web[1]", "{binding:?}");
    }
    sleep(60_000).await;
    for binding in waiting.iter().chain(&many) {
        assert_eq!(show(binding), "-", "{binding:?}");
    }
    stage.serve("/web", State::Ok(&[2]));
    settle().await;
    assert_eq!(show(&others[0]), "/#/t/web[2]", "and goes on living");
    stage.up("/never", &[3]);
    settle().await;
    assert_eq!(show(&waiting[0]), "/#/t/never[3]");
}
