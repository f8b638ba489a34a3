//! How the API is reached: the address a configuration names, or the nearest one of where the process runs.

mod kubeconfig;

use std::error::Error;
use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use hyper_util::client::legacy::Client as HttpClient;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use kube::client::{Body, ConfigExt};
use kube::{Client, Config};
use tower::{BoxError, ServiceBuilder};

/// Where the API is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Access {
    /// At this address in plain HTTP, as Linkerd's configurations name `kubectl proxy` (routing.md §2.6). Where the address
    /// is the default one, `localhost:8001`, nobody listens there and the process runs in a pod, the pod's service account
    /// is used instead.
    Address {
        /// Name or IP.
        host: Arc<str>,
        /// Its port.
        port: u16,
    },
    /// The service account of the pod the process runs in, whose token is read again as it is rotated; else the kubeconfig
    /// (the files that `KUBECONFIG` lists and that are there, or `~/.kube/config`); else `localhost:8001`.
    Nearest,
}

/// Where a pod has its service account.
const ACCOUNT: &str = "/var/run/secrets/kubernetes.io/serviceaccount";

/// How long a connection may take to come about. The kernel asks for it at once, after 1 s and after 3 s; the longest pause of a
/// watch counts from when an attempt began. So a network that is back is noticed within the 5 s that are allowed.
const CONNECT: Duration = Duration::from_millis(3_500);

/// A connection without traffic is probed that often.
const PROBE: Duration = Duration::from_secs(3);
/// A peer that does not acknowledge for so long is gone.
#[cfg(target_os = "linux")]
const UNHEARD: Duration = Duration::from_secs(9);

/// A client, and what it goes by.
#[derive(Clone)]
pub(crate) struct Made {
    pub(crate) client: Client,
    /// For people: `http://localhost:8001`, `the service account of this pod`.
    pub(crate) told: Arc<str>,
}

impl Access {
    /// Host and port where `kubectl proxy` listens by itself, and which configurations mean when they name neither.
    pub const PROXY: (&str, u16) = ("localhost", 8001);

    /// The API a configuration means by the host and the port it names: where it names one of them, that address, with the
    /// other half of [`Access::PROXY`]; else the nearest (routing.md §2.6).
    #[must_use]
    pub fn of(host: Option<&str>, port: Option<u16>) -> Access {
        match (host, port) {
            (None, None) => Access::Nearest,
            _ => Access::address(host.unwrap_or(Access::PROXY.0), port.unwrap_or(Access::PROXY.1)),
        }
    }

    /// The address in plain HTTP.
    #[must_use]
    pub fn address(host: &str, port: u16) -> Access {
        Access::Address { host: host.into(), port }
    }

    /// The same API for somebody who does not run where the configuration will: the default address means the cluster of
    /// the pod, which elsewhere is that of the kubeconfig. In a pod nothing changes.
    #[must_use]
    pub fn from_elsewhere(self) -> Access {
        match &self {
            Access::Address { host, port } if (&**host, *port) == Access::PROXY && !in_pod() => {
                Access::Nearest
            }
            _ => self,
        }
    }

    /// Makes the client. Reads files and environment, runs what a kubeconfig says; asks the API nothing.
    ///
    /// # Errors
    /// What is wrong with the service account, the kubeconfig or the address.
    pub(crate) async fn connect(&self) -> Result<Made, String> {
        let (config, told) = match self {
            Access::Address { host, port } => match in_cluster() {
                Some(found) if (&**host, *port) == Access::PROXY && !listens(host, *port).await => found?,
                _ => plain(host, *port)?,
            },
            Access::Nearest => match in_cluster() {
                Some(found) => found?,
                None => match kubeconfig::kubeconfig().await {
                    Some(found) => found?,
                    None => plain(Access::PROXY.0, Access::PROXY.1)?,
                },
            },
        };
        // A plug-in of a kubeconfig may take its time, and control has other things to do.
        let made = tokio::task::spawn_blocking(|| made(config, told));
        made.await.unwrap_or_else(|broken| std::panic::resume_unwind(broken.into_panic()))
    }
}

impl fmt::Display for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Access::Address { host, port } => write!(f, "{host}:{port}"),
            Access::Nearest => f.write_str("the nearest API"),
        }
    }
}

/// Where an API is, how it is asked, and what that is called.
type Found = Result<(Config, String), String>;

fn plain(host: &str, port: u16) -> Found {
    let bracketed =
        if host.contains(':') && !host.starts_with('[') { format!("[{host}]") } else { host.into() };
    let url = format!("http://{bracketed}:{port}");
    let uri = url.parse().map_err(|error| format!("{url} is no address of an API: {error}"))?;
    Ok((Config::new(uri), url))
}

fn in_pod() -> bool {
    std::env::var_os("KUBERNETES_SERVICE_HOST").is_some()
}

/// `None` outside of pods, and in those that have no service account mounted; what is wrong with the one there is.
fn in_cluster() -> Option<Found> {
    if !in_pod() || !Path::new(ACCOUNT).exists() {
        return None;
    }
    let told = "the service account of this pod";
    Some(match Config::incluster() {
        Ok(config) => Ok((config, told.to_owned())),
        Err(error) => Err(format!("{told} ({ACCOUNT}): {error}")),
    })
}

/// Whether somebody answers there.
async fn listens(host: &str, port: u16) -> bool {
    let Ok(made) = plain(host, port).and_then(|(config, told)| made(config, told)) else { return false };
    let request = http::Request::get("/version").body(Body::empty()).expect("a path is a request");
    matches!(tokio::time::timeout(CONNECT, made.client.send(request)).await, Ok(Ok(_)))
}

/// The reason behind all others is the one that says something.
pub(crate) fn innermost<'a>(error: &'a (dyn Error + 'static)) -> &'a (dyn Error + 'static) {
    let mut innermost = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    innermost
}

/// A client of our own making: kube's would wait for ever for a peer that is gone, try again by itself and write a line in
/// the log for each failure.
fn made(config: Config, told: String) -> Result<Made, String> {
    let failed = |error: kube::Error| format!("{told}: {error}");
    let mut http = HttpConnector::new();
    http.enforce_http(false);
    http.set_nodelay(true);
    http.set_connect_timeout(Some(CONNECT));
    http.set_keepalive(Some(PROBE));
    http.set_keepalive_interval(Some(PROBE));
    http.set_keepalive_retries(Some(2));
    #[cfg(target_os = "linux")]
    http.set_tcp_user_timeout(Some(UNHEARD));
    let https = config.rustls_https_connector_with_connector(http).map_err(failed)?;
    let client: HttpClient<_, Body> = HttpClient::builder(TokioExecutor::new()).build(https);
    let service = ServiceBuilder::new()
        .layer(config.base_uri_layer())
        .option_layer(config.auth_layer().map_err(failed)?)
        .map_err(BoxError::from)
        .service(client);
    let client = Client::new(service, config.default_namespace);
    Ok(Made { client, told: told.into() })
}
