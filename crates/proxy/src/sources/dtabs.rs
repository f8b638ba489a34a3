//! Dtabs that interpreters bring along: where they come from, and what is told of them.

use super::{Parts, Sources};
use crate::document as doc;
use discovery::DtabFile;
use kubernetes::{Access, ConfigMapDtab, DtabKey};
use names::Dtab;
use naming::{Live, State, json_text};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The dtab of an interpreter.
#[derive(Debug)]
pub(crate) struct DtabSource {
    pub(crate) live: Live<Dtab>,
    from: Origin,
    follower: Follower,
}

/// Where it stands.
#[derive(Debug, PartialEq)]
enum Origin {
    File(PathBuf),
    /// A ConfigMap of this API.
    ConfigMap(Access, DtabKey),
}

/// Who follows it, for as long as it is held.
#[derive(Debug)]
enum Follower {
    File(#[expect(dead_code, reason = "it follows the file for as long as it is there")] DtabFile),
    ConfigMap(ConfigMapDtab),
}

impl DtabSource {
    /// The dtab of an interpreter, if it has one of its own; that of a router in `before`, if it is the same.
    pub(super) fn of(
        from: &doc::Interpreter,
        before: Option<&Sources>,
        parts: &Parts<'_>,
    ) -> Option<Arc<DtabSource>> {
        let origin = match from {
            doc::Interpreter::Default(_) => return None,
            doc::Interpreter::Fs(fs) => Origin::File(fs.dtab_file.to_path_buf()),
            doc::Interpreter::ConfigMap(map) => {
                let (namespace, name) = (map.namespace.clone(), map.name.clone());
                let key = DtabKey { namespace, name, key: map.filename.clone() };
                Origin::ConfigMap(map.api.access(), key)
            }
        };
        let mut followed =
            before.into_iter().flat_map(|sources| &sources.routers).filter_map(|r| r.dtab.as_ref());
        if let Some(followed) = followed.find(|dtab| dtab.from == origin) {
            return Some(followed.clone());
        }
        let (live, follower) = match &origin {
            Origin::File(path) => {
                let file = DtabFile::new(path.clone(), parts.control);
                (file.live(), Follower::File(file))
            }
            Origin::ConfigMap(access, key) => {
                let cluster = parts.clusters.of(access);
                let scope =
                    parts.metrics.scope(&["interpreter", "io.l5d.k8s.configMap", &key.namespace, &key.name]);
                let map = ConfigMapDtab::new(&cluster, key.clone(), parts.control, &scope);
                (map.live(), Follower::ConfigMap(map))
            }
        };
        Some(Arc::new(DtabSource { live, from: origin, follower }))
    }

    /// The file it stands in.
    pub(crate) fn file(&self) -> Option<&Path> {
        match &self.from {
            Origin::File(path) => Some(path),
            Origin::ConfigMap(..) => None,
        }
    }

    /// The name of its state below `/<router>/interpreter_state/` (observability.md §6.3).
    pub(crate) fn state_name(&self) -> &'static str {
        match self.follower {
            Follower::File(_) => "io.l5d.fs",
            Follower::ConfigMap(_) => "io.l5d.k8s.configmap",
        }
    }

    /// What is told there.
    pub(crate) fn state_json(&self) -> String {
        if let Follower::ConfigMap(map) = &self.follower {
            return map.state_json();
        }
        let state = match self.live.get() {
            State::Pending => "\"value\":null".to_owned(),
            State::Ok(dtab) => format!("\"value\":{}", json_text(&dtab.to_string())),
            State::Failed(error) => format!("\"error\":{}", json_text(&error)),
        };
        let path = json_text(&self.file().map(|path| path.display().to_string()).unwrap_or_default());
        format!("{{\"state\":{{{state}}},\"watch\":{{\"request\":{path}}}}}")
    }
}
