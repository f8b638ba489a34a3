//! A real API server takes the manifests, and gives the rights that are needed and no others.

use super::{OVERLAYS, items, objects, of_kind, place, rendered, the};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::process::Command;
use testkit::cluster::{Cluster, Level};
use testkit::wayleave_binary;

const APPS: [&str; 5] =
    ["hello-world.yaml", "api.yaml", "world-v2.yaml", "nginx.yaml", "hello-world-ingress.yaml"];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_real_api_server_takes_every_manifest() {
    let Some(cluster) = Cluster::start("a_real_api_server_takes_every_manifest", Level::Api).await else {
        return;
    };
    for (overlay, namespace) in OVERLAYS {
        let made = rendered(&cluster, overlay).await;
        objects::fit(overlay, namespace, &made);
        if namespace != "default" {
            // What is only tried does not exist for what is tried behind it.
            let space = json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": namespace } });
            cluster.apply(&space.to_string()).await;
        }
        let folder = place(&format!("kustomize/{overlay}"));
        let said = cluster.kubectl(&["apply", "--validate=strict", "-k", &folder]).await;
        assert!(said.contains("daemonset.apps/l5d created"), "{said}");
        let config = the(&made, "ConfigMap")["data"]["config.yaml"].as_str().expect("it is there").to_owned();
        rights_are_enough(&cluster, overlay, namespace, &config);
        rights_are_no_more(&cluster, overlay, namespace).await;
        if overlay == "ingress-controller" {
            admitted(&cluster, namespace, the(&made, "DaemonSet")).await;
        }
        let again = cluster.kubectl(&["apply", "--validate=strict", "-k", &folder]).await;
        assert!(!again.contains("configured") && !again.contains("created"), "applied twice: {again}");
        cluster.kubectl(&["delete", "--wait=false", "-k", &folder]).await;
    }
    for file in APPS {
        let path = place(&format!("kustomize/apps/{file}"));
        let said = cluster.kubectl(&["apply", "--validate=strict", "-f", &path]).await;
        assert!(said.contains("created"), "{said}");
        let text = std::fs::read_to_string(&path).expect("a shipped file can be read");
        for deployment in of_kind(&testkit::cluster::documents(&text), "Deployment") {
            objects::locked_up(file, &deployment["spec"]["template"]["spec"]);
        }
    }
    let all = rendered(&cluster, "apps").await;
    assert_eq!(of_kind(&all, "Deployment").len(), 4, "{all:#?}");
}

/// The proxy's own list of what it needs, asked of the authoriser that will be asked.
fn rights_are_enough(cluster: &Cluster, overlay: &str, namespace: &str, config: &str) {
    let report = check(cluster, config, &["--service-account", &format!("{namespace}/l5d")]);
    let sections = items(&report["categories"]);
    let rights = sections.iter().find(|section| section["categoryName"] == "rights");
    let rights = items(&rights.unwrap_or_else(|| panic!("no rights in {report:#}"))["checks"]);
    assert!(rights.len() >= 3, "{rights:#?}");
    for right in rights {
        assert_eq!(right["result"], "success", "{overlay}: {right:#}");
    }
}

/// `wayleave check --kubernetes` of an overlay's configuration, as its ConfigMap has it.
fn check(cluster: &Cluster, config: &str, more: &[&str]) -> Value {
    let file = cluster.folder().join("config.yaml");
    std::fs::write(&file, config).expect("the cluster's folder can be written");
    let done = Command::new(wayleave_binary())
        .args(["check", "--kubernetes", "--output", "json"])
        .args(more)
        .arg(&file)
        .env("KUBECONFIG", cluster.kubeconfig())
        .output()
        .expect("the binary runs");
    let text = String::from_utf8_lossy(&done.stdout);
    let said = || format!("{text}{}", String::from_utf8_lossy(&done.stderr));
    serde_json::from_str(&text).unwrap_or_else(|_| panic!("{}", said()))
}

/// What the account may do in its namespace and elsewhere, by the API server's own list.
async fn rights_are_no_more(cluster: &Cluster, overlay: &str, namespace: &str) {
    let read = ["list", "watch"].map(str::to_owned);
    let of = |group: &str, resource: &str| (group.to_owned(), resource.to_owned(), read.to_vec());
    let discovery = [of("", "endpoints"), of("", "services"), of("discovery.k8s.io", "endpointslices")];
    let ingress = [of("networking.k8s.io", "ingresses"), of("networking.k8s.io", "ingressclasses")];
    let (own, elsewhere): (BTreeSet<_>, BTreeSet<_>) = if overlay == "ingress-controller" {
        let all: BTreeSet<_> = discovery.into_iter().chain(ingress).collect();
        (all.clone(), all)
    } else {
        (discovery.into(), BTreeSet::new())
    };
    let account = format!("system:serviceaccount:{namespace}:l5d");
    assert_eq!(rules(cluster, &account, namespace).await, own, "{overlay}: in {namespace}");
    assert_eq!(rules(cluster, &account, "kube-system").await, elsewhere, "{overlay}: elsewhere");
}

type Rule = (String, String, Vec<String>);

/// Group, resource and verbs of everything `account` may do in a namespace, besides asking who it is and what it may do.
async fn rules(cluster: &Cluster, account: &str, namespace: &str) -> BTreeSet<Rule> {
    let review = json!({
        "apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectRulesReview", "spec": { "namespace": namespace },
    });
    let file = cluster.folder().join("review.json");
    std::fs::write(&file, review.to_string()).expect("the cluster's folder can be written");
    let file = file.display().to_string();
    let said =
        cluster.kubectl(&["create", "--validate=false", "--as", account, "-o", "json", "-f", &file]).await;
    let said: Value = serde_json::from_str(&said).unwrap_or_else(|e| panic!("{e}: {said}"));
    let texts =
        |of: &Value| items(of).iter().filter_map(Value::as_str).map(str::to_owned).collect::<Vec<_>>();
    let mut found = BTreeSet::new();
    for rule in items(&said["status"]["resourceRules"]) {
        let mut verbs = texts(&rule["verbs"]);
        verbs.sort();
        for group in texts(&rule["apiGroups"]) {
            for resource in texts(&rule["resources"]) {
                let own = group == "authorization.k8s.io" || group == "authentication.k8s.io";
                assert!(!own || resource.starts_with("selfsubject"), "{resource}");
                if !own {
                    found.insert((group.clone(), resource, verbs.clone()));
                }
            }
        }
    }
    found
}

/// A pod of this template is admitted where its namespace enforces the strictest level, and one that is not like it is not.
async fn admitted(cluster: &Cluster, namespace: &str, set: &Value) {
    let mut pod = json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": { "name": "probe", "namespace": namespace },
        "spec": set["spec"]["template"]["spec"],
    });
    // Nobody makes accounts' objects or tokens on this level, and the pod is only tried.
    pod["spec"]["automountServiceAccountToken"] = false.into();
    let tried = |pod: Value| {
        let file = cluster.folder().join("pod.json");
        std::fs::write(&file, pod.to_string()).expect("the cluster's folder can be written");
        async move {
            cluster.try_kubectl(&["create", "--dry-run=server", "-f", &file.display().to_string()]).await
        }
    };
    let said = tried(pod.clone()).await.unwrap_or_else(|e| panic!("{e}"));
    assert!(said.contains("pod/probe created"), "{said}");
    pod["spec"]["containers"][0]["securityContext"]["capabilities"] = json!({ "add": ["NET_ADMIN"] });
    let refused = tried(pod).await.expect_err("the level is enforced");
    assert!(refused.contains("PodSecurity"), "{refused}");
}
