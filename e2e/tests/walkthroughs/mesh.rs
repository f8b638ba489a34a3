//! Parts I and II: the mesh as a DaemonSet.

use crate::bed::{Bed, choices};
use crate::{said, step};
use std::collections::BTreeSet;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs real nodes: .ci/long cluster"]
async fn parts_1_and_2_on_pod_networks() {
    let Some(bed) = Bed::start("walkthroughs I and II").await else { return };
    the_mesh(&bed, "daemonset").await;
}

/// II.5: the same where proxies share the network of their nodes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs real nodes: .ci/long cluster"]
async fn parts_1_and_2_on_networks_of_nodes() {
    let Some(bed) = Bed::start("walkthroughs I and II, host network").await else { return };
    the_mesh(&bed, "cni").await;
}

async fn the_mesh(bed: &Bed, overlay: &str) {
    step("I.1", "install the mesh: a ready proxy on each node", installed(bed, overlay)).await;
    step("I.2", "the admin page", admin_page(bed)).await;
    step("I.3", "the variable the applications use is an address", addresses_of_nodes(bed)).await;
    step("I.4", "apps: three of each", apps(bed)).await;
    step("I.5", "traffic through each node's proxy", traffic(bed)).await;
    step("II.1", "an application's proxy is that of its node", local_proxy(bed)).await;
    step("II.2", "the outgoing router sends to proxies", proxies_call_proxies(bed)).await;
    step("II.3", "the incoming router sends to its own node", own_node_only(bed)).await;
    step("", "wayleave check --kubernetes finds nothing wrong", checked(bed)).await;
    step("", "the proxies are replaced one by one", rolled(bed)).await;
}

async fn installed(bed: &Bed, overlay: &str) {
    bed.mesh(overlay, "default").await;
    one_on_each_node(bed).await;
}

pub(crate) async fn one_on_each_node(bed: &Bed) {
    let proxies = bed.pods("default", "app=l5d").await;
    assert_eq!(said::different(proxies.iter().map(|proxy| &proxy.node)), 3, "{proxies:?}");
}

async fn admin_page(bed: &Bed) {
    let admin = format!("http://{}", bed.outside("default", "l5d", "admin").await);
    let page = bed.curl(&[&admin]).await;
    said::page(&page);
    for router in ["outgoing", "incoming"] {
        let config = bed.curl(&[&format!("{admin}/config.json")]).await;
        assert!(config.contains(router), "{config}");
    }
    assert_eq!(bed.curl(&[&format!("{admin}/admin/ping")]).await, "pong");
}

async fn addresses_of_nodes(bed: &Bed) {
    for caller in bed.pods("default", "app=caller").await {
        let said = bed.cluster.kubectl(&["exec", &caller.name, "--", "sh", "-c", "echo $NODE_IP"]).await;
        assert_eq!(said.trim(), caller.node_ip);
    }
}

pub(crate) async fn apps(bed: &Bed) {
    bed.apps(&["hello-world"]).await;
    for app in ["hello", "world-v1"] {
        assert_eq!(bed.pods("default", &format!("app={app}")).await.len(), 3, "{app}");
    }
}

pub(crate) async fn traffic(bed: &Bed) {
    let ips = |pods: Vec<crate::bed::Pod>| pods.into_iter().map(|pod| pod.ip).collect::<BTreeSet<_>>();
    let hellos = ips(bed.pods("default", "app=hello").await);
    let worlds = ips(bed.pods("default", "app=world-v1").await);
    let (mut hello, mut world) = (BTreeSet::new(), BTreeSet::new());
    for caller in bed.pods("default", "app=caller").await {
        let proxy = format!("http://{}:4140", caller.node_ip);
        for _ in 0..10 {
            let answer = bed.curl_on(&caller, &["-x", &proxy, "http://hello"]).await;
            let said = said::hello_world(&answer);
            hello.insert(said[0].clone());
            world.insert(said[1].clone());
        }
    }
    assert!(hello.is_subset(&hellos) && world.is_subset(&worlds), "{hello:?} {world:?}");
    assert!(hello.len() > 1 && world.len() > 1, "load is spread: {hello:?} {world:?}");
}

/// The number of requests the outgoing router of each proxy has served.
async fn served(bed: &Bed) -> Vec<(String, u64)> {
    let mut served = Vec::new();
    for proxy in bed.pods("default", "app=l5d").await {
        let metrics = bed.metrics(&proxy).await;
        let requests = metrics["rt/outgoing/server/0.0.0.0/4140/requests"].as_u64().unwrap_or(0);
        served.push((proxy.node, requests));
    }
    served
}

async fn local_proxy(bed: &Bed) {
    for caller in bed.pods("default", "app=caller").await {
        let before = served(bed).await;
        let proxy = format!("http://{}:4140", caller.node_ip);
        // `world`, because `hello` would call from other nodes in turn.
        for _ in 0..5 {
            let answer = bed.curl_on(&caller, &["-x", &proxy, "http://world"]).await;
            said::expect(&answer, &["world"], 1);
        }
        for ((node, before), (_, now)) in before.into_iter().zip(served(bed).await) {
            let expected = if node == caller.node { 5 } else { 0 };
            assert_eq!(
                now - before,
                expected,
                "requests at the proxy of {node}, called from {}",
                caller.node
            );
        }
    }
}

async fn proxies_call_proxies(bed: &Bed) {
    let proxies = bed.pods("default", "app=l5d").await;
    let expected: BTreeSet<String> = proxies.iter().map(|proxy| format!("{}:4141", proxy.ip)).collect();
    let (addresses, ids) = choices(&bed.explained(&proxies[0], "outgoing", "/svc/world").await);
    assert!(!addresses.is_empty(), "{ids:?}");
    assert!(addresses.iter().all(|address| expected.contains(address)), "{addresses:?} of {expected:?}");
    let prefix = "/%/io.l5d.k8s.daemonset/default/incoming/l5d/#/io.l5d.k8s/default/http/world-v1";
    assert_eq!(ids, [prefix]);
}

async fn own_node_only(bed: &Bed) {
    let worlds = bed.pods("default", "app=world-v1").await;
    for proxy in bed.pods("default", "app=l5d").await {
        let own = worlds.iter().filter(|world| world.node == proxy.node);
        let own: BTreeSet<String> = own.map(|world| format!("{}:7778", world.ip)).collect();
        let (addresses, _) = choices(&bed.explained(&proxy, "incoming", "/svc/world").await);
        assert_eq!(addresses.into_iter().collect::<BTreeSet<_>>(), own, "on {}", proxy.node);
    }
}

/// From inside, with the rights of the proxy.
async fn checked(bed: &Bed) {
    let config = "/io.buoyant/linkerd/config/config.yaml";
    let said =
        bed.cluster.kubectl(&["exec", "ds/l5d", "--", "wayleave", "check", "--kubernetes", config]).await;
    assert!(said.contains("√ Service default/l5d has a port incoming, 3 endpoints ready"), "{said}");
    assert!(!said.contains('×'), "{said}");
}

async fn rolled(bed: &Bed) {
    let names = |pods: Vec<crate::bed::Pod>| pods.into_iter().map(|pod| pod.name).collect::<BTreeSet<_>>();
    let before = names(bed.pods("default", "app=l5d").await);
    bed.cluster.kubectl(&["rollout", "restart", "ds/l5d"]).await;
    bed.rolled_out("default", "ds/l5d").await;
    let after = names(bed.pods("default", "app=l5d").await);
    assert!(before.is_disjoint(&after), "{before:?} {after:?}");
    let caller = bed.pods("default", "app=caller").await.remove(0);
    let proxy = format!("http://{}:4140", caller.node_ip);
    bed.curl_until("traffic goes on", &["-x", &proxy, "http://hello"], said::is_hello_world).await;
}
