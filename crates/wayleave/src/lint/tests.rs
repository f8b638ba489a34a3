//! Findings in files, with their places.

use super::*;

fn linted(name: &str, text: &str) -> Linted {
    let arguments = Lint {
        files: Vec::new(),
        output: Format::Text,
        names: Vec::new(),
        namers: Vec::new(),
        deny_warnings: false,
    };
    let (found, faults) = find::dtabs(name, text.as_bytes());
    Linted { file: name.to_owned(), dtabs: lint_all(found, &arguments), faults }
}

fn shown(name: &str, text: &str) -> String {
    let linted = [linted(name, text)];
    show::text(&linted, totals(&linted))
}

#[test]
fn a_dtab_file() {
    let text = "# comment\n/svc/web => /#/io.l5d.fs ;\n  /svc => /$/inet/127.1/80 ;\n";
    let expected = "\
a.dtab:2:1: warning[unreachable]: never tried: `/svc` stands further on, so it comes first, and it always answers
  |
2 | /svc/web => /#/io.l5d.fs ;
  | ^^^^^^^^^^^^^^^^^^^^^^^^
  = put `/svc/web` behind `/svc`, or delete it
  = `/svc` is on line 3

a.dtab: the worst name is /svc/web: up to 2 look-ups, 2 deep
1 dtab with 2 entries: 0 errors, 1 warning, 0 notes
";
    assert_eq!(shown("a.dtab", text), expected);
}

#[test]
fn a_configuration() {
    let text = "\
namers:
- kind: io.l5d.fs
routers:
- protocol: http
  dtab: |
    /svc => /#/io.l5d.consul/dc1 ; # no such namer
    /svc => /host ;
- protocol: h2
  label: out
  interpreter: {kind: io.l5d.namerd}
  dtab: /svc => /#/io.l5d.consul/dc1 ; /svc => /svc
";
    let linted = linted("l.yaml", text);
    assert!(linted.faults.is_empty(), "{}", linted.faults);
    let found: Vec<String> = linted
        .dtabs
        .iter()
        .flat_map(|(found, report)| report.findings.iter().map(move |f| (found, f)))
        .map(|(found, f)| {
            let at = found.source().position(found.span(&f.span).start);
            let text = found.source().slice(found.span(&f.span));
            format!("{}:{} {} {} {text}", at.line, at.column, f.rule.name(), found.owner.as_deref().unwrap())
        })
        .collect();
    let expected = [
        "6:5 no-namer router `http` /svc => /#/io.l5d.consul/dc1",
        "7:5 dead-end router `http` /svc => /host",
        "11:40 loop router `out` /svc => /svc",
    ];
    assert_eq!(found, expected);
    assert_eq!(totals(&[linted]), Totals { errors: 2, warnings: 1, notes: 0 });
}

#[test]
fn a_manifest() {
    let text = "\
# first a service
kind: Service
---
kind: ConfigMap
data:
  config.yaml: |-
    routers:
    - protocol: http
      dtab: |
        /a => /$/inet/1/1 ;
        /svc => /svc ;
";
    let shown = shown("k.yml", text);
    assert!(shown.starts_with("k.yml:11:9: error[loop]:"), "{shown}");
}

#[test]
fn what_cannot_be_read() {
    let check = |text: &str, expected: &str| {
        let shown = shown("f", text);
        assert!(shown.starts_with(expected), "{shown}");
        assert!(shown.ends_with("0 entries: 1 error, 0 warnings, 0 notes\n"), "{shown}");
    };
    check("/svc => /a/\n", "f:1:12: label char expected but '\\n' found");
    check("routers:\n- dtab: |\n    /svc =\n", "f:3:11: '>' expected but");
    check("- a\n", "f:1:1: the document is a list");
    check("svc => /a ;\n", "f:1:1: '/' expected but 's' found");
    let named = shown("x.dtab", "# a\nsvc\n");
    assert!(named.starts_with("x.dtab:2:1: '/' expected but 's' found"), "{named}");
    let linted = lint_file(
        OsStr::new("/nowhere/at/all"),
        &Lint { files: vec![], output: Format::Json, names: vec![], namers: vec![], deny_warnings: false },
    );
    let json: serde_json::Value = serde_json::from_str(&show::json(&[linted], Totals::default())).unwrap();
    assert_eq!(json["findings"][0]["rule"], "unreadable");
    assert_eq!(json["findings"][0]["line"], serde_json::Value::Null);
}

/// What is wrong with one dtab says nothing of the others.
#[test]
fn the_other_dtabs_of_a_file() {
    let router =
        |label: &str, dtab: &str| format!("- {{protocol: http, label: {label}, dtab: \"{dtab}\"}}\n");
    let text = format!("routers:\n{}{}", router("a", "/svc = /b"), router("b", "/svc => /svc"));
    let shown = shown("l.yaml", &text);
    assert!(shown.starts_with("l.yaml:2:43: '>' expected but"), "{shown}");
    assert!(shown.contains("l.yaml:3:37: error[loop]:"), "{shown}");
    assert!(shown.ends_with("1 dtab with 1 entry: 2 errors, 0 warnings, 0 notes\n"), "{shown}");
    let text = format!("a: [\n---\nrouters:\n{}", router("b", "/svc => /svc"));
    assert_eq!(totals(&[linted("k.yml", &text)]), Totals { errors: 2, warnings: 0, notes: 0 });
}

#[test]
fn columns_do_not_count_a_byte_order_mark() {
    let check = |text: &str, expected: &str| {
        let shown = shown("f", &format!("\u{FEFF}{text}"));
        assert!(shown.starts_with(expected), "{shown}");
    };
    check("/a => /a", "f:1:1: error[loop]");
    check("routers: [{protocol: http, dtab: /a => /a}]", "f:1:34: error[loop]");
}

#[test]
fn for_programs() {
    let linted = [linted("a.dtab", "/a => /b;/svc/x => /c; /svc/* => /a")];
    let json: serde_json::Value = serde_json::from_str(&show::json(&linted, totals(&linted))).unwrap();
    assert_eq!(json["warnings"], 1);
    let finding = &json["findings"][0];
    assert_eq!(finding["rule"], "wildcard");
    assert_eq!((&finding["line"], &finding["column"], &finding["entry"]), (&1.into(), &10.into(), &1.into()));
    assert_eq!(finding["related"]["dentry"], "/svc/*=>/a");
    assert_eq!(json["dtabs"][0]["entries"], 3);
}

/// Every dtab of the reference files: the findings were read one by one and are right.
#[test]
fn no_false_alarms_in_reference_files() {
    let Some(root) = reference() else { return };
    let mut files = Vec::new();
    walk(&root, &mut files);
    files.sort();
    let (mut dtabs, mut found) = (0, Vec::new());
    for file in files {
        let name = file.strip_prefix(&root).unwrap().display().to_string();
        let Linted { dtabs: all, .. } = linted(&name, &std::fs::read_to_string(&file).unwrap_or_default());
        for (dtab, report) in all.iter().filter(|(found, _)| !found.dtab.is_empty()) {
            dtabs += 1;
            found.extend(report.findings.iter().map(|f| {
                let line = dtab.source().position(dtab.span(&f.span).start).line;
                format!("{name}:{line} {} {}", f.rule.name(), f.message)
            }));
        }
    }
    assert!(dtabs > 60, "only {dtabs} dtabs");
    assert_eq!(found, REVIEWED);
}

/// What is right about the reference files.
const REVIEWED: &[&str] = &[];

/// The reference files, where they are at hand.
fn reference() -> Option<std::path::PathBuf> {
    let here = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().map(|folder| folder.join("shared/reference")).find(|folder| folder.is_dir())
}

fn walk(folder: &std::path::Path, files: &mut Vec<std::path::PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            walk(&path, files);
        } else if path.extension().is_some_and(|e| e == "yaml" || e == "yml" || e == "dtab" || e == "json") {
            files.push(path);
        }
    }
}
