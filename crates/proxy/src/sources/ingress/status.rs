//! `statusAddress`: where our Ingress objects are served is written into them, for people and for DNS controllers.
//!
//! Every replica of the proxy would write the same, and does so only where something else stands: whoever comes first has
//! written for all.

use super::{Classes, objects};
use crate::document as doc;
use kubernetes::{Cluster, Ingress, IngressClass, Selector};
use naming::{Live, State};
use serde_json::{Value, json};
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
        }
    }

    pub(super) async fn run(mut self) {
        loop {
            let all_written = self.write_all().await;
            let changed = async {
                tokio::select! {
                    _ = self.objects.changed() => {}
                    _ = self.classes.changed() => {}
                }
            };
            match all_written {
                true => changed.await,
                false => drop(tokio::time::timeout(AGAIN, changed).await),
            }
        }
    }

    /// Writes what is not there yet; false when the API did not let it.
    async fn write_all(&self) -> bool {
        let State::Ok(objects) = self.objects.get() else { return true };
        let classes = self.classes.get().ok().unwrap_or_default();
        let mut all_written = true;
        for object in objects.iter().filter(|object| object.is_for(&self.class, &classes)) {
            if !self.stands_in(object) {
                all_written &= self.write(object).await;
            }
        }
        all_written
    }

    fn stands_in(&self, object: &Ingress) -> bool {
        let [entrance] = &*object.status.load_balancer.ingress else { return false };
        let address = Some(self.address.as_str());
        entrance.ip.as_deref().or(entrance.hostname.as_deref()) == address
    }

    async fn write(&self, object: &Ingress) -> bool {
        let (namespace, name) = (&object.metadata.namespace, &object.metadata.name);
        let path = format!("/apis/networking.k8s.io/v1/namespaces/{namespace}/ingresses/{name}/status");
        match self.cluster.api().patch(&path, &status(&self.address)).await {
            Ok(()) => {
                self.writes.inc();
                true
            }
            Err(why) => {
                tracing::warn!("the status of Ingress {namespace}/{name} cannot be written: {why}");
                false
            }
        }
    }
}

fn status(address: &str) -> Value {
    let key = if address.parse::<IpAddr>().is_ok() { "ip" } else { "hostname" };
    json!({ "status": { "loadBalancer": { "ingress": [{ key: address }] } } })
}
