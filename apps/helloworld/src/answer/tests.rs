use super::*;
use hyper::Request;
use std::sync::{Arc, Mutex};
use tokio::time::Instant;

/// A service without target and what it announces.
fn service(settings: Settings) -> (Service, Arc<Mutex<Vec<String>>>) {
    let said = Arc::new(Mutex::new(Vec::new()));
    let heard = said.clone();
    (Service::new(settings, Arc::new(move |line| heard.lock().unwrap().push(line.to_owned()))), said)
}

async fn ask(service: &Service, method: &str, uri: &str) -> Reply {
    service.answer(&Request::builder().method(method).uri(uri).body(()).unwrap().into_parts().0).await
}

fn world() -> Settings {
    Settings { text: "world".to_owned(), ..Settings::default() }
}

#[tokio::test]
async fn texts() {
    async fn check(settings: Settings, expected: &str) {
        let (service, _) = service(settings);
        assert_eq!(ask(&service, "GET", "/").await, Reply::ok(expected));
    }
    let pod = |ip: &str| Some(ip.to_owned());
    check(world(), "world!").await;
    check(Settings { pod_ip: pod("10.196.1.243"), ..world() }, "world (10.196.1.243)!").await;
    check(Settings { text: "earth".to_owned(), pod_ip: pod("10.0.1.5"), ..world() }, "earth (10.0.1.5)!")
        .await;
    check(Settings { json: true, ..world() }, r#"{"api_result":"world"}"#).await;
    check(Settings { json: true, pod_ip: pod("A"), ..world() }, r#"{"api_result":"world (A)"}"#).await;
    check(
        Settings { json: true, text: "<&>".to_owned(), ..world() },
        r#"{"api_result":"\u003c\u0026\u003e"}"#,
    )
    .await;
}

#[tokio::test]
async fn any_method_and_path_is_greeted() {
    let (service, _) = service(world());
    for method in ["GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "HEAD", "BREW"] {
        for uri in ["/", "/a/b?c=d", "/setLatency/", "/setlatency", "/setFailureRateX"] {
            assert_eq!(ask(&service, method, uri).await, Reply::ok("world!"), "{method} {uri}");
        }
    }
}

#[tokio::test]
async fn failures() {
    let (failing, _) = service(Settings { failure_rate: 1.0, ..world() });
    let reply = ask(&failing, "GET", "/").await;
    assert_eq!((reply.status, reply.body.as_slice(), reply.nosniff), (500, b"\n".as_slice(), true));
    let (half, _) = service(Settings { failure_rate: 0.5, ..world() });
    let mut failed = 0;
    for _ in 0..1_000 {
        failed += u32::from(ask(&half, "GET", "/").await.status == 500);
    }
    assert!((400..600).contains(&failed), "{failed} of 1000 failed");
}

#[tokio::test(start_paused = true)]
async fn latency_comes_before_everything_else() {
    async fn check(latency: i64, failure_rate: f64, millis: u128) {
        let (service, _) = service(Settings { latency, failure_rate, ..world() });
        let start = Instant::now();
        ask(&service, "GET", "/").await;
        assert_eq!(start.elapsed().as_millis(), millis, "{latency}");
    }
    check(0, 0.0, 0).await;
    check(-1_000_000_000, 0.0, 0).await;
    check(500_000_000, 0.0, 500).await;
    check(500_000_000, 1.0, 500).await;
}

#[tokio::test]
async fn control_endpoints() {
    async fn check(method: &str, uri: &str, status: u16, body: &str, announced: &[&str]) {
        let (service, said) = service(world());
        let reply = ask(&service, method, uri).await;
        let body_got = String::from_utf8(reply.body).unwrap();
        assert_eq!(
            (reply.status, body_got.as_str(), reply.nosniff),
            (status, body, status != 200),
            "{method} {uri}"
        );
        assert_eq!(*said.lock().unwrap(), announced, "{method} {uri}");
    }
    for uri in ["/setLatency?latency=1s", "/setLatency", "/setFailureRate?failureRate=1", "/setFailureRate"] {
        for method in ["GET", "PUT", "HEAD"] {
            check(method, uri, 405, "POST required\n", &[]).await;
        }
    }
    check("POST", "/setLatency", 400, "missing required parameter: latency\n", &[]).await;
    check("POST", "/setLatency?latency=", 400, "missing required parameter: latency\n", &[]).await;
    check("POST", "/setLatency?latency=5", 400, "latency is not a valid duration\n", &[]).await;
    check("POST", "/setLatency?latency=1m30s", 200, "ok", &["set latency to 1m30s"]).await;
    check("POST", "/setLatency?latency=-1s", 200, "ok", &["set latency to -1s"]).await;
    check("POST", "/setLatency?latency=0", 200, "ok", &["set latency to 0s"]).await;
    check("POST", "/setFailureRate?x=1", 400, "missing required parameter: failureRate\n", &[]).await;
    check("POST", "/setFailureRate?failureRate=x", 400, "failureRate is not a valid float\n", &[]).await;
    for rate in ["1.1", "-0.1", "inf", "NaN"] {
        let uri = format!("/setFailureRate?failureRate={rate}");
        check("POST", &uri, 400, "failureRate must be between 0.0 and 1.0\n", &[]).await;
    }
    check("POST", "/setFailureRate?failureRate=0.5", 200, "ok", &["set failure rate to 0.5"]).await;
    check("POST", "/setFailureRate?failureRate=1.0", 200, "ok", &["set failure rate to 1"]).await;
}

#[tokio::test(start_paused = true)]
async fn control_takes_effect_at_once() {
    let (service, _) = service(Settings { latency: 3_000_000_000, ..world() });
    assert_eq!(ask(&service, "POST", "/setFailureRate?failureRate=1").await, Reply::ok("ok"));
    // Longer than -latency may be.
    ask(&service, "POST", "/setLatency?latency=20s").await;
    let start = Instant::now();
    assert_eq!(ask(&service, "GET", "/").await.status, 500);
    assert_eq!(start.elapsed().as_secs(), 20);
    ask(&service, "POST", "/setLatency?latency=0").await;
    ask(&service, "POST", "/setFailureRate?failureRate=0").await;
    assert_eq!(ask(&service, "GET", "/").await, Reply::ok("world!"));
    assert_eq!(start.elapsed().as_secs(), 20, "control endpoints do not sleep");
}
