//! The namers under `/$/`, which need no configuration (routing.md §2.2).

mod utility;

use std::net::IpAddr;
use std::sync::Arc;

use hashbrown::HashMap;
use names::{NameTree, Path};
use parking_lot::Mutex;

use crate::addr::Addr;
use crate::inet;
use crate::live::State;
use crate::namer::{BoundName, Named, Reader, Resolver};

/// How many host names `/$/fixedinet` remembers.
const FIXED_NAMES: usize = 16_000;

/// All namers under `/$/`.
pub(crate) struct Global {
    resolver: Arc<dyn Resolver>,
    fixed: Fixed,
}

impl Global {
    pub(crate) fn new(resolver: Arc<dyn Resolver>) -> Global {
        let fixed = Fixed { resolver: Arc::clone(&resolver), known: Mutex::default() };
        Global { resolver, fixed }
    }

    pub(crate) fn bind(&self, path: &Path, _: &mut dyn Reader) -> State<NameTree<Named>> {
        let mut elems = path.elems();
        let (Some(b"$"), Some(name)) = (elems.next(), elems.next()) else {
            return State::Ok(NameTree::Neg);
        };
        let tree = match name {
            b"nil" => NameTree::Empty,
            b"fail" => NameTree::Fail,
            b"inet" | b"fixedinet" => match inet_form(path) {
                Some(len) => leaf(path, len),
                None => return unknown(name, path),
            },
            b"io.buoyant.rinet" if path.len() >= 4 => leaf(path, 4),
            b"io.buoyant.rinet" => NameTree::Neg,
            STATUS => return status(path),
            b"io.buoyant.namer.zk.leader" => return not_built(name),
            _ => match utility::rewrite(name, elems) {
                utility::Rewrite::To(path) => NameTree::Leaf(Named::Path(path)),
                utility::Rewrite::NoMatch => NameTree::Neg,
                utility::Rewrite::UnknownName => return unknown(name, path),
            },
        };
        State::Ok(tree)
    }

    pub(crate) fn addresses(&self, id: &Path, reader: &mut dyn Reader) -> Addr {
        let mut elems = id.elems();
        let (Some(b"$"), Some(name), Some(a)) = (elems.next(), elems.next(), elems.next()) else {
            return Addr::Neg;
        };
        match (name, elems.next()) {
            // Nobody is behind it: the router itself answers.
            (STATUS, _) if fixed_status(id).is_some() => Addr::bound(Vec::new()),
            (b"inet", b) => inet_addresses(a, b, &*self.resolver, reader),
            (b"fixedinet", b) => inet_addresses(a, b, &self.fixed, reader),
            (b"io.buoyant.rinet", Some(host)) => match integer(a) {
                Some(port) => inet::addresses(host, port, &*self.resolver, reader),
                None => Addr::failed(format!("For input string: \"{}\"", String::from_utf8_lossy(a))),
            },
            _ => Addr::Neg,
        }
    }
}

/// How many elements of an inet path name its address: host and port first, else a port alone.
fn inet_form(path: &Path) -> Option<usize> {
    if path.get(3).and_then(integer).is_some() { Some(4) } else { path.get(2).and_then(integer).map(|_| 3) }
}

fn inet_addresses(a: &[u8], b: Option<&[u8]>, resolver: &dyn Resolver, reader: &mut dyn Reader) -> Addr {
    let (host, port) = match b {
        Some(port) => (a, port),
        None => (b"".as_slice(), a),
    };
    integer(port).map_or(Addr::Neg, |port| inet::addresses(host, port, resolver, reader))
}

/// A number as the JVM's `Integer.parseInt` reads it.
fn integer(elem: &[u8]) -> Option<i32> {
    std::str::from_utf8(elem).ok()?.parse().ok()
}

fn leaf(path: &Path, len: usize) -> NameTree<Named> {
    NameTree::Leaf(Named::Bound(BoundName { id: path.take(len), residual: path.skip(len) }))
}

/// The namer whose names are statuses.
const STATUS: &[u8] = b"io.buoyant.http.status";

/// Statuses that can be the answer to a request; a caller would go on waiting after one below.
const STATUSES: std::ops::RangeInclusive<u16> = 200..=599;

/// The status that `id` stands for, if it is one of `/$/io.buoyant.http.status/<code>`, be it behind transformers
/// (routing.md §2.2): requests bound to it are to be answered with that.
#[must_use]
pub fn fixed_status(id: &Path) -> Option<u16> {
    let last = id.skip(id.len().checked_sub(3)?);
    let mut elems = last.elems();
    let (Some(b"$"), Some(STATUS), Some(code)) = (elems.next(), elems.next(), elems.next()) else {
        return None;
    };
    integer(code).and_then(|code| u16::try_from(code).ok()).filter(|code| STATUSES.contains(code))
}

fn status(path: &Path) -> State<NameTree<Named>> {
    match path.get(2).and_then(integer) {
        Some(100..200) => {
            State::failed(format!("{}: no request is answered by a status below 200", path.take(3)))
        }
        Some(_) if fixed_status(&path.take(3)).is_some() => State::Ok(leaf(path, 3)),
        _ => State::Ok(NameTree::Neg),
    }
}

fn unknown(name: &[u8], path: &Path) -> State<NameTree<Named>> {
    State::failed(format!("Unknown namer: {} for path: {path}", names::show_elem(name)))
}

fn not_built(name: &[u8]) -> State<NameTree<Named>> {
    State::failed(format!("/$/{} is not built yet", names::show_elem(name)))
}

/// `/$/fixedinet`: remembers the first answer and asks no more, so the watch behind the name closes.
struct Fixed {
    resolver: Arc<dyn Resolver>,
    known: Mutex<HashMap<Box<str>, Arc<[IpAddr]>>>,
}

impl Resolver for Fixed {
    fn resolve(&self, host: &str, reader: &mut dyn Reader) -> State<Arc<[IpAddr]>> {
        if let Some(ips) = self.known.lock().get(host) {
            return State::Ok(Arc::clone(ips));
        }
        let answer = self.resolver.resolve(host, reader);
        if let State::Ok(ips) = &answer
            && !ips.is_empty()
        {
            let mut known = self.known.lock();
            if known.len() >= FIXED_NAMES {
                known.clear();
            }
            known.insert(host.into(), Arc::clone(ips));
        }
        answer
    }
}

#[cfg(test)]
mod tests;
