//! What binding costs: one name through dtabs of 1,000 entries, and 10,000 names bound again when the dtab is replaced.

use bench::timing::Table;
use names::{Dtab, NameTree, Path};
use naming::{
    Addr, Binder, BinderSettings, Binding, Bound, Namers, NoHosts, Replicas, ReplicasFactory, State,
    Untracked, bind,
};
use std::fmt::Write as _;
use std::process::ExitCode;
use std::sync::Arc;

/// A bind with 1,000 entries takes at most 50 us (issue 3).
const BIND_BAR: f64 = 50e3;
/// All of 10,000 names are right at most 2 s after a replacement (issue 3).
const REBIND_BAR: f64 = 2e9;
const NAMES: u16 = 10_000;

fn main() -> ExitCode {
    let mut table = Table::new();
    one_name(&mut table);
    many_names(&mut table);
    table.finish()
}

fn path(text: &str) -> Path {
    Path::parse(text.as_bytes()).expect("a valid path")
}

/// A dtab of 1,000 lines behind `first`.
fn dtab(first: &str, line: impl Fn(usize) -> String) -> Dtab {
    let text = (0..1_000).fold(first.to_owned(), |mut all, i| {
        writeln!(all, "{} ;", line(i)).expect("a String takes everything");
        all
    });
    Dtab::parse(text.as_bytes()).expect("a valid dtab")
}

fn one_name(table: &mut Table) {
    let namers = Namers::new(Arc::new(NoHosts));
    let name = path("/svc/name-500");
    let inet = "/$/inet/127.0.0.1/8080";
    let mut row_within = |bar: Option<f64>, what: &str, dtab: &Dtab| {
        let bound = bind(dtab, &name, &namers, &mut Untracked);
        assert!(matches!(bound, State::Ok(NameTree::Leaf(_))), "{what}: {bound:?}");
        table.row(what, bar, || bind(dtab, &name, &namers, &mut Untracked));
    };
    // A thousand look-ups and not one: what it costs is good to know, and no bar was set.
    let further = dtab(&format!("/svc => {inet};"), |i| format!("/svc => /gone-{i}"));
    row_within(None, "bind, 1,000 entries that all match and lead further", &further);
    let mut row = |what: &str, dtab: &Dtab| row_within(Some(BIND_BAR), what, dtab);
    row("bind, 1,000 entries /svc/name-i", &dtab("", |i| format!("/svc/name-{i} => {inet}")));
    row(
        "bind, 1,000 entries /name-i, one matches",
        &dtab(&format!("/svc => {inet};"), |i| format!("/name-{i} => {inet}")),
    );
    let steps = dtab("", |i| match i {
        0 => format!("/c => {inet}"),
        1 => "/b => /c".to_owned(),
        2 => "/a => /b".to_owned(),
        3 => "/svc => /a".to_owned(),
        _ => format!("/x-{i}/* => {inet}"),
    });
    row("bind, 1,000 entries, 5 steps", &steps);
    row("bind, 1,000 entries with wildcards /*/name-i", &dtab("", |i| format!("/*/name-{i} => {inet}")));
    // The worst there is: every entry matches and all but the first say "not here".
    row("bind, 1,000 entries that all match", &dtab(&format!("/svc => {inet};"), |_| "/svc => ~".to_owned()));
}

/// The router's side of a binding that does nothing.
struct Idle;

impl Replicas for Idle {
    fn update(&self, _: &Addr) {}
}

impl ReplicasFactory for Idle {
    type Replicas = Idle;

    fn create(&self, _: &Path) -> Arc<Idle> {
        Arc::new(Idle)
    }
}

fn many_names(table: &mut Table) {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime can be made");
    let samples = runtime.block_on(rebind(9));
    table.samples("10,000 names bound again, dtab replaced once", Some(REBIND_BAR), samples);
}

/// Replaces the dtab `times` times; how long each took until every name was right, in nanoseconds.
async fn rebind(times: usize) -> Vec<f64> {
    let base = |i: usize| {
        dtab(&format!("/svc => /$/inet/127.0.0.{};", i % 2 + 1), |n| format!("/other-{n} => /$/nil"))
    };
    let dtabs: Vec<_> = (0..=times).map(base).collect();
    let (binder, task) = Binder::new(
        Arc::new(Namers::new(Arc::new(NoHosts))),
        dtabs[0].clone(),
        Idle,
        BinderSettings::default(),
    );
    tokio::spawn(task);
    let bindings: Vec<_> =
        (1..=NAMES).map(|port| binder.bind(&path(&format!("/svc/{port}")), &Dtab::empty())).collect();
    until_right(&bindings, "/$/inet/127.0.0.1").await;
    let mut samples = Vec::new();
    for (i, dtab) in dtabs.into_iter().enumerate().skip(1) {
        let host = format!("/$/inet/127.0.0.{}", i % 2 + 1);
        let start = tokio::time::Instant::now();
        binder.set_dtab(dtab);
        until_right(&bindings, &host).await;
        samples.push(start.elapsed().as_nanos() as f64);
    }
    samples
}

/// Lets the binder work until every name is bound below `host`. What is right stays right, so each is looked at once.
async fn until_right(bindings: &[Arc<Binding<Idle>>], host: &str) {
    let host = path(host);
    for binding in bindings {
        while !is_below(binding, &host) {
            tokio::task::yield_now().await;
        }
    }
}

fn is_below(binding: &Binding<Idle>, host: &Path) -> bool {
    match binding.current().as_deref() {
        Some(Bound::Tree(tree)) => tree.leaves().all(|leaf| leaf.id.starts_with(host)),
        _ => false,
    }
}
