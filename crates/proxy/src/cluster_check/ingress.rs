//! Ingresses: whether the class is ours, which rules there are, and which Services they name.

use super::api::{Api, items};
use super::needs::{IngressNeed, Needs, ServiceNeed, Weight};
use super::report::{Check, Section};
use serde_json::Value;

/// The controller of IngressClasses that are ours.
const CONTROLLER: &str = "wayleave.io/ingress-controller";

const CLASSES: &str = "/apis/networking.k8s.io/v1/ingressclasses";

/// Checks for each ingress identifier, and what the rules need in turn.
pub(super) async fn check(api: &impl Api, needs: &Needs) -> (Section, Needs) {
    let (mut checks, mut more) = (Vec::new(), Needs::default());
    if !needs.ingresses.is_empty() {
        let classes = items(api, CLASSES).await;
        for ingress in &needs.ingresses {
            checks.push(class(&ingress.class, &classes));
            let (check, named) = rules(api, ingress, &controlled(&classes)).await;
            checks.push(check);
            more = more.with(named);
        }
    }
    (Section { title: "ingress", checks }, more)
}

/// The names of the classes whose controller we are.
fn controlled(classes: &Result<Vec<Value>, String>) -> Vec<&str> {
    let ours = classes.iter().flatten().filter(|class| class["spec"]["controller"] == CONTROLLER);
    ours.filter_map(|class| class["metadata"]["name"].as_str()).collect()
}

fn class(name: &str, classes: &Result<Vec<Value>, String>) -> Check {
    let what = format!("IngressClass {name} is ours");
    let classes = match classes {
        Ok(classes) => classes,
        Err(why) => return Check::warning(what, why, "see the section on rights"),
    };
    match classes.iter().find(|class| class["metadata"]["name"] == name) {
        Some(class) if class["spec"]["controller"] == CONTROLLER => Check::good(what),
        Some(class) => {
            let found = format!("its controller is {}", class["spec"]["controller"]);
            let hint = format!(
                "two controllers would serve its Ingresses; `spec.controller: {CONTROLLER}` makes it ours"
            );
            Check::failed(what, found, hint)
        }
        None => {
            let hint = "Ingresses may name it in the annotation kubernetes.io/ingress.class; `ingressClassName` wants the \
                        object: deploy/kustomize/ingress-controller/ingress-class.yaml";
            Check::warning(what, "there is no such IngressClass", hint)
        }
    }
}

async fn rules(api: &impl Api, ingress: &IngressNeed, controlled: &[&str]) -> (Check, Needs) {
    let (place, path) = match &ingress.namespace {
        Some(namespace) => (
            format!("namespace {namespace}"),
            format!("/apis/networking.k8s.io/v1/namespaces/{namespace}/ingresses"),
        ),
        None => ("the cluster".to_owned(), "/apis/networking.k8s.io/v1/ingresses".to_owned()),
    };
    let what = format!("{place} has Ingresses of class {}", ingress.class);
    let all = match items(api, &path).await {
        Ok(all) => all,
        Err(why) => return (Check::warning(what, why, "see the section on rights"), Needs::default()),
    };
    let ours: Vec<&Value> = all.iter().filter(|of| is_ours(of, &ingress.class, controlled)).collect();
    if ours.is_empty() {
        let found = format!("none of {}", all.len());
        return (
            Check::warning(what, found, "until there is one, every request is answered with 400"),
            Needs::default(),
        );
    }
    let mut needs = Needs::default();
    needs.services.extend(ours.iter().flat_map(|ingress| backends(ingress)));
    (Check::good(format!("{what}: {}", ours.len())), needs)
}

/// Ingresses that name no class are ours too, and those of all classes whose controller we are (routing.md §4).
fn is_ours(ingress: &Value, class: &str, controlled: &[&str]) -> bool {
    let annotated = ingress["metadata"]["annotations"]["kubernetes.io/ingress.class"].as_str();
    let named = ingress["spec"]["ingressClassName"].as_str();
    match annotated.or(named) {
        Some(named) => named == class || (annotated.is_none() && controlled.contains(&named)),
        None => true,
    }
}

/// The Services an Ingress names.
fn backends(ingress: &Value) -> Vec<ServiceNeed> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let (namespace, name) = (text(&ingress["metadata"]["namespace"]), text(&ingress["metadata"]["name"]));
    let rules = ingress["spec"]["rules"].as_array().into_iter().flatten();
    let paths = rules.flat_map(|rule| rule["http"]["paths"].as_array().into_iter().flatten());
    let all = paths.map(|path| &path["backend"]).chain([&ingress["spec"]["defaultBackend"]]);
    let service = |backend: &Value| {
        let port = &backend["service"]["port"];
        Some(ServiceNeed {
            namespace: namespace.clone(),
            name: backend["service"]["name"].as_str()?.to_owned(),
            port: port["name"].as_str().map_or_else(|| port["number"].to_string(), str::to_owned),
            by: format!("Ingress {namespace}/{name}"),
            weight: Weight::Must,
            endpoints: true,
        })
    };
    all.filter_map(service).collect()
}
