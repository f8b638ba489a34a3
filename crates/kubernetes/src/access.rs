//! How the API is reached: the address a configuration names, or the nearest one of where the process runs.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use hyper_util::client::legacy::Client as HttpClient;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use kube::client::{Body, ConfigExt};
use kube::config::KubeConfigOptions;
use kube::{Client, Config};
use tower::{BoxError, ServiceBuilder};

/// Where the API is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
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
    /// (`KUBECONFIG`, or `~/.kube/config`); else `localhost:8001`.
    Nearest,
}

/// How long a connection may take to come about.
const CONNECT: Duration = Duration::from_secs(5);

/// A peer that does not acknowledge for so long is gone; a connection without traffic is probed that often.
const UNHEARD: Duration = Duration::from_secs(9);
const PROBE: Duration = Duration::from_secs(3);

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

    /// The address in plain HTTP.
    pub fn address(host: &str, port: u16) -> Access {
        Access::Address { host: host.into(), port }
    }

    /// Makes the client. Reads files and environment, runs what a kubeconfig says; asks the API nothing.
    pub(crate) async fn connect(&self) -> Result<Made, String> {
        match self {
            Access::Address { host, port } => match in_cluster() {
                Some(made) if (&**host, *port) == Access::PROXY && !listens(host, *port).await => made,
                _ => plain(host, *port),
            },
            Access::Nearest => match in_cluster() {
                Some(made) => made,
                None => match kubeconfig().await {
                    Some(made) => made,
                    None => plain(Access::PROXY.0, Access::PROXY.1),
                },
            },
        }
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

fn plain(host: &str, port: u16) -> Result<Made, String> {
    let bracketed =
        if host.contains(':') && !host.starts_with('[') { format!("[{host}]") } else { host.into() };
    let url = format!("http://{bracketed}:{port}");
    let uri = url.parse().map_err(|error| format!("{url} is no address of an API: {error}"))?;
    made(Config::new(uri), url)
}

/// `None` outside of pods; what is wrong with the service account of this one.
fn in_cluster() -> Option<Result<Made, String>> {
    std::env::var_os("KUBERNETES_SERVICE_HOST")?;
    let told = || "the service account of this pod".to_owned();
    // A pod may have none mounted, and another way to the API.
    Config::incluster().ok().map(|config| made(config, told()))
}

/// `None` when there is no file; what is wrong with the one there is.
async fn kubeconfig() -> Option<Result<Made, String>> {
    let named = std::env::var_os("KUBECONFIG").filter(|path| !path.is_empty());
    let home = std::env::var_os("HOME").map(|home| std::path::Path::new(&home).join(".kube/config"));
    let path = named.map(std::path::PathBuf::from).or(home.filter(|path| path.exists()))?;
    let told = format!("kubeconfig {}", path.display());
    Some(match Config::from_kubeconfig(&KubeConfigOptions::default()).await {
        Ok(config) => made(config, told),
        Err(error) => Err(format!("{told}: {error}")),
    })
}

/// Whether somebody takes connections there.
async fn listens(host: &str, port: u16) -> bool {
    let asked = plain(host, port).map(|made| made.client);
    let request = http::Request::get("/version").body(Body::empty()).expect("a path is a request");
    match asked {
        Ok(client) => matches!(tokio::time::timeout(CONNECT, client.send(request)).await, Ok(Ok(_))),
        Err(_) => false,
    }
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
