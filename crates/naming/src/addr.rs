//! Addresses of a replica set: what a bound name stands for at this moment.

use std::net::SocketAddr;
use std::sync::Arc;

/// Facts about an address or a set by key (routing.md §2.1: `authority`, `nodeName`, ...). Empty ones cost nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Meta(Option<Arc<[Fact]>>);

/// A key and its value.
type Fact = (Arc<str>, Arc<str>);

/// Facts about a whole set, such as `authority`.
pub type AddrMeta = Meta;

impl Meta {
    /// The facts given; a later pair with the same key wins.
    pub fn new<K: Into<Arc<str>>, V: Into<Arc<str>>>(pairs: impl IntoIterator<Item = (K, V)>) -> Meta {
        let mut all: Vec<Fact> = Vec::new();
        for (key, value) in pairs {
            let (key, value) = (key.into(), value.into());
            match all.binary_search_by(|(k, _)| k.cmp(&key)) {
                Ok(at) => all[at].1 = value,
                Err(at) => all.insert(at, (key, value)),
            }
        }
        Meta((!all.is_empty()).then(|| all.into()))
    }

    /// The fact under `key`.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Arc<str>> {
        self.iter().find(|(k, _)| k.as_ref() == key).map(|(_, v)| v)
    }

    /// All facts, by key.
    pub fn iter(&self) -> impl Iterator<Item = (&Arc<str>, &Arc<str>)> {
        self.0.iter().flat_map(|all| all.iter().map(|(k, v)| (k, v)))
    }
}

/// One replica.
#[derive(Clone, Debug, PartialEq)]
pub struct Address {
    /// Where it listens.
    pub socket: SocketAddr,
    /// Its share of the load relative to the others; 1.0 unless the namer says otherwise (`endpoint_addr_weight`).
    pub weight: f64,
    /// Whether the namer said so, were it 1.0: what is said is shown.
    pub weighed: bool,
    /// What else the namer knows of it.
    pub meta: Meta,
}

impl Address {
    /// A replica of weight 1.
    #[must_use]
    pub fn new(socket: SocketAddr) -> Address {
        Address { socket, weight: 1.0, weighed: false, meta: Meta::default() }
    }

    /// The same replica with the weight its namer gives it.
    #[must_use]
    pub fn weighing(self, weight: f64) -> Address {
        Address { weight, weighed: true, ..self }
    }
}

/// The replicas of a bound name: a set, so kept in order and without duplicates.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct AddrSet {
    /// Sorted by socket, then weight, then meta; no two equal.
    pub addresses: Vec<Address>,
    /// What the namer knows of the set as a whole.
    pub meta: AddrMeta,
}

impl AddrSet {
    /// The set of `addresses`.
    #[must_use]
    pub fn new(mut addresses: Vec<Address>, meta: AddrMeta) -> AddrSet {
        addresses.sort_by(|a, b| {
            a.socket
                .cmp(&b.socket)
                .then_with(|| a.weight.total_cmp(&b.weight))
                .then_with(|| a.meta.cmp(&b.meta))
                .then_with(|| b.weighed.cmp(&a.weighed))
        });
        // A weight that is said and the same one left unsaid are one replica: requests cannot tell them apart.
        addresses.dedup_by(|b, a| *b == Address { weighed: b.weighed, ..a.clone() });
        AddrSet { addresses, meta }
    }
}

/// The state of a replica set (routing.md §0).
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Addr {
    /// Not known yet.
    #[default]
    Pending,
    /// There is no such replica set.
    Neg,
    /// Why its addresses are not known.
    Failed(Arc<str>),
    /// Its replicas, possibly none.
    Bound(Arc<AddrSet>),
}

impl Addr {
    /// The set of these replicas.
    #[must_use]
    pub fn bound(addresses: Vec<Address>) -> Addr {
        Addr::Bound(Arc::new(AddrSet::new(addresses, Meta::default())))
    }

    /// A failure with its text.
    pub fn failed(text: impl Into<Arc<str>>) -> Addr {
        Addr::Failed(text.into())
    }

    /// True until something is known.
    #[must_use]
    pub const fn is_pending(&self) -> bool {
        matches!(self, Addr::Pending)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(port: u16) -> Address {
        Address::new(SocketAddr::from(([127, 0, 0, 1], port)))
    }

    #[test]
    fn a_set_has_no_order_and_no_duplicates() {
        let a = AddrSet::new(vec![at(2), at(1), at(2)], Meta::default());
        let b = AddrSet::new(vec![at(1), at(2)], Meta::default());
        assert_eq!(a, b);
        assert_eq!(a.addresses.len(), 2);
        let weighted = AddrSet::new(vec![at(1), at(1).weighing(0.5)], Meta::default());
        assert_eq!(weighted.addresses.len(), 2, "another weight is another address");
        let said = AddrSet::new(vec![at(1), at(1).weighing(1.0)], Meta::default());
        assert_eq!(said.addresses, [at(1).weighing(1.0)], "the same weight is not");
    }

    #[test]
    fn facts_are_found_by_key_and_the_last_wins() {
        let meta = Meta::new([("authority", "a"), ("nodeName", "n"), ("authority", "b")]);
        assert_eq!(meta.get("authority").map(|v| &**v), Some("b"));
        assert_eq!(meta.get("nodeName").map(|v| &**v), Some("n"));
        assert_eq!(meta.get("x"), None);
        assert_eq!(Meta::new(Vec::<(&str, &str)>::new()), Meta::default());
    }
}
