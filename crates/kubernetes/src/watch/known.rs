//! What a watch knows: a pure function of the last list and the events since.

use std::sync::Arc;

use hashbrown::HashMap;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};

use super::event::Event;
use crate::kind::Kind;

/// The answer to a list. Every API says of which version it is, and that there are items, were it `null` of them: what does
/// not, such as `{}` of something between us and the API, is no list, and not an empty one either.
#[derive(Deserialize)]
#[serde(bound = "K: Kind")]
pub(super) struct List<K> {
    metadata: ListMeta,
    #[serde(deserialize_with = "or_none")]
    items: Vec<K>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ListMeta {
    #[serde(deserialize_with = "some_version")]
    resource_version: Box<str>,
}

fn some_version<'de, D: Deserializer<'de>>(from: D) -> Result<Box<str>, D::Error> {
    let version = Box::<str>::deserialize(from)?;
    if version.is_empty() { Err(D::Error::custom("a list of no version")) } else { Ok(version) }
}

fn or_none<'de, D: Deserializer<'de>, K: Kind>(from: D) -> Result<Vec<K>, D::Error> {
    Option::deserialize(from).map(Option::unwrap_or_default)
}

/// The objects of a collection.
#[derive(Debug)]
pub(super) struct Known<K> {
    /// In the order of the first list; what was added or changed since comes last.
    items: Vec<Arc<K>>,
    /// From where a watch goes on.
    version: Box<str>,
    /// The highest version seen since the last list.
    highest: u64,
}

impl<K> Default for Known<K> {
    fn default() -> Self {
        Known { items: Vec::new(), version: Box::default(), highest: 0 }
    }
}

/// Versions are opaque by contract and numbers in fact; what is no number is never older.
fn number(version: &str) -> Option<u64> {
    version.parse().ok()
}

impl<K: Kind> Known<K> {
    pub(super) fn items(&self) -> &[Arc<K>] {
        &self.items
    }

    /// From where a watch goes on.
    pub(super) fn version(&self) -> &str {
        &self.version
    }

    /// Takes a list for the truth. What has not changed keeps its place, so that a list that says nothing new changes
    /// nothing.
    pub(super) fn list(&mut self, list: List<K>) {
        self.version = list.metadata.resource_version;
        self.highest = number(&self.version).unwrap_or_default();
        let mut new: Vec<Option<K>> = list.items.into_iter().map(Some).collect();
        let places = new.iter().flatten().enumerate();
        let places: HashMap<(Box<str>, Box<str>), usize> =
            places.map(|(at, item)| ((item.namespace().into(), item.name().into()), at)).collect();
        self.items.retain(|old| {
            let at = places.get(&(old.namespace().into(), old.name().into()));
            let same = at.filter(|&&at| new[at].as_ref() == Some(&**old));
            same.is_some_and(|&at| new[at].take().is_some())
        });
        self.items.extend(new.into_iter().flatten().map(Arc::new));
    }

    /// Takes an event in; false when it is older than what is known, and ignored.
    pub(super) fn apply(&mut self, event: Event<K>) -> bool {
        let version: Box<str> = match &event {
            Event::Put(item) | Event::Gone(item) => item.version().into(),
            Event::Bookmark(version) => version.clone(),
            Event::Error(..) => return false,
        };
        if let Some(number) = number(&version) {
            if number < self.highest {
                return false;
            }
            self.highest = number;
        }
        if !version.is_empty() {
            self.version = version;
        }
        let (item, stays) = match event {
            Event::Put(item) => (item, true),
            Event::Gone(item) => (item, false),
            Event::Bookmark(_) | Event::Error(..) => return true,
        };
        self.items.retain(|old| old.name() != item.name() || old.namespace() != item.namespace());
        if stays {
            self.items.push(Arc::new(item));
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kinds::ConfigMap;

    fn map(text: &str) -> ConfigMap {
        let (name, version) = text.split_once('@').unwrap();
        serde_json::from_value(serde_json::json!({"metadata": {"name": name, "resourceVersion": version}}))
            .unwrap()
    }

    fn list(version: &str, items: &[&str]) -> List<ConfigMap> {
        let metadata = ListMeta { resource_version: version.into() };
        List { metadata, items: items.iter().map(|text| map(text)).collect() }
    }

    fn shown(known: &Known<ConfigMap>) -> String {
        let all: Vec<String> = known
            .items()
            .iter()
            .map(|map| format!("{}@{}", map.metadata.name, map.metadata.resource_version))
            .collect();
        format!("{} | {}", known.version(), all.join(" "))
    }

    #[test]
    fn changed_ones_come_last() {
        let mut known = Known::default();
        known.list(list("10", &["a@1", "b@2", "c@3"]));
        assert!(known.apply(Event::Put(map("a@11"))));
        assert!(known.apply(Event::Put(map("d@12"))));
        assert!(known.apply(Event::Gone(map("b@13"))));
        assert_eq!(shown(&known), "13 | c@3 a@11 d@12");
        assert!(known.apply(Event::Bookmark("20".into())));
        assert_eq!(known.version(), "20");
    }

    #[test]
    fn a_list_with_nothing_new_changes_nothing() {
        let mut known = Known::default();
        known.list(list("10", &["a@1", "b@2"]));
        known.apply(Event::Put(map("a@11")));
        known.list(list("30", &["a@11", "b@2"]));
        assert_eq!(shown(&known), "30 | b@2 a@11");
        known.list(list("40", &["a@11", "aa@35", "b@38"]));
        assert_eq!(shown(&known), "40 | a@11 aa@35 b@38");
        known.list(list("50", &[]));
        assert_eq!(shown(&known), "50 | ");
    }

    #[test]
    fn what_is_older_is_ignored_and_what_is_as_old_is_not() {
        let mut known = Known::default();
        known.list(list("10", &["a@5"]));
        assert!(known.apply(Event::Put(map("a@15"))));
        assert!(!known.apply(Event::Put(map("a@14"))));
        assert!(!known.apply(Event::Gone(map("a@9"))));
        assert!(known.apply(Event::Put(map("b@15"))));
        assert_eq!(shown(&known), "15 | a@15 b@15");
        // A list is the truth, were it of a past that was restored.
        known.list(list("7", &["a@5"]));
        assert_eq!(shown(&known), "7 | a@5");
        assert!(known.apply(Event::Put(map("a@odd"))), "what is no number is never older");
    }

    #[test]
    fn what_is_no_list_is_not_an_empty_one() {
        for text in [
            "{}",
            "[]",
            "null",
            r#"{"items":[]}"#,
            r#"{"metadata":{},"items":[]}"#,
            r#"{"metadata":{"resourceVersion":""},"items":[]}"#,
            r#"{"metadata":{"resourceVersion":"4"}}"#,
            r#"{"kind":"Status","metadata":{},"status":"Failure","code":500}"#,
        ] {
            assert!(serde_json::from_str::<List<ConfigMap>>(text).is_err(), "{text}");
        }
    }

    #[test]
    fn lists_without_items() {
        let read: List<ConfigMap> =
            serde_json::from_str(r#"{"metadata":{"resourceVersion":"4"},"items":null}"#).unwrap();
        let mut known = Known::default();
        known.list(read);
        assert_eq!(shown(&known), "4 | ");
    }
}
