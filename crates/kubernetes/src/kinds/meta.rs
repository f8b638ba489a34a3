//! What every object says of itself.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer};

/// `metadata`, without what nobody needs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Meta {
    /// The name in its namespace.
    pub name: Box<str>,
    /// The namespace; empty where there is none.
    pub namespace: Box<str>,
    /// The state of the API in which the object got to be as it is.
    pub resource_version: Box<str>,
    /// Its labels.
    #[serde(deserialize_with = "or_default")]
    pub labels: BTreeMap<Box<str>, Box<str>>,
}

/// The API writes `null` where others write nothing.
pub(super) fn or_default<'de, D: Deserializer<'de>, T: Default + Deserialize<'de>>(
    from: D,
) -> Result<T, D::Error> {
    Option::deserialize(from).map(Option::unwrap_or_default)
}
