//! Asking a Kubernetes API, and whether it answers at all.

use super::report::{Check, Section};
use serde_json::Value;

/// A Kubernetes API that can be asked.
pub trait Api: Sync {
    /// Where it is and who asks, for people: `http://localhost:8001`.
    fn place(&self) -> String;

    /// The object or list at `path`.
    ///
    /// # Errors
    /// Why there was no answer, for people.
    fn get(&self, path: &str) -> impl Future<Output = Result<Reply, String>> + Send;

    /// Gives `body` to `path`; only reviews of rights are asked for in this way, which change nothing.
    ///
    /// # Errors
    /// As [`Api::get`].
    fn post(&self, path: &str, body: Value) -> impl Future<Output = Result<Reply, String>> + Send;
}

/// What an API answered.
#[derive(Clone, Debug, PartialEq)]
pub struct Reply {
    /// The HTTP status.
    pub status: u16,
    /// The object; null where there was no JSON.
    pub body: Value,
}

impl Reply {
    /// The object, or why there is none: what the API says of it.
    ///
    /// # Errors
    /// The status and the API's message.
    pub fn object(self) -> Result<Value, String> {
        if (200..300).contains(&self.status) {
            return Ok(self.body);
        }
        let message = self.body["message"].as_str().unwrap_or_default();
        Err(format!("the API answered {} {message}", self.status).trim_end().to_owned())
    }
}

/// The object at `path`; none where the API says there is none.
pub(super) async fn object(api: &impl Api, path: &str) -> Result<Option<Value>, String> {
    let reply = api.get(path).await?;
    if reply.status == 404 { Ok(None) } else { reply.object().map(Some) }
}

/// The items of the list at `path`.
pub(super) async fn items(api: &impl Api, path: &str) -> Result<Vec<Value>, String> {
    let mut list = api.get(path).await?.object()?;
    Ok(match list["items"].take() {
        Value::Array(items) => items,
        _ => Vec::new(),
    })
}

/// The groups that are asked for, and since when clusters have them.
const GROUPS: [(&str, &str); 2] = [
    ("discovery.k8s.io/v1", "EndpointSlices, since Kubernetes 1.21"),
    ("networking.k8s.io/v1", "Ingresses, since 1.19"),
];

/// Whether it answers, which version it is, and whether it has what we ask for.
pub(super) async fn check(api: &impl Api) -> Section {
    let mut checks = Vec::new();
    let what = format!("the API at {} answers", api.place());
    match api.get("/version").await.and_then(Reply::object) {
        Ok(version) => {
            let version = version["gitVersion"].as_str().unwrap_or("of unknown version").to_owned();
            checks.push(Check::good(format!("{what}: Kubernetes {version}")));
        }
        Err(why) => {
            let hint = "look at the address, at the service account or kubeconfig, and at network policies";
            return Section { title: "kubernetes-api", checks: vec![Check::failed(what, why, hint)] };
        }
    }
    for (group, of) in GROUPS {
        let what = format!("it serves {group}");
        checks.push(match object(api, &format!("/apis/{group}")).await {
            Ok(Some(_)) => Check::good(what),
            Ok(None) => {
                Check::failed(what, "it does not", format!("needed for {of}: the cluster is too old"))
            }
            Err(why) => Check::warning(what, why, "whoever asks may not read what the API serves"),
        });
    }
    Section { title: "kubernetes-api", checks }
}
