//! A table of dtabs and what is found in them.

use super::*;

fn paths(texts: &[&str]) -> Vec<Path> {
    texts.iter().map(|text| text.parse().unwrap()).collect()
}

/// Findings as `place rule severity`, then their messages.
fn found(dtab: &str, scene: &Scene<'_>) -> (Vec<String>, Vec<String>) {
    let dtab: Dtab = dtab.parse().unwrap();
    let findings = lint(&dtab, scene).findings;
    let short = |f: &Finding| {
        let related = f.related.map(|r| format!(" {r}")).unwrap_or_default();
        format!("{} {} {}{related}", f.entry, f.rule.name(), f.severity.name())
    };
    (findings.iter().map(short).collect(), findings.iter().map(|f| f.message.clone()).collect())
}

/// The whole dtab of a linker with the namer fs.
fn check(dtab: &str, expected: &[&str]) {
    let namers = paths(&["/#/io.l5d.fs"]);
    let scene = Scene { namers: Some(&namers), whole: true, names: &[] };
    let (short, messages) = found(dtab, &scene);
    assert_eq!(short, expected, "{dtab}\n{messages:#?}");
}

#[test]
fn nothing_is_found_in_what_is_right() {
    check("", &[]);
    check("/svc => /#/io.l5d.fs", &[]);
    check("/svc => /host; /host => /$/inet/127.1/80", &[]);
    check("/ph => /$/io.buoyant.rinet; /svc => /ph/80; /svc => /$/io.buoyant.porthostPfx/ph", &[]);
    check("/host => /#/io.l5d.fs; /svc/1.1 => /$/io.buoyant.http.anyMethodPfx/host", &[]);
    // A fallback with the same prefix, and a special case behind the general one.
    check("/svc => /$/inet/127.1/80; /svc => /#/io.l5d.fs; /svc/web => /#/io.l5d.fs/web2", &[]);
    // Overriding a namer, and the namer without its prefix.
    check("/#/io.l5d.fs/a => /$/inet/127.1/80; /svc => /#", &[]);
    check("/svc => /#/io.l5d.fs | /$/fail", &[]);
    check("/svc => 0.5 * /#/io.l5d.fs/a & 0.5 * /#/io.l5d.fs/b", &[]);
}

#[test]
fn entries_that_are_never_tried() {
    check("/svc/web => /#/io.l5d.fs; /svc => /$/inet/127.1/80", &["0 unreachable warning 1"]);
    check("/svc => /#/io.l5d.fs; /svc => !", &["0 unreachable warning 1"]);
    check("/svc => /#/io.l5d.fs; /svc => /$/nil", &["0 unreachable warning 1"]);
    check("/svc/a => /#/io.l5d.fs; /svc => /#/io.l5d.fs | $", &["0 unreachable warning 1"]);
    check("/svc/a => !; /svc => /x; /x => /#/io.l5d.fs; /x/a => /$/inet/1/1", &["0 unreachable warning 1"]);
    // What follows the wildcard is not known.
    check("/svc/a/b => !; /svc/* => /x; /x/b => /$/inet/1/1", &["0 unreachable warning 1"]);
    check("/svc/*/b => /#/io.l5d.fs; /svc/* => /#/io.l5d.fs/x", &[]);
    // Only for some names, or only perhaps.
    check("/svc => /#/io.l5d.fs; /svc/a => /$/inet/127.1/80", &[]);
    check("/svc => !; /svc => /#/io.l5d.fs & /#/io.l5d.fs/x", &[]);
    check("/svc => /#/io.l5d.fs; /svc => /#/io.l5d.fs & /$/inet/1/1", &["0 unreachable warning 1"]);
    check("/svc => /#/io.l5d.fs; /svc => ! & ~", &[]);
    // The host is a port and the port no number, so it depends on what follows.
    check("/svc => /#/io.l5d.fs; /svc => /$/inet/80", &["0 unreachable warning 1"]);
    check("/svc => /#/io.l5d.fs; /svc => /$/inet", &["0 unreachable warning 1"]);
    check("/svc => /#/io.l5d.fs; /svc => /$/io.buoyant.rinet/80", &[]);
    check(
        "/a => /#/io.l5d.fs/a; /b => /#/io.l5d.fs/b; /c => /#/io.l5d.fs/c; / => !",
        &["3 ends-all warning 2"],
    );
    check("/svc => /#/io.l5d.fs; /svc => /#/io.l5d.fs", &["0 duplicate warning 1"]);
}

#[test]
fn wildcards_before_exact_entries() {
    check("/svc/web => /#/io.l5d.fs/x; /svc/* => /#/io.l5d.fs", &["0 wildcard warning 1"]);
    check("/svc/* => /#/io.l5d.fs; /svc/web => /#/io.l5d.fs/x", &[]);
    check("/a/*/c => /#/io.l5d.fs/x; /a/*/* => /#/io.l5d.fs", &["0 wildcard warning 1"]);
    check("/a/*/c => /#/io.l5d.fs/x; /a/* => /#/io.l5d.fs", &[]);
}

#[test]
fn names_that_go_round() {
    check("/svc => /svc", &["0 loop error"]);
    check("/svc => /svc/x", &["0 loop error"]);
    check("/ => /$/inet/127.1/80", &["0 loop error"]);
    check("/svc => /host; /host => /svc", &["0 loop error 1"]);
    check("/svc => /#/io.l5d.fs | /svc", &["0 loop warning"]);
    check("/svc => /#/io.l5d.fs & /svc", &["0 loop warning"]);
    check("/svc => /svc; /svc => /#/io.l5d.fs", &["0 loop warning"]);
    check("/svc => /svc; /svc => /$/inet/127.1/80", &["0 unreachable warning 1"]);
    check("/svc => /svc | /#/io.l5d.fs", &["0 loop error"]);
    check("/a => /b/a; /b/a => /c; /c => /a/x", &["0 loop error 1"]);
    check("/svc/* => /svc/x", &["0 loop error"]);
    // Each round takes something off the name, so it ends.
    check("/a => /b; /b/x => /a; /b/y => /#/io.l5d.fs", &[]);
    check("/host => /$/io.buoyant.http.anyHostPfx/host", &[]);
    // The special case is found before the round begins.
    check("/host => /host/default; /host/default => /$/inet/127.1/80", &[]);
    // It is found only perhaps.
    check("/host => /host/default; /host/default => /#/io.l5d.fs", &["0 loop warning"]);
    let (_, messages) = found("/svc => /host; /host => /svc", &Scene::default());
    assert_eq!(messages, ["names under `/svc` are rewritten for ever: /svc => /host => /svc"]);
}

#[test]
fn names_nobody_answers() {
    check("/svc => /#/io.l5d.consul/dc1", &["0 no-namer error"]);
    check("/svc => /$/io.buoyant.http.anyhost", &["0 no-namer error"]);
    check("/svc => /$/inet/host/http", &["0 no-namer error"]);
    check("/svc => /host", &["0 dead-end warning"]);
    check("/svc => /$/io.buoyant.http.anyHostPfx/hosts; /host => !", &["0 dead-end warning"]);
    check("/svc => ~; /svc => /#/io.l5d.fs | /x", &["1 dead-end warning"]);
    // Nothing is known of the namers, or of other dtabs.
    assert_eq!(found("/svc => /#/io.l5d.consul/dc1; /a => /host", &Scene::default()).0, [""; 0]);
    let namers = paths(&["/#/io.l5d.consul/dc2"]);
    let scene = Scene { namers: Some(&namers), ..Scene::default() };
    assert_eq!(found("/svc => /#/io.l5d.consul/dc1; /a => /#/io.l5d.consul", &scene).0, ["0 no-namer error"]);
}

#[test]
fn weights_that_vanish() {
    check("/svc => 0 * /#/io.l5d.fs/a & 1 * /#/io.l5d.fs/b", &["0 lost-weight warning"]);
    check("/svc => 0 * /#/io.l5d.fs/a & 0 * /#/io.l5d.fs/b", &["0 lost-weight warning"]);
    check("/svc => 0.004 * /#/io.l5d.fs/a & /#/io.l5d.fs/b", &["0 lost-weight note"]);
    check("/svc => 0.000000001 * /#/io.l5d.fs/a & 100000000000 * /#/io.l5d.fs/b", &["0 lost-weight warning"]);
    check("/svc => ! | (/#/io.l5d.fs/a & 0.0 * !)", &["0 lost-weight warning"]);
}

#[test]
fn what_names_cost() {
    let check = |dtab: &str, expected: (&str, u32, u64)| {
        let worst = lint(&dtab.parse().unwrap(), &Scene::default()).worst.unwrap();
        assert_eq!((worst.name.as_str(), worst.depth, worst.lookups), expected, "{dtab}");
    };
    check("/svc => /$/inet/1/1", ("/svc", 2, 2));
    check("/a => /#/x | /#/y; /svc => /a | /a/b", ("/svc", 3, 7));
    let chain = |n: usize| (0..n).map(|i| format!("/n{i} => /n{}", i + 1)).collect::<Vec<_>>().join(";");
    check(&chain(99), ("/n0", 100, 100));
    assert_eq!(found(&chain(99), &Scene::default()).0, [""; 0]);
    assert_eq!(found(&chain(100), &Scene::default()).0, ["0 cost error"]);
    assert_eq!(found(&chain(400), &Scene::default()).0.len(), 1);
    let doubling =
        |n: usize| (0..n).map(|i| format!("/n{i} => /n{0} | /n{0}/x", i + 1)).collect::<Vec<_>>().join(";");
    assert_eq!(found(&doubling(8), &Scene::default()).0, [""; 0]);
    assert_eq!(found(&doubling(10), &Scene::default()).0, ["0 cost note"]);
    assert_eq!(found(&doubling(40), &Scene::default()).0, ["0 cost error"]);
    let names = paths(&["/other/x"]);
    let scene = Scene { names: &names, ..Scene::default() };
    assert_eq!(lint(&Dtab::empty(), &scene).worst.unwrap().to_string(), "/other/x: up to 1 look-up, 1 deep");
}

/// Loops that multiply, and great many entries, end soon and say something.
#[test]
fn hostile_dtabs_end() {
    let loops = (0..40).map(|i| format!("/a => /a/{i} | /a/x{i}; /b{i} => /a & /b{i}/y")).collect::<Vec<_>>();
    assert!(!found(&loops.join(";"), &Scene::default()).0.is_empty());
    let wild =
        (0..30).map(|i| format!("/*/a{i} => /*x/b | /a{i}/y").replace("/*x", "/x")).collect::<Vec<_>>();
    found(&wild.join(";"), &Scene::default());
    let many: Vec<String> = (0..2000).map(|i| format!("/svc/s{i} => /#/io.l5d.fs/s{i}")).collect();
    assert_eq!(found(&many.join(";"), &Scene::default()).0, [""; 0]);
}

#[test]
fn spans_point_at_entries() {
    let text = "# first\n/svc => /svc ; # second\n /b => /c\n";
    let dtab: Dtab = text.parse().unwrap();
    let report = lint(&dtab, &Scene::default());
    assert_eq!(&text[report.findings[0].span.clone()], "/svc => /svc");
}

/// Generated dtabs are large; trying each entry against each other takes minutes.
#[test]
fn large_dtabs_take_no_time() {
    let check = |line: &dyn Fn(usize) -> String, rule: Rule, found: usize| {
        let text: String = (0..16_000).map(line).collect();
        let dtab = Dtab::parse(text.as_bytes()).unwrap();
        let report = lint(&dtab, &Scene { namers: Some(&[]), whole: true, names: &[] });
        assert_eq!(report.findings.iter().filter(|f| f.rule == rule).count(), found, "{}", line(0));
    };
    check(&|i| format!("/svc/s{i} => /host/s{i};"), Rule::DeadEnd, 16_000);
    check(&|i| format!("/svc/s{i} => /$/inet/127.1/{i};"), Rule::Unreachable, 0);
    check(&|i| format!("/svc => /$/inet/127.1/{i};"), Rule::EndsAll, 1);
    check(&|i| format!("/svc => /host/{i};"), Rule::DeadEnd, 16_000);
    check(&|i| format!("/s{i} => /s{};", i / 2), Rule::Loop, 1);
}
