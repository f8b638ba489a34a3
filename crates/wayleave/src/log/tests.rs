use super::*;
use admin::Loggers;
use serde_json::Value;
use tracing::subscriber::with_default;

/// What a log has written, readable from outside.
#[derive(Clone, Default)]
struct Page(Arc<Mutex<Vec<u8>>>);

impl Write for Page {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        held(&self.0).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Page {
    fn lines(&self) -> Vec<String> {
        String::from_utf8(std::mem::take(&mut *held(&self.0))).unwrap().lines().map(str::to_owned).collect()
    }

    /// Lines without their time.
    fn said(&self) -> Vec<String> {
        self.lines().iter().map(|l| l.split_once(' ').unwrap().1.to_owned()).collect()
    }
}

fn log(levels: &str, format: Format) -> (Page, Arc<Log>) {
    let (page, mut all) = (Page::default(), Levels::default());
    for setting in levels.split(',').filter(|s| !s.is_empty()) {
        all.set(setting.parse().unwrap());
    }
    let log = Log::new(all, format, false, Box::new(page.clone()));
    (page, Arc::new(log))
}

#[test]
fn text_and_json() {
    let (page, text) = log("", Format::Text);
    let (lines, json) = log("", Format::Json);
    for log in [text, json] {
        with_default(log, || {
            tracing::warn!(error = %"out of \"luck\"", n = 3, ok = false, "cannot {}", "accept");
            tracing::debug!("not at this level");
        });
    }
    let line = page.lines().remove(0);
    let (time, rest) = line.split_once(' ').unwrap();
    assert!(time.len() == 27 && time.ends_with('Z') && time.parse::<jiff::Timestamp>().is_ok(), "{time}");
    assert_eq!(rest, " WARN cannot accept error=out of \"luck\" n=3 ok=false");
    let lines = lines.lines();
    let object: Value = serde_json::from_str(&lines[0]).unwrap();
    assert!(object["time"].as_str().unwrap().parse::<jiff::Timestamp>().is_ok());
    let got = (&object["level"], &object["logger"], &object["message"], &object["fields"]);
    let fields = serde_json::json!({"error": "out of \"luck\"", "n": 3, "ok": false});
    let expected = ("WARN".into(), module_path!().into(), "cannot accept".into(), fields);
    assert_eq!(got, (&expected.0, &expected.1, &expected.2, &expected.3));
    assert_eq!(lines.len(), 1);
}

/// dataplane.md §1.1, observability.md §9 row 14.
#[test]
fn levels_by_logger_change_while_it_runs() {
    let (page, log) = log("engines=DEBUG", Format::Text);
    let speak = || {
        tracing::debug!(target: "engines::accept", "engines");
        tracing::debug!(target: "enginesroom", "another room");
        tracing::info!(target: "naming::binder", "naming");
        tracing::info!(target: "hickory_resolver", "a library");
    };
    let (handle, said) = (log.clone(), || page.said());
    with_default(log, || {
        speak();
        assert_eq!(said(), ["DEBUG engines", " INFO naming", " INFO a library"]);
        handle.set("root", "warning");
        handle.set("nobody", "DEBUG");
        handle.set("naming", "LOUD");
        speak();
        assert_eq!(said(), ["DEBUG engines"]);
        handle.set("engines", "OFF");
        handle.set("naming::binder", "INFO");
        speak();
        assert_eq!(said(), [" INFO naming"]);
    });
    let of = |levels: &[(String, String)], name: &str| {
        levels.iter().find(|(logger, _)| logger == name).map(|(_, level)| level.clone())
    };
    let levels = handle.levels();
    assert_eq!(levels[0], ("root".to_owned(), "WARNING".to_owned()));
    assert!(levels[1..].is_sorted());
    let shown = ["engines", "naming", "naming::binder", "nobody"].map(|name| of(&levels, name));
    assert_eq!(shown, [Some("OFF".into()), Some("WARNING".into()), Some("INFO".into()), None]);
}

#[test]
fn the_same_again_is_counted() {
    let (page, log) = log("", Format::Text);
    let handle = log.clone();
    with_default(log, || {
        for i in 0..30 {
            tracing::warn!(peer = i, why = "no TLS", "refused");
            tracing::warn!(peer = i, why = if i % 2 == 0 { "too long" } else { "too old" }, "refused");
        }
    });
    let lines = page.said();
    assert_eq!(lines.len(), 30, "ten of each cause: {lines:#?}");
    handle.finish();
    let mut counts = page.said();
    counts.sort();
    assert_eq!(
        counts,
        [
            " WARN refused (20 more like this within a minute) why=no TLS repeated=20",
            " WARN refused (5 more like this within a minute) why=too long repeated=5",
            " WARN refused (5 more like this within a minute) why=too old repeated=5",
        ]
    );
    handle.finish();
    assert!(page.said().is_empty(), "said once");
}

#[tokio::test(start_paused = true)]
async fn after_a_minute_it_is_said_again() {
    let (page, log) = log("", Format::Text);
    let handle = log.clone();
    let _guard = tracing::subscriber::set_default(log);
    let speak = |times| (0..times).for_each(|_| tracing::info!("again"));
    speak(12);
    tokio::time::advance(repeats::WINDOW).await;
    speak(1);
    let lines = page.said();
    assert_eq!(lines[10..], [" INFO again (2 more like this within a minute) repeated=2", " INFO again"]);
    speak(10);
    page.said();
    // And without another one: the count comes out by itself.
    let counting = tokio::time::timeout(repeats::WINDOW + COUNT_OUT, handle.count_out());
    assert!(counting.await.is_err(), "it never ends");
    assert_eq!(page.said(), [" INFO again (1 more like this within a minute) repeated=1"]);
}
