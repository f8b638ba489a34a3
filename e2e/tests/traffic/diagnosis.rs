//! TRACE requests that ask what the proxy does with them (dataplane.md §4.7, §13 rows 22 to 24).

use std::time::Duration;
use testkit::{Backend, Play, Setup, World, each_width};

each_width!(rows_22_to_24, bodies_in_pieces);

async fn world(workers: usize, web: &Backend) -> World {
    let dtab = format!("/svc => /srv;\n/srv => /$/inet/127.1/{};", web.address.port());
    Setup::new().dtab(&dtab).start(workers).await
}

fn trace(lines: &str) -> String {
    format!("TRACE / HTTP/1.1\r\nHost: dog\r\n{lines}\r\n")
}

/// The block of this router, its duration masked.
fn block(port: u16) -> String {
    format!(
        "--- Router: out ---\nrequest duration: N ms\nservice name: /svc/dog\nclient name: /$/inet/127.1/{port}\n\
         addresses: [127.0.0.1:{port}]\nselected address: 127.0.0.1:{port}\ndtab resolution:\n  /svc/dog\n  \
         /srv/dog (/svc=>/srv)\n  /$/inet/127.1/{port}/dog (/srv=>/$/inet/127.1/{port})\n"
    )
}

fn masked(text: &str) -> String {
    let duration = |line: &str| line.starts_with("request duration: ") && line.ends_with(" ms");
    let lines = text.split('\n').map(|l| if duration(l) { "request duration: N ms" } else { l });
    lines.collect::<Vec<_>>().join("\n")
}

async fn rows_22_to_24(workers: usize) {
    let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\necho\r\n0\r\n\r\n";
    let plays = [Play::text(" echo\r\n\r\n"), Play::reply(chunked), Play::text("plain")];
    let web = Backend::start(plays).await;
    let world = world(workers, &web).await;
    let mut client = world.client().await;
    let context = "Max-Forwards: 5\r\nl5d-add-context: true\r\n";
    let here = block(web.address.port());

    client.send(trace(context)).await;
    let response = client.response_to("TRACE").await;
    assert_eq!((response.status(), masked(&response.text())), (200, format!("echo\n\n{here}")), "row 22");
    let head = web.last().head;
    assert_eq!((head.method(), head.get("max-forwards")), ("TRACE", Some("4")));
    assert_eq!(head.get("l5d-add-context"), Some("true"));

    client.send(trace(context)).await;
    let text = masked(&client.response_to("TRACE").await.text());
    let lost =
        "HTTP 200 - OK\nDiagnostic trace encountered chunked response. Response content discarded.\n\n";
    assert_eq!(text, format!("Transfer-Encoding: chunked\n{lost}{here}"), "row 23");

    client.send(trace("")).await;
    assert_eq!(client.response_to("TRACE").await.text(), "plain");
    let seen = web.requests();
    client.send(trace("Max-Forwards: 31qe\r\n")).await;
    let response = client.response_to("TRACE").await;
    let invalid = "Invalid value for Max-Forwards header";
    assert_eq!((response.status(), response.text().as_str()), (400, invalid), "row 24");
    client.send(trace("Max-Forwards: 0\r\nl5d-add-context: true\r\n")).await;
    assert_eq!(masked(&client.response_to("TRACE").await.text()), here);
    client.send(trace("Max-Forwards: 0\r\n")).await;
    assert_eq!(client.response_to("TRACE").await.text(), "");
    assert_eq!(web.requests(), seen, "the last three go no further");
    drop((client, web));
    world.finish().await;
}

/// An answer that comes byte by byte, and one that does not end.
async fn bodies_in_pieces(workers: usize) {
    let pause = Duration::from_micros(200);
    let short = "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nech";
    let web =
        Backend::start([Play::drip(Play::text_bytes("slow echo"), pause), Play::reply_then_close(short)]);
    let web = web.await;
    let world = world(workers, &web).await;
    let mut client = world.client().await;
    client.send(trace("l5d-add-context: true\r\n")).await;
    let text = masked(&client.response_to("TRACE").await.text());
    assert_eq!(text, format!("slow echo\n\n{}", block(web.address.port())));
    client.send(trace("l5d-add-context: true\r\n")).await;
    let cut = client.response_to("TRACE").await;
    assert_eq!(cut.status(), 502, "a body that was cut is not passed off as whole");
    drop((client, web));
    world.finish().await;
}
