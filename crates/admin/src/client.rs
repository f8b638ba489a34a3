//! Asking another process's admin server: one request on a connection of its own. For commands, not for traffic.

use std::fmt;
use std::time::Duration;

use http_body_util::{BodyExt, Empty, Limited};
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper::header::{HOST, HeaderMap};
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::time::timeout;

/// Larger answers are refused, in bytes.
const MOST: usize = 64 << 20;

/// What an admin server answered.
#[derive(Debug)]
pub struct Answer {
    /// The status.
    pub status: StatusCode,
    /// The head's lines.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
}

/// Why there is no answer, and what to look at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AskError(String);

impl fmt::Display for AskError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for AskError {}

/// GET of `target` (a path with its query) from the admin server at `base`: `http://host:port`, or `host:port`.
/// `patience` is how long all of it may take.
///
/// # Errors
/// When `base` is no such address, nobody listens there, or what listens speaks no HTTP/1.1.
pub async fn get(base: &str, target: &str, patience: Duration) -> Result<Answer, AskError> {
    let authority = authority(base).map_err(AskError)?;
    let failed = |what: &str, error: &dyn fmt::Display| AskError(format!("{base}: {what}: {error}"));
    let exchange = async {
        let stream = TcpStream::connect(authority)
            .await
            .map_err(|error| failed("cannot connect (is this `admin.ip` and `admin.port` of it?)", &error))?;
        let (mut sender, connection) =
            http1::handshake(TokioIo::new(stream)).await.map_err(|error| failed("no HTTP", &error))?;
        let request = Request::get(target).header(HOST, authority).body(Empty::<Bytes>::new());
        let request = request.map_err(|error| failed("cannot be asked", &error))?;
        let answered = async {
            let (head, body) = sender.send_request(request).await?.into_parts();
            Ok::<_, hyper::Error>((head, Limited::new(body, MOST).collect().await))
        };
        let mut answered = std::pin::pin!(answered);
        // The connection is driven by whoever waits for the answer. It may end first, with all of the answer read.
        let answered = tokio::select! {
            biased;
            answered = &mut answered => answered,
            ended = connection => match ended {
                Ok(()) => answered.await,
                Err(error) => Err(error),
            },
        };
        let (head, body) = answered.map_err(|error| failed("no answer", &error))?;
        let body = body.map_err(|error| failed("the answer broke off", &error))?.to_bytes();
        Ok(Answer { status: head.status, headers: head.headers, body })
    };
    match timeout(patience, exchange).await {
        Ok(answer) => answer,
        Err(_) => Err(failed("no answer", &format!("waited {patience:?}"))),
    }
}

/// `host:port` of an address.
fn authority(base: &str) -> Result<&str, String> {
    let rest = match base.split_once("://") {
        None => base,
        Some(("http", rest)) => rest,
        Some((scheme, _)) => return Err(format!("{base}: `{scheme}` is not spoken here, only http")),
    };
    let authority = rest.trim_end_matches('/');
    let port = authority.rsplit_once(':').map(|(_, port)| port);
    match port.map(str::parse::<u16>) {
        Some(Ok(_)) if !authority.contains('/') => Ok(authority),
        _ => Err(format!(
            "{base} is no address of an admin server; expected one such as http://127.0.0.1:9990"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Admin, Routes, text};

    #[test]
    fn addresses() {
        let check = |base: &str, expected: Result<&str, &str>| {
            let got = authority(base).map_err(|text| text.split(' ').nth(1).unwrap_or_default().to_owned());
            assert_eq!(got, expected.map_err(str::to_owned), "{base}");
        };
        check("http://127.0.0.1:9990", Ok("127.0.0.1:9990"));
        check("http://host:1/", Ok("host:1"));
        check("[::1]:9990", Ok("[::1]:9990"));
        check("https://host:1", Err("`https`"));
        check("http://host", Err("is"));
        check("host:1/admin", Err("is"));
        check("", Err("is"));
    }

    #[tokio::test]
    async fn asks_and_says_why_not() {
        let routes = Routes::new()
            .get("/hello", |request| text(format!("hello {}", request.uri().query().unwrap_or_default())));
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let admin = Admin::on(listener, routes, crate::Limits::default()).unwrap();
        let base = format!("http://{}", admin.address());
        let server = tokio::spawn(admin.serve());
        let patience = Duration::from_secs(10);
        let answer = get(&base, "/hello?a=b", patience).await.unwrap();
        assert_eq!((answer.status, &*answer.body), (StatusCode::OK, b"hello a=b".as_slice()));
        assert_eq!(get(&base, "/none", patience).await.unwrap().status, StatusCode::NOT_FOUND);
        server.abort();
        let _ = server.await;
        let error = get(&base, "/hello", patience).await.unwrap_err().to_string();
        assert!(error.contains("cannot connect") && error.contains("admin.port"), "{error}");
        // Somebody who listens and says nothing.
        let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = silent.local_addr().unwrap().to_string();
        let error = get(&base, "/", Duration::from_millis(50)).await.unwrap_err().to_string();
        assert!(error.contains("waited 50ms"), "{error}");
    }
}
