//! The configuration the demo runs on: an ordinary Linkerd 1.x file, written to disk so that it can be read and tried.

use super::ports::Ports;
use std::path::Path;

/// The text of the file. `file` is where it will be, `disco` the directory of the discovery files.
pub(crate) fn text(ports: Ports, file: &Path, disco: &Path) -> String {
    let Ports { outgoing, incoming, admin, .. } = ports;
    let file = file.display();
    let disco = yaml_string(&disco.to_string_lossy());
    format!(
        "\
# Written by `wayleave demo`. An ordinary Linkerd 1.x configuration: it also runs with
#   wayleave proxy {file}
admin:
  ip: 127.0.0.1
  port: {admin}
  shutdownGraceMs: 2000

telemetry:
- kind: io.l5d.prometheus

# Discovery: each file of the directory is a service, each of its lines an instance.
namers:
- kind: io.l5d.fs
  rootDir: {disco}

routers:
# Where applications send their requests: it passes everything to the proxy beside the instances.
# On one machine that is the same proxy.
- protocol: http
  label: outgoing
  servers:
  - ip: 127.0.0.1
    port: {outgoing}
  dtab: |
    /svc => /$/inet/127.0.0.1/{incoming} ;

# Where proxies send requests for the instances here. Its dtab reads from the bottom up:
# a request with `Host: world` is /svc/world, then /host/world, then /srv/world-v1, then a file's instances.
- protocol: http
  label: incoming
  servers:
  - ip: 127.0.0.1
    port: {incoming}
  dtab: |
    /srv        => /#/io.l5d.fs ;
    /host       => /srv ;
    /host/world => /srv/world-v1 ;
    /svc        => /host ;
  service:
    # A GET that failed is sent again, within a budget.
    responseClassifier:
      kind: io.l5d.http.retryableRead5XX
  client:
    # After five failures in a row an instance rests; one request tries it again after a second.
    failureAccrual:
      kind: io.l5d.consecutiveFailures
      failures: 5
      backoff:
        kind: constant
        ms: 1000
"
    )
}

/// Any text as a YAML string.
fn yaml_string(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proxy::document::{self, Router};

    #[test]
    fn it_is_a_linkerd_configuration() {
        let folder = tempfile::Builder::new().prefix("it's a: #folder").tempdir().unwrap();
        let ports = Ports { outgoing: 1, incoming: 2, admin: 3, control: 4 };
        let file = folder.path().join("linkerd.yaml");
        let text = text(ports, &file, folder.path());
        let document = document::load("linkerd.yaml", text.as_bytes()).unwrap();
        assert!(document.warnings.is_empty(), "{}", document.warnings);
        assert_eq!(document.admin.port, 3);
        let document::Namer::Fs(fs) = &document.namers[0] else { panic!("another namer") };
        assert_eq!(fs.root_dir.to_path_buf(), folder.path());
        let routers: Vec<_> = document.routers.iter().map(|r| (r.label(), port(r))).collect();
        assert_eq!(routers, [("outgoing", 1), ("incoming", 2)]);
    }

    fn port(router: &Router) -> u16 {
        let Router::Http(router) = router;
        router.servers[0].port.value
    }
}
