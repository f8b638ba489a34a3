//! `statusAddress`: where our Ingress objects are served is written into them, for people and for DNS controllers.
//!
//! Every replica of the proxy would write the same, and does so only where something else stands: whoever comes first has
//! written for all.

use super::{Classes, objects};
use crate::document as doc;
use kubernetes::{Cluster, Ingress, IngressClass, Selector};
use naming::{Live, State};
use serde_json::{Value, json};
use std::collections::HashSet;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;
use telemetry::Counter;

/// How long what could not be written waits until it is tried again.
const AGAIN: Duration = Duration::from_secs(30);

/// Keeps the status of the objects of one class.
pub(super) struct Keeper {
    class: String,
    address: String,
    cluster: Cluster,
    objects: Live<Arc<[Arc<Ingress>]>>,
    classes: Live<Classes>,
    writes: Counter,
    /// What was written, and to which version of the object.
    written: HashSet<(String, Box<str>)>,
}

impl Keeper {
    pub(super) fn new(
        settings: &doc::IngressIdentifier,
        address: &str,
        cluster: &Cluster,
        writes: Counter,
    ) -> Keeper {
        Keeper {
            class: settings.ingress_class_annotation.clone(),
            address: address.to_owned(),
            objects: objects(settings, cluster),
            classes: cluster.list::<IngressClass>(None, &Selector::all()),
            cluster: cluster.clone(),
            writes,
            written: HashSet::new(),
        }
    }

    pub(super) async fn run(mut self) {
        loop {
            if !self.write_all().await {
                tokio::time::sleep(AGAIN).await;
                continue;
            }
            tokio::select! {
                _ = self.objects.changed() => {}
                _ = self.classes.changed() => {}
            }
        }
    }

    /// Writes what is not there yet; false when the API did not let it.
    async fn write_all(&mut self) -> bool {
        let State::Ok(objects) = self.objects.get() else { return true };
        let classes = self.classes.get().ok().unwrap_or_default();
        // An object that has not changed since is one whose event is still on its way.
        let before = std::mem::take(&mut self.written);
        let mut all_written = true;
        for object in objects.iter().filter(|object| object.is_for(&self.class, &classes)) {
            if self.stands_in(object) {
                continue;
            }
            let key = (path(object), object.metadata.resource_version.clone());
            if before.contains(&key) || self.write(object, &key.0).await {
                self.written.insert(key);
            } else {
                all_written = false;
            }
        }
        all_written
    }

    fn stands_in(&self, object: &Ingress) -> bool {
        let [entrance] = &*object.status.load_balancer.ingress else { return false };
        let address = Some(self.address.as_str());
        entrance.ip.as_deref().or(entrance.hostname.as_deref()) == address
    }

    async fn write(&self, object: &Ingress, path: &str) -> bool {
        match self.cluster.api().patch(path, &status(&self.address)).await {
            Ok(()) => {
                self.writes.inc();
                true
            }
            Err(why) => {
                let (namespace, name) = (&object.metadata.namespace, &object.metadata.name);
                tracing::warn!("the status of Ingress {namespace}/{name} cannot be written: {why}");
                false
            }
        }
    }
}

fn path(object: &Ingress) -> String {
    let (namespace, name) = (&object.metadata.namespace, &object.metadata.name);
    format!("/apis/networking.k8s.io/v1/namespaces/{namespace}/ingresses/{name}/status")
}

fn status(address: &str) -> Value {
    let key = if address.parse::<IpAddr>().is_ok() { "ip" } else { "hostname" };
    json!({ "status": { "loadBalancer": { "ingress": [{ key: address }] } } })
}
