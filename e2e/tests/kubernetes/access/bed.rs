//! A cluster that is asked over TLS, somebody who asks it, and proxies with an environment of their own.

use crate::bed::{Pod, slice};
use serde_json::json;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;
use testkit::cluster::{Cluster, Level};
use testkit::{PATIENCE, Setup, World, eventually, namespace};

pub(super) const SLICES: &str = "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices";
const ACCOUNTS: &str = "/api/v1/namespaces/default/serviceaccounts";
const RIGHTS: &str = "/apis/rbac.authorization.k8s.io/v1";

/// Where a pod has its service account.
const MOUNTED: &str = "/var/run/secrets/kubernetes.io/serviceaccount";

/// A cluster with the service `web`, whose pod really answers, and the service account `mesh`, which may read endpoints.
pub(super) struct Bed {
    pub(super) cluster: Cluster,
    /// Answers as long as it lives.
    _pod: Pod,
    pub(super) folder: TempDir,
}

impl Bed {
    /// Starts it in a network and a file system of its own; `None` outside of them and where this machine cannot have it.
    pub(super) async fn start(name: &str) -> Option<Bed> {
        if !namespace::inside(name) {
            return None;
        }
        run("ip", "route add local 10.244.0.0/16 dev lo");
        // What a pod finds below is made in memory.
        run("mount", "-t tmpfs none /run");
        let cluster = Cluster::start(name, Level::Api).await?;
        let bed = Bed { cluster, _pod: Pod::start(1).await, folder: tempfile::tempdir().expect("a folder") };
        bed.cluster.create(SLICES, &slice("web", &[1])).await;
        bed.create_account().await;
        let rules = json!([{
            "apiGroups": ["", "discovery.k8s.io"], "resources": ["services", "endpoints", "endpointslices"],
            "verbs": ["list", "watch"],
        }]);
        let (name, group) = (json!({"name": "mesh"}), "rbac.authorization.k8s.io");
        let role = json!({"apiVersion": format!("{group}/v1"), "kind": "ClusterRole", "metadata": name, "rules": rules});
        bed.cluster.create(&format!("{RIGHTS}/clusterroles"), &role).await;
        let binding = json!({
            "apiVersion": format!("{group}/v1"), "kind": "ClusterRoleBinding", "metadata": name,
            "roleRef": {"apiGroup": group, "kind": "ClusterRole", "name": "mesh"},
            "subjects": [{"kind": "ServiceAccount", "name": "mesh", "namespace": "default"}],
        });
        bed.cluster.create(&format!("{RIGHTS}/clusterrolebindings"), &binding).await;
        Some(bed)
    }

    async fn create_account(&self) {
        let account = json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "mesh"}});
        self.cluster.create(ACCOUNTS, &account).await;
    }

    /// A token of the service account.
    pub(super) async fn token(&self) -> String {
        let request = json!({
            "apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {"expirationSeconds": 3600},
        });
        let made = self.cluster.create(&format!("{ACCOUNTS}/mesh/token"), &request).await;
        made["status"]["token"].as_str().expect("a token").to_owned()
    }

    /// The service account becomes another of the same name, so that the API takes `token` no more; waits until it says so,
    /// because it remembers tokens for a while.
    pub(super) async fn revoke(&self, token: &str) {
        self.cluster.delete(&format!("{ACCOUNTS}/mesh")).await;
        self.create_account().await;
        eventually(3 * PATIENCE, "a token that is refused", || async {
            let asked = self.cluster.try_kubectl(&["--token", token, "get", "endpointslices"]).await;
            asked.is_err_and(|said| said.contains("Unauthorized") || said.contains("logged in"))
        })
        .await;
    }

    /// What a pod of the service account has in its file system.
    pub(super) fn mount(&self, token: &str, authority: &Path) {
        fs::create_dir_all(MOUNTED).expect("the file system is ours");
        let authority = fs::read_to_string(authority).expect("a certificate");
        for (file, text) in [("token", token), ("ca.crt", &authority), ("namespace", "default")] {
            replace(&Path::new(MOUNTED).join(file), text);
        }
    }

    /// A proxy for `/svc/…` with a Kubernetes namer that is told `namer`, in an environment that has nothing but `variables` to
    /// say of an API.
    pub(super) async fn proxy(&self, namer: &str, variables: &[(&str, &str)]) -> World {
        let mut setup = Setup::new().document(&format!(
            "admin: {{ip: 127.0.0.1, port: ${{ADMIN}}}}\nusage: {{enabled: false}}\n\
             namers:\n- {{kind: io.l5d.k8s{namer}}}\n\
             routers:\n- protocol: http\n  label: out\n  dtab: /svc => /#/io.l5d.k8s/default/http;\n\
             \x20 servers:\n  - {{ip: 127.0.0.1, port: ${{ROUTER}}}}\n"
        ));
        // An empty KUBECONFIG is none.
        for (name, value) in [("HOME", "/nonexistent"), ("KUBECONFIG", "")].iter().chain(variables) {
            setup = setup.variable(name, value);
        }
        setup.start(1).await
    }

    /// The variables a pod has.
    pub(super) fn in_pod(&self) -> [(&'static str, String); 2] {
        let api = self.cluster.api();
        [
            ("KUBERNETES_SERVICE_HOST", api.ip().to_string()),
            ("KUBERNETES_SERVICE_PORT", api.port().to_string()),
        ]
    }

    /// A proxy as a pod has it.
    pub(super) async fn proxy_in_pod(&self) -> World {
        let variables = self.in_pod();
        let [host, port] = &variables;
        self.proxy("", &[(host.0, &host.1), (port.0, &port.1)]).await
    }

    /// A file of the test's folder.
    pub(super) fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.folder.path().join(name);
        replace(&path, text);
        path
    }

    /// A certificate and its key in the test's folder, made as those of the cluster are: `extensions` is a section of its
    /// `openssl.cnf`, `signer` the certificate and the key of an authority.
    pub(super) fn certificate(
        &self,
        name: &str,
        subject: &str,
        extensions: &str,
        signer: Option<(&Path, &Path)>,
    ) -> [PathBuf; 2] {
        let [certificate, key] =
            ["crt", "key"].map(|ending| self.folder.path().join(format!("{name}.{ending}")));
        let mut openssl = Command::new("openssl");
        openssl.args([
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:prime256v1",
            "-nodes",
            "-days",
            "30",
        ]);
        openssl.args(["-subj", subject, "-extensions", extensions, "-config"]).arg(self.key("openssl.cnf"));
        openssl.arg("-out").arg(&certificate).arg("-keyout").arg(&key);
        if let Some((authority, key)) = signer {
            openssl.arg("-CA").arg(authority).arg("-CAkey").arg(key);
        }
        let done = openssl.output().expect("the cluster was made with it");
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        [certificate, key]
    }

    /// One of the files that the cluster's parts know one another by.
    pub(super) fn key(&self, file: &str) -> PathBuf {
        self.cluster.authority().with_file_name(file)
    }
}

/// How many watches of a proxy cannot ask.
pub(super) async fn failing(world: &World) -> f64 {
    world.metrics().await.sum("kubernetes/", "/watches_failing")
}

/// How often a proxy's watches got no good answer.
pub(super) async fn errors(world: &World) -> f64 {
    world.metrics().await.sum("kubernetes/", "/watch_errors_total")
}

/// Waits until all is well with the API.
pub(super) async fn wait_well(world: &World) {
    eventually(PATIENCE, "no watch that fails", || async { failing(world).await < 0.1 }).await;
}

/// A program with its arguments, which has to succeed.
pub(super) fn run(program: &str, args: &str) {
    let done = Command::new(program).args(args.split(' ')).output();
    let done = done.unwrap_or_else(|error| panic!("{program}: {error}"));
    assert!(done.status.success(), "{program} {args}: {}", String::from_utf8_lossy(&done.stderr));
}

/// Writes a file in one step, as the kubelet and careful operators do.
pub(super) fn replace(path: &Path, text: &str) {
    let new = path.with_extension("new");
    fs::write(&new, text).expect("the folder is ours");
    fs::rename(&new, path).expect("a file can be renamed within a folder");
}
