//! What parsing, showing and looking up names costs.

use bench::timing::Table;
use names::{Dtab, NameTree, Path};
use std::fmt::Write as _;
use std::process::ExitCode;

fn main() -> ExitCode {
    let mut table = Table::new();
    paths(&mut table);
    trees(&mut table);
    dtabs(&mut table);
    table.finish()
}

fn paths(table: &mut Table) {
    let text: &[u8] = b"/svc/http/1.1/GET/www.example.com";
    let path = Path::parse(text).expect("a valid path");
    table.row("parse a path of 5 elements", None, || Path::parse(text));
    table.row("show it", None, || path.to_string());
    let suffix = path.skip(1);
    let prefix = Path::parse(b"/#/io.l5d.fs").expect("a valid path");
    table.row("replace its first element by two", None, || prefix.concat(&suffix));
}

fn trees(table: &mut Table) {
    let text: &[u8] = b"0.9 * /svc/v1 & 0.1 * /svc/v2 | /svc/default | !";
    let tree = NameTree::parse(text).expect("a valid tree");
    table.row("parse a tree of 4 leaves", None, || NameTree::parse(text));
    table.row("show it", None, || tree.to_string());
}

fn dtabs(table: &mut Table) {
    let text = (0..1_000).fold(String::new(), |mut all, i| {
        writeln!(all, "/svc/name-{i} => /#/io.l5d.fs/name-{i} ;").expect("a String takes everything");
        all
    });
    let dtab = Dtab::parse(text.as_bytes()).expect("a valid dtab");
    let short: &[u8] = b"/svc/web => /svc/web-v2";
    table.row("parse a dtab of 1 entry (l5d-dtab)", None, || Dtab::parse(short));
    table.row("parse a dtab of 1,000 entries", None, || Dtab::parse(text.as_bytes()));
    table.row("show it", None, || dtab.to_string());
    let name = Path::parse(b"/svc/name-500/rest").expect("a valid path");
    table.row("look one name up in it", None, || dtab.lookup(&name));
    let other = Path::parse(b"/svc/nobody").expect("a valid path");
    table.row("look up a name it does not have", None, || dtab.lookup(&other));
}
