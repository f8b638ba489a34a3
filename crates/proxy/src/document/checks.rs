//! Checks that look at several routers at once. They read the tree, not the decoded values, so that a fault in one
//! place hides none in another (dataplane.md §1.4).

use config::{Context, Fault, Node, Places, Span};
use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr};

/// The port of a server that names none, by protocol (dataplane.md §3.1).
const DEFAULT_PORTS: [(&str, u16); 5] =
    [("http", 4140), ("h2", 4142), ("thrift", 4114), ("thriftmux", 4144), ("mux", 4141)];

/// The admin server's port when the document names none.
const ADMIN_PORT: u16 = 9990;

const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// What is experimental has to be asked for in so many words, as Linkerd wants it (routing.md §2.1).
pub(super) fn is_meant(said: bool, what: &str, places: Places<'_>, cx: &mut Context) -> Option<()> {
    if said {
        return Some(());
    }
    let message = format!(
        "The {what} is experimental and must be explicitly enabled by setting the `experimental' parameter to `true'."
    );
    cx.fault(Fault::new(places.of("experimental"), message).expected("`experimental: true`"));
    None
}

/// The fault of a document that is a Kubernetes manifest: the commonest wrong file, and worth one fault, not one a key.
pub(super) fn manifest(root: &Node) -> Option<Fault> {
    let kind = root.get("kind").filter(|_| root.get("apiVersion").is_some())?;
    let named = kind.text().unwrap_or("manifest");
    let message = format!("this is a Kubernetes manifest ({named}), not a configuration");
    let expected = "the configuration itself, which mostly is a text under `data`, in a file of its own";
    Some(Fault::new(kind.span, message).expected(expected)).filter(|_| root.get("routers").is_none())
}

/// Records the faults of the document as a whole.
pub(super) fn check(root: &Node, cx: &mut Context) {
    let Some(routers) = root.get("routers") else {
        // `router:` is one slip, not two; it is reported as an unknown key.
        if root.get("router").is_some() {
            return;
        }
        return no_routers(Span { end: root.span.start, ..root.span }, cx);
    };
    // Anything but a list is a fault of its own, already recorded.
    let Some(routers) = routers.list() else { return };
    if routers.is_empty() {
        return no_routers(root.get("routers").map_or(root.span, |routers| routers.span), cx);
    }
    labels(routers, cx);
    servers(root, routers, cx);
}

fn no_routers(span: Span, cx: &mut Context) {
    let message = "NoRoutersSpecified: At least one router must be specified in the configuration.";
    cx.fault(Fault::new(span, message).expected("`routers` with one router or more"));
}

/// The label of a router and where it comes from; `None` when it has neither label nor protocol.
fn label(router: &Node) -> Option<(&str, Span)> {
    let node = router.get("label").or_else(|| router.get("protocol"))?;
    node.text().map(|text| (text, node.span))
}

fn labels(routers: &[Node], cx: &mut Context) {
    let mut seen = HashMap::new();
    for (label, span) in routers.iter().filter_map(label) {
        match seen.get(label) {
            Some(first) => {
                let message = format!("ConflictingLabels: Multiple routers with the label {label}");
                let line = line(*first, cx);
                let expected =
                    format!("a `label` of its own for each router; that of line {line} is the same");
                cx.fault(Fault::new(span, message).expected(expected));
            }
            None => {
                seen.insert(label, span);
            }
        }
    }
}

fn servers(root: &Node, routers: &[Node], cx: &mut Context) {
    let mut taken: Vec<Listener> = Vec::new();
    let admin = match root.get("admin") {
        Some(admin) => address(admin, ADMIN_PORT, cx),
        None => Some((LOOPBACK, ADMIN_PORT)),
    };
    let identifier = root.get("admin").and_then(|admin| identifier(admin, cx));
    if identifier.is_some() && identifier == admin.filter(|(_, port)| *port != 0) {
        let port = root.get("admin").and_then(|admin| admin.get("httpIdentifierPort"));
        let fault = Fault::new(port.map_or(root.span, |port| port.span), "the admin server has this port");
        cx.fault(fault.expected("another port than `admin.port`"));
    }
    for router in routers {
        let servers = router.get("servers");
        if servers.is_none_or(|servers| servers.list().is_some_and(<[Node]>::is_empty)) {
            if let Some((label, _)) = label(router) {
                let span =
                    servers.map_or(Span { end: router.span.start, ..router.span }, |servers| servers.span);
                let fault = Fault::new(span, format!("router '{label}' has no servers"));
                cx.fault(
                    fault
                        .expected("`servers` with one server or more, for example `servers: [{port: 4140}]`"),
                );
            }
            continue;
        }
        let protocol = router.get("protocol").and_then(Node::text);
        let Some((_, default)) = DEFAULT_PORTS.iter().find(|(name, _)| Some(*name) == protocol) else {
            continue;
        };
        for server in servers.and_then(Node::list).unwrap_or_default() {
            let Some(at) = address(server, *default, cx).filter(|(_, port)| *port != 0) else { continue };
            let this = Listener { at, place: place(server), shared: is_shared(server) };
            let other = match taken.iter().find(|first| first.excludes(&this)) {
                Some(first) => format!("the server of line {}", line(first.place, cx)),
                // Linkerd finds out when it binds; by then the file's line is forgotten.
                None if admin.is_some_and(|admin| overlap(admin, at)) => "the admin server".to_owned(),
                None if identifier.is_some_and(|other| overlap(other, at)) => {
                    "`admin.httpIdentifierPort`".to_owned()
                }
                None => {
                    taken.push(this);
                    continue;
                }
            };
            let message = format!("ConflictingPorts: Server conflict on port {}", at.1);
            cx.fault(
                Fault::new(this.place, message).expected(format!("another port or address than {other}")),
            );
        }
    }
}

/// An address that a server takes.
#[derive(Clone, Copy)]
struct Listener {
    at: (IpAddr, u16),
    place: Span,
    /// Whether it leaves room for others on its port.
    shared: bool,
}

impl Listener {
    /// Whether `other` cannot listen beside it. Linkerd refuses the same address whatever the options; that one of the
    /// two is all addresses of the host it learns from the system, when it is too late for a line.
    fn excludes(&self, other: &Listener) -> bool {
        self.at == other.at || (overlap(self.at, other.at) && !(self.shared && other.shared))
    }
}

/// Whether two addresses have a socket in common: the same, or one of them stands for all of its family.
fn overlap((a, a_port): (IpAddr, u16), (b, b_port): (IpAddr, u16)) -> bool {
    let any = (a.is_unspecified() || b.is_unspecified()) && a.is_ipv4() == b.is_ipv4();
    a_port == b_port && (a == b || any)
}

fn is_shared(server: &Node) -> bool {
    let options = server.get("socketOptions").and_then(|options| options.get("reusePort"));
    options.and_then(Node::text).is_some_and(|text| text.eq_ignore_ascii_case("true"))
}

/// Where a server listens; `None` when its address is faulty, which is recorded elsewhere.
fn address(server: &Node, default: u16, cx: &mut Context) -> Option<(IpAddr, u16)> {
    let port = server.get("port").map_or(Some(default), |port| cx.quietly(port))?;
    let ip = server.get("ip").map_or(Some(LOOPBACK), |ip| cx.quietly(ip))?;
    Some((ip, port))
}

/// Where requests are named, if anywhere.
fn identifier(admin: &Node, cx: &mut Context) -> Option<(IpAddr, u16)> {
    let port = cx.quietly::<u16>(admin.get("httpIdentifierPort")?)?;
    let ip = admin.get("ip").map_or(Some(LOOPBACK), |ip| cx.quietly(ip))?;
    Some((ip, port)).filter(|_| port != 0)
}

/// Where to point for a server's port.
fn place(server: &Node) -> Span {
    server.get("port").map_or(server.span, |port| port.span)
}

fn line(span: Span, cx: &Context) -> usize {
    cx.source().position(span.start).line
}
