//! A caller that sends exact bytes and reads answers by their framing.

use crate::head::{Framing, Head};
use crate::wait::within;
use crate::wire::{Body, Wire};
use std::io;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

/// A response as it came.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Response {
    /// Its head.
    pub head: Head,
    /// Its body.
    pub body: Body,
}

impl Response {
    /// The status code.
    #[must_use]
    pub fn status(&self) -> u16 {
        self.head.status()
    }

    /// The body as text.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body.data).into_owned()
    }
}

/// One connection to a server.
#[derive(Debug)]
pub struct Client {
    wire: Wire<TcpStream>,
}

impl Client {
    /// Connects.
    ///
    /// # Panics
    /// When the server does not accept.
    pub async fn connect(to: SocketAddr) -> Client {
        Client::try_connect(to).await.unwrap_or_else(|e| panic!("connect to {to}: {e}"))
    }

    /// Connects, or says why not.
    ///
    /// # Errors
    /// The system's.
    pub async fn try_connect(to: SocketAddr) -> io::Result<Client> {
        let stream = within("a connection", TcpStream::connect(to)).await?;
        stream.set_nodelay(true)?;
        Ok(Client { wire: Wire::new(stream) })
    }

    /// Keeps at most `bytes` of each body it reads; the rest is counted.
    pub fn keep(&mut self, bytes: usize) {
        self.wire.keep = bytes;
    }

    /// Sends bytes as they are.
    ///
    /// # Panics
    /// When the connection is gone.
    pub async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.try_send(bytes).await.unwrap_or_else(|e| panic!("send: {e}"));
    }

    /// Sends bytes as they are, or says why not.
    ///
    /// # Errors
    /// The system's.
    pub async fn try_send(&mut self, bytes: impl AsRef<[u8]>) -> io::Result<()> {
        within("room to send", self.wire.stream().write_all(bytes.as_ref())).await
    }

    /// Sends as much as the connection takes until it takes nothing for `quiet`; returns how much that was.
    pub async fn send_until_stuck(&mut self, chunk: &[u8], quiet: Duration) -> u64 {
        let mut sent = 0;
        while let Ok(Ok(n)) = tokio::time::timeout(quiet, self.wire.stream().write(chunk)).await {
            sent += n as u64;
        }
        sent
    }

    /// Says that nothing more will be sent.
    pub async fn finish_sending(&mut self) {
        // Fails only when the connection is gone, which the reader will notice.
        let _ = self.wire.stream().shutdown().await;
    }

    /// Ends the connection with a reset.
    pub fn reset(mut self) {
        let _ = socket2::SockRef::from(&*self.wire.stream()).set_linger(Some(Duration::ZERO));
    }

    /// Whether the other side has neither ended the connection nor sent anything that was not asked for, as far as is known.
    pub fn is_open(&mut self) -> bool {
        let nothing = self.wire.pending().is_empty();
        let read = self.wire.stream().try_read(&mut [0]);
        nothing && read.is_err_and(|e| e.kind() == io::ErrorKind::WouldBlock)
    }

    /// Reads the answer to a request of `method`, interim ones included.
    ///
    /// # Errors
    /// How the connection ended before the answer was complete.
    pub async fn try_response(&mut self, method: &str) -> io::Result<Response> {
        let read = async {
            let head = self.wire.head().await?.ok_or(io::ErrorKind::UnexpectedEof)?;
            let framing = head.response_framing(method);
            Ok(Response { body: self.wire.body(framing).await?, head })
        };
        within("an answer", read).await
    }

    /// Reads the answer to a GET.
    ///
    /// # Panics
    /// When the connection ends before it is complete.
    pub async fn response(&mut self) -> Response {
        self.response_to("GET").await
    }

    /// Reads the answer to a request of `method`.
    ///
    /// # Panics
    /// When the connection ends before it is complete.
    pub async fn response_to(&mut self, method: &str) -> Response {
        match self.try_response(method).await {
            Ok(response) => response,
            Err(e) => panic!(
                "no whole answer to {method}: {e}; unread: {:?}",
                crate::head::latin1(self.wire.pending())
            ),
        }
    }

    /// Sends a GET without body and reads its answer.
    pub async fn get(&mut self, target: &str, host: &str) -> Response {
        self.send(format!("GET {target} HTTP/1.1\r\nHost: {host}\r\n\r\n")).await;
        self.response().await
    }

    /// Reads a head only.
    ///
    /// # Panics
    /// When the connection ends before it is complete.
    pub async fn head(&mut self) -> Head {
        let head = within("a head", self.wire.head()).await;
        head.unwrap_or_else(|e| panic!("no head: {e}")).expect("a head, not the end of the connection")
    }

    /// Reads a body whose head was read.
    ///
    /// # Errors
    /// How the connection ended before the body was complete.
    pub async fn body(&mut self, framing: Framing) -> io::Result<Body> {
        self.wire.body(framing).await
    }

    /// Reads exactly so many bytes, fewer when the connection ends.
    pub async fn bytes(&mut self, n: usize) -> Vec<u8> {
        within("bytes", self.wire.bytes(n)).await.unwrap_or_default()
    }

    /// Everything until the connection ends, in whatever way.
    pub async fn until_close(&mut self) -> Vec<u8> {
        within("the end of the connection", async {
            while matches!(self.wire.fill().await, Ok(true)) {}
            self.wire.pending().to_vec()
        })
        .await
    }

    /// Whether the connection has ended and everything was read; waits for that.
    pub async fn ended(&mut self) -> bool {
        self.until_close().await.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Act, Backend, Gate, PATIENCE, Play, eventually};
    use tokio::sync::Mutex;

    #[tokio::test]
    async fn knows_when_the_other_side_has_closed() {
        let gate = Gate::closed();
        let answer = Play::write(Play::text_bytes("a"));
        let backend =
            Backend::start([Play::acts([Act::Request, answer, Act::Wait(gate.clone()), Act::Close])]);
        let backend = backend.await;
        let mut client = Client::connect(backend.address).await;
        assert!(client.is_open());
        assert_eq!(client.get("/", "x").await.text(), "a");
        assert!(client.is_open());
        gate.open();
        let client = Mutex::new(client);
        eventually(PATIENCE, "the end is seen", || async { !client.lock().await.is_open() }).await;
    }
}
