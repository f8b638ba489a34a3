//! The `/$/io.buoyant.*` namers that only rearrange a path (routing.md §2.2). Each takes some elements, checks their form
//! and gives another path, which the dtab then binds.

use names::{Elems, Path, PathBuilder};

/// What became of a path.
pub(super) enum Rewrite {
    /// Bind this instead.
    To(Path),
    /// The elements do not have the form the namer asks for.
    NoMatch,
    /// There is no such namer.
    UnknownName,
}

/// Applies the utility namer `name` to the elements after it.
pub(super) fn rewrite(name: &[u8], elems: Elems<'_>) -> Rewrite {
    let rule: fn(Elems<'_>) -> Option<Path> = match name {
        b"io.buoyant.hostportPfx" => |e| host_and_port(e, false),
        b"io.buoyant.porthostPfx" => |e| host_and_port(e, true),
        b"io.buoyant.http.anyMethod" => |e| drop_elem(e, false, is_method),
        b"io.buoyant.http.anyMethodPfx" => |e| drop_elem(e, true, is_method),
        b"io.buoyant.http.anyHost" => |e| drop_elem(e, false, is_host),
        b"io.buoyant.http.anyHostPfx" => |e| drop_elem(e, true, is_host),
        b"io.buoyant.http.subdomainOf" => |e| subdomain(e, false),
        b"io.buoyant.http.subdomainOfPfx" => |e| subdomain(e, true),
        b"io.buoyant.http.domainToPath" => |e| domain_to_path(e, false),
        b"io.buoyant.http.domainToPathPfx" => |e| domain_to_path(e, true),
        _ => return Rewrite::UnknownName,
    };
    rule(elems).map_or(Rewrite::NoMatch, Rewrite::To)
}

fn finish(mut out: PathBuilder, rest: Elems<'_>) -> Path {
    for elem in rest {
        out.push(elem);
    }
    out.to_path()
}

/// A new path, begun with the `<pfx>` element where the namer takes one.
fn begin(elems: &mut Elems<'_>, with_prefix: bool) -> Option<PathBuilder> {
    let mut out = PathBuilder::new();
    if with_prefix {
        out.push(elems.next()?);
    }
    Some(out)
}

/// `<pfx>/<host:port>/r` to `<pfx>/<host>/<port>/r`, or with port and host in the other order.
fn host_and_port(mut elems: Elems<'_>, port_first: bool) -> Option<Path> {
    let mut out = begin(&mut elems, true)?;
    let both = elems.next()?;
    let colon = both.iter().position(|&b| b == b':')?;
    let (host, port) = (&both[..colon], &both[colon + 1..]);
    if host.is_empty() || !is_port_name(port) {
        return None;
    }
    let (first, second) = if port_first { (port, host) } else { (host, port) };
    out.push(first);
    out.push(second);
    Some(finish(out, elems))
}

/// A port number or a Kubernetes port name.
fn is_port_name(port: &[u8]) -> bool {
    let inner = |b: &u8| b.is_ascii_lowercase() || b.is_ascii_digit() || *b == b'-';
    port.len() <= 63 && port.first().is_some_and(|&b| b != b'-') && port.iter().all(inner)
}

fn drop_elem(mut elems: Elems<'_>, with_prefix: bool, matches: fn(&[u8]) -> bool) -> Option<Path> {
    let out = begin(&mut elems, with_prefix)?;
    let dropped = elems.next()?;
    matches(dropped).then(|| finish(out, elems))
}

fn is_method(elem: &[u8]) -> bool {
    elem.iter().all(u8::is_ascii_uppercase)
}

fn is_host(elem: &[u8]) -> bool {
    elem.iter().all(|b| b.is_ascii_alphanumeric() || b".:_-".contains(b))
}

/// `<domain>/[<pfx>/]<host>/r` to `[<pfx>/]<sub>/r`. The domain stands before the prefix.
fn subdomain(mut elems: Elems<'_>, with_prefix: bool) -> Option<Path> {
    let domain = elems.next()?;
    let mut out = begin(&mut elems, with_prefix)?;
    let host = elems.next()?;
    let host = host.split(|&b| b == b':').next().unwrap_or(host);
    let sub = host.strip_suffix(domain)?.strip_suffix(b".")?;
    if sub.is_empty() {
        return None;
    }
    out.push(sub);
    Some(finish(out, elems))
}

/// `[<pfx>/]<a.b.c>/r` to `[<pfx>/]c/b/a/r`. A port stays on its label.
fn domain_to_path(mut elems: Elems<'_>, with_prefix: bool) -> Option<Path> {
    let mut out = begin(&mut elems, with_prefix)?;
    let host = elems.next()?;
    let host = host.strip_suffix(b".").unwrap_or(host);
    for label in host.rsplit(|&b| b == b'.') {
        if label.is_empty() {
            return None;
        }
        out.push(label);
    }
    Some(finish(out, elems))
}
