//! The Linkerd document: which keys a configuration file has, what they mean, and whether they make sense together.
//!
//! The declarations are the one source of decoding, defaults and documentation. Keys and kinds of Linkerd 1.7 that
//! Wayleave does not build yet stand in the `later` lists and are refused with a line that says so.

mod budget;
mod checks;
mod client;
mod config_map;
mod daemonset;
mod describe;
mod forwarded;
mod identifier;
mod ingress;
mod kubernetes;
mod naming;
mod router;
mod service;
mod session;
mod shared;
mod socket;
mod telemeter;

pub use budget::{Backoff, ConstantBackoff, JitteredBackoff, RetryBudget};
pub use client::{
    Aperture, ClientSettings, ConsecutiveFailures, Ewma, FailureAccrual, Heap, LoadBalancer, P2c, RoundRobin,
    SuccessRate, SuccessRateWindowed,
};
pub use config_map::ConfigMapInterpreter;
pub use daemonset::DaemonSetTransformer;
pub use describe::{keys_without_effect, reference, schema};
pub use forwarded::{Forwarded, Labeler, StaticLabel};
pub use identifier::{HeaderPath, HeaderToken, Identifier, MethodAndHost, PathSegments, StaticName};
pub use ingress::IngressIdentifier;
pub use kubernetes::{ExternalNamer, KubernetesNamer, NamespacedNamer};
pub use naming::{
    ConstTransformer, DefaultInterpreter, DnsSrvNamer, FsInterpreter, FsNamer, Interpreter,
    LocalNodeTransformer, LocalhostTransformer, Namer, PortTransformer, ReplaceTransformer, RewriteNamer,
    SpecificHostTransformer, Transformer,
};
pub use router::{BindingCache, HttpRouter, HttpServer, Router, TracePropagator};
pub use service::{Classifier, NoKeys, Retries, ServiceSettings};
pub use session::{HostConnectionPool, Session};
pub use shared::{
    ApiAddress, ExperimentalInterpreter, ExperimentalNamer, InterpreterTransformers, NamerTransformers,
    NoTransformers, StableInterpreter, StableNamer,
};
pub use socket::SocketOptions;
pub use telemeter::{
    Admin, AdminSecurity, CommonMetrics, Influxdb, Prometheus, RecentRequests, Statsd, Telemeter, Usage,
};

use config::{Context, Decode, Node, Source, config};
pub use config::{Fault, Faults, Reason, Severity};
use std::path::Path;
use std::time::Duration;

config! {
    /// A Linkerd configuration.
    pub struct Linkerd {
        /// The admin server.
        admin "admin": Admin = "{}", example "{port: 9991}";
        /// The routers.
        routers "routers": Vec<Router> = "[]", from 1, example "[{protocol: http, servers: [{}]}]";
        /// Sources of replica sets; later ones are asked first.
        namers "namers": Vec<Namer> = "[]", example "[{kind: io.l5d.fs, rootDir: /disco}]";
        /// Where metrics and traces go.
        telemetry "telemetry": Vec<Telemeter> = "[]", example "[{kind: io.l5d.prometheus}]";
        /// Usage reports; never sent.
        usage "usage": Usage = "{}", example "{enabled: false}";
    }
}

/// A configuration that may be started.
#[derive(Clone, Debug)]
pub struct Document {
    /// The admin server.
    pub admin: Admin,
    /// The routers, at least one, each with at least one server, labels and addresses unique.
    pub routers: Vec<Router>,
    /// The namers in the order of the document; later ones are asked first.
    pub namers: Vec<Namer>,
    /// The telemeters.
    pub telemetry: Vec<Telemeter>,
    /// Usage reports; never sent.
    pub usage: Usage,
    /// What works but should be looked at; for standard error.
    pub warnings: Faults,
    /// The document as written, for `/config.json`.
    pub tree: Node,
}

/// Reads and checks a configuration.
///
/// `source_name` is what faults call the text, mostly the path as given on the command line.
///
/// # Errors
/// Everything that is wrong, at once, in the order of the text.
pub fn load(source_name: &str, bytes: &[u8]) -> Result<Document, Faults> {
    load_in(source_name, bytes, Context::new)
}

/// As [`load`], on a machine that is not the one the document is meant for: `is_there` answers for its files and
/// directories, and the environment is as it should be.
///
/// # Errors
/// As [`load`].
pub fn load_with(source_name: &str, bytes: &[u8], is_there: fn(&Path) -> bool) -> Result<Document, Faults> {
    let context =
        |source| Context::new(source).with_files(is_there).with_variables(|_| Some("10.0.0.1".to_owned()));
    load_in(source_name, bytes, context)
}

fn load_in(
    source_name: &str,
    bytes: &[u8],
    context: impl FnOnce(Source) -> Context,
) -> Result<Document, Faults> {
    let config::Document { source, root, faults } = config::Document::parse(source_name, bytes)?;
    if let Some(fault) = checks::manifest(&root) {
        return Err(Faults::new(source, vec![fault]));
    }
    let mut cx = context(source.clone());
    let decoded = Linkerd::decode(&root, &mut cx);
    checks::check(&root, &mut cx);
    let (errors, warnings) = Faults::new(source, [faults, cx.into_faults()].concat()).split();
    match decoded.filter(|_| errors.is_empty()) {
        Some(Linkerd { admin, routers, namers, telemetry, usage }) => {
            Ok(Document { admin, routers, namers, telemetry, usage, warnings, tree: root })
        }
        None => Err(errors),
    }
}

/// A rule of many keys.
fn positive(value: &u32) -> Result<(), String> {
    if *value > 0 { Ok(()) } else { Err(format!("{value} is not positive")) }
}

/// As [`positive`], where there may be no value.
fn positive_if_any(value: &Option<u32>) -> Result<(), String> {
    value.as_ref().map_or(Ok(()), positive)
}

/// A timeout in milliseconds, of which 0 and less mean none.
fn millis(value: Option<i32>) -> Option<Duration> {
    let millis = u64::try_from(value?).ok().filter(|millis| *millis > 0)?;
    Some(Duration::from_millis(millis))
}

#[cfg(test)]
mod tests;
