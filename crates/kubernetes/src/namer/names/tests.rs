//! What a name passes on of the values it is seen from, without an API.

use super::*;
use crate::{Access, Cluster};
use naming::SourceId;
use telemetry::Metrics;
use tokio::runtime::Handle;

/// Names that stand for the number the test publishes; 0 for nothing.
struct Number(Publisher<u32>);

impl Look for Number {
    type Found = u32;
    type Sources = Live<u32>;

    fn open(&self, _: &Cluster, _: &Path) -> Live<u32> {
        self.0.live()
    }

    fn sources<'a>(&self, of: &'a Live<u32>) -> Vec<&'a dyn Source> {
        vec![of]
    }

    fn watched(&self, _: &Path) -> Vec<String> {
        Vec::new()
    }

    fn look(&self, _: &Path, of: &Live<u32>) -> State<Option<u32>> {
        of.get().map(|number| (number > 0).then_some(number))
    }

    fn json(&self, found: &u32) -> String {
        found.to_string()
    }
}

/// When word of each change came, as a hook is told.
#[derive(Default)]
struct Told(Mutex<Vec<Instant>>);

impl Hook for Told {
    fn changed(&self, _: SourceId, heard: Instant) {
        self.0.lock().push(heard);
    }
}

/// Of changes that are taken in together the first one counts: the time it has taken is the longest.
#[tokio::test(start_paused = true)]
async fn when_word_came_is_passed_on() {
    let number = Publisher::default();
    let access = Access::Address { host: "nobody".into(), port: 1 };
    let cluster = Cluster::new(access, &Handle::current(), Metrics::new(1).root());
    let names = Names::new(Number(number.clone()), cluster);
    let found = names.found(&Path::from_elems([b"a"]));
    let told = Arc::new(Told::default());
    let _subscription = found.subscribe(told.clone());
    tokio::time::sleep(Duration::from_millis(1)).await;
    let mut expected = Vec::new();
    for value in [1, 3, 0] {
        let first = Instant::now();
        tokio::time::advance(Duration::from_millis(5)).await;
        number.set_heard(State::Ok(value + 1), first);
        number.set_heard(State::Ok(value), Instant::now());
        tokio::time::sleep(Duration::from_millis(1)).await;
        expected.push(first);
    }
    assert_eq!(found.get(), State::Ok(None));
    assert_eq!(*told.0.lock(), expected);
}
