//! Each way to the API that a configuration, a pod or a kubeconfig can say.

use super::bed::{Bed, errors};
use serde_json::{Value, json};

/// A kubeconfig with one cluster and one user.
pub(super) fn kubeconfig(bed: &Bed, user: &Value) -> String {
    let parts = [clusters(bed), users(user)];
    let mut all = json!({"apiVersion": "v1", "kind": "Config"});
    for part in parts {
        all.as_object_mut().expect("an object").extend(part.as_object().expect("an object").clone());
    }
    all.to_string()
}

fn clusters(bed: &Bed) -> Value {
    let server = format!("https://{}", bed.cluster.api());
    let cluster = json!({"server": server, "certificate-authority": bed.cluster.authority()});
    json!({"apiVersion": "v1", "kind": "Config", "clusters": [{"name": "here", "cluster": cluster}]})
}

fn users(user: &Value) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "now",
        "contexts": [{"name": "now", "context": {"cluster": "here", "user": "me"}}],
        "users": [{"name": "me", "user": user}],
    })
}

/// A request is answered by the pod the API names, and every question was answered well.
async fn check(bed: &Bed, way: &str, namer: &str, variables: &[(&str, &str)]) {
    let world = bed.proxy(namer, variables).await;
    let answer = world.get("web").await;
    assert_eq!((answer.status(), answer.text().as_str()), (200, "pod 1"), "{way}:\n{}", world.process.log());
    assert!(errors(&world).await < 0.1, "{way}:\n{}", world.process.log());
    drop(world);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_of_them() {
    let Some(bed) = Bed::start("access::ways::all_of_them").await else { return };
    let token = bed.token().await;
    let front = bed.cluster.front();
    check(&bed, "host and port", &format!(", host: {}, port: {}", front.ip(), front.port()), &[]).await;
    kubeconfigs(&bed, &token).await;
    in_pod(&bed, &token).await;
}

async fn kubeconfigs(bed: &Bed, token: &str) {
    let signer = (bed.key("ca.crt"), bed.key("ca.key"));
    let subject = "/O=system:masters/CN=somebody";
    let [certificate, key] = bed.certificate("client", subject, "server", Some((&signer.0, &signer.1)));
    let token_file = bed.file("token", token);
    let rows = [
        ("a token", json!({"token": token})),
        ("a token in a file", json!({"tokenFile": token_file})),
        ("a certificate", json!({"client-certificate": certificate, "client-key": key})),
        ("a plug-in", plug_in(bed, &token_file.display().to_string())),
    ];
    for (way, user) in rows {
        let file = bed.file("kubeconfig", &kubeconfig(bed, &user)).display().to_string();
        check(bed, way, "", &[("KUBECONFIG", &file)]).await;
    }
    let (one, other) = (clusters(bed).to_string(), users(&json!({"token": token})).to_string());
    let [one, other] = [("clusters", one), ("users", other)].map(|(name, text)| bed.file(name, &text));
    let both = format!("{}:{}", one.display(), other.display());
    check(bed, "several files", "", &[("KUBECONFIG", &both)]).await;
    std::fs::create_dir(bed.folder.path().join(".kube")).expect("the folder is ours");
    bed.file(".kube/config", &kubeconfig(bed, &json!({"token": token})));
    let home = bed.folder.path().display().to_string();
    check(bed, "the file at home", "", &[("HOME", &home)]).await;
}

/// A user of a kubeconfig whose token a program prints, which reads it from a file and counts its runs in `runs` beside it.
pub(super) fn plug_in(bed: &Bed, token_file: &str) -> Value {
    let version = "client.authentication.k8s.io/v1";
    let script = format!(
        "echo run >>{}/runs\nprintf '{{\"apiVersion\":\"{version}\",\"kind\":\"ExecCredential\",\"status\":{{\"token\":\"%s\"}}}}' \
         \"$(cat {token_file})\"\n",
        bed.folder.path().display()
    );
    let script = bed.file("plug-in", &script);
    json!({"exec": {"apiVersion": version, "command": "sh", "args": [script], "interactiveMode": "Never"}})
}

/// With the files of a service account, whether or not the configuration names the address where `kubectl proxy` would be.
async fn in_pod(bed: &Bed, token: &str) {
    bed.mount(token, &bed.cluster.authority());
    let variables = bed.in_pod();
    let variables = variables.each_ref().map(|(name, value)| (*name, value.as_str()));
    check(bed, "a service account", "", &variables).await;
    check(bed, "nobody at the default address", ", host: localhost, port: 8001", &variables).await;
}
