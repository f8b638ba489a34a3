//! Carries a back end's script out on its connections.

use super::{Act, Play, Seen, Shared};
use crate::head::Head;
use crate::wire::Wire;
use std::io::{Error, ErrorKind, Result};
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// Accepts until the task is aborted; its connections end with it.
pub(super) async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        let number = shared.connections.fetch_add(1, Ordering::SeqCst);
        shared.open.fetch_add(1, Ordering::SeqCst);
        let _ = stream.set_nodelay(true);
        let open = Open(shared.clone());
        connections.spawn(async move {
            let mut connection =
                Connection { wire: Wire::new(stream), shared: open.0.clone(), number, head: None };
            // Errors are the other side's way to end a connection.
            let _ = connection.run().await;
            drop(connection);
            drop(open);
        });
        while connections.try_join_next().is_some() {}
    }
}

/// Counts a connection as open while it lives.
struct Open(Arc<Shared>);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::SeqCst);
    }
}

struct Connection {
    wire: Wire<TcpStream>,
    shared: Arc<Shared>,
    number: usize,
    head: Option<Head>,
}

impl Connection {
    async fn run(&mut self) -> Result<()> {
        let result = self.plays().await;
        self.count();
        result
    }

    async fn plays(&mut self) -> Result<()> {
        loop {
            let eager = self.shared.peek().is_some_and(|p| p.is_eager());
            if !eager && self.wire.pending().is_empty() && !self.fill().await? {
                return Ok(());
            }
            let Some(play) = self.shared.next() else { return Ok(()) };
            if self.play(&play).await?.is_break() {
                return Ok(());
            }
        }
    }

    async fn fill(&mut self) -> Result<bool> {
        let more = self.wire.fill().await;
        self.count();
        more
    }

    /// Adds what was received since the last call to the back end's count.
    fn count(&mut self) {
        self.shared.bytes.fetch_add(std::mem::take(&mut self.wire.received), Ordering::SeqCst);
    }

    async fn play(&mut self, play: &Play) -> Result<ControlFlow<()>> {
        match play {
            Play::Answer(answer) => {
                self.read_head().await?;
                let seen = self.read_body().await?;
                self.wire.stream().write_all(&answer(&seen)).await?;
            }
            Play::Acts(acts) => {
                for act in acts.iter() {
                    if self.act(act).await?.is_break() {
                        return Ok(ControlFlow::Break(()));
                    }
                    self.count();
                }
            }
        }
        Ok(ControlFlow::Continue(()))
    }

    async fn act(&mut self, act: &Act) -> Result<ControlFlow<()>> {
        match act {
            Act::Request => {
                self.read_head().await?;
                self.read_body().await?;
            }
            Act::Head => self.read_head().await?,
            Act::Body => drop(self.read_body().await?),
            Act::Bytes(n) => drop(self.wire.bytes(*n).await?),
            Act::Write(bytes) => self.wire.stream().write_all(bytes).await?,
            Act::Drip(bytes, pause) => self.drip(bytes, *pause).await?,
            Act::Fill(n) => self.pour(*n).await?,
            Act::Wait(gate) => gate.passed().await,
            Act::Pause(delay) => tokio::time::sleep(delay.get()).await,
            Act::FinishSending => {
                self.wire.stream().shutdown().await?;
                while self.fill().await? {}
                return Ok(ControlFlow::Break(()));
            }
            Act::Close => return Ok(ControlFlow::Break(())),
            Act::Reset => {
                socket2::SockRef::from(&*self.wire.stream()).set_linger(Some(Duration::ZERO))?;
                return Ok(ControlFlow::Break(()));
            }
            Act::Hang => std::future::pending().await,
        }
        Ok(ControlFlow::Continue(()))
    }

    async fn read_head(&mut self) -> Result<()> {
        self.head = Some(self.wire.head().await?.ok_or(ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    async fn read_body(&mut self) -> Result<Seen> {
        let head = self.head.take().ok_or_else(|| Error::other("the script reads a body before a head"))?;
        self.wire.keep = self.shared.keep.load(Ordering::SeqCst);
        let body = self.wire.body(head.request_framing()).await?;
        self.count();
        let seen = Seen { connection: self.number, head, body };
        self.shared.remember(seen.clone());
        Ok(seen)
    }

    async fn drip(&mut self, bytes: &[u8], pause: Duration) -> Result<()> {
        for byte in bytes {
            self.wire.stream().write_all(&[*byte]).await?;
            tokio::time::sleep(pause).await;
        }
        Ok(())
    }

    async fn pour(&mut self, mut n: u64) -> Result<()> {
        let block = vec![b'.'; 64 * 1024];
        while n > 0 {
            let part = usize::try_from(n).unwrap_or(block.len()).min(block.len());
            self.wire.stream().write_all(&block[..part]).await?;
            n -= part as u64;
        }
        Ok(())
    }
}
