//! A dtab in a ConfigMap, followed for as long as somebody holds it: the interpreter `io.l5d.k8s.configMap` (routing.md §6).
//!
//! A text that is no dtab changes nothing: the last good one stays in force, and log, metrics and state say what is wrong
//! with the new one until it is mended.

use std::sync::Arc;

use names::Dtab;
use naming::{Live, Publisher, Source, State, json_text};
use parking_lot::Mutex;
use telemetry::{Counter, Scope};
use tokio::runtime::Handle;
use tokio::task::AbortHandle;
use tokio::time::Instant;

use crate::bell::Bell;
use crate::{Cluster, ConfigMap};

/// The ConfigMap's dtab. Its task ends when it is dropped.
#[derive(Debug)]
pub struct ConfigMapDtab {
    live: Live<Dtab>,
    path: String,
    cluster: Cluster,
    /// What is wrong with the text there is.
    fault: Arc<Mutex<Option<String>>>,
    task: AbortHandle,
}

/// Which text of which ConfigMap.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DtabKey {
    /// The namespace.
    pub namespace: String,
    /// The ConfigMap.
    pub name: String,
    /// The key in its `data`.
    pub key: String,
}

struct Follower {
    of: DtabKey,
    maps: Live<Option<Arc<ConfigMap>>>,
    publisher: Publisher<Dtab>,
    fault: Arc<Mutex<Option<String>>>,
    faulty: Counter,
}

impl ConfigMapDtab {
    /// Follows the text; the dtab is pending until the API has answered. Counts texts that are no dtab in `scope` as
    /// `bad_dtabs`. The task runs on `handle`, the control runtime.
    #[must_use]
    pub fn new(cluster: &Cluster, of: DtabKey, handle: &Handle, scope: &Scope) -> ConfigMapDtab {
        let publisher = Publisher::default();
        let live = publisher.live();
        let fault = Arc::new(Mutex::new(None));
        let path = format!("/api/v1/namespaces/{}/configmaps/{}", of.namespace, of.name);
        let follower = Follower {
            maps: cluster.object(&of.namespace, &of.name),
            of,
            publisher,
            fault: Arc::clone(&fault),
            faulty: scope.counter("bad_dtabs"),
        };
        let task = handle.spawn(follower.run()).abort_handle();
        ConfigMapDtab { live, path, cluster: cluster.clone(), fault, task }
    }

    /// The dtab: empty while there is no such ConfigMap or key.
    #[must_use]
    pub fn live(&self) -> Live<Dtab> {
        self.live.clone()
    }

    /// What `/interpreter_state` tells: the dtab in force, what is wrong with the text there is, and how the watch is doing.
    #[must_use]
    pub fn state_json(&self) -> String {
        let value = match self.live.get() {
            State::Ok(dtab) => json_text(&dtab.to_string()),
            State::Pending | State::Failed(_) => "null".to_owned(),
        };
        let fault = self
            .fault
            .lock()
            .as_deref()
            .map_or(String::new(), |fault| format!(",\"error\":{}", json_text(fault)));
        let request = json_text(&self.path);
        let api = json_text(&self.cluster.api().access().to_string());
        format!(
            "{{\"state\":{{\"value\":{value}{fault}}},\"watch\":{{\"request\":{request},\"api\":{api}}}}}"
        )
    }
}

impl Drop for ConfigMapDtab {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Follower {
    async fn run(self) {
        let bell = Arc::new(Bell::default());
        let _subscription = self.maps.subscribe(bell.clone());
        let mut last: Option<Option<Box<str>>> = None;
        loop {
            // Taken before anything is read: what changes from here on rings once more.
            let heard = bell.take().unwrap_or_else(Instant::now);
            if let State::Ok(map) = self.maps.get() {
                let text = map.as_ref().and_then(|map| map.data.get(self.of.key.as_str()).cloned());
                if last.as_ref() != Some(&text) {
                    self.take(text.as_deref(), last.is_some(), heard);
                    last = Some(text);
                }
            }
            match self.maps.is_sound() {
                _ if last.is_none() => {}
                true => self.publisher.set(self.publisher.get()),
                false => self.publisher.doubt(),
            }
            bell.rung().await;
        }
    }

    /// A text is there, or none any more, of which word came at `heard`. `again` when it is not the first.
    fn take(&self, text: Option<&str>, again: bool, heard: Instant) {
        let DtabKey { namespace, name, key } = &self.of;
        let dtab = match text.map_or_else(|| Ok(Dtab::empty()), |text| Dtab::parse(text.as_bytes())) {
            Ok(dtab) => dtab,
            Err(error) => {
                self.faulty.inc();
                let text = error.to_string();
                let stays = "what was in force before stays";
                tracing::warn!("ConfigMap {namespace}/{name}, {key}: {}; {stays}", text.replace('\n', "\\n"));
                *self.fault.lock() = Some(text);
                let before = self.publisher.get().ok().unwrap_or_else(Dtab::empty);
                return self.publisher.set(State::Ok(before));
            }
        };
        *self.fault.lock() = None;
        if text.is_none() {
            tracing::warn!("ConfigMap {namespace}/{name} has no {key}: its dtab is empty");
        } else if again {
            let entries = dtab.len();
            tracing::info!("ConfigMap {namespace}/{name}, {key}: a dtab of {entries} entries takes effect");
        }
        self.publisher.set_heard(State::Ok(dtab), heard);
    }
}

#[cfg(test)]
mod tests;
