//! Single questions to the API: what the watches are made of, and what checks and status updates need.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use http::{Method, Request, StatusCode};
use http_body_util::BodyExt;
use kube::client::Body;
use serde_json::Value;
use tokio::sync::Mutex;

use crate::access::{Access, Made, innermost};
use crate::kind::Kind;

/// How long a whole answer may take; of a stream, how long its head.
const PATIENCE: Duration = Duration::from_secs(30);

/// Longer texts are not taken from the API.
const LONGEST: usize = 256 << 20;

/// Why there was no good answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The API said no: the HTTP status and its message.
    Status(u16, String),
    /// There was no answer, or none that can be understood.
    Broken(String),
}

impl Refusal {
    /// Whether the API has no such kind or does not let us read it: asking again soon will not help.
    pub(crate) fn is_final(&self) -> bool {
        matches!(self, Refusal::Status(403 | 404, _))
    }

    /// Whether what we know is too old to go on from.
    pub(crate) fn is_gone(&self) -> bool {
        matches!(self, Refusal::Status(410, _))
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Refusal::Status(code, text) => write!(f, "{code} {text}"),
            Refusal::Broken(text) => f.write_str(text),
        }
    }
}

/// The API, asked at once. Nothing is contacted before the first question.
pub struct Api {
    access: Access,
    made: Mutex<Option<Made>>,
}

impl Api {
    pub(crate) fn new(access: Access) -> Api {
        Api { access, made: Mutex::default() }
    }

    /// How the API is reached, as configured.
    pub fn access(&self) -> &Access {
        &self.access
    }

    /// How the API is reached from here, for people: `http://localhost:8001`, `the service account of this pod`,
    /// `kubeconfig /root/.kube/config`.
    ///
    /// # Errors
    /// What is wrong with the service account or the kubeconfig.
    pub async fn told(&self) -> Result<Arc<str>, String> {
        self.made().await.map(|made| made.told)
    }

    /// GET of a path with its query: status and JSON (null when it is none).
    ///
    /// # Errors
    /// When there is no answer.
    pub async fn get_json(&self, path: &str) -> Result<(u16, Value), String> {
        self.json(Method::GET, path, None).await
    }

    /// POST of JSON to a path: status and JSON (null when it is none).
    ///
    /// # Errors
    /// When there is no answer.
    pub async fn post_json(&self, path: &str, value: &Value) -> Result<(u16, Value), String> {
        self.json(Method::POST, path, Some(("application/json", value))).await
    }

    /// JSON merge patch of an object or a part of it, such as `/apis/networking.k8s.io/v1/namespaces/x/ingresses/y/status`.
    ///
    /// # Errors
    /// When the API does not do it: what it says.
    pub async fn patch(&self, path: &str, value: &Value) -> Result<(), String> {
        let (code, said) =
            self.json(Method::PATCH, path, Some(("application/merge-patch+json", value))).await?;
        if (200..300).contains(&code) {
            return Ok(());
        }
        Err(format!("{code} {}", said.get("message").and_then(Value::as_str).unwrap_or_default()))
    }

    /// One object, if there is one of that name.
    ///
    /// # Errors
    /// What the API says instead.
    pub async fn get<K: Kind>(&self, namespace: &str, name: &str) -> Result<Option<K>, Refusal> {
        let path = format!("{}/{}", K::collection(Some(namespace)), crate::kind::escaped(name));
        match self.text(&path).await {
            Ok(text) => serde_json::from_slice(&text).map(Some).map_err(|error| unreadable(&error)),
            Err(Refusal::Status(404, _)) => Ok(None),
            Err(refusal) => Err(refusal),
        }
    }

    async fn json(
        &self,
        method: Method,
        path: &str,
        body: Option<(&str, &Value)>,
    ) -> Result<(u16, Value), String> {
        let asked = async {
            let (status, body) = self.ask(method, path, body).await?;
            let text = whole(body).await?;
            Ok((status.as_u16(), serde_json::from_slice(&text).unwrap_or(Value::Null)))
        };
        in_time(asked).await.map_err(|refusal: Refusal| refusal.to_string())
    }

    /// The whole text of a good answer.
    pub(crate) async fn text(&self, path: &str) -> Result<Vec<u8>, Refusal> {
        in_time(async { whole(self.good(path).await?).await }).await
    }

    /// A good answer whose text goes on.
    pub(crate) async fn stream(&self, path: &str) -> Result<Body, Refusal> {
        in_time(self.good(path)).await
    }

    async fn good(&self, path: &str) -> Result<Body, Refusal> {
        let (status, body) = self.ask(Method::GET, path, None).await?;
        if status.is_success() {
            return Ok(body);
        }
        let text = whole(body).await.unwrap_or_default();
        let message = serde_json::from_slice(&text)
            .ok()
            .and_then(|said: Value| Some(said.get("message")?.as_str()?.to_owned()));
        let first =
            || String::from_utf8_lossy(&text).lines().next().unwrap_or_default().chars().take(200).collect();
        Err(Refusal::Status(status.as_u16(), message.unwrap_or_else(first)))
    }

    /// Asks; once more where what we show of ourselves has run out, with what is there to be shown now.
    async fn ask(
        &self,
        method: Method,
        path: &str,
        body: Option<(&str, &Value)>,
    ) -> Result<(StatusCode, Body), Refusal> {
        let made = self.made().await.map_err(Refusal::Broken)?;
        let answer = self.ask_as(&made, method.clone(), path, body).await?;
        if answer.0 != StatusCode::UNAUTHORIZED {
            return Ok(answer);
        }
        self.forget(&made).await;
        let made = self.made().await.map_err(Refusal::Broken)?;
        self.ask_as(&made, method, path, body).await
    }

    async fn ask_as(
        &self,
        made: &Made,
        method: Method,
        path: &str,
        body: Option<(&str, &Value)>,
    ) -> Result<(StatusCode, Body), Refusal> {
        let mut request = Request::builder().method(method).uri(path);
        request = request.header(http::header::ACCEPT, "application/json");
        // Linkerd leaves both well-known ports out, the client below only the one of plain HTTP.
        if let Access::Address { host, port: 443 } = &self.access {
            request = request.header(http::header::HOST, &**host);
        }
        let mut content = Body::empty();
        if let Some((kind, value)) = body {
            request = request.header(http::header::CONTENT_TYPE, kind);
            content = Body::from(value.to_string().into_bytes());
        }
        let request = request.body(content).map_err(|error| Refusal::Broken(error.to_string()))?;
        match made.client.send(request).await {
            Ok(answer) => Ok((answer.status(), answer.into_body())),
            Err(error) => {
                let why = innermost(&error).to_string();
                if !is_distrust(&why) {
                    return Err(Refusal::Broken(format!("{}: {why}", made.told)));
                }
                // The authority may be another one by now.
                self.forget(made).await;
                let look = "look at the authority (ca.crt, certificate-authority) and the server's address";
                Err(Refusal::Broken(format!("{}: {why}; {look}", made.told)))
            }
        }
    }

    async fn made(&self) -> Result<Made, String> {
        let mut made = self.made.lock().await;
        if let Some(made) = &*made {
            return Ok(made.clone());
        }
        let new = self.access.connect().await?;
        Ok(made.insert(new).clone())
    }

    /// Files and environment are read again for the next question, unless they have been since this was made of them.
    async fn forget(&self, old: &Made) {
        let mut made = self.made.lock().await;
        if made.as_ref().is_some_and(|made| Arc::ptr_eq(&made.told, &old.told)) {
            *made = None;
        }
    }
}

/// Whether the other side, or we for it, could not prove who it is: `invalid peer certificate: …`, or an alert of TLS.
fn is_distrust(why: &str) -> bool {
    why.contains("certificate") || why.contains("fatal alert")
}

pub(crate) fn unreadable(error: &serde_json::Error) -> Refusal {
    Refusal::Broken(format!("an answer that cannot be read: {error}"))
}

async fn in_time<T>(asked: impl Future<Output = Result<T, Refusal>>) -> Result<T, Refusal> {
    let late = || Err(Refusal::Broken(format!("no answer for {} s", PATIENCE.as_secs())));
    tokio::time::timeout(PATIENCE, asked).await.unwrap_or_else(|_| late())
}

async fn whole(mut body: Body) -> Result<Vec<u8>, Refusal> {
    let mut text = Vec::new();
    while let Some(frame) = body.frame().await {
        let broken = |error: &kube::Error| format!("the answer broke off: {}", innermost(error));
        let frame = frame.map_err(|error| Refusal::Broken(broken(&error)))?;
        if let Some(data) = frame.data_ref() {
            if text.len() + data.len() > LONGEST {
                return Err(Refusal::Broken(format!("an answer of more than {} MiB", LONGEST >> 20)));
            }
            text.extend_from_slice(data);
        }
    }
    Ok(text)
}

impl fmt::Debug for Api {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Api").field("access", &self.access).finish_non_exhaustive()
    }
}
