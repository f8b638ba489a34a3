//! The port on which replicas are killed and started.

use super::fleet::{Alive, Fleet, Refusal};
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::Mutex;
use tokio::task::JoinSet;

/// Pause after a failed accept.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// The replicas, shared with whoever shows them.
pub(crate) type Shared = Arc<Mutex<Fleet>>;

/// Serves until it is dropped.
pub(crate) async fn serve(listener: TcpListener, fleet: Shared) {
    let mut connections = JoinSet::new();
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            tokio::time::sleep(ACCEPT_PAUSE).await;
            continue;
        };
        let fleet = fleet.clone();
        let handler = service_fn(move |request: Request<Incoming>| {
            let fleet = fleet.clone();
            async move {
                let (status, text) = answer(request.method(), request.uri().path(), &fleet).await;
                let mut response = Response::new(Full::new(Bytes::from(text + "\n")));
                *response.status_mut() = status;
                Ok::<_, Infallible>(response)
            }
        });
        let mut builder = http1::Builder::new();
        builder.timer(TokioTimer::new());
        // A caller that breaks off harms only itself.
        connections.spawn(builder.serve_connection(TokioIo::new(stream), handler));
        while connections.try_join_next().is_some() {}
    }
}

async fn answer(method: &Method, path: &str, fleet: &Shared) -> (StatusCode, String) {
    let mut fleet = fleet.lock().await;
    let (command, name) = path.trim_start_matches('/').split_once('/').unwrap_or_default();
    if !matches!(command, "kill" | "start") {
        let status = if path == "/" { StatusCode::OK } else { StatusCode::NOT_FOUND };
        return (status, usage(&fleet.alive()));
    }
    if method != Method::POST {
        return (StatusCode::METHOD_NOT_ALLOWED, "POST required: curl -X POST …".to_owned());
    }
    let done = if command == "kill" { fleet.kill(name).await } else { fleet.revive(name).await };
    match done {
        Ok(text) => (StatusCode::OK, text),
        Err(Refusal::Unknown) => {
            (StatusCode::NOT_FOUND, format!("there is no {name}\n{}", usage(&fleet.alive())))
        }
        Err(Refusal::Dead) => (StatusCode::CONFLICT, format!("nothing of {name} is alive")),
        Err(Refusal::System(fault)) => (StatusCode::INTERNAL_SERVER_ERROR, format!("{name}: {fault}")),
    }
}

fn usage(alive: &[Alive]) -> String {
    let mut text = String::from("POST /kill/NAME or /start/NAME, a service's or a replica's (world-v1-2):");
    for set in alive {
        text.push_str(&format!("\n  {:<9} {} of {} alive", set.set, set.alive, set.of()));
        if !set.dead.is_empty() {
            text.push_str(&format!(", {} killed", set.dead.join(", ")));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn commands() {
        let folder = tempfile::tempdir().unwrap();
        let disco = folder.path().join("disco");
        std::fs::create_dir(&disco).unwrap();
        let fleet = Fleet::start(&disco, "127.0.0.1:1".parse().unwrap()).await.unwrap();
        let fleet: Shared = Arc::new(Mutex::new(fleet));
        for (method, path, status, text) in [
            (Method::GET, "/", 200, "world-v1  3 of 3 alive"),
            (Method::GET, "/kill/world-v1", 405, "POST required"),
            (Method::POST, "/kill/world-v1", 200, "killed world-v1-3 "),
            (Method::POST, "/kill/world-v1-3", 409, "nothing of world-v1-3 is alive"),
            (Method::GET, "/", 200, "world-v1  2 of 3 alive, world-v1-3 killed"),
            (Method::POST, "/start/world-v1", 200, "started world-v1-3: 3 of 3 run"),
            (Method::POST, "/kill/moon", 404, "there is no moon\nPOST /kill/NAME"),
            (Method::POST, "/eat/moon", 404, "POST /kill/NAME"),
            (Method::POST, "/kill", 404, "POST /kill/NAME"),
        ] {
            let got = answer(&method, path, &fleet).await;
            assert_eq!(got.0.as_u16(), status, "{method} {path}: {}", got.1);
            assert!(got.1.contains(text), "{method} {path}: {}", got.1);
        }
    }
}
