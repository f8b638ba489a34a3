//! The watch engine on a scripted API: every way in which a watch goes wrong (user-demand.md §5, the rows on discovery).

use std::sync::Arc;
use std::time::Duration;

use naming::{Live, Source, State};
use serde_json::{Value, json};
use telemetry::Metrics;
use testkit::kube_api::Fault;
use testkit::{KubeApi, PATIENCE, eventually};
use tokio::runtime::Handle;
use tokio::time::Instant;

use crate::kinds::{ConfigMap, Endpoints};
use crate::{Access, Cluster, Selector, Settings};

/// An API, what watches it, and one ConfigMap that is watched.
struct Fixture {
    api: KubeApi,
    cluster: Cluster,
    live: Live<Option<Arc<ConfigMap>>>,
}

fn map(name: &str, text: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": "x"}, "data": {"a": text}})
}

fn cluster(api: &KubeApi, settings: Settings) -> Cluster {
    let access = Access::address("127.0.0.1", api.port());
    let scope = Metrics::new(1).scope(&["kubernetes"]);
    Cluster::with_settings(access, &Handle::current(), &scope, settings)
}

/// Nothing happens by itself for as long as a test may take.
fn patient() -> Settings {
    let hour = Duration::from_secs(3600);
    Settings { stale: hour, relist: hour, ..Settings::default() }
}

impl Fixture {
    /// With the map `one`, whose text is `1`.
    async fn new(settings: Settings) -> Fixture {
        let api = KubeApi::start().await;
        api.put(map("one", "1"));
        let cluster = cluster(&api, settings);
        let live = cluster.object("x", "one");
        Fixture { api, cluster, live }
    }

    /// The same, and its stream is open.
    async fn watched(settings: Settings) -> Fixture {
        let f = Fixture::new(settings).await;
        f.shows(Some("1")).await;
        f.streams(1).await;
        f
    }

    fn text(&self) -> State<Option<String>> {
        self.live.get().map(|map| Some(map?.data.get("a")?.to_string()))
    }

    async fn shows(&self, expected: Option<&str>) {
        let expected = State::Ok(expected.map(str::to_owned));
        eventually(PATIENCE, &format!("{expected:?}"), || async { self.text() == expected }).await;
    }

    async fn streams(&self, number: usize) {
        eventually(PATIENCE, "streams", || async { self.api.streams() == number }).await;
    }

    /// Lists that were asked for.
    fn lists(&self) -> usize {
        self.api.asked().iter().filter(|asked| !asked.contains("watch=true")).count()
    }
}

#[tokio::test]
async fn follows_what_happens() {
    let f = Fixture::watched(patient()).await;
    f.api.put(map("one", "2"));
    f.shows(Some("2")).await;
    f.api.put(map("two", "3"));
    f.api.delete(&map("one", ""));
    f.shows(None).await;
    f.api.put(map("one", "4"));
    f.shows(Some("4")).await;
    let asked = f.api.asked();
    assert_eq!(asked[0], "/api/v1/namespaces/x/configmaps?fieldSelector=metadata.name%3Done");
    assert!(asked[1].contains("watch=true&allowWatchBookmarks=true&timeoutSeconds="), "{asked:?}");
    assert!(asked[1].contains("&resourceVersion=1&fieldSelector="), "{asked:?}");
    assert_eq!(asked.len(), 2, "one list and one watch: {asked:?}");
}

#[tokio::test]
async fn lists_by_label() {
    let f = Fixture::watched(patient()).await;
    let labelled = |name: &str, app: &str| {
        let mut map = map(name, "");
        map["metadata"]["labels"] = json!({"app": app});
        map
    };
    for (name, app) in [("b", "web"), ("a", "web"), ("c", "db")] {
        f.api.put(labelled(name, app));
    }
    let list: Live<Arc<[Arc<ConfigMap>]>> = f.cluster.list(Some("x"), &Selector::labels("app=web"));
    let names = || match list.get() {
        State::Ok(all) => all.iter().map(|map| map.metadata.name.to_string()).collect(),
        _ => Vec::new(),
    };
    eventually(PATIENCE, "two", || async { names() == ["b", "a"] }).await;
    f.streams(2).await;
    f.api.put(labelled("b", "web"));
    eventually(PATIENCE, "the changed one last", || async { names() == ["a", "b"] }).await;
}

/// Whatever goes wrong with a watch: nothing known is lost, and nothing that happened is missed.
async fn recovers(fault: Fault) {
    let f = Fixture::new(patient()).await;
    for _ in 0..3 {
        f.api.fail_watch(fault.clone());
    }
    f.shows(Some("1")).await;
    f.api.put(map("one", "2"));
    f.shows(Some("2")).await;
    eventually(PATIENCE, "four watches", || async {
        f.api.asked().iter().filter(|asked| asked.contains("watch=true")).count() == 4
    })
    .await;
    assert!(matches!(f.text(), State::Ok(Some(_))), "{fault:?}");
    f.api.put(map("one", "3"));
    f.shows(Some("3")).await;
    assert!(f.lists() >= 4, "{fault:?}: {:?}", f.api.asked());
}

#[tokio::test]
async fn watches_that_go_wrong() {
    for fault in [
        Fault::Status(410),
        Fault::Status(404),
        Fault::Status(500),
        Fault::Error(410),
        Fault::Error(500),
        Fault::Garbage,
        Fault::Half,
        Fault::Cut,
        // A text that is JSON and no event.
        Fault::Status(200),
    ] {
        recovers(fault).await;
    }
}

/// Answers that are no list; the fourth one is a `Status` object where a list is expected.
const NO_LISTS: [Fault; 6] = [
    Fault::Status(500),
    Fault::Status(403),
    Fault::Status(404),
    Fault::Status(200),
    Fault::Garbage,
    Fault::Half,
];

#[tokio::test]
async fn lists_that_go_wrong_at_first() {
    for fault in NO_LISTS.into_iter().chain([Fault::Cut]) {
        let api = KubeApi::start().await;
        api.put(map("one", "1"));
        api.fail_list(fault.clone());
        api.fail_list(fault.clone());
        let cluster = cluster(&api, patient());
        let f = Fixture { live: cluster.object("x", "one"), cluster, api };
        f.shows(Some("1")).await;
        assert_eq!(f.lists(), 3, "{fault:?}");
    }
}

#[tokio::test]
async fn lists_that_go_wrong_later_change_nothing_and_leave_a_doubt() {
    for fault in NO_LISTS {
        let f = Fixture::watched(patient()).await;
        assert!(f.live.is_sound());
        f.api.fail_all_lists(Some(fault.clone()));
        f.api.fail_all_watches(Some(Fault::Status(500)));
        f.api.cut();
        eventually(PATIENCE, "a doubt", || async { !f.live.is_sound() }).await;
        assert_eq!(f.text(), State::Ok(Some("1".to_owned())), "{fault:?}");
        f.api.put(map("one", "2"));
        f.api.fail_all_lists(None);
        f.shows(Some("2")).await;
        assert!(f.live.is_sound());
    }
}

#[tokio::test]
async fn what_may_not_be_read_fails_only_where_others_do() {
    let api = KubeApi::start().await;
    api.fail_all_lists(Some(Fault::Status(403)));
    let cluster = cluster(&api, patient());
    let (map, endpoints) = (cluster.object::<ConfigMap>("x", "one"), cluster.object::<Endpoints>("x", "one"));
    eventually(PATIENCE, "a refusal", || async { matches!(endpoints.get(), State::Failed(_)) }).await;
    let State::Failed(text) = endpoints.get() else { panic!("failed") };
    assert!(text.contains("endpoints") && text.contains("403 scripted 403"), "{text}");
    eventually(PATIENCE, "three tries", || async { api.asked().len() >= 6 }).await;
    assert_eq!(map.get(), State::Pending);
    api.fail_all_lists(None);
    eventually(PATIENCE, "answers", || async {
        map.get() == State::Ok(None) && endpoints.get() == State::Ok(None)
    })
    .await;
}

#[tokio::test]
async fn older_events_are_ignored() {
    let f = Fixture::watched(patient()).await;
    f.api.put(map("one", "2"));
    f.shows(Some("2")).await;
    let event = |version: u64, text: &str| {
        let mut object = map("one", text);
        object["metadata"]["resourceVersion"] = json!(version.to_string());
        json!({"type": "MODIFIED", "object": object}).to_string()
    };
    f.api.say(&event(1, "old"));
    f.api.say(&event(9, "new"));
    f.shows(Some("new")).await;
    f.api.say(&event(8, "old"));
    f.api.say(&event(9, "as new"));
    f.shows(Some("as new")).await;
}

#[tokio::test]
async fn a_stream_that_ends_goes_on_where_it_was() {
    let f = Fixture::watched(patient()).await;
    f.api.put(map("one", "2"));
    f.shows(Some("2")).await;
    f.api.end_streams();
    eventually(PATIENCE, "another watch", || async {
        f.api.asked().iter().filter(|asked| asked.contains("resourceVersion=2")).count() == 1
    })
    .await;
    f.api.put(map("one", "3"));
    f.shows(Some("3")).await;
    assert_eq!(f.lists(), 1);
}

#[tokio::test]
async fn a_stream_without_a_word_is_dead() {
    let f = Fixture::watched(Settings { stale: Duration::from_millis(200), ..patient() }).await;
    f.api.mute(true);
    f.api.put(map("one", "2"));
    f.shows(Some("2")).await;
    assert!(f.lists() >= 2);
}

#[tokio::test]
async fn bookmarks_are_words() {
    let stale = Duration::from_secs(4);
    let f = Fixture::watched(Settings { stale, ..patient() }).await;
    let end = Instant::now() + stale + Duration::from_secs(1);
    while Instant::now() < end {
        f.api.bookmark();
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(f.lists(), 1, "the stream went on");
}

#[tokio::test]
async fn everything_is_asked_for_again_now_and_then() {
    let f = Fixture::watched(Settings { relist: Duration::from_millis(300), ..patient() }).await;
    f.api.put_unseen(map("one", "2"));
    f.shows(Some("2")).await;
}

#[tokio::test]
async fn an_api_that_is_killed_and_returns() {
    let mut f = Fixture::watched(patient()).await;
    f.api.kill().await;
    eventually(PATIENCE, "a doubt", || async { !f.live.is_sound() }).await;
    assert_eq!(f.text(), State::Ok(Some("1".to_owned())));
    f.api.put_unseen(map("one", "2"));
    f.api.revive().await;
    f.shows(Some("2")).await;
    f.api.put(map("one", "3"));
    f.shows(Some("3")).await;
    assert!(f.live.is_sound());
}

#[tokio::test]
async fn a_slow_list_is_waited_for() {
    let api = KubeApi::start().await;
    api.put(map("one", "1"));
    api.hold_lists(true);
    let cluster = cluster(&api, patient());
    let f = Fixture { live: cluster.object("x", "one"), cluster, api };
    eventually(PATIENCE, "a list", || async { f.lists() == 1 }).await;
    assert_eq!(f.text(), State::Pending);
    f.api.hold_lists(false);
    f.shows(Some("1")).await;
    assert_eq!(f.lists(), 1);
}

/// Three quick tries, then at most one a second, whatever it is that goes wrong.
#[tokio::test]
async fn no_busy_loop() {
    tokio::join!(
        calm(Some(Fault::Status(500)), None),
        calm(None, Some(Fault::Error(410))),
        calm(None, Some(Fault::Cut)),
        calm(None, Some(Fault::Brief)),
    );
}

async fn calm(lists: Option<Fault>, watches: Option<Fault>) {
    // One that ends in good order is asked for anew, without a list.
    let counts_watches = watches == Some(Fault::Brief);
    let api = KubeApi::start().await;
    api.fail_all_lists(lists);
    api.fail_all_watches(watches);
    let begun = Instant::now();
    let cluster = cluster(&api, patient());
    let _live: Live<Option<Arc<ConfigMap>>> = cluster.object("x", "one");
    let tried = || api.asked().iter().filter(|asked| asked.contains("watch=true") == counts_watches).count();
    eventually(PATIENCE, "six tries", || async { tried() >= 6 }).await;
    // The fifth follows the fourth after a second at least, the sixth after two.
    assert!(begun.elapsed() >= Duration::from_secs(3), "{:?}", begun.elapsed());
}

#[tokio::test]
async fn one_watch_for_all_who_want_it_and_none_when_nobody_does() {
    let f = Fixture::watched(patient()).await;
    let again: Live<Option<Arc<ConfigMap>>> = f.cluster.object("x", "one");
    assert_eq!(again.get().map(|map| map.is_some()), State::Ok(true), "it is known at once");
    assert_eq!((f.cluster.watches(), f.api.asked().len()), (1, 2));
    // The API knows of the stream before the watch does.
    let streams = || f.cluster.state_json().contains(r#""streaming":true,"answered":true"#);
    eventually(PATIENCE, "it streams", || async { streams() }).await;
    drop(again);
    drop(f.live);
    eventually(PATIENCE, "no watch", || async { f.cluster.watches() == 0 && f.api.streams() == 0 }).await;
}

#[tokio::test]
async fn the_state_says_what_is_wrong() {
    let mut f = Fixture::watched(patient()).await;
    f.api.kill().await;
    // At first it says that the stream broke off.
    let says = |part: &str| f.cluster.state_json().contains(part);
    let refused = || says("\"streaming\":false") && says("\"error\":") && says("onnection refused");
    eventually(PATIENCE, "an error", || async { refused() }).await;
    f.api.revive().await;
    let mended = || says("\"streaming\":true") && says("\"lastError\":") && !says("\"error\":");
    eventually(PATIENCE, "what was wrong", || async { mended() }).await;
}

/// One more than there may be fails with a word about it, and begins as soon as another one has ended.
#[tokio::test]
async fn only_so_many() {
    let f = Fixture::watched(Settings { watches: 1, ..patient() }).await;
    f.api.put(map("two", "2"));
    let second: Live<Option<Arc<ConfigMap>>> = f.cluster.object("x", "two");
    let said = || match second.get() {
        State::Failed(text) => text.to_string(),
        _ => String::new(),
    };
    eventually(PATIENCE, "a refusal", || async { said().contains("there are 1 watches already") }).await;
    assert!(
        said().contains("/api/v1/namespaces/x/configmaps?fieldSelector=metadata.name%3Dtwo"),
        "{}",
        said()
    );
    assert_eq!(f.api.asked().len(), 2, "nothing was asked for the second: {:?}", f.api.asked());
    drop(f.live);
    let there = || second.get().ok().flatten().is_some();
    eventually(PATIENCE, "the second one", || async { there() }).await;
}
