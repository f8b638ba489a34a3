//! The connections of the scripted API.

use std::sync::Arc;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use super::objects::{Told, Wanted};
use super::{Fault, Inner, Shared};

/// Why a connection ends: nothing that a caller has to know.
struct Ended;

impl From<std::io::Error> for Ended {
    fn from(_: std::io::Error) -> Ended {
        Ended
    }
}

/// Serves until it is aborted; its connections end with it.
pub(super) async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        let connection = Connection { stream, cuts: shared.inner.lock().cuts, shared: Arc::clone(&shared) };
        connections.spawn(connection.serve());
    }
}

struct Connection {
    stream: TcpStream,
    /// How often connections had been cut before this one.
    cuts: u64,
    shared: Arc<Shared>,
}

impl Connection {
    async fn serve(mut self) {
        let mut news = self.shared.news.subscribe();
        let (shared, cuts) = (Arc::clone(&self.shared), self.cuts);
        let cut = news.wait_for(|_| shared.inner.lock().cuts > cuts);
        tokio::select! {
            _ = cut => {}
            _ = self.requests() => {}
        }
    }

    async fn requests(&mut self) -> Result<(), Ended> {
        loop {
            let (target, patch) = self.request().await?;
            if let Some(patch) = patch {
                self.patch(target, patch).await?;
                continue;
            }
            let wanted = Wanted::parse(&target);
            let fault = self.with(|inner| {
                inner.asked.push(target);
                if inner.refused.iter().any(|refused| wanted.is_of(refused)) {
                    return Some(Fault::Status(403));
                }
                let (queue, all) = match wanted.watch {
                    true => (&mut inner.watches, &inner.all_watches),
                    false => (&mut inner.lists, &inner.all_lists),
                };
                queue.pop_front().or_else(|| all.clone())
            });
            if wanted.watch {
                self.watch(&wanted, fault).await?;
            } else {
                self.list(&wanted, fault).await?;
            }
        }
    }

    fn with<T>(&self, with: impl FnOnce(&mut Inner) -> T) -> T {
        with(&mut self.shared.inner.lock())
    }

    /// The target of the next request, and the body of one that changes an object.
    async fn request(&mut self) -> Result<(String, Option<Value>), Ended> {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(self.stream.read_u8().await?);
        }
        let head = String::from_utf8_lossy(&head).into_owned();
        let target = head.split(' ').nth(1).map(str::to_owned).ok_or(Ended)?;
        if !head.starts_with("PATCH") {
            return Ok((target, None));
        }
        let lower = head.to_ascii_lowercase();
        let length = lower.lines().find_map(|line| line.strip_prefix("content-length:")?.trim().parse().ok());
        let mut body = vec![0; length.ok_or(Ended)?];
        self.stream.read_exact(&mut body).await?;
        Ok((target, Some(serde_json::from_slice(&body).map_err(|_| Ended)?)))
    }

    /// Merges a patch into an object, or a part of it.
    async fn patch(&mut self, target: String, patch: Value) -> Result<(), Ended> {
        let known = self.with(|inner| {
            let known = inner.objects.patch(&target, &patch);
            inner.asked.push(format!("PATCH {target}"));
            known
        });
        self.shared.news.send_modify(|count| *count += 1);
        match known {
            true => self.answer(200, "{}").await,
            false => self.answer(404, &status(404)).await,
        }
    }

    async fn answer(&mut self, status: u16, text: &str) -> Result<(), Ended> {
        let head = format!(
            "HTTP/1.1 {status} x\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
            text.len()
        );
        self.stream.write_all(head.as_bytes()).await?;
        Ok(self.stream.write_all(text.as_bytes()).await?)
    }

    async fn list(&mut self, wanted: &Wanted, fault: Option<Fault>) -> Result<(), Ended> {
        let mut news = self.shared.news.subscribe();
        let shared = Arc::clone(&self.shared);
        news.wait_for(|_| !shared.inner.lock().held).await.map_err(|_| Ended)?;
        let text = self.with(|inner| inner.objects.list(wanted)).to_string();
        match fault {
            None | Some(Fault::Error(_) | Fault::Brief) => self.answer(200, &text).await,
            Some(Fault::Status(code)) => self.answer(code, &status(code)).await,
            Some(Fault::Garbage) => self.answer(200, "{\"kind\":\"List\",garbage").await,
            Some(Fault::Silence) => std::future::pending().await,
            Some(Fault::Cut) => Err(Ended),
            Some(Fault::Half) => {
                let head = format!("HTTP/1.1 200 x\r\nContent-Length: {}\r\n\r\n", text.len());
                self.stream.write_all(head.as_bytes()).await?;
                self.stream.write_all(&text.as_bytes()[..text.len() / 2]).await?;
                Err(Ended)
            }
        }
    }

    async fn watch(&mut self, wanted: &Wanted, fault: Option<Fault>) -> Result<(), Ended> {
        match fault {
            Some(Fault::Status(code)) => return self.answer(code, &status(code)).await,
            Some(Fault::Cut) => return Err(Ended),
            _ => {}
        }
        let head = "HTTP/1.1 200 x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n";
        self.stream.write_all(head.as_bytes()).await?;
        match fault {
            Some(Fault::Garbage) => self.chunk("no event at all\n").await?,
            Some(Fault::Error(code)) => {
                self.chunk(&format!("{{\"type\":\"ERROR\",\"object\":{}}}\n", status(code))).await?;
            }
            Some(Fault::Half) => {
                self.chunk("{\"type\":\"ADDED\",\"object\":{\"meta").await?;
                return Err(Ended);
            }
            Some(Fault::Brief) => {
                let version = self.with(|inner| inner.objects.version()).to_string();
                let mark = json!({"type": "BOOKMARK", "object": {"metadata": {"resourceVersion": version}}});
                self.chunk(&format!("{mark}\n")).await?;
                return Ok(self.stream.write_all(b"0\r\n\r\n").await?);
            }
            Some(Fault::Silence) => return std::future::pending().await,
            _ => {}
        }
        let _open = Open::new(&self.shared);
        self.events(wanted).await
    }

    /// Tells what has happened after the version that is asked for, and what happens then.
    async fn events(&mut self, wanted: &Wanted) -> Result<(), Ended> {
        let mut news = self.shared.news.subscribe();
        // Lines for everybody are for those who are there.
        let (mut at, begun) = (0, self.with(|inner| inner.objects.history.len()));
        let ends = self.with(|inner| inner.ends);
        loop {
            if self.with(|inner| inner.ends) != ends {
                return Ok(self.stream.write_all(b"0\r\n\r\n").await?);
            }
            let lines: Vec<String> = self.with(|inner| {
                let history = &inner.objects.history;
                let new = if inner.muted { at..at } else { at..history.len() };
                at = new.end;
                let said = |(index, (version, told)): (usize, &(u64, Told))| match told {
                    Told::Line(line) => (index >= begun).then(|| line.clone()),
                    Told::Event(of, event) if *version > wanted.from && wanted.is(of, &event["object"]) => {
                        Some(event.to_string())
                    }
                    Told::Event(..) => None,
                };
                history.iter().enumerate().skip(new.start).take(new.len()).filter_map(said).collect()
            });
            for line in lines {
                self.chunk(&format!("{line}\n")).await?;
            }
            let mut byte = [0];
            tokio::select! {
                changed = news.changed() => changed.map_err(|_| Ended)?,
                // A watcher says nothing more; when it goes, its watch ends.
                _ = self.stream.read(&mut byte) => return Err(Ended),
            }
        }
    }

    async fn chunk(&mut self, text: &str) -> Result<(), Ended> {
        Ok(self.stream.write_all(format!("{:x}\r\n{text}\r\n", text.len()).as_bytes()).await?)
    }
}

fn status(code: u16) -> String {
    json!({"kind": "Status", "status": "Failure", "code": code, "message": format!("scripted {code}")})
        .to_string()
}

/// Counts an open stream.
struct Open(Arc<Shared>);

impl Open {
    fn new(shared: &Arc<Shared>) -> Open {
        shared.inner.lock().streams += 1;
        Open(Arc::clone(shared))
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.inner.lock().streams -= 1;
    }
}
