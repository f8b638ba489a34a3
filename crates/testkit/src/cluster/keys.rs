//! Who a cluster's parts are: its authority, the API server's certificate, tokens of its users, kubeconfigs.

use super::program::run;
use serde_json::json;
use std::fs;
use std::path::{Path, PathBuf};

/// What `openssl` is told about the certificates; nothing of the machine's own configuration has a say.
const CONFIG: &str = "[req]\ndistinguished_name = name\n[name]\n\
    [authority]\nbasicConstraints = critical, CA:TRUE\nkeyUsage = critical, keyCertSign, cRLSign\nsubjectKeyIdentifier = hash\n\
    [server]\nbasicConstraints = critical, CA:FALSE\nkeyUsage = critical, digitalSignature\nextendedKeyUsage = serverAuth, clientAuth\n\
    subjectAltName = ";

/// The folder of a cluster's keys, kept over restarts of its parts.
#[derive(Clone, Debug)]
pub(super) struct Keys {
    folder: PathBuf,
    /// One secret for all; who somebody is stands before it.
    secret: String,
}

impl Keys {
    /// Makes all of them; the API server is reached at `addresses`.
    ///
    /// # Panics
    /// When there is no `openssl`, or the folder cannot be written.
    pub(super) fn make(folder: &Path, addresses: &[String], nodes: usize) -> Keys {
        let keys = Keys { folder: folder.to_owned(), secret: format!("{:032x}", fastrand::u128(..)) };
        fs::create_dir_all(folder).expect("the cluster's folder can be written");
        let names = ["localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc"];
        let names = names.iter().map(|n| format!("DNS:{n}"));
        let names: Vec<_> = names.chain(addresses.iter().map(|a| format!("IP:{a}"))).collect();
        keys.write("openssl.cnf", &format!("{CONFIG}{}\n", names.join(",")));
        keys.certificate("ca", "authority", None);
        keys.certificate("server", "server", Some("ca"));
        let key = ["ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out"].map(str::to_owned);
        run("openssl", key.into_iter().chain([keys.path("accounts.key")])).unwrap_or_else(|e| panic!("{e}"));
        keys.write("tokens.csv", &keys.users(nodes));
        keys
    }

    fn certificate(&self, name: &str, extensions: &str, signer: Option<&str>) {
        let mut args: Vec<String> =
            ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"]
                .into_iter()
                .chain(["-nodes", "-days", "3650", "-extensions", extensions])
                .map(str::to_owned)
                .collect();
        args.extend([
            "-subj".to_owned(),
            format!("/CN=testbed-{name}"),
            "-config".to_owned(),
            self.path("openssl.cnf"),
        ]);
        for (flag, file) in [("-keyout", format!("{name}.key")), ("-out", format!("{name}.crt"))] {
            args.extend([flag.to_owned(), self.path(&file)]);
        }
        for (flag, ending) in [("-CA", "crt"), ("-CAkey", "key")] {
            args.extend(signer.iter().flat_map(|s| [flag.to_owned(), self.path(&format!("{s}.{ending}"))]));
        }
        run("openssl", args).unwrap_or_else(|e| panic!("{e}"));
    }

    /// Lines of the API server's token file: token, name, number, groups.
    fn users(&self, nodes: usize) -> String {
        let mut lines = format!("{},admin,1,system:masters\n", self.token("admin"));
        lines += &format!("{},system:kube-proxy,2,\n", self.token("proxy"));
        for node in 1..=nodes {
            let name = format!("node-{node}");
            lines += &format!("{},system:node:{name},{},system:nodes\n", self.token(&name), node + 2);
        }
        lines
    }

    /// The token of `admin` (who may do all), `proxy` or `node-N`.
    pub(super) fn token(&self, user: &str) -> String {
        format!("{user}-{}", self.secret)
    }

    /// A kubeconfig file for one of them: the API server under `url`.
    pub(super) fn kubeconfig(&self, file: &str, user: &str, url: &str) -> PathBuf {
        let text = json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "testbed",
            "clusters": [{"name": "testbed", "cluster": {"server": url, "certificate-authority": self.path("ca.crt")}}],
            "users": [{"name": user, "user": {"token": self.token(user)}}],
            "contexts": [{"name": "testbed", "context": {"cluster": "testbed", "user": user}}],
        });
        self.write(file, &format!("{text:#}\n"));
        self.folder.join(file)
    }

    /// Path of one of the files, for a command line.
    pub(super) fn path(&self, file: &str) -> String {
        self.folder.join(file).display().to_string()
    }

    fn write(&self, file: &str, text: &str) {
        fs::write(self.folder.join(file), text).expect("the cluster's folder can be written");
    }
}
