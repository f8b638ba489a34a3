//! What the back end sees of the headers for proxies (dataplane.md §7).

use super::mesh::*;
use crate::testing::FakeRequest;
use crate::*;
use balance::Nanos;

async fn saw(mesh: &mut Mesh, lines: &[(&str, &str)]) -> FakeRequest {
    let mut request = FakeRequest::get("/a?b");
    request.line("Host", "web");
    for (name, value) in lines {
        request.line(name, value);
    }
    let mut got = mesh.send(request, &[status(200)]).await;
    got.saw.remove(0).1
}

fn names(head: &FakeRequest, prefix: &str) -> Vec<String> {
    let mut all: Vec<String> = head.lines().iter().map(|(n, _)| n.to_ascii_lowercase()).collect();
    all.retain(|n| n.starts_with(prefix));
    all.sort();
    all
}

/// Row 17 of dataplane.md §13 and the recorded case l5d-headers-in.
#[tokio::test(start_paused = true)]
async fn rows_16_and_17_the_set_of_headers() {
    let mut mesh = Mesh::plain("/svc=>/$/inet/1");
    let head = saw(&mut mesh, &[("l5d-dtab", "/foo=>/bar"), ("l5d-ctx-thing", "yoooooo")]).await;
    assert_eq!(
        names(&head, "l5d-"),
        [
            "l5d-ctx-dtab",
            "l5d-ctx-thing",
            "l5d-ctx-trace",
            "l5d-dst-client",
            "l5d-dst-residual",
            "l5d-dst-service",
            "l5d-reqid"
        ]
    );
    let spoofed = [
        ("l5d-reqid", "abc"),
        ("l5d-dst-service", "/fake"),
        ("l5d-dst-client", "/fake"),
        ("L5D-DST-RESIDUAL", "/fake"),
        ("x-forwarded-client-cert", "Hash=1"),
        ("l5d-sample", "1.0"),
        ("l5d-foo", "2"),
        ("l5d-err", "x"),
        ("l5d-retryable", "true"),
        ("l5d-success-class", "1.0"),
        ("l5d-add-context", "true"),
    ];
    let head = saw(&mut mesh, &spoofed).await;
    assert_eq!(head.one("l5d-dst-service").as_deref(), Some("/svc/web"));
    assert_eq!(head.one("l5d-dst-client").as_deref(), Some("/$/inet/1"));
    assert_eq!(head.one("l5d-dst-residual").as_deref(), Some("/web"));
    for gone in ["x-forwarded-client-cert", "l5d-sample"] {
        assert_eq!(head.all(gone).len(), 0, "{gone}");
    }
    for kept in ["l5d-foo", "l5d-err", "l5d-retryable", "l5d-success-class", "l5d-add-context"] {
        assert_eq!(head.all(kept).len(), 1, "{kept}");
    }
    assert_eq!(head.one("l5d-reqid").unwrap().len(), 16);
}

/// Row 44 and the first half of row 1: the span of the attempt is a grandchild of the caller's.
#[tokio::test(start_paused = true)]
async fn traces_go_on() {
    let mut mesh = Mesh::plain("/svc=>/$/inet/1");
    let decode = |head: &FakeRequest| TraceId::decode(head.one("l5d-ctx-trace").unwrap().as_bytes()).unwrap();
    let head = saw(&mut mesh, &[]).await;
    let root = decode(&head);
    assert_eq!((root.parent, root.flags, root.trace_high), (root.trace, 0, None));
    assert_eq!(head.one("l5d-reqid").unwrap(), format!("{:016x}", root.trace));

    let caller = TraceId { trace: 7, trace_high: Some(8), parent: 5, span: 6, flags: 6 };
    let mut text = [0; 56];
    let len = caller.encode(&mut text);
    let text = std::str::from_utf8(&text[..len]).unwrap();
    let head = saw(&mut mesh, &[("L5d-Ctx-Trace", text)]).await;
    let got = decode(&head);
    assert_eq!((got.trace, got.trace_high, got.flags), (7, Some(8), 6));
    assert_ne!(got.parent, 6, "the server has a span of its own");
    assert_eq!(head.one("l5d-reqid").unwrap(), "0000000000000007");

    let check = async |mesh: &mut Mesh, sample: &str, want: Option<bool>| {
        let head = saw(mesh, &[("l5d-sample", sample)]).await;
        assert_eq!(decode(&head).sampled(), want, "{sample}");
        assert_eq!(head.all("l5d-sample").len(), 0);
    };
    check(&mut mesh, "1.5", Some(true)).await;
    check(&mut mesh, "-3", Some(false)).await;
    check(&mut mesh, "yes", None).await;
    let head = saw(&mut mesh, &[("l5d-ctx-trace", "garbage"), ("l5d-ctx-trace", "more")]).await;
    assert_eq!(head.all("l5d-ctx-trace").len(), 1);
}

/// Row 45 of dataplane.md §13 and §7.3; the wall clock of these tests is 1,000 s at the router's zero.
#[tokio::test(start_paused = true)]
async fn row_45_deadlines() {
    const NOW: u64 = 1_100_000_000_000;
    let timeouts = |total: u64, attempt: u64| {
        let settings = service(
            no_accrual(RouterSettings::default()),
            ServicePartial { total_timeout: Some(Nanos::from_millis(total)), ..Default::default() },
        );
        let attempt = Some(Nanos::from_millis(attempt));
        client(settings, ClientPartial { attempt_timeout: attempt, ..Default::default() })
    };
    let check = async |settings: RouterSettings, values: &[&str], want: &[String]| {
        let mut mesh = Mesh::new("/svc=>/$/inet/1", settings);
        let lines: Vec<_> = values.iter().map(|v| ("l5d-ctx-deadline", *v)).collect();
        let head = saw(&mut mesh, &lines).await;
        assert_eq!(head.all("l5d-ctx-deadline"), want, "{values:?}");
    };
    let ms = |ms: u64| NOW + ms * 1_000_000;
    check(timeouts(0, 0), &[], &[]).await;
    check(timeouts(0, 0), &["1000 5000", "2000 6000"], &["2000 5000".into()]).await;
    check(timeouts(0, 0), &["soon"], &["soon".into()]).await;
    check(timeouts(400, 0), &[], &[format!("{NOW} {}", ms(400))]).await;
    check(timeouts(400, 300), &[], &[format!("{NOW} {}", ms(300))]).await;
    check(timeouts(400, 0), &["soon"], &[format!("{NOW} {}", ms(400))]).await;
    check(timeouts(400, 0), &["1000 5000"], &[format!("{NOW} 5000")]).await;
    let far = format!("{} {}", ms(50), ms(9000));
    check(timeouts(400, 0), &[&far], &[format!("{} {}", ms(50), ms(400))]).await;
}

/// Rows 47 to 49 of dataplane.md §13, through the whole router.
#[tokio::test(start_paused = true)]
async fn rows_47_to_49() {
    let mut mesh = Mesh::plain("/svc=>/#/t; /svc/acme.co:8080 => /$/inet/1");
    let mut request = FakeRequest::new("GET", b"http://acme.co:8080/foo?x=R%26D");
    request.line("Host", "example.com:9000").line("Proxy-Foo", "1").line("Pragma", "x");
    request.line("Connection", "Keep-Alive, Foo").line("Foo", "1").line("Keep-Alive", "5");
    request.line("Via", "1.0 bob, 1.1 mary");
    let got = mesh.send(request, &[status(200)]).await;
    let head = &got.saw[0].1;
    assert_eq!(head.target, b"/foo?x=R%26D");
    assert_eq!(head.all("host"), ["acme.co:8080"]);
    assert_eq!(head.all("via"), ["1.0 bob, 1.1 mary, 1.1 linkerd"]);
    for (name, count) in [("proxy-foo", 1), ("pragma", 1), ("foo", 0), ("keep-alive", 0), ("connection", 0)] {
        assert_eq!(head.all(name).len(), count, "{name}");
    }
}

/// No header a caller can send makes the router panic.
#[tokio::test(start_paused = true)]
async fn hostile_bytes() {
    let mut mesh = Mesh::plain("/svc=>/$/inet/1");
    let mut rng = fastrand::Rng::with_seed(3);
    let alphabet: &[u8] = b"/=>;|&*!~$#\\x0019 ,:\xff\x80\xc3().%-\"http://";
    for _ in 0..3000 {
        let mut request = FakeRequest::new("GET", b"/");
        let bytes = |rng: &mut fastrand::Rng| -> Vec<u8> {
            (0..rng.usize(0..40)).map(|_| *rng.choice(alphabet).unwrap()).collect()
        };
        request.target = bytes(&mut rng);
        request.method = bytes(&mut rng);
        for known in header::Known::ALL {
            if rng.u8(0..4) == 0 {
                request.raw_line(known.text(), &bytes(&mut rng));
            }
        }
        let got = mesh.send(request, &[status(200)]).await;
        assert!([200, 400, 502].contains(&got.status), "{}", got.status);
        for (name, value) in got.generated.iter().flat_map(|g| &g.headers) {
            assert!(value.iter().all(|b| (0x20..0x7f).contains(b)), "{name}: {value:?}");
        }
    }
    mesh.check("server/127.0.0.1/4140", "requests 3000, pending 0");
}
