//! `responses.txt`: back ends that lie, and what callers get.

use crate::corpus::{bytes, marked, rows};
use testkit::{Act, Backend, Client, Play, Setup, World};

/// An answer nobody asked for.
const EVIL: &str = "HTTP/1.1 200 OK\\r\\nContent-Length: 4\\r\\n\\r\\nevil";

/// Answers with the request's mark, for ever.
fn honest() -> Play {
    Play::answer(|seen| Play::text_bytes(seen.head.get("x-mark").unwrap_or("no mark")))
}

/// The row's bytes, and whether the connection is closed behind them.
fn lie(text: &str) -> Play {
    let text = text.replace("$EVIL", EVIL);
    match text.strip_suffix("<close>") {
        Some(text) => Play::acts([Act::Request, Act::Write(bytes(text).into()), Act::Close]),
        None => Play::reply(bytes(&text)),
    }
}

/// What the caller is told, as `responses.txt` writes it.
async fn told(client: &mut Client, method: &str) -> String {
    let answer = loop {
        match client.try_response(method).await {
            Ok(answer) if (100..200).contains(&answer.status()) => {}
            Ok(answer) => break answer,
            Err(_) => return "cut".to_owned(),
        }
    };
    let generated = answer.head.get("l5d-err").is_some();
    let body = if generated { String::new() } else { answer.text() };
    format!("{} {body}", answer.status()).trim_end().to_owned()
}

/// The marked request on this connection, if the proxy has left it open: answered with its own mark or not at all.
async fn next(client: &mut Client, mark: &str) -> Option<String> {
    client.try_send(marked(mark)).await.ok()?;
    let answer = client.try_response("GET").await.ok()?;
    (answer.text() != mark).then(|| format!("{answer:?}"))
}

async fn somebody_else(world: &World, mark: &str) -> Option<String> {
    let mut client = world.client().await;
    client.send(marked(mark)).await;
    let answer = client.response().await;
    (answer.text() != mark).then(|| format!("{answer:?}"))
}

/// Each row is asked for; then the same caller and others ask for something else.
pub(crate) async fn run(workers: usize) {
    let back = Backend::start([honest()]).await;
    let router = "  client:\n    failureAccrual: {kind: none}";
    let world = Setup::new().router(router).replicas("web", &[back.address]).start(workers).await;
    let rows = rows(include_str!("responses.txt"), 4);
    let mut faults = Vec::new();
    for row in &rows {
        let (want, method, what) = (row[0].replace("$EVIL", EVIL), row[1], row[2]);
        back.play([lie(row[3]), honest()]);
        let mut client = world.client().await;
        client.send(format!("{method} /lie HTTP/1.1\r\nHost: web\r\n\r\n")).await;
        let got = told(&mut client, method).await;
        if got.as_bytes() != bytes(&want) {
            faults.push(format!("{what}: the caller got {got:?}, not {want:?}"));
        }
        let same = if got == "cut" { None } else { next(&mut client, "same caller").await };
        let others = [somebody_else(&world, "another").await, somebody_else(&world, "a third").await];
        let wrong = same.into_iter().chain(others.into_iter().flatten());
        faults.extend(wrong.map(|answer| format!("{what}: then somebody was answered {answer}")));
    }
    assert!(faults.is_empty(), "{} of {}:\n{}", faults.len(), rows.len(), faults.join("\n"));
    drop(back);
    world.finish().await;
}
