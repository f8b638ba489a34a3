//! What each value of the chart does, one row for each, and that one without a row is not forgotten.

use super::template;
use crate::{items, of_kind, shipped};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use testkit::cluster::helm_or_skipped;

/// Where to look: the one object of a kind, and a pointer in it.
type Place = (&'static str, &'static str);

const CONTAINER: &str = "/spec/template/spec/containers/0";

/// Objects of a kind there have to be, by their number.
const COUNT: &str = "count";

fn check(preset: &str, sets: &[&str], place: Place, expected: &Value) {
    let (namespace, mut more) = ("default", Vec::new());
    for set in sets {
        more.extend(["--set", *set]);
    }
    let text = template(preset, namespace, &more).unwrap_or_else(|e| panic!("{sets:?}: {e}"));
    let made = testkit::cluster::documents(&text);
    let (kind, pointer) = place;
    let found = of_kind(&made, kind);
    if pointer == COUNT {
        assert_eq!(json!(found.len()), *expected, "{sets:?}: {kind}");
        return;
    }
    let places = pointer.strip_prefix('~').map_or(pointer.to_owned(), |rest| format!("{CONTAINER}{rest}"));
    let first = found.first().unwrap_or_else(|| panic!("{sets:?}: no {kind}"));
    assert_eq!(first.pointer(&places).unwrap_or(&Value::Null), expected, "{sets:?}: {kind} {places}");
}

/// Settings of one value, and what comes of them; `~` stands for the container.
fn rows() -> Vec<(&'static [&'static str], Place, Value)> {
    let mut rows = pods();
    rows.extend(around());
    rows
}

fn pods() -> Vec<(&'static [&'static str], Place, Value)> {
    let set = |pointer| ("DaemonSet", pointer);
    vec![
        (&["image.repository=r.test/w", "image.tag=7"], set("~/image"), json!("r.test/w:7")),
        (&["image.pullPolicy=Always"], set("~/imagePullPolicy"), json!("Always")),
        (&["imagePullSecrets[0].name=r"], set("/spec/template/spec/imagePullSecrets/0/name"), json!("r")),
        (&["args={--watch,--workers,2}"], set("~/args/2"), json!("2")),
        (&["env[0].name=A", "env[0].value=b"], set("~/env/3"), json!({ "name": "A", "value": "b" })),
        (&["resources.limits.memory=1Gi"], set("~/resources/limits/memory"), json!("1Gi")),
        (&["priorityClassName="], set("/spec/template/spec/priorityClassName"), Value::Null),
        (
            &["tolerations[0].operator=Exists"],
            set("/spec/template/spec/tolerations/0"),
            json!({ "operator": "Exists" }),
        ),
        (&["nodeSelector.disk=ssd"], set("/spec/template/spec/nodeSelector"), json!({ "disk": "ssd" })),
        (&["affinity.nodeAffinity.x=y"], set("/spec/template/spec/affinity/nodeAffinity/x"), json!("y")),
        (&["podAnnotations.a=b"], set("/spec/template/metadata/annotations/a"), json!("b")),
        (&["podLabels.team=mesh"], set("/spec/template/metadata/labels/team"), json!("mesh")),
        (
            &["terminationGracePeriodSeconds=60"],
            set("/spec/template/spec/terminationGracePeriodSeconds"),
            json!(60),
        ),
        (&["maxUnavailable=25%"], set("/spec/updateStrategy/rollingUpdate/maxUnavailable"), json!("25%")),
        (&["ports[0].name=outgoing", "ports[0].port=4140"], set("~/ports/0/hostPort"), Value::Null),
        (
            &["config=admin: {port: 1}", "ports[0].name=a", "ports[0].port=80", "adminPort=1"],
            set("~/ports/1/containerPort"),
            json!(1),
        ),
        (
            &["config=admin: {}", "ports[0].name=a", "ports[0].port=8080", "hostNetwork=true"],
            set("/spec/template/spec/dnsPolicy"),
            json!("ClusterFirstWithHostNet"),
        ),
        (
            &["config=admin: {}", "ports[0].name=a", "ports[0].port=80", "name=mesh"],
            set("/metadata/name"),
            json!("mesh"),
        ),
    ]
}

fn around() -> Vec<(&'static [&'static str], Place, Value)> {
    let service = |pointer| ("Service", pointer);
    vec![
        (&["preset=ingress-controller"], ("IngressClass", "/metadata/name"), json!("linkerd")),
        (&["service.type=NodePort"], service("/spec/type"), json!("NodePort")),
        (&["service.admin=false"], service("/spec/ports/2"), Value::Null),
        (&["service.annotations.a=b"], service("/metadata/annotations"), json!({ "a": "b" })),
        (
            &["service.loadBalancerSourceRanges={10.0.0.0/8}"],
            service("/spec/loadBalancerSourceRanges/0"),
            json!("10.0.0.0/8"),
        ),
        (&["discovery.allNamespaces=true"], ("ClusterRoleBinding", COUNT), json!(1)),
        (&["discovery.allNamespaces=true"], ("RoleBinding", COUNT), json!(0)),
        (&["discovery.namespaces={a,b}"], ("RoleBinding", COUNT), json!(2)),
        (&["ingress.enabled=true"], ("IngressClass", COUNT), json!(1)),
        (&["ingress.enabled=true", "ingress.className=x"], ("IngressClass", "/metadata/name"), json!("x")),
        (
            &["ingress.enabled=true", "ingress.default=true"],
            ("IngressClass", "/metadata/annotations"),
            json!({ "ingressclass.kubernetes.io/is-default-class": "true" }),
        ),
        (&["ingress.enabled=true", "ingress.status=true"], ("ClusterRole", COUNT), json!(2)),
        (
            &["configMaps[0].namespace=a", "configMaps[0].name=b"],
            ("Role", "/rules/0/resourceNames/0"),
            json!("b"),
        ),
        (&["serviceAccount.create=false"], ("ServiceAccount", COUNT), json!(0)),
        (&["serviceAccount.name=x"], ("RoleBinding", "/subjects/0/name"), json!("x")),
        (
            &["serviceAccount.annotations.a=b"],
            ("ServiceAccount", "/metadata/annotations"),
            json!({ "a": "b" }),
        ),
    ]
}

#[test]
fn each_value_does_something() {
    if !helm_or_skipped("each_value_does_something") {
        return;
    }
    let mut set = BTreeSet::new();
    for (sets, place, expected) in rows() {
        check("daemonset", sets, place, &expected);
        set.extend(sets.iter().map(|of| top(of)));
    }
    let text =
        std::fs::read_to_string(shipped("chart/wayleave/values.yaml")).expect("a shipped file can be read");
    let values = testkit::cluster::documents(&text).remove(0);
    let all: BTreeSet<String> = values.as_object().expect("values have names").keys().cloned().collect();
    assert_eq!(set, all, "a row for each value");
    status_is_written_only_where_asked();
}

/// The name before the first dot or bracket.
fn top(set: &str) -> String {
    set.split(['.', '[', '=']).next().unwrap_or_default().to_owned()
}

fn status_is_written_only_where_asked() {
    for (status, expected) in [("false", 0), ("true", 1)] {
        let set = format!("ingress.status={status}");
        let text =
            template("ingress-controller", "l5d-system", &["--set", &set]).unwrap_or_else(|e| panic!("{e}"));
        let made = testkit::cluster::documents(&text);
        let rules = of_kind(&made, "ClusterRole").into_iter().flat_map(|role| items(&role["rules"]));
        let writes = rules.filter(|rule| rule["resources"] == json!(["ingresses/status"]));
        assert_eq!(writes.count(), expected, "{set}");
    }
}

/// Values that cannot work are refused when the chart is installed, not found out afterwards.
#[test]
fn what_cannot_work_is_refused() {
    if !helm_or_skipped("what_cannot_work_is_refused") {
        return;
    }
    let own = "config=routers: []";
    let rows: [(&str, &str, &[&str], &str); 14] = [
        ("daemonset", "mesh", &[], "install it with `--namespace default`"),
        ("daemonset", "default", &["name=mesh"], "looks for a Service `l5d`"),
        ("daemonset", "default", &[own], "`config` needs `ports`"),
        (
            "daemonset",
            "default",
            &["adminPort=9991"],
            "`adminPort` is where the preset daemonset listens: 9990",
        ),
        (
            "daemonset",
            "default",
            &["hostNetwork=true"],
            "the preset cni is the one for the network of the nodes",
        ),
        ("cni", "default", &["hostNetwork=false"], "needs the network of the nodes"),
        ("ingress-controller", "x", &["hostNetwork=true"], "port 80 on the network of a node"),
        ("daemons", "default", &[], "preset"),
        ("daemonset", "default", &["imagee=x"], "imagee"),
        ("daemonset", "default", &["name=Upper"], "name"),
        ("daemonset", "default", &["maxUnavailable=0"], "maxUnavailable"),
        ("daemonset", "default", &["service.type=External"], "type"),
        ("daemonset", "default", &[own, "ports[0].name=web"], "port"),
        (
            "daemonset",
            "default",
            &[own, "ports[0].name=admin", "ports[0].port=80"],
            "`admin` is the name of the admin port",
        ),
    ];
    for (preset, namespace, sets, expected) in rows {
        let more: Vec<&str> = sets.iter().flat_map(|set| ["--set", *set]).collect();
        let said = template(preset, namespace, &more).expect_err("it cannot work");
        assert!(said.contains(expected), "{expected} is not in {said}");
    }
}
