//! routing.md §6: what the dtab is while the ConfigMap comes, changes, breaks and goes (user-demand.md §5, CH 1.3.0).

use super::*;
use telemetry::Metrics;

struct World {
    maps: Publisher<Option<Arc<ConfigMap>>>,
    publisher: Publisher<Dtab>,
    fault: Arc<Mutex<Option<String>>>,
    faulty: Counter,
    task: AbortHandle,
}

impl Drop for World {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn world() -> World {
    let of = DtabKey { namespace: "n".into(), name: "m".into(), key: "web.dtab".into() };
    let (maps, publisher) = (Publisher::default(), Publisher::default());
    let (fault, faulty) = (Arc::default(), Metrics::new(1).root().counter("bad_dtabs"));
    let follower = Follower {
        of,
        maps: maps.live(),
        publisher: publisher.clone(),
        fault: Arc::clone(&fault),
        faulty: faulty.clone(),
    };
    let task = tokio::spawn(follower.run()).abort_handle();
    World { maps, publisher, fault, faulty, task }
}

impl World {
    /// The ConfigMap has these data: `key=text` pairs; none when there is no ConfigMap.
    fn put(&self, data: Option<&[(&str, &str)]>) {
        let map = data.map(|data| {
            let data = data.iter().map(|(key, text)| ((*key).into(), (*text).into())).collect();
            Arc::new(ConfigMap { data, ..ConfigMap::default() })
        });
        self.maps.set(State::Ok(map));
    }

    async fn check(&self, expected: &str, fault: bool) {
        // The follower has nothing to wait for but its bell.
        for _ in 0..10 {
            tokio::task::yield_now().await;
        }
        assert_eq!(self.publisher.get(), State::Ok(Dtab::parse(expected.as_bytes()).unwrap()));
        assert_eq!(self.fault.lock().is_some(), fault, "{expected}");
    }
}

#[tokio::test]
async fn valid_invalid_valid() {
    let world = world();
    tokio::task::yield_now().await;
    assert_eq!(world.publisher.get(), State::Pending, "until the API has answered");
    world.put(Some(&[("web.dtab", "/svc => /a")]));
    world.check("/svc => /a", false).await;
    world.put(Some(&[("web.dtab", "/svc => ")]));
    world.check("/svc => /a", true).await;
    assert_eq!(world.faulty.get(), 1);
    world.put(Some(&[("web.dtab", "/svc => /b"), ("other", "x")]));
    world.check("/svc => /b", false).await;
    world.put(Some(&[("web.dtab", "/svc => /b"), ("other", "y")]));
    world.check("/svc => /b", false).await;
    world.put(Some(&[("other", "y")]));
    world.check("", false).await;
    world.put(Some(&[("web.dtab", "/svc => /c")]));
    world.check("/svc => /c", false).await;
    world.put(None);
    world.check("", false).await;
}

#[tokio::test]
async fn bad_at_the_start_is_empty() {
    let world = world();
    world.put(Some(&[("web.dtab", "svc")]));
    world.check("", true).await;
    world.put(Some(&[("web.dtab", "/svc => /a")]));
    world.check("/svc => /a", false).await;
}

/// What is last known stays while the API cannot be asked, and its users know.
#[tokio::test]
async fn outages_are_doubts() {
    let world = world();
    let live = world.publisher.live();
    world.put(Some(&[("web.dtab", "/svc => /a")]));
    world.check("/svc => /a", false).await;
    assert!(live.is_sound());
    world.maps.doubt();
    world.check("/svc => /a", false).await;
    assert!(!live.is_sound());
    world.put(Some(&[("web.dtab", "/svc => /a")]));
    world.check("/svc => /a", false).await;
    assert!(live.is_sound());
}
