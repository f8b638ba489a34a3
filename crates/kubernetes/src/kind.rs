//! What a kind of object must say of itself to be watched.

use serde::de::DeserializeOwned;

/// A kind of API object, as a lean structure of our own: what is not kept costs no memory.
pub trait Kind: DeserializeOwned + PartialEq + Send + Sync + 'static {
    /// The path of its group and version, such as `/api/v1` or `/apis/discovery.k8s.io/v1`.
    const API: &'static str;
    /// Its collection, such as `endpoints`.
    const PLURAL: &'static str;
    /// Whether others can do without it: when the API says before the first answer that it has no such kind (404) or that
    /// we may not read it (403), the live value fails with that text. Of all other kinds it stays pending, and asking goes
    /// on in either case.
    const OPTIONAL: bool = false;

    /// `metadata.name`.
    fn name(&self) -> &str;
    /// `metadata.namespace`; empty where there is none.
    fn namespace(&self) -> &str;
    /// `metadata.resourceVersion`.
    fn version(&self) -> &str;

    /// The path of the collection, of one namespace or of all.
    fn collection(namespace: Option<&str>) -> String {
        match namespace {
            Some(namespace) => format!("{}/namespaces/{}/{}", Self::API, escaped(namespace), Self::PLURAL),
            None => format!("{}/{}", Self::API, Self::PLURAL),
        }
    }
}

/// Which objects of a collection are wanted, by their labels.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Selector(String);

impl Selector {
    /// All of them.
    #[must_use]
    pub fn all() -> Selector {
        Selector::default()
    }

    /// Those that a label selector as the API writes it agrees to, such as `app=web,tier!=cache`.
    pub fn labels(text: impl Into<String>) -> Selector {
        Selector(text.into())
    }

    /// As part of a query; empty for all.
    pub(crate) fn query(&self) -> String {
        if self.0.is_empty() { String::new() } else { format!("labelSelector={}", escaped(&self.0)) }
    }
}

/// Text as part of a path or query: everything that could mean something there is escaped.
pub(crate) fn escaped(text: &str) -> String {
    use std::fmt::Write;
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(byte.into());
        } else {
            write!(out, "%{byte:02X}").expect("a string takes everything");
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_leaves_its_part_of_the_path() {
        assert_eq!(escaped("a-b.c_1~"), "a-b.c_1~");
        assert_eq!(escaped("../x?y=z&/ü"), "..%2Fx%3Fy%3Dz%26%2F%C3%BC");
        assert_eq!(Selector::labels("a=b,c!=d").query(), "labelSelector=a%3Db%2Cc%21%3Dd");
        assert_eq!(Selector::all().query(), "");
    }
}
