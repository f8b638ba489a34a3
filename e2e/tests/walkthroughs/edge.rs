//! Parts V and VI: requests from outside by domain, an edge in front, and requests that are staged by themselves.

use crate::bed::Bed;
use crate::{said, step};

const OVERRIDE: &str = "l5d-dtab: /host/world => /srv/world-v2;";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs real nodes: .ci/long cluster"]
async fn parts_5_and_6() {
    let Some(bed) = Bed::start("walkthroughs V and VI").await else { return };
    step("V.1", "mesh and ingress router", bed.mesh("ingress", "default")).await;
    step("V.3", "apps: twelve pods", bed.apps(&["hello-world", "api", "world-v2"])).await;
    let front = bed.outside("default", "l5d", "ingress").await;
    let bed = &bed;
    let get = |headers: &'static [&'static str]| {
        let front = front.clone();
        async move { bed.curl(&with(headers, &front)).await }
    };
    bed.curl_until("the mesh knows the apps", &with(&["Host: www.hello.world"], &front), |answer| {
        said::addresses(answer, &["Hello", "world"], 2).is_some()
    })
    .await;
    said::hello_world(&step("V.4", "by domain", get(&["Host: www.hello.world"])).await);
    said::api(&step("V.5", "the api", get(&["Host: api.hello.world"])).await);
    step("V.6", "an unknown domain", unknown_domain(bed, &front)).await;
    said::hello_earth(&step("V.7", "an override", get(&["Host: www.hello.world", OVERRIDE])).await);
    said::hello_world(&step("VI.2", "baseline", get(&["Host: www.hello.world"])).await);
    step("VI.4", "staged and other requests side by side", isolated(bed, &front)).await;
    step("VI.5", "the dtab playground", playground(bed)).await;
    step("V.8", "nginx as the edge", nginx(bed)).await;
}

/// Arguments of curl: headers and the address.
fn with<'a>(headers: &[&'a str], address: &'a str) -> Vec<&'a str> {
    let mut args: Vec<&str> = headers.iter().flat_map(|header| ["-H", *header]).collect();
    args.push(address);
    args
}

async fn unknown_domain(bed: &Bed, front: &str) {
    let mut args = with(&["Host: foo"], front);
    args.push("-i");
    let answer = bed.curl(&args).await;
    assert!(answer.starts_with("HTTP/1.1 502"), "{answer}");
    assert!(answer.to_lowercase().contains("\nl5d-err: "), "{answer}");
    assert!(answer.contains("/svc/foo"), "the body names what was asked for: {answer}");
}

async fn isolated(bed: &Bed, front: &str) {
    let (plain, staged) =
        (with(&["Host: www.hello.world"], front), with(&["Host: www.hello.world", OVERRIDE], front));
    for _ in 0..15 {
        let (plain, staged) = tokio::join!(bed.curl(&plain), bed.curl(&staged));
        said::hello_world(&plain);
        said::hello_earth(&staged);
    }
}

async fn playground(bed: &Bed) {
    let admin = bed.outside("default", "l5d", "admin").await;
    let body = r#"{"namespace":"outgoing","dtab":"/svc=>/host;/host=>/srv;/srv=>/#/io.l5d.k8s/default/http;/host/world=>/srv/world-v1","path":"/svc/world"}"#;
    let args = [
        "-X",
        "POST",
        "-H",
        "Content-Type: application/json",
        "-d",
        body,
        &format!("http://{admin}/delegator.json"),
    ];
    let answer = bed.curl(&args).await;
    for part in ["/svc/world", "/host/world", "/srv/world-v1", "/#/io.l5d.k8s/default/http/world-v1"] {
        assert!(answer.contains(part), "{part} is not in {answer}");
    }
}

async fn nginx(bed: &Bed) {
    bed.apps(&["nginx"]).await;
    let edge = bed.outside("default", "nginx", "http").await;
    let bare = bed.curl_until("the edge answers", &[&edge], |answer| answer == "200 OK").await;
    assert_eq!(bare, "200 OK");
    let www = ["Host: www.hello.world"];
    said::hello_world(&step("V.9", "through the edge", bed.curl(&with(&www, &edge))).await);
    said::api(
        &step("V.9", "the api through the edge", bed.curl(&with(&["Host: api.hello.world"], &edge))).await,
    );
    let sent = with(&[www[0], OVERRIDE], &edge);
    said::hello_world(&step("V.10", "an override from outside is dropped", bed.curl(&sent)).await);
    let mut employee = with(&www, &edge);
    employee.extend(["--cookie", "special_employee_cookie=dogfood"]);
    said::hello_earth(&step("V.11", "an employee", bed.curl(&employee)).await);
    said::hello_world(&step("V.12", "anybody else", bed.curl(&with(&www, &edge))).await);
}
