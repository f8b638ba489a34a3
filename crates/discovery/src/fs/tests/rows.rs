//! The rows of routing.md §9 that need files.

use super::*;

/// The fixture of routing.md §9.
async fn conformance(base: &str) -> Fixture {
    let f = fixture(base);
    fs::create_dir(f.dir.path().join("d")).unwrap();
    for (name, text) in [
        ("users", "10.0.0.1 8080\n"),
        ("empty", ""),
        ("bad", "junk\n"),
        ("d/f", "10.0.0.2 80\n"),
        ("v1", "10.0.1.1 80\n"),
        ("v2", "10.0.1.2 80\n"),
    ] {
        f.write(name, text);
    }
    f
}

async fn check(row: u32, base: &str, name: &str, expected: &str) {
    let f = conformance(base).await;
    let binding = f.bind(name);
    binding.ready().await;
    // An fs namer still looking at another alternative may come later.
    until_shows(&binding, expected).await;
    assert_eq!(show(&binding), expected, "row {row}");
}

const USERS: &str = "L(/#/io.l5d.fs/users)[10.0.0.1:8080]";

#[tokio::test]
async fn files() {
    let svc = "/svc=>/#/io.l5d.fs";
    check(34, svc, "/svc/users/r", "L(/#/io.l5d.fs/users | /r)[10.0.0.1:8080]").await;
    check(35, svc, "/svc/nosuch", "Neg").await;
    check(36, svc, "/svc/d/f/g", "L(/#/io.l5d.fs/d/f | /g)[10.0.0.2:80]").await;
    check(37, svc, "/svc/d", "Neg").await;
    check(38, svc, "/svc/bad", "L(/#/io.l5d.fs/bad)Failed(malformed address: junk)").await;
}

#[tokio::test]
async fn precedence() {
    let first = "/svc=>/#/io.l5d.fs | /$/inet/1";
    check(39, first, "/svc/empty", "L(/#/io.l5d.fs/empty)[]").await;
    check(40, first, "/svc/nosuch", "L(/$/inet/1 | /nosuch)[127.0.0.1:1]").await;
    check(41, "/svc=>/$/inet/1; /svc=>/#/io.l5d.fs", "/svc/users", USERS).await;
    let inet_last = "/svc=>/#/io.l5d.fs; /svc=>/$/inet/1";
    check(42, inet_last, "/svc/users", "L(/$/inet/1 | /users)[127.0.0.1:1]").await;
    let over = "/#/io.l5d.fs/users=>/$/inet/1";
    check(43, over, "/#/io.l5d.fs/users", "L(/$/inet/1)[127.0.0.1:1]").await;
    check(44, "/#/io.l5d.fs=>~", "/#/io.l5d.fs/users", USERS).await;
    check(45, "/#/io.l5d.fs=>!", "/#/io.l5d.fs/users", "Fail").await;
    let split = "/s=>/#/io.l5d.fs; /svc/web=>0.9*/s/v1 & 0.1*/s/v2";
    let both = "U(0.9*L(/#/io.l5d.fs/v1)[10.0.1.1:80], 0.1*L(/#/io.l5d.fs/v2)[10.0.1.2:80])";
    check(46, split, "/svc/web", both).await;
}

/// Row 47: of two namers with one prefix the second is asked first.
#[tokio::test]
async fn two_namers_with_one_prefix() {
    let (first, second) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    fs::write(first.path().join("a"), "10.0.0.1 80\n").unwrap();
    fs::write(second.path().join("a"), "10.0.0.2 80\n").unwrap();
    fs::write(second.path().join("b"), "10.0.0.3 80\n").unwrap();
    let at = |dir: &TempDir| namer("/disco", dir.path().to_owned(), Arc::new(NoHosts));
    let namers =
        Namers::new(Arc::new(NoHosts)).with(&path("/disco"), at(&first)).with(&path("/disco"), at(&second));
    let (binder, task) = Binder::new(Arc::new(namers), Dtab::empty(), Clients, BinderSettings::default());
    tokio::spawn(task);
    let bind = |name: &str| binder.bind(&path(name), &Dtab::empty());
    let (a, b) = (bind("/#/disco/a"), bind("/#/disco/b"));
    until_shows(&a, "L(/#/disco/a)[10.0.0.2:80]").await;
    until_shows(&b, "L(/#/disco/b)[10.0.0.3:80]").await;
    fs::remove_file(second.path().join("a")).unwrap();
    until_shows(&a, "L(/#/disco/a)[10.0.0.1:80]").await;
    fs::write(second.path().join("a"), "10.0.0.4 80\n").unwrap();
    until_shows(&a, "L(/#/disco/a)[10.0.0.4:80]").await;
    fs::remove_file(second.path().join("b")).unwrap();
    until_shows(&b, "Neg").await;
}

#[tokio::test]
async fn utilities() {
    let consul = "/c=>/#/io.l5d.fs; /svc=>/$/io.buoyant.http.subdomainOfPfx/service.consul/c";
    check(62, consul, "/svc/users.service.consul:80", USERS).await;
    check(63, consul, "/svc/users", "Neg").await;
    let method = "/svc=>/$/io.buoyant.http.anyMethodPfx/h; /h=>/#/io.l5d.fs";
    check(64, method, "/svc/GET/users", USERS).await;
    check(65, method, "/svc/get/users", "Neg").await;
}

/// What the pattern does not use is dropped with the rewrite.
#[tokio::test]
async fn rewriting() {
    let rewrite = "/srv=>/#/io.l5d.fs; /svc=>/#/rw";
    check(73, rewrite, "/svc/users/api/more", USERS).await;
    check(74, rewrite, "/svc/users/web", "Neg").await;
}
