//! What a configuration needs of a Kubernetes cluster, and whether it is there: asked before a roll-out, and again when
//! something does not work (`wayleave check --kubernetes`).
//!
//! [`check_documents`] reads off documents what they will ask for, [`check`] asks the API once for each of those things, and the
//! [`Report`] says what was found, with a hint where something is wrong. Nothing is watched and nothing is written.

mod api;
mod asked;
mod config_maps;
mod dtab;
mod ingress;
mod known;
mod needs;
mod nodes;
mod report;
mod rights;
mod services;

pub use api::{Api, Reply};
pub use needs::{ConfigMapNeed, IngressNeed, KubernetesNamer, Needs, ServiceNeed, TransformerNeed, Weight};
pub use report::{Check, Report, Section, Verdict};
pub use rights::Account;

use crate::document::Document;
use known::Known;
use kubernetes::{Access, Cluster};
use telemetry::Metrics;
use tokio::runtime::Handle;

/// Asks the clusters that `documents` name for everything they need. In a pod they are reached as the proxy would reach them;
/// elsewhere the default address, which means the pod's own cluster, is that of the kubeconfig.
pub async fn check_documents(documents: &[Document], account: &Account) -> Report {
    let mut needs = asked::clusters(documents);
    if needs.is_empty() {
        // Nothing is needed; whether there is a cluster can be told all the same.
        needs.insert(Access::Nearest, Needs::default());
    }
    let metrics = Metrics::new(1);
    let mut report = Report::default();
    for (access, needs) in needs {
        let cluster = Cluster::new(access, &Handle::current(), &metrics.scope(&["check"]));
        let told = cluster.api().told().await;
        let api = asked::Asked { api: cluster.api(), told };
        let found = check(&api, &needs, account).await;
        found.sections.into_iter().for_each(|section| report.add(section));
    }
    report
}

/// Asks `api` for everything in `needs`. `account` is whose rights are looked at.
///
/// Sections come in the order in which a person would look: the API, the rights, the nodes, the dtabs and rules, the services they name. When the
/// API does not answer there is only the first.
pub async fn check(api: &impl Api, needs: &Needs, account: &Account) -> Report {
    let mut report = Report::default();
    let reached = api::check(api).await;
    let there = reached.checks.iter().all(|check| check.verdict != Verdict::Failed);
    report.add(reached);
    if !there {
        return report;
    }
    report.add(rights::check(api, needs, account).await);
    let (dtabs, named) = config_maps::check(api, needs).await;
    let (rules, ruled) = ingress::check(api, needs).await;
    let needs = needs.clone().with(named).with(ruled);
    let known = Known::read(api, &needs).await;
    report.add(nodes::check(api, &needs, &known).await);
    report.add(dtabs);
    report.add(rules);
    report.add(services::check(&needs, &known));
    report
}

#[cfg(test)]
mod tests;
