//! Transformers as a document has them become those that names go through (routing.md §5).

use super::clusters::Clusters;
use crate::StartError;
use crate::document as doc;
use discovery::local_ips;
use kubernetes::KubernetesNamer;
use names::Path;
use naming::{Change, Gateways, Nearness, Transformer};
use std::sync::Arc;

/// All of a namer or an interpreter; their namers ask the APIs of `clusters`.
pub(super) fn transformers(
    from: &[doc::Transformer],
    clusters: &Clusters,
) -> Result<Vec<Transformer>, StartError> {
    from.iter().map(|from| transformer(from, clusters)).collect()
}

fn transformer(from: &doc::Transformer, clusters: &Clusters) -> Result<Transformer, StartError> {
    Ok(match from {
        doc::Transformer::Port(from) => {
            let own = || elements(&["io.l5d.port", &from.port.to_string()]);
            Transformer::new(&from.prefix.clone().unwrap_or_else(own), Change::Port(from.port))
        }
        doc::Transformer::Localhost(from) => Transformer::new(&from.prefix, Change::Only(local_ips().into())),
        doc::Transformer::SpecificHost(from) => {
            Transformer::new(&from.prefix, Change::Only([from.host].into()))
        }
        doc::Transformer::LocalNode(from) => local_node(from)?,
        doc::Transformer::DaemonSet(from) => daemon_set(from, clusters),
        doc::Transformer::Replace(from) => Transformer::new(&from.prefix, Change::Replace(from.path.clone())),
        doc::Transformer::Const(from) => Transformer::new(&from.prefix, Change::Const(from.path.clone())),
    })
}

/// Pods of one node share a /24, or the node's name when they share its network (routing.md §5).
fn local_node(from: &doc::LocalNodeTransformer) -> Result<Transformer, StartError> {
    let missing = |missing: &str| StartError::Environment(missing.to_owned());
    let (value, ip) = from.node(|name| std::env::var(name).ok()).map_err(missing)?;
    let change = ip.map_or_else(|| Change::SameNode(value.clone().into()), Change::SameNet);
    Ok(Transformer::new(&from.prefix.concat(&elements(&[&value])), change))
}

/// The members of the DaemonSet are found as the namer `io.l5d.k8s` finds them.
fn daemon_set(from: &doc::DaemonSetTransformer, clusters: &Clusters) -> Transformer {
    let nearness = if from.host_network { Nearness::SameNode } else { Nearness::SameNet };
    let cluster = clusters.of(&from.access());
    let namer = KubernetesNamer::new(&elements(&["io.l5d.k8s"]), cluster, None, None);
    let gateways = Gateways::new(Arc::new(namer), from.name(), nearness);
    Transformer::new(&from.prefix(), Change::Gateways(gateways))
}

fn elements(of: &[&str]) -> Path {
    Path::from_elems(of.iter().map(|elem| elem.as_bytes()))
}
