//! The Helm chart makes the same objects as the overlays, and a real API server takes them.

mod release;
mod values;

use super::{OVERLAYS, items, objects, place, rendered, the};
use serde_json::Value;
use std::collections::BTreeSet;
use testkit::cluster::{Cluster, Level, helm, helm_or_skipped};

fn template(preset: &str, namespace: &str, more: &[&str]) -> Result<String, String> {
    let chart = place("chart/wayleave");
    let set = format!("preset={preset}");
    let mut args = vec!["template", "wayleave", &chart, "--namespace", namespace, "--set", &set];
    args.extend(more);
    helm(&args)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_chart_makes_what_the_overlays_make() {
    let who = "the_chart_makes_what_the_overlays_make";
    if !helm_or_skipped(who) {
        return;
    }
    helm(&["lint", "--strict", &place("chart/wayleave")]).unwrap_or_else(|e| panic!("{e}"));
    let Some(cluster) = Cluster::start(who, Level::Api).await else { return };
    for (preset, namespace) in OVERLAYS {
        let text = template(preset, namespace, &[]).unwrap_or_else(|e| panic!("{preset}: {e}"));
        let made = testkit::cluster::documents(&text);
        objects::fit(preset, namespace, &made);
        same_pod(preset, &made, &rendered(&cluster, preset).await);
        if namespace != "default" {
            cluster.kubectl(&["create", "namespace", namespace]).await;
        }
        let file = cluster.folder().join("chart.yaml");
        std::fs::write(&file, &text).expect("the cluster's folder can be written");
        let file = file.display().to_string();
        cluster.kubectl(&["apply", "--dry-run=server", "--validate=strict", "-f", &file]).await;
    }
    own_configuration();
}

/// What the chart and an overlay say of a pod, apart from names of volumes and the image's tag.
fn same_pod(preset: &str, chart: &[Value], overlay: &[Value]) {
    let pod = |of: &[Value]| the(of, "DaemonSet")["spec"]["template"]["spec"].clone();
    let (chart_pod, overlay_pod) = (pod(chart), pod(overlay));
    for key in [
        "securityContext",
        "hostNetwork",
        "dnsPolicy",
        "priorityClassName",
        "tolerations",
        "serviceAccountName",
    ] {
        assert_eq!(chart_pod[key], overlay_pod[key], "{preset}: {key}");
    }
    let sorted = |of: &Value| {
        let mut ports: Vec<String> = items(of).iter().map(Value::to_string).collect();
        ports.sort();
        ports
    };
    let (ours, theirs) = (&chart_pod["containers"][0], &overlay_pod["containers"][0]);
    for key in ["args", "env", "readinessProbe", "livenessProbe", "resources", "securityContext"] {
        assert_eq!(ours[key], theirs[key], "{preset}: {key}");
    }
    assert_eq!(sorted(&ours["ports"]), sorted(&theirs["ports"]), "{preset}");
    let map = |of: &[Value]| the(of, "ConfigMap")["data"]["config.yaml"].clone();
    assert_eq!(map(chart), map(overlay), "{preset}");
    let rules = |of: &[Value]| {
        let roles = super::of_kind(of, "ClusterRole");
        let mut rules: Vec<String> =
            roles.iter().flat_map(|role| items(&role["rules"])).map(Value::to_string).collect();
        rules.sort();
        rules
    };
    assert_eq!(rules(chart), rules(overlay), "{preset}");
}

/// A whole configuration of somebody's own, anywhere.
fn own_configuration() {
    let own =
        ["--set", "config=admin: {}", "--set", "ports[0].name=web,ports[0].port=80,ports[0].servicePort=80"];
    let text = template("daemonset", "mesh", &own).unwrap_or_else(|e| panic!("{e}"));
    let made = testkit::cluster::documents(&text);
    assert_eq!(the(&made, "ConfigMap")["data"]["config.yaml"], "admin: {}");
    assert_eq!(the(&made, "Service")["spec"]["ports"][0]["targetPort"], "web");
}

/// What can be seen without helm: every value has a default and a rule, and the templates use no others.
#[test]
fn values_rules_and_templates_agree() {
    let read =
        |path: &str| std::fs::read_to_string(super::shipped(path)).expect("a shipped file can be read");
    let values = testkit::cluster::documents(&read("chart/wayleave/values.yaml")).remove(0);
    let schema: Value = serde_json::from_str(&read("chart/wayleave/values.schema.json")).expect("it is JSON");
    let keys =
        |of: &Value| of.as_object().map(|of| of.keys().cloned().collect::<BTreeSet<_>>()).unwrap_or_default();
    let mut ruled = keys(&schema["properties"]);
    assert!(ruled.remove("global"), "Helm itself hands this one to every chart");
    assert_eq!(keys(&values), ruled);
    for key in ["image", "service", "discovery", "ingress", "serviceAccount"] {
        assert_eq!(keys(&values[key]), keys(&schema["properties"][key]["properties"]), "{key}");
    }
    let mut used = BTreeSet::new();
    for entry in
        std::fs::read_dir(super::shipped("chart/wayleave/templates")).expect("the chart has templates")
    {
        let path = entry.expect("an entry can be read").path();
        let text = std::fs::read_to_string(&path).expect("a template can be read");
        assert_eq!(text.matches("{{").count(), text.matches("}}").count(), "{}", path.display());
        for place in text.split(".Values.").skip(1) {
            let end = place.find(|c: char| !c.is_ascii_alphanumeric() && c != '.').unwrap_or(place.len());
            let of = place[..end].trim_end_matches('.').to_owned();
            let pointer = format!("/{}", of.replace('.', "/"));
            assert!(values.pointer(&pointer).is_some(), "{}: no value {of}", path.display());
            used.insert(of.split('.').next().unwrap_or_default().to_owned());
        }
    }
    assert_eq!(used, keys(&values), "every value is used");
}
