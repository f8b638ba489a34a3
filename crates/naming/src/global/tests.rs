//! Both tables of routing.md §2.2, row by row.

use super::*;
use crate::namer::{NoHosts, Untracked};

/// `expected`: `-> path` a rewrite, `id | residual` a leaf, else `Neg`, `Fail`, `Empty`, `Err(text)`.
fn check(path: &str, expected: &str) {
    let global = Global::new(Arc::new(NoHosts));
    let shown = match global.bind(&Path::parse(path.as_bytes()).unwrap(), &mut Untracked) {
        State::Ok(NameTree::Leaf(Named::Path(path))) => format!("-> {path}"),
        State::Ok(NameTree::Leaf(Named::Bound(leaf))) => format!("{} | {}", leaf.id, leaf.residual),
        State::Ok(tree) => format!("{:?}", tree.map(|_| ())),
        State::Failed(text) => format!("Err({text})"),
        State::Pending => "Pending".into(),
    };
    assert_eq!(shown, expected, "{path}");
}

fn check_addresses(id: &str, expected: &Addr) {
    let global = Global::new(Arc::new(NoHosts));
    let id = Path::parse(id.as_bytes()).unwrap();
    assert_eq!(&global.addresses(&id, &mut Untracked), expected, "{id}");
}

fn at(text: &str) -> Addr {
    Addr::bound(vec![crate::Address::new(text.parse().unwrap())])
}

#[test]
fn names() {
    check("/", "Neg");
    check("/$", "Neg");
    check("/svc/x", "Neg");
    check("/$/nil", "Empty");
    check("/$/nil/x", "Empty");
    check("/$/fail/x/y", "Fail");
    check("/$/inet/127.1/8080", "/$/inet/127.1/8080 | /");
    check("/$/inet/127.1/8080/a/b", "/$/inet/127.1/8080 | /a/b");
    check("/$/inet/8080", "/$/inet/8080 | /");
    check("/$/inet/8080/9090", "/$/inet/8080/9090 | /");
    check("/$/inet/8080/x", "/$/inet/8080 | /x");
    check("/$/inet/h/70000", "/$/inet/h/70000 | /");
    check("/$/fixedinet/h/1/r", "/$/fixedinet/h/1 | /r");
    check("/$/inet", "Err(Unknown namer: inet for path: /$/inet)");
    check("/$/inet/host/notaport", "Err(Unknown namer: inet for path: /$/inet/host/notaport)");
    check("/$/nosuch/y", "Err(Unknown namer: nosuch for path: /$/nosuch/y)");
    check("/$/io.buoyant.http.status/404", "/$/io.buoyant.http.status/404 | /");
    check("/$/io.buoyant.http.status/200/r", "/$/io.buoyant.http.status/200 | /r");
    for neg in ["", "/600", "/99", "/x", "/-404", "/65940"] {
        check(&format!("/$/io.buoyant.http.status{neg}"), "Neg");
    }
    let low = "/$/io.buoyant.http.status/101: no request is answered by a status below 200";
    check("/$/io.buoyant.http.status/101/r", &format!("Err({low})"));
    check("/$/io.buoyant.namer.zk.leader/x", "Err(/$/io.buoyant.namer.zk.leader is not built yet)");
    check("/$/io.buoyant.rinet/80/h/r", "/$/io.buoyant.rinet/80/h | /r");
    check("/$/io.buoyant.rinet/80", "Neg");
}

#[test]
fn statuses() {
    let check = |id: &str, want: Option<u16>| assert_eq!(fixed_status(&id.parse().unwrap()), want, "{id}");
    check("/$/io.buoyant.http.status/404", Some(404));
    check("/%/io.l5d.port/4141/$/io.buoyant.http.status/599", Some(599));
    for none in ["/", "/404", "/$/io.buoyant.http.status/199", "/$/io.buoyant.http.status", "/$/inet/1/404"] {
        check(none, None);
    }
}

#[test]
fn utilities() {
    check("/$/io.buoyant.hostportPfx/p/h:80/r", "-> /p/h/80/r");
    check("/$/io.buoyant.porthostPfx/p/h:http/r", "-> /p/http/h/r");
    check("/$/io.buoyant.porthostPfx/p/h", "Neg");
    check("/$/io.buoyant.porthostPfx/p/h:8:9", "Neg");
    check("/$/io.buoyant.porthostPfx/p/h:HTTP", "Neg");
    check("/$/io.buoyant.porthostPfx/p/h:-a", "Neg");
    check("/$/io.buoyant.porthostPfx/p/:80", "Neg");
    check("/$/io.buoyant.porthostPfx/p", "Neg");
    check("/$/io.buoyant.http.anyMethod/GET/r", "-> /r");
    check("/$/io.buoyant.http.anyMethod/GET", "-> /");
    check("/$/io.buoyant.http.anyMethod/get/r", "Neg");
    check("/$/io.buoyant.http.anyMethod/M-SEARCH/r", "Neg");
    check("/$/io.buoyant.http.anyMethodPfx/p/GET/r", "-> /p/r");
    check("/$/io.buoyant.http.anyHost/a.b:80/r", "-> /r");
    check("/$/io.buoyant.http.anyHost/a%b/r", "Neg");
    check("/$/io.buoyant.http.anyHostPfx/p/a_b/r", "-> /p/r");
    check("/$/io.buoyant.http.subdomainOf/b.com/x.a.b.com:80/r", "-> /x.a/r");
    check("/$/io.buoyant.http.subdomainOf/B.com/a.b.com", "Neg");
    check("/$/io.buoyant.http.subdomainOf/b.com/b.com", "Neg");
    check("/$/io.buoyant.http.subdomainOf/b.com/ab.com", "Neg");
    check("/$/io.buoyant.http.subdomainOfPfx/b.com/p/a.b.com/r", "-> /p/a/r");
    check("/$/io.buoyant.http.domainToPath/a.b.c/r", "-> /c/b/a/r");
    check("/$/io.buoyant.http.domainToPath/a.b.:80", "-> /:80/b/a");
    check("/$/io.buoyant.http.domainToPath/a.b.", "-> /b/a");
    check("/$/io.buoyant.http.domainToPathPfx/p/a.b:80/r", "-> /p/b:80/a/r");
}

#[test]
fn addresses() {
    check_addresses("/$/inet/127.1/8080", &at("127.0.0.1:8080"));
    check_addresses("/$/inet/8080", &at("127.0.0.1:8080"));
    check_addresses("/$/inet/8080/9090", &at("0.0.31.144:9090"));
    check_addresses("/$/inet/127.1/70000", &Addr::failed("port out of range:70000"));
    check_addresses("/$/inet/127.1/-1", &Addr::failed("port out of range:-1"));
    check_addresses("/$/inet/nosuch/80", &Addr::Neg);
    check_addresses("/$/inet/::1/80", &at("[::1]:80"));
    check_addresses("/$/fixedinet/127.1/80", &at("127.0.0.1:80"));
    check_addresses("/$/io.buoyant.rinet/80/10.1", &at("10.0.0.1:80"));
    check_addresses("/$/io.buoyant.rinet/http/10.1", &Addr::failed("For input string: \"http\""));
    check_addresses("/svc/x", &Addr::Neg);
}

/// Answers once, then is down: `/$/fixedinet` must not notice.
struct Once(Mutex<Option<Arc<[IpAddr]>>>);

impl Resolver for Once {
    fn resolve(&self, _: &str, _: &mut dyn Reader) -> State<Arc<[IpAddr]>> {
        self.0.lock().take().map_or(State::failed("down"), State::Ok)
    }
}

#[test]
fn fixed_names_are_looked_up_once() {
    let ips: Arc<[IpAddr]> = Arc::from([[10, 0, 0, 1].into()]);
    let global = Global::new(Arc::new(Once(Mutex::new(Some(ips)))));
    let id = Path::parse(b"/$/fixedinet/h/80").unwrap();
    assert_eq!(global.addresses(&id, &mut Untracked), at("10.0.0.1:80"));
    assert_eq!(global.addresses(&id, &mut Untracked), at("10.0.0.1:80"));
}
