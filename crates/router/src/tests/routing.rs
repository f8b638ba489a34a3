//! Where requests go and what the caller is told when they go nowhere.

use super::mesh::*;
use crate::testing::{FakeRequest, FakeResponse};
use crate::*;
use naming::{Addr, Address, State};

const SERVER: &str = "server/127.0.0.1/4140";

/// Rows 1 to 5 of dataplane.md §13.
#[tokio::test(start_paused = true)]
async fn rows_1_to_5() {
    let mut mesh = Mesh::plain("/p/cat => /$/inet/127.1/80; /svc/felix => /p/cat");
    let got = mesh.get("felix", &[status(200)]).await;
    assert_eq!((got.status, got.saw.len()), (200, 1), "row 1");
    let (port, head) = &got.saw[0];
    assert_eq!(*port, 80);
    assert_eq!(head.one("l5d-dst-service").as_deref(), Some("/svc/felix"));
    assert_eq!(head.one("l5d-dst-client").as_deref(), Some("/$/inet/127.1/80"));
    assert_eq!(head.one("l5d-dst-residual"), None);
    assert_eq!(got.response.unwrap().all("l5d-success-class"), ["1.0"]);

    let got = mesh.get("ralph-machio", &[status(200)]).await;
    assert_eq!(got.status, 502, "row 2");
    assert_eq!(
        got.body,
        "Unable to route request!\n\nservice name: /svc/ralph-machio\ndtab:\n\nbase dtab:\n  \
         /p/cat => /$/inet/127.1/80\n  /svc/felix => /p/cat\noverride dtab:\n\n"
    );
    assert!(got.generated_header("l5d-err").unwrap().starts_with("Unable+to+route+request%21%0A%0Aservice"));
    assert!(got.generated_header("Via").is_none() && got.generated_header("l5d-success-class").is_none());

    let got = mesh.get("", &[status(200)]).await;
    assert_eq!(got.status, 400, "row 3");
    assert_eq!(
        got.body,
        r#"Unknown destination: Request("GET /", from /127.0.0.1:9999) / Host header is absent"#
    );
    mesh.check(SERVER, "requests 3, success 1, failures 2, status/400 1, status/502 1, status/200 1");
    mesh.check(SERVER, "failures/unidentified 1, failures/unroutable 1, pending 0");
    mesh.check("service/svc/ralph-machio", "requests 1, failures 1, success 0");

    let mut mesh = Mesh::plain("/svc/dog => /$/inet/127.1/80");
    let got = mesh.get("dog", &[status(500)]).await;
    assert_eq!(got.status, 500, "row 4");
    assert_eq!(got.response.unwrap().all("l5d-success-class"), ["0.0"]);
    for scope in
        [SERVER, "service/svc/dog", "client/$/inet/127.1/80", "client/$/inet/127.1/80/service/svc/dog"]
    {
        mesh.check(scope, "requests 1, failures 1, success 0");
    }
    let got = mesh.get("dog", &[Does::Refuses]).await;
    assert_eq!((got.status, got.saw.len()), (502, 26), "row 5");
    assert_eq!(
        got.body,
        "Unable to establish connection to 127.0.0.1:80.\n\nservice name: /svc/dog\nclient name: /$/inet/127.1/80\n\
         addresses: [127.0.0.1:80]\nselected address: 127.0.0.1:80\n"
    );
    assert_eq!(got.generated_header("l5d-retryable"), None);
    mesh.check(SERVER, "failures 2");
    mesh.check("service/svc/dog", "failures 2, failures/connect 1");
    mesh.check("client/$/inet/127.1/80", "requests 1, retries/requeues 25, service_creation/failures 26");
}

/// Rows 81, 82, 83, 85 of routing.md §9; rows 13 to 15 and 43 of dataplane.md §13.
#[tokio::test(start_paused = true)]
async fn dtab_overrides() {
    let check = async |mesh: &mut Mesh, lines: &[(&str, &str)], want: Result<(u16, Option<&str>), &str>| {
        let mut request = FakeRequest::get("/");
        request.line("Host", "web");
        for (name, value) in lines {
            request.line(name, value);
        }
        let got = mesh.send(request, &[status(200)]).await;
        let text = match &want {
            Ok((port, ctx)) => {
                assert_eq!((got.status, got.saw[0].0), (200, *port), "{lines:?}");
                let head = &got.saw[0].1;
                assert_eq!(head.one("l5d-ctx-dtab").as_deref(), *ctx, "{lines:?}");
                assert_eq!(head.all("l5d-dtab").len(), 0, "{lines:?}");
                let local = lines.iter().filter(|l| l.0 == "dtab-local").count();
                assert_eq!(head.all("dtab-local").len(), local, "{lines:?}");
                return;
            }
            Err(text) => *text,
        };
        assert_eq!((got.status, got.body.as_str(), got.saw.len()), (400, text, 0), "{lines:?}");
        assert!(got.generated_header("l5d-err").is_some());
    };
    let mut mesh = Mesh::plain("/svc=>/$/inet/1");
    // Twice each: the second time from the cache.
    for _ in 0..2 {
        check(&mut mesh, &[("l5d-dtab", "/svc=>/$/inet/2")], Ok((2, Some("/svc=>/$/inet/2")))).await;
        let both = [("l5d-dtab", "/svc=>/$/inet/2"), ("l5d-ctx-dtab", "/svc=>/$/inet/3")];
        check(&mut mesh, &both, Ok((2, Some("/svc=>/$/inet/3;/svc=>/$/inet/2")))).await;
        check(&mut mesh, &[("dtab-local", "/svc=>/$/inet/2")], Ok((1, None))).await;
        check(&mut mesh, &[("l5d-dtab", "/a => /b ;")], Ok((1, Some("/a=>/b")))).await;
        check(&mut mesh, &[("l5d-ctx-dtab", "/a=>/b")], Ok((1, Some("/a=>/b")))).await;
        check(&mut mesh, &[("l5d-dtab", "")], Ok((1, None))).await;
        check(&mut mesh, &[("l5d-dtab", " # nothing")], Ok((1, None))).await;
        let weights = [("l5d-dtab", "/svc/web => 1 * /$/inet/7 & 0 * /$/nil")];
        check(&mut mesh, &weights, Ok((7, Some("/svc/web=>/$/inet/7 & 0.00*/$/nil")))).await;
        check(&mut mesh, &[("l5d-dtab", "bad")], Err("'/' expected but 'b' found at '[b]ad'")).await;
        let text = "'/' expected but 'i' found at '[i] am not a dtab'";
        check(&mut mesh, &[("l5d-dtab", "i am not a dtab")], Err(text)).await;
        let text = "'/' expected but 'x' found at '[x]'";
        check(&mut mesh, &[("l5d-dtab", "/a=>/b"), ("l5d-ctx-dtab", "x")], Err(text)).await;
    }
    mesh.check("bindcache/path", "misses 5, oneshots 0");
    mesh.check(SERVER, "failures/bad_dtab 6");

    // A bad dtab is what the caller hears even when the name is missing, too.
    let mut request = FakeRequest::get("/");
    request.line("l5d-dtab", "bad");
    assert_eq!(mesh.send(request, &[status(200)]).await.body, "'/' expected but 'b' found at '[b]ad'");
}

#[tokio::test(start_paused = true)]
async fn a_loop_in_a_dtab_is_named() {
    let mut mesh = Mesh::plain("/svc=>/$/inet/1");
    let mut request = FakeRequest::get("/");
    request.line("Host", "web").line("l5d-dtab", "/svc => /svc");
    let got = mesh.send(request, &[status(200)]).await;
    assert_eq!(got.status, 502);
    assert!(got.body.starts_with("Max recursion level: 100 reached in Namer lookup"), "{}", got.body);
    mesh.check("service/svc/web", "failures/binding_failed 1");
}

/// Row 46 of dataplane.md §13.
#[tokio::test(start_paused = true)]
async fn row_46_residual() {
    let mut mesh = Mesh::plain("/svc=>/#/t");
    mesh.stage.up("/web", &[80]);
    let got = mesh.get("web", &[status(200)]).await;
    assert_eq!(got.saw[0].1.one("l5d-dst-client").as_deref(), Some("/#/t/web"));
    assert_eq!(got.saw[0].1.one("l5d-dst-residual"), None);
    let mut mesh = Mesh::plain("/svc=>/#/t/web");
    mesh.stage.up("/web", &[80]);
    let mut request = FakeRequest::get("/");
    request.line("Host", "a b").line("l5d-dst-residual", "/fake");
    let got = mesh.send(request, &[status(200)]).await;
    assert_eq!(got.saw[0].1.one("l5d-dst-residual").as_deref(), Some("/\\x61\\x20\\x62"));
}

/// routing.md §1.7: branches without replicas take their share; all weights zero are alike.
#[tokio::test(start_paused = true)]
async fn unions_are_drawn_per_request() {
    let mut mesh =
        Mesh::plain("/svc/half => /$/inet/1 & $; /svc/zero => 0*/$/inet/1 & 0*/$/inet/2; /svc/x => !");
    let (mut fine, mut lost, mut ones) = (0, 0, 0);
    for _ in 0..400 {
        match mesh.get("half", &[status(200)]).await.status {
            200 => fine += 1,
            _ => lost += 1,
        }
        ones += u32::from(mesh.get("zero", &[status(200)]).await.saw[0].0 == 1);
    }
    assert!((140..260).contains(&fine) && fine + lost == 400, "{fine} {lost}");
    assert!((140..260).contains(&ones), "{ones}");
    assert_eq!(mesh.get("x", &[status(200)]).await.status, 502);
    mesh.check("service/svc/half", &format!("requests 400, success {fine}, failures/unroutable {lost}"));
}

/// What a client does with the states of its address set (routing.md §1.7, §9 rows 38, 39).
#[tokio::test(start_paused = true)]
async fn address_states() {
    let mut mesh = Mesh::plain("/svc=>/#/t");
    let check = async |mesh: &mut Mesh, addr: Addr, want: (u16, &str)| {
        mesh.stage.serve("/web", addr.clone());
        mesh.stage.put("/web", State::Ok(true));
        tokio::time::sleep(std::time::Duration::from_secs(3)).await;
        let got = mesh.get("web", &[status(200)]).await;
        assert_eq!(got.status, want.0, "{addr:?}");
        assert!(got.body.starts_with(want.1), "{addr:?}: {}", got.body);
    };
    check(&mut mesh, Addr::failed("malformed address: junk"), (502, "malformed address: junk")).await;
    check(&mut mesh, Addr::bound(vec![]), (502, "Unable to route request!\n")).await;
    check(&mut mesh, Addr::bound(vec![Address::new(at(1))]), (200, "")).await;
    check(&mut mesh, Addr::failed("discovery is down"), (200, "")).await;
    check(&mut mesh, Addr::Neg, (502, "Unable to route request!\n")).await;
    check(&mut mesh, Addr::bound(vec![Address::new(at(1))]), (200, "")).await;
}

/// Endpoints keep their state over updates; an address that stands there twice is one endpoint.
#[tokio::test(start_paused = true)]
async fn endpoints_survive_updates() {
    let mut mesh = Mesh::plain("/svc=>/#/t");
    mesh.stage.up("/web", &[1]);
    let mut ids = Vec::new();
    for ports in [vec![1], vec![1, 2], vec![1], vec![], vec![1]] {
        mesh.stage.up("/web", &ports);
        tokio::time::sleep(std::time::Duration::from_secs(1)).await;
        let mut request = FakeRequest::get("/");
        request.line("Host", "web");
        let arrival = arrival(at(5), mesh.now, true);
        let (mut ex, mut step) = mesh.worker.on_head(&mut request, arrival);
        if let seam::Step::AwaitBinding(wait) = step {
            wait.await;
            step = mesh.worker.resume(&mut ex, &mut request, mesh.now);
        }
        if matches!(step, seam::Step::Send) && ex.endpoint().address == at(1) {
            ids.push(ex.endpoint().id);
        }
        drop(ex);
    }
    assert!(ids.len() >= 3 && ids[0] == ids[ids.len() - 2], "{ids:?}");
    assert_ne!(ids[0], ids[ids.len() - 1], "an address that left and came back is a new endpoint");
    mesh.check("client/#/t/web/loadbalancer", "adds 3, removes 2, size 1, available 1, load 0");
    let twice = Addr::bound(vec![Address::new(at(1)), Address::new(at(1)).weighing(0.5)]);
    mesh.stage.serve("/web", twice);
    tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    mesh.check("client/#/t/web/loadbalancer", "size 1, adds 3, removes 2, algorithm/p2c_least_loaded 1");
}

/// A backend's own `l5d-success-class` is overwritten (dataplane.md §5.4).
#[tokio::test(start_paused = true)]
async fn success_class_is_the_classifiers() {
    let mut mesh = Mesh::plain("/svc=>/$/inet/1");
    let mut reply = FakeResponse::new(200);
    reply
        .line("L5d-Success-Class", "0.0")
        .line("Connection", "x-gone")
        .line("X-Gone", "1")
        .line("l5d-err", "app");
    let got = mesh.get("web", &[Does::Answers(reply)]).await;
    let response = got.response.unwrap();
    assert_eq!(response.all("l5d-success-class"), ["1.0"]);
    assert_eq!(response.all("via"), ["1.1 linkerd"]);
    assert_eq!((response.all("x-gone").len(), response.all("connection").len()), (0, 0));
    assert_eq!(response.all("l5d-err"), ["app"], "an application's own is passed on");
    mesh.check(SERVER, "success 1, failures 0");
}
