//! What a declaration gives: decoding that goes on, defaults, rules, kinds, scopes, metadata.

use config::{Context, Declared, Decode, Document, Faults, Reason, Scopes, Spanned, config, kinds};

config! {
    /// A pool of connections.
    pub struct Pool {
        /// How many at most.
        max_size "maxSize": u32 = "10", check even, example "12";
        /// Where to.
        port "port": Spanned<u16> = "80", example "8080";
        /// Its name.
        name "name": String, example "a";
        /// Who asked.
        owner "owner": Option<String>, example "ops";
    }
    later { "maxWaiters", "idleTimeMs" }
    rule named_by_size;
}

fn even(size: &u32) -> Result<(), String> {
    if size.is_multiple_of(2) { Ok(()) } else { Err(format!("{size} is odd")) }
}

fn named_by_size(pool: &Pool, places: config::Places<'_>, cx: &mut Context) -> Option<()> {
    if pool.name == "big" && pool.max_size < 100 {
        cx.fault(config::Fault::new(places.of("maxSize"), "a big pool is larger"));
        return None;
    }
    Some(())
}

config! {
    /// Waits.
    pub struct Wait {
        /// How long.
        ms "ms": u32 = "0", example "5";
    }
}

config! {
    /// Nothing to set.
    pub struct Nothing {}
}

kinds! {
    /// What to do after a failure.
    pub enum After: "reaction", key "kind" {
        "io.l5d.wait" => Wait(Wait),
        "none" => Nothing(Nothing),
    }
    later { "io.l5d.flee" }
}

config! {
    /// Settings by name.
    pub scope struct Settings {
        /// How long.
        timeout_ms "timeoutMs": u32, check even, example "4";
        /// Afterwards.
        after "after": After = "{kind: none}", example "{kind: io.l5d.wait, ms: 3}";
    }
    later { "tls" }
}

/// Decodes a document: the value, and each fault as `line:column message (hint)`.
fn read<T: Decode>(text: &str) -> (Option<T>, Vec<String>) {
    let document = Document::parse("t.yaml", text.as_bytes()).expect("a document");
    let mut cx = Context::new(document.source.clone());
    let value = T::decode(&document.root, &mut cx);
    let faults = Faults::new(document.source.clone(), cx.into_faults());
    let shown = faults.iter().map(|fault| {
        let at = document.source.position(fault.span.start);
        let hint = fault.hint.as_deref().map(|hint| format!(" ({hint})")).unwrap_or_default();
        format!("{}:{} {}{hint}", at.line, at.column, fault.message)
    });
    (value, shown.collect())
}

#[test]
fn a_struct_takes_its_keys() {
    let (pool, faults) = read::<Pool>("name: x\nmaxSize: 4\n");
    assert_eq!(faults, Vec::<String>::new());
    let pool = pool.expect("no fault");
    assert_eq!((pool.max_size, *pool.port, pool.name.as_str(), pool.owner.as_deref()), (4, 80, "x", None));
    assert!(pool.port.span.is_nowhere());
    let (pool, _) = read::<Pool>("name: x\nport: 81\nowner: ~\nmaxSize:\n");
    let pool = pool.expect("null is absent");
    assert_eq!((pool.max_size, *pool.port, pool.port.span.start), (10, 81, 14));
}

#[test]
fn faults_are_recorded_and_decoding_goes_on() {
    let check = |text: &str, expected: &[&str]| {
        let (value, faults) = read::<Pool>(text);
        assert_eq!(faults, expected, "{text:?}");
        assert!(value.is_none() || expected.iter().all(|fault| fault.contains("key")), "{text:?}");
    };
    check(
        "maxSize: 3\nport: -1\nownr: a\nidleTimeMs: 5\nfancy: 1\n",
        &[
            "1:1 key `name` is missing (expected a text)",
            "1:10 3 is odd",
            "2:7 -1 outside valid range for ports (expected a port: a whole number from 0 to 65535, without quotes)",
            "3:1 unknown key `ownr` (did you mean `owner`?)",
            "4:1 key `idleTimeMs` is known to Linkerd but not built yet in Wayleave",
            "5:1 unknown key `fancy` (expected one of `maxSize`, `name`, `owner`, `port`)",
        ],
    );
    check("name: big\nmaxSize: 8\n", &["2:10 a big pool is larger"]);
    check("name: a\nmaxWaitrs: 8\n", &["2:1 unknown key `maxWaitrs` (did you mean `maxWaiters`?)"]);
    check("name: a\nNAME: a\n", &["2:1 unknown key `NAME` (did you mean `name`?)"]);
}

#[test]
fn kinds_are_told_apart() {
    let check = |text: &str, expected: &[&str]| assert_eq!(read::<After>(text).1, expected, "{text:?}");
    assert_eq!(read::<After>("ms: 3\nkind: io.l5d.wait\n").0, Some(After::Wait(Wait { ms: 3 })));
    assert_eq!(read::<After>("kind: none\n").0.map(|after| after.kind()), Some("none"));
    check("ms: 3\n", &["1:1 key `kind` is missing (expected one of `io.l5d.wait`, `none`)"]);
    check("kind: wait\n", &["1:7 unknown reaction `wait` (did you mean `io.l5d.wait`?)"]);
    check(
        "kind: io.l5d.flee\nms: 3\n",
        &["1:7 reaction `io.l5d.flee` is known to Linkerd but not built yet in Wayleave"],
    );
    check("kind: xyz\n", &["1:7 unknown reaction `xyz` (expected one of `io.l5d.wait`, `none`)"]);
    check("kind: none\nms: 3\n", &["2:1 unknown key `ms` (expected `kind`)"]);
    check("kind: [none]\n", &["1:7 a list does not fit here (expected a text)"]);
}

#[test]
fn scopes_merge_key_by_key() {
    let text = "kind: io.l5d.static\nconfigs:\n- prefix: /\n  timeoutMs: 2\n- prefix: /svc/{x}\n  after: {kind: io.l5d.wait, ms: 3}\n\
                - prefix: /svc/web\n  timeoutMs: 4\n- prefix: /svc/*/rest\n  after: {kind: io.l5d.wait}\n- prefix: /other\n  timeoutMs: 6\n";
    let (scopes, faults) = read::<Scopes<Settings>>(text);
    assert_eq!(faults, Vec::<String>::new());
    let scopes = scopes.expect("no fault");
    let check = |name: &str, timeout: Option<u32>, after: Option<u32>| {
        let settings = scopes.resolve(&name.parse().expect("a path"));
        let wait = settings.after.as_ref().map(|after| match after {
            After::Wait(wait) => wait.ms,
            After::Nothing(_) => u32::MAX,
        });
        assert_eq!((settings.timeout_ms, wait), (timeout, after), "{name}");
        assert_eq!(settings.after().kind(), if after.is_some() { "io.l5d.wait" } else { "none" });
    };
    check("/x", Some(2), None);
    check("/svc", Some(2), None);
    check("/svc/api", Some(2), Some(3));
    check("/svc/web", Some(4), Some(3));
    // A later object replaces an earlier one whole: its absent `ms` is the default again.
    check("/svc/web/rest", Some(4), Some(0));
    check("/other/web", Some(6), None);
}

#[test]
fn scopes_are_global_or_static() {
    let check = |text: &str, entries: usize, expected: &[&str]| {
        let (scopes, faults) = read::<Scopes<Settings>>(text);
        assert_eq!(faults, expected, "{text:?}");
        assert_eq!(scopes.map_or(0, |scopes| scopes.entries.len()), entries, "{text:?}");
    };
    check("timeoutMs: 4\n", 1, &[]);
    check("kind: io.l5d.global\ntimeoutMs: 4\n", 1, &[]);
    check("timeoutMs: 5\n", 0, &["1:12 5 is odd"]);
    check("kind: io.l5d.static\nconfigs: []\n", 0, &[]);
    check("kind: io.l5d.static\n", 0, &["1:1 key `configs` is missing (expected a list)"]);
    check(
        "kind: io.l5d.static\nconfigs: []\ntimeoutMs: 4\n",
        0,
        &["3:1 unknown key `timeoutMs` (expected one of `configs`, `kind`)"],
    );
    let known = "(expected one of `after`, `kind`, `timeoutMs`)";
    check("configs: []\n", 1, &[&format!("1:1 unknown key `configs` {known}")]);
    let warning = "1:7 unknown kind `nothing` is taken for `io.l5d.global` (expected `io.l5d.global` or `io.l5d.static`)";
    check("kind: nothing\ntimeoutMs: 4\n", 1, &[warning]);
    let warning = "2:11 key `prefix` is missing, the settings are for every name (expected a prefix such as `/#/io.l5d.fs/{service}`)";
    check("kind: io.l5d.static\nconfigs: [{timeoutMs: 4}]\n", 1, &[warning]);
    check(
        "kind: io.l5d.static\nconfigs: [{prefix: /a, tls: {}}, {prefix: /b, timeoutMs: 1}]\n",
        1,
        &["2:24 key `tls` is known to Linkerd but not built yet in Wayleave", "2:58 1 is odd"],
    );
}

#[test]
fn what_is_not_built_says_so_to_programs() {
    let document = Document::parse("t.yaml", b"name: a\nmaxWaiters: 1\nfancy: 1\n").expect("a document");
    let mut cx = Context::new(document.source);
    let _ = Pool::decode(&document.root, &mut cx);
    let reasons: Vec<Reason> = cx.into_faults().into_iter().map(|fault| fault.reason).collect();
    assert_eq!(reasons, [Reason::NotBuilt, Reason::Wrong]);
}

#[test]
fn declarations_keep_what_they_say() {
    let meta = Pool::META;
    assert_eq!(
        (meta.name, meta.doc, meta.later),
        ("Pool", &[" A pool of connections."][..], &["maxWaiters", "idleTimeMs"][..])
    );
    let keys: Vec<_> =
        meta.keys.iter().map(|key| (key.key, key.default, key.example, (key.required)())).collect();
    assert_eq!(
        keys,
        [
            ("maxSize", Some("10"), Some("12"), false),
            ("port", Some("80"), Some("8080"), false),
            ("name", None, Some("a"), true),
            ("owner", None, Some("ops"), false),
        ]
    );
    assert!((meta.keys[0].check_example)("12").is_ok());
    assert!((meta.keys[0].check_example)("twelve").is_err());
    assert_eq!(After::FAMILY.kinds.iter().map(|kind| kind.kind).collect::<Vec<_>>(), ["io.l5d.wait", "none"]);
}
