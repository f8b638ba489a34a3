//! Delegation trees and addresses as the admin server shows them (routing.md §8). Keys come in this order, absent ones
//! are left out; nothing has a blank.

use std::fmt::Write as _;
use std::net::IpAddr;

use crate::addr::{Addr, Address, Meta};
use crate::delegation::{Delegation, Kind};
use crate::namer::BoundName;

impl Delegation {
    /// The tree as JSON.
    #[must_use]
    pub fn to_json(&self) -> String {
        let mut out = String::new();
        node(&mut out, self);
        out
    }
}

/// The state of a replica set as JSON, `{"type":"neg"}` for example.
#[must_use]
pub fn json_of_addr(of: &Addr) -> String {
    let mut out = String::new();
    addr(&mut out, of);
    out
}

/// A text as a JSON string, quotes included.
#[must_use]
pub fn json_text(of: &str) -> String {
    let mut out = String::with_capacity(of.len() + 2);
    text(&mut out, of);
    out
}

fn node(out: &mut String, tree: &Delegation) {
    let kind = match &tree.kind {
        Kind::Empty => "empty",
        Kind::Fail { .. } => "fail",
        Kind::Neg { .. } => "neg",
        Kind::Pending => "pending",
        Kind::Exception { .. } => "exception",
        Kind::Delegate(_) => "delegate",
        Kind::Leaf { .. } => "leaf",
        Kind::Alt(_) => "alt",
        Kind::Union(_) => "union",
        Kind::Transformation { .. } => "transformation",
    };
    let path = match &tree.kind {
        Kind::Neg { literal: true } => "~".to_owned(),
        Kind::Fail { literal: true } => "!".to_owned(),
        _ => tree.path.to_string(),
    };
    write!(out, "{{\"type\":\"{kind}\",\"path\":").expect("writing to a string");
    text(out, &path);
    if let Some(entry) = &tree.entry {
        out.push_str(",\"dentry\":{\"prefix\":");
        text(out, &entry.dentry().prefix.to_string());
        out.push_str(",\"dst\":");
        text(out, &entry.dentry().dst.to_string());
        out.push('}');
    }
    match &tree.kind {
        Kind::Empty | Kind::Fail { .. } | Kind::Neg { .. } | Kind::Pending => {}
        Kind::Exception { message, .. } => {
            out.push_str(",\"message\":");
            text(out, message);
        }
        Kind::Delegate(tree) => {
            out.push_str(",\"delegate\":");
            node(out, tree);
        }
        Kind::Leaf { bound, addr } => {
            out.push_str(",\"bound\":");
            bound_name(out, bound, addr);
        }
        Kind::Alt(trees) => {
            out.push_str(",\"alt\":");
            list(out, trees, node);
        }
        Kind::Union(branches) => {
            out.push_str(",\"union\":");
            list(out, branches, |out, (weight, tree)| {
                write!(out, "{{\"weight\":{weight:?},\"tree\":").expect("writing to a string");
                node(out, tree);
                out.push('}');
            });
        }
        Kind::Transformation { name, bound, addr, tree } => {
            out.push_str(",\"name\":");
            text(out, name);
            out.push_str(",\"bound\":");
            bound_name(out, bound, addr);
            out.push_str(",\"tree\":");
            node(out, tree);
        }
    }
    out.push('}');
}

fn bound_name(out: &mut String, bound: &BoundName, of: &Addr) {
    out.push_str("{\"addr\":");
    addr(out, of);
    out.push_str(",\"id\":");
    text(out, &bound.id.to_string());
    out.push_str(",\"path\":");
    text(out, &bound.residual.to_string());
    out.push('}');
}

fn addr(out: &mut String, addr: &Addr) {
    match addr {
        Addr::Pending => out.push_str("{\"type\":\"pending\"}"),
        Addr::Neg => out.push_str("{\"type\":\"neg\"}"),
        Addr::Failed(cause) => {
            out.push_str("{\"type\":\"failed\",\"cause\":");
            text(out, cause);
            out.push('}');
        }
        Addr::Bound(set) => {
            out.push_str("{\"type\":\"bound\",\"addrs\":");
            list(out, &set.addresses, address);
            out.push_str(",\"meta\":");
            meta(out, None, &set.meta);
            out.push('}');
        }
    }
}

fn address(out: &mut String, address: &Address) {
    let (ip, port) = (whole_ip(address.socket.ip()), address.socket.port());
    write!(out, "{{\"ip\":\"{ip}\",\"port\":{port},\"meta\":").expect("writing to a string");
    meta(out, address.weighed.then_some(address.weight), &address.meta);
    out.push('}');
}

/// An IP as the JVM writes it: of IPv6 every part, none left out.
fn whole_ip(ip: IpAddr) -> String {
    match ip {
        IpAddr::V4(ip) => ip.to_string(),
        IpAddr::V6(ip) => ip.segments().map(|part| format!("{part:x}")).join(":"),
    }
}

fn meta(out: &mut String, weight: Option<f64>, meta: &Meta) {
    out.push('{');
    let mut comma = "";
    for (key, value) in meta.iter() {
        out.push_str(comma);
        comma = ",";
        text(out, key);
        out.push(':');
        text(out, value);
    }
    if let Some(weight) = weight {
        write!(out, "{comma}\"endpoint_addr_weight\":{weight:?}").expect("writing to a string");
    }
    out.push('}');
}

fn list<T>(out: &mut String, items: &[T], mut item: impl FnMut(&mut String, &T)) {
    out.push('[');
    for (i, one) in items.iter().enumerate() {
        out.push_str(if i > 0 { "," } else { "" });
        item(out, one);
    }
    out.push(']');
}

/// A JSON string.
fn text(out: &mut String, text: &str) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if c < ' ' => write!(out, "\\u{:04x}", u32::from(c)).expect("writing to a string"),
            c => out.push(c),
        }
    }
    out.push('"');
}
