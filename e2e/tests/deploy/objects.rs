//! Whether the objects of an overlay fit together, and the pods are as locked up as they can be.

use super::{items, of_kind, the};
use serde_json::{Value, json};

/// Everything that can be seen without a cluster.
pub(crate) fn fit(overlay: &str, namespace: &str, objects: &[Value]) {
    let set = the(objects, "DaemonSet");
    let pod = &set["spec"]["template"]["spec"];
    assert_eq!(set["metadata"]["namespace"], namespace, "{overlay}");
    assert_eq!(set["spec"]["selector"]["matchLabels"], json!({ "app": "l5d" }), "{overlay}");
    assert_eq!(set["spec"]["template"]["metadata"]["labels"]["app"], "l5d", "{overlay}");
    names_agree(overlay, objects, pod);
    locked_up(overlay, pod);
    asked_how_it_is(overlay, pod);
    service_leads_to_ports(overlay, objects, pod);
    let delay = pod["terminationGracePeriodSeconds"].as_u64().unwrap_or(30);
    assert!(delay > 5 + 10, "{overlay}: drain and grace take 15 s, the pod has {delay} s");
}

/// Objects a pod names are there.
fn names_agree(overlay: &str, objects: &[Value], pod: &Value) {
    let account = the(objects, "ServiceAccount");
    assert_eq!(pod["serviceAccountName"], account["metadata"]["name"], "{overlay}");
    let map = the(objects, "ConfigMap");
    let mounted: Vec<&Value> =
        items(&pod["volumes"]).iter().map(|volume| &volume["configMap"]["name"]).collect();
    assert_eq!(mounted, [&map["metadata"]["name"]], "{overlay}");
    let config = map["data"]["config.yaml"].as_str().unwrap_or_default();
    assert!(config.contains("routers:"), "{overlay}: {config}");
    let mut bindings = of_kind(objects, "RoleBinding");
    bindings.extend(of_kind(objects, "ClusterRoleBinding"));
    assert!(!bindings.is_empty(), "{overlay}");
    for binding in bindings {
        let subject = &binding["subjects"][0];
        assert_eq!(
            (&subject["name"], &subject["namespace"]),
            (&account["metadata"]["name"], &account["metadata"]["namespace"]),
            "{overlay}"
        );
        let role = binding["roleRef"]["name"].as_str();
        let there = of_kind(objects, "ClusterRole").iter().any(|r| r["metadata"]["name"].as_str() == role);
        assert!(there, "{overlay}: {role:?} is bound and not there");
    }
}

/// walkthroughs.md §0 and the order of the day: not root, nothing writable, no rights in the kernel.
pub(crate) fn locked_up(of: &str, pod: &Value) {
    let whole = &pod["securityContext"];
    assert_eq!(whole["runAsNonRoot"], true, "{of}");
    assert!(whole["runAsUser"].as_u64().is_some_and(|user| user > 1000), "{of}");
    assert_eq!(whole["seccompProfile"]["type"], "RuntimeDefault", "{of}");
    for container in items(&pod["containers"]) {
        let own = &container["securityContext"];
        assert_eq!(own["allowPrivilegeEscalation"], false, "{of}");
        assert_eq!(own["readOnlyRootFilesystem"], true, "{of}");
        assert_eq!(own["capabilities"], json!({ "drop": ["ALL"] }), "{of}");
        assert!(container["resources"]["limits"]["memory"].is_string(), "{of}");
        assert!(container["resources"]["requests"]["cpu"].is_string(), "{of}");
    }
}

/// docs/operation.md: ready and live are two questions, and the second is asked with patience.
fn asked_how_it_is(overlay: &str, pod: &Value) {
    let [proxy] = items(&pod["containers"]) else { panic!("{overlay}: one container") };
    assert_eq!(proxy["readinessProbe"]["httpGet"]["path"], "/admin/ready", "{overlay}");
    let live = &proxy["livenessProbe"];
    assert_eq!(live["httpGet"]["path"], "/admin/live", "{overlay}");
    assert!(live["failureThreshold"].as_u64().is_some_and(|times| times >= 3), "{overlay}");
    let named: Vec<&str> = items(&proxy["env"]).iter().filter_map(|env| env["name"].as_str()).collect();
    for variable in ["POD_IP", "NODE_NAME", "POD_NAMESPACE"] {
        assert!(named.contains(&variable), "{overlay}: {variable} is not in {named:?}");
    }
}

/// Each port of the Service is one of the pod's by name, and the transformers' `incoming` is there where they ask for it.
fn service_leads_to_ports(overlay: &str, objects: &[Value], pod: &Value) {
    let service = the(objects, "Service");
    assert_eq!(service["metadata"]["name"], "l5d", "{overlay}");
    let ports = items(&pod["containers"][0]["ports"]);
    for port in items(&service["spec"]["ports"]) {
        let found = ports.iter().find(|of| of["name"] == port["targetPort"]);
        assert!(found.is_some(), "{overlay}: {port} leads nowhere in {ports:#?}");
    }
    let config = the(objects, "ConfigMap")["data"]["config.yaml"].as_str().unwrap_or_default();
    if config.contains("io.l5d.k8s.daemonset") {
        let names: Vec<_> = items(&service["spec"]["ports"]).iter().map(|port| &port["name"]).collect();
        assert!(names.contains(&&json!("incoming")), "{overlay}: {names:?}");
    }
    let shared = pod["hostNetwork"].as_bool().unwrap_or(false);
    assert_eq!(
        config.contains("hostNetwork: true"),
        shared,
        "{overlay}: pods and transformers have to agree"
    );
    for port in items(&pod["containers"][0]["ports"]) {
        let number = port["containerPort"].to_string();
        assert!(config.contains(&format!("port: {number}")), "{overlay}: nobody listens on {number}");
    }
}
