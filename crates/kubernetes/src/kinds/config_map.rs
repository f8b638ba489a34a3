//! ConfigMaps: dtabs may stand in them.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::meta::{Meta, or_default};

/// `v1` ConfigMap.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct ConfigMap {
    /// Name, namespace, labels.
    #[serde(deserialize_with = "or_default")]
    pub metadata: Meta,
    /// The texts by key; binary data is not read.
    #[serde(deserialize_with = "or_default")]
    pub data: BTreeMap<Box<str>, Box<str>>,
}

super::kind!(ConfigMap: "/api/v1", "configmaps");
