//! Whether the proxy may read what its configuration needs.

use super::api::{Api, Reply};
use super::needs::Needs;
use super::report::{Check, Section};
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// Whose rights are looked at.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Account {
    /// Whoever asks.
    #[default]
    Asking,
    /// A service account, `namespace` and `name`; who asks needs the right to review the rights of others.
    Service(String, String),
}

/// A right: verbs on a resource, in a namespace or everywhere, of one object or all.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Right {
    pub(super) group: &'static str,
    /// With its sub-resource behind a slash.
    pub(super) resource: &'static str,
    pub(super) namespace: Option<String>,
    pub(super) name: Option<String>,
    pub(super) verbs: &'static [&'static str],
}

const READ: &[&str] = &["list", "watch"];

/// The rights a proxy needs for `needs`.
pub(super) fn needed(needs: &Needs) -> BTreeSet<Right> {
    let mut rights = BTreeSet::new();
    let everywhere = needs.namespaces.contains(&None);
    let named = needs.services.iter().map(|service| Some(service.namespace.clone()));
    let near = needs.transformers.iter().map(|transformer| Some(transformer.service.0.clone()));
    let all = needs.namespaces.iter().cloned().chain(named).chain(near);
    for namespace in all.filter(|namespace| namespace.is_none() || !everywhere) {
        for (group, resource) in [("", "endpoints"), ("", "services"), ("discovery.k8s.io", "endpointslices")]
        {
            rights.insert(Right { group, resource, namespace: namespace.clone(), name: None, verbs: READ });
        }
    }
    for ingress in &needs.ingresses {
        let of = |resource, namespace, verbs| Right {
            group: "networking.k8s.io",
            resource,
            namespace,
            name: None,
            verbs,
        };
        rights.insert(of("ingresses", ingress.namespace.clone(), READ));
        rights.insert(of("ingressclasses", None, READ));
        if ingress.status {
            rights.insert(of("ingresses/status", ingress.namespace.clone(), &["patch"]));
        }
    }
    for map in &needs.config_maps {
        let (namespace, name) = (Some(map.namespace.clone()), Some(map.name.clone()));
        rights.insert(Right { group: "", resource: "configmaps", namespace, name, verbs: READ });
    }
    rights
}

/// A check for each of the rights.
pub(super) async fn check(api: &impl Api, needs: &Needs, account: &Account) -> Section {
    let mut checks = Vec::new();
    for right in needed(needs) {
        checks.push(one(api, &right, account).await);
    }
    Section { title: "rights", checks }
}

async fn one(api: &impl Api, right: &Right, account: &Account) -> Check {
    let who = match account {
        Account::Asking => "whoever asks".to_owned(),
        Account::Service(namespace, name) => format!("service account {namespace}/{name}"),
    };
    let what = format!("{who} may {}", right.shown());
    for verb in right.verbs {
        match review(api, right, verb, account).await {
            Ok(None) => {}
            Ok(Some(reason)) => {
                let found =
                    format!("not allowed: {verb}{}{reason}", if reason.is_empty() { "" } else { ", " });
                return Check::failed(what, found, right.hint());
            }
            Err(why) => {
                return Check::warning(
                    what,
                    why,
                    "whoever asks may not review rights; `kubectl auth can-i` may tell",
                );
            }
        }
    }
    Check::good(what)
}

/// Why a verb is not allowed; none when it is.
async fn review(
    api: &impl Api,
    right: &Right,
    verb: &str,
    account: &Account,
) -> Result<Option<String>, String> {
    let (resource, sub) = right.resource.split_once('/').unwrap_or((right.resource, ""));
    let mut spec = json!({ "resourceAttributes": {
        "group": right.group, "resource": resource, "subresource": sub, "verb": verb,
        "namespace": right.namespace.as_deref().unwrap_or_default(), "name": right.name.as_deref().unwrap_or_default(),
    }});
    let kind = match account {
        Account::Asking => "SelfSubjectAccessReview",
        Account::Service(namespace, name) => {
            spec["user"] = format!("system:serviceaccount:{namespace}:{name}").into();
            let own = format!("system:serviceaccounts:{namespace}");
            spec["groups"] = json!(["system:serviceaccounts", own, "system:authenticated"]);
            "SubjectAccessReview"
        }
    };
    let body: Value = json!({ "apiVersion": "authorization.k8s.io/v1", "kind": kind, "spec": spec });
    let path = format!("/apis/authorization.k8s.io/v1/{}s", kind.to_lowercase());
    let answer = api.post(&path, body).await.and_then(Reply::object)?;
    let status = &answer["status"];
    if status["allowed"].as_bool().unwrap_or(false) {
        return Ok(None);
    }
    Ok(Some(status["reason"].as_str().unwrap_or_default().to_owned()))
}

impl Right {
    fn shown(&self) -> String {
        let name = self.name.as_ref().map(|name| format!(" {name}")).unwrap_or_default();
        let place = match &self.namespace {
            Some(namespace) => format!("in namespace {namespace}"),
            None => "in the whole cluster".to_owned(),
        };
        format!("{} {}{name} {place}", self.verbs.join(" and "), self.resource)
    }

    fn hint(&self) -> String {
        let binding = match &self.namespace {
            Some(namespace) => format!("a RoleBinding in namespace {namespace}"),
            None => "a ClusterRoleBinding".to_owned(),
        };
        let role = match self.resource {
            "configmaps" => "a Role with `resourceNames`",
            "ingresses" | "ingressclasses" | "ingresses/status" => "the ClusterRole wayleave-ingress",
            _ => "the ClusterRole wayleave-discovery",
        };
        format!("{binding} to {role} gives it: see deploy/README.md")
    }
}
