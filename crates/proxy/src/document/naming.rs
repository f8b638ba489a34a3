//! How names are bound: interpreters, namers, transformers (routing.md §2, §5, §6).

use super::checks::is_meant;
use super::kubernetes::{ExternalNamer, KubernetesNamer, NamespacedNamer};
use super::positive;
use super::{
    ConfigMapInterpreter, DaemonSetTransformer, ExperimentalNamer, InterpreterTransformers,
    NamerTransformers, NoTransformers, StableInterpreter, StableNamer,
};
use config::{Context, Directory, ExistingFile, Fault, Places, config, kinds};
use names::{Path, PathPattern};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

kinds! {
    /// Who binds the names of a router.
    pub enum Interpreter: "interpreter", key "kind", default "default" {
        "default" => Default(DefaultInterpreter),
        "io.l5d.fs" => Fs(FsInterpreter),
        "io.l5d.k8s.configMap" => ConfigMap(ConfigMapInterpreter),
    }
    later {
        "io.l5d.namerd", "io.l5d.namerd.http", "io.l5d.mesh", "io.l5d.consul.interpreter", "io.l5d.k8s.istio",
    }
}

config! {
    /// The router's own dtab and the namers of this document.
    pub struct DefaultInterpreter {}
    last { changed: InterpreterTransformers, meant: StableInterpreter }
}

config! {
    /// A dtab in a file, watched for changes, before that of the router; and the namers of this document.
    pub struct FsInterpreter {
        /// The file. If later it is missing or holds no dtab, names that are bound stay bound and others are not.
        dtab_file "dtabFile": ExistingFile, example "/etc/linkerd/web.dtab";
    }
    last { changed: InterpreterTransformers, meant: StableInterpreter }
}

impl Interpreter {
    /// What changes bound names on their way to the router.
    pub fn transformers(&self) -> &[Transformer] {
        match self {
            Interpreter::Default(interpreter) => &interpreter.changed.transformers,
            Interpreter::Fs(interpreter) => &interpreter.changed.transformers,
            Interpreter::ConfigMap(interpreter) => &interpreter.changed.transformers,
        }
    }
}

kinds! {
    /// A source of replica sets, answering names that begin with `/#` and its prefix.
    pub enum Namer: "namer", key "kind" {
        "io.l5d.fs" => Fs(FsNamer),
        "io.l5d.rewrite" => Rewrite(RewriteNamer),
        "io.l5d.dnssrv" => DnsSrv(DnsSrvNamer),
        "io.l5d.k8s" => Kubernetes(KubernetesNamer),
        "io.l5d.k8s.ns" => Namespaced(NamespacedNamer),
        "io.l5d.k8s.external" => External(ExternalNamer),
    }
    later {
        "io.l5d.serversets", "io.l5d.consul", "io.l5d.k8s.istio", "io.l5d.marathon", "io.l5d.rancher", "io.l5d.zkLeader", "io.l5d.curator",
    }
}

impl Namer {
    /// What its names begin with after `/#`.
    pub fn prefix(&self) -> &Path {
        match self {
            Namer::Fs(namer) => &namer.prefix,
            Namer::Rewrite(namer) => &namer.prefix,
            Namer::DnsSrv(namer) => &namer.prefix,
            Namer::Kubernetes(namer) => &namer.prefix,
            Namer::Namespaced(namer) => &namer.prefix,
            Namer::External(namer) => &namer.prefix,
        }
    }

    /// What changes the names it binds.
    pub fn transformers(&self) -> &[Transformer] {
        match self {
            Namer::Fs(namer) => &namer.changed.transformers,
            Namer::Rewrite(namer) => &namer.changed.transformers,
            Namer::DnsSrv(namer) => &namer.changed.transformers,
            Namer::Kubernetes(namer) => &namer.changed.transformers,
            Namer::Namespaced(namer) => &namer.changed.transformers,
            Namer::External(namer) => &namer.changed.transformers,
        }
    }
}

config! {
    /// Files as discovery: each file of a directory is a name, each of its lines an address.
    pub struct FsNamer {
        /// The directory, watched for changes.
        root_dir "rootDir": Directory, example "/disco";
        /// What its names begin with after `/#`.
        prefix "prefix": Path = "/io.l5d.fs", example "/files";
    }
    last { changed: NamerTransformers, meant: StableNamer }
}

config! {
    /// Names that match a pattern become other names, which are bound again.
    pub struct RewriteNamer {
        /// What its names begin with after `/#`.
        prefix "prefix": Path, missing "The 'prefix' property is required for the io.l5d.rewrite namer.",
            example "/http";
        /// What the rest of a name begins with: elements, `*` for any one, `{var}` for a part to keep.
        pattern "pattern": PathPattern, example "'/{service}/api'";
        /// The name instead, in which each `{var}` stands for what it was; the rest of the old name is dropped.
        name "name": String, example "'/srv/{service}'";
    }
    last { changed: NoTransformers, meant: StableNamer }
    rule rewrite_name;
}

/// The name has to be a path wherever captures stand in it.
fn rewrite_name(namer: &RewriteNamer, places: Places<'_>, cx: &mut Context) -> Option<()> {
    if namer.name.starts_with('/') {
        return Some(());
    }
    let message = format!("{} is no path", namer.name);
    cx.fault(Fault::new(places.of("name"), message).expected("a path, for example `/srv/{service}`"));
    None
}

config! {
    /// SRV records as discovery: each record is an address.
    pub struct DnsSrvNamer {
        /// Every how many seconds a name in use is looked up.
        refresh_interval_seconds "refreshIntervalSeconds": u32 = "5", check positive, example "1";
        /// The DNS servers to ask, each an IP or a host name, with or without a port; none: those of the system.
        dns_hosts "dnsHosts": Vec<String> = "[]", example "[10.0.0.2, 'ns.internal:5353']";
        /// What its names begin with after `/#`.
        prefix "prefix": Path = "/io.l5d.dnssrv", example "/srv";
    }
    last { changed: NamerTransformers, meant: ExperimentalNamer }
    rule dns_srv;
}

impl DnsSrvNamer {
    /// Every how long a name in use is looked up.
    pub fn refresh(&self) -> Duration {
        Duration::from_secs(self.refresh_interval_seconds.into())
    }

    /// The DNS servers to ask: hosts, IPs or names, and ports.
    pub fn servers(&self) -> Vec<(String, u16)> {
        self.dns_hosts.iter().filter_map(|host| server(host)).collect()
    }
}

/// The port DNS servers listen on.
const DNS_PORT: u16 = 53;

/// Host and port of a server; IPv6 with a port stands in brackets.
fn server(text: &str) -> Option<(String, u16)> {
    if let Ok(at) = text.parse::<SocketAddr>() {
        return Some((at.ip().to_string(), at.port()));
    }
    if let Ok(ip) = text.parse::<IpAddr>() {
        return Some((ip.to_string(), DNS_PORT));
    }
    let (name, port) = match text.split_once(':') {
        Some((name, port)) => (name, port.parse().ok()?),
        None => (text, DNS_PORT),
    };
    let fits = |label: &str| {
        !label.is_empty() && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
    };
    // What ends in a number is a mistyped IP.
    let last_is_name = name.rsplit('.').next().is_some_and(|last| !last.bytes().all(|b| b.is_ascii_digit()));
    (name.split('.').all(fits) && last_is_name).then(|| (name.to_owned(), port))
}

fn dns_srv(namer: &DnsSrvNamer, places: Places<'_>, cx: &mut Context) -> Option<()> {
    if let Some(host) = namer.dns_hosts.iter().find(|host| server(host).is_none()) {
        let message = format!("{host} is neither an IP nor a host name, with or without a port");
        let fault = Fault::new(places.of("dnsHosts"), message);
        cx.fault(fault.expected("for example `10.0.0.2`, `10.0.0.2:53` or `ns.internal`"));
        return None;
    }
    is_meant(namer.meant.experimental, &format!("/#{} namer", namer.prefix), places, cx)
}

kinds! {
    /// Something that changes names between binding and routing.
    pub enum Transformer: "transformer", key "kind" {
        "io.l5d.port" => Port(PortTransformer),
        "io.l5d.localhost" => Localhost(LocalhostTransformer),
        "io.l5d.specificHost" => SpecificHost(SpecificHostTransformer),
        "io.l5d.k8s.localnode" => LocalNode(LocalNodeTransformer),
        "io.l5d.replace" => Replace(ReplaceTransformer),
        "io.l5d.const" => Const(ConstTransformer),
        "io.l5d.k8s.daemonset" => DaemonSet(DaemonSetTransformer),
    }
}

config! {
    /// Every address gets this port.
    pub struct PortTransformer {
        /// The port.
        port "port": u16, example "4140";
        /// What the ids of changed names begin with after `/%`; `/io.l5d.port` and the port when absent.
        prefix "prefix": Option<Path>, example "/port";
    }
}

config! {
    /// Only addresses of this host remain.
    pub struct LocalhostTransformer {
        /// What the ids of changed names begin with after `/%`.
        prefix "prefix": Path = "/io.l5d.localhost", example "/here";
    }
}

config! {
    /// Only addresses of one host remain.
    pub struct SpecificHostTransformer {
        /// The host's IP.
        host "host": IpAddr, missing "io.l5d.specificHost: host property is required", example "10.0.0.1";
        /// What the ids of changed names begin with after `/%`.
        prefix "prefix": Path = "/io.l5d.specificHost", example "/there";
    }
}

config! {
    /// Only addresses on the Kubernetes node of this process remain.
    pub struct LocalNodeTransformer {
        /// Whether pods share the network of their node, so that the node's name in `NODE_NAME` decides; otherwise the
        /// first three bytes of the address in `POD_IP` do.
        host_network "hostNetwork": bool = "false", example "true";
        /// What the ids of changed names begin with after `/%`; the variable's value follows.
        prefix "prefix": Path = "/io.l5d.k8s.localnode", example "/node";
    }
    rule node_is_known;
}

impl LocalNodeTransformer {
    /// What the node of this process is known by: its name, or an address on it.
    ///
    /// # Errors
    /// Which environment variable is not set, or does not say it (routing.md §6).
    pub fn node(
        &self,
        variable: impl Fn(&str) -> Option<String>,
    ) -> Result<(String, Option<IpAddr>), &'static str> {
        if self.host_network {
            let name =
                variable("NODE_NAME").ok_or("NODE_NAME env variable must be set to the node's name")?;
            return Ok((name, None));
        }
        let text = variable("POD_IP");
        let ip = text.as_deref().and_then(|text| text.parse().ok());
        match text.zip(ip) {
            Some((text, ip)) => Ok((text, Some(ip))),
            None => Err("POD_IP env variable must be set to the pod's IP"),
        }
    }
}

/// A document may be checked somewhere else than where it runs; there, this keeps it from starting.
fn node_is_known(from: &LocalNodeTransformer, places: Places<'_>, cx: &mut Context) -> Option<()> {
    if let Err(missing) = from.node(|name| cx.variable(name)) {
        let fault = Fault::new(places.of("hostNetwork"), missing);
        cx.fault(fault.expected("it where the proxy runs, or it does not start").warning());
    }
    Some(())
}

config! {
    /// Whatever is found becomes something else.
    pub struct ReplaceTransformer {
        /// The name instead, bound without a dtab.
        path "path": Path, example "/$/inet/127.1/4140";
        /// What the ids of changed names begin with after `/%`; the path follows.
        prefix "prefix": Path = "/io.l5d.replace", example "/instead";
    }
}

config! {
    /// Whatever is found, or nothing, becomes something else.
    pub struct ConstTransformer {
        /// The name instead, bound without a dtab.
        path "path": Path, example "/$/inet/127.1/4140";
        /// What the ids of changed names begin with after `/%`; the path follows.
        prefix "prefix": Path = "/io.l5d.const", example "/always";
    }
}
