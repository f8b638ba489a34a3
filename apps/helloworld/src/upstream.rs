//! The call to the target service (sample-apps.md §1.3): straight or through a proxy, over pooled connections, with the
//! context headers of the request that caused it.

use crate::proxy::{Peer, Proxy};
use crate::redirect;
use crate::settings::ProxySettings;
use http_body_util::{BodyExt, Empty};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1::{self, SendRequest};
use hyper::header::{HOST, HeaderMap, HeaderValue, LOCATION, USER_AGENT};
use hyper::{Request, Response, Uri};
use hyper_util::rt::TokioIo;
use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use tokio::net::TcpStream;

type Sender = SendRequest<Empty<Bytes>>;

/// Idle connections kept for one peer.
const MAX_IDLE: usize = 64;

/// Client side of a service.
pub(crate) struct Upstream {
    proxy: Proxy,
    idle: Mutex<HashMap<Peer, Vec<Sender>>>,
}

impl Upstream {
    pub(crate) fn new(settings: &ProxySettings) -> Upstream {
        Upstream { proxy: Proxy::new(settings), idle: Mutex::new(HashMap::new()) }
    }

    /// The body of `GET http://<target>`; the text of the error otherwise. No time-out, as in the original.
    pub(crate) async fn get(&self, target: &str, incoming: &HeaderMap) -> Result<Vec<u8>, String> {
        let url = format!("http://{target}");
        let fault = |why: String| format!("Get {url:?}: {why}");
        let mut at: Uri = url.parse().map_err(|why: hyper::http::uri::InvalidUri| fault(why.to_string()))?;
        let context = context_of(incoming);
        for _ in 0..=redirect::MAX {
            let (peer, sender, response) = self.send(&at, &context).await.map_err(fault)?;
            let status = response.status().as_u16();
            if status == 200 {
                let body = response.into_body().collect().await.map_err(|why| fault(why.to_string()))?;
                self.put(peer, sender);
                return Ok(body.to_bytes().into());
            }
            let location = response.headers().get(LOCATION).and_then(|value| value.to_str().ok());
            at = match location {
                Some(location) if redirect::is_redirect(status) => {
                    redirect::resolve(&at, location).map_err(fault)?
                }
                _ => return Err(format!("invalid response {status}")),
            };
        }
        Err(fault(format!("stopped after {} redirects", redirect::MAX)))
    }

    /// Sends one request and waits for the head of its response.
    async fn send(
        &self,
        url: &Uri,
        context: &HeaderMap,
    ) -> Result<(Peer, Sender, Response<Incoming>), String> {
        let origin = Peer::of(url)?;
        let via = self.proxy.for_peer(&origin)?;
        let absolute = via.is_some();
        let peer = via.unwrap_or(origin);
        // A pooled connection may have been closed by its peer just now; a GET may be sent again.
        while let Some(mut sender) = self.take(&peer) {
            if sender.ready().await.is_ok()
                && let Ok(response) = sender.send_request(request(url, absolute, context)?).await
            {
                return Ok((peer, sender, response));
            }
        }
        let mut sender = connect(&peer).await?;
        let response =
            sender.send_request(request(url, absolute, context)?).await.map_err(|why| why.to_string())?;
        Ok((peer, sender, response))
    }

    fn take(&self, peer: &Peer) -> Option<Sender> {
        let mut idle = self.idle();
        let senders = idle.get_mut(peer)?;
        std::iter::from_fn(|| senders.pop()).find(|sender| !sender.is_closed())
    }

    fn put(&self, peer: Peer, sender: Sender) {
        let mut idle = self.idle();
        let senders = idle.entry(peer).or_default();
        if !sender.is_closed() && senders.len() < MAX_IDLE {
            senders.push(sender);
        }
    }

    fn idle(&self) -> MutexGuard<'_, HashMap<Peer, Vec<Sender>>> {
        // Nothing that can panic runs under this lock.
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The first value of each header that begins with `l5d-ctx`; nothing else goes on.
fn context_of(incoming: &HeaderMap) -> HeaderMap {
    let names = incoming.keys().filter(|name| name.as_str().starts_with("l5d-ctx"));
    names.filter_map(|name| Some((name.clone(), incoming.get(name)?.clone()))).collect()
}

fn request(url: &Uri, absolute: bool, context: &HeaderMap) -> Result<Request<Empty<Bytes>>, String> {
    let host = url.authority().map_or("", |authority| authority.as_str());
    let host = host.rsplit_once('@').map_or(host, |(_, host)| host);
    let path = url.path_and_query().map_or("/", |path| path.as_str());
    let target = if absolute { format!("http://{host}{path}") } else { path.to_owned() };
    let mut request = Request::get(target).body(Empty::new()).map_err(|why| why.to_string())?;
    let headers = request.headers_mut();
    headers.insert(HOST, HeaderValue::from_str(host).map_err(|why| why.to_string())?);
    headers.insert(USER_AGENT, HeaderValue::from_static("helloworld"));
    headers.extend(context.iter().map(|(name, value)| (name.clone(), value.clone())));
    Ok(request)
}

async fn connect(peer: &Peer) -> Result<Sender, String> {
    let dial = |why: std::io::Error| format!("dial tcp {}:{}: {why}", peer.host, peer.port);
    let stream = TcpStream::connect((peer.host.as_str(), peer.port)).await.map_err(dial)?;
    stream.set_nodelay(true).map_err(dial)?;
    let (sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(|why| why.to_string())?;
    // Ends with the connection or once its sender is gone; its error reaches the request that waits.
    tokio::spawn(connection);
    Ok(sender)
}
