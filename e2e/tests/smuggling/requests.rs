//! `requests.txt` through the proxy to a real server.

use crate::corpus::{bytes, marked, rows};
use crate::servers::Server;
use std::fs;
use testkit::{Client, PATIENCE, Setup, World, eventually};

/// The request rows try to smuggle.
const EVIL: &str = "GET /smuggled HTTP/1.1\\r\\nHost: web\\r\\nX-Mark: evil\\r\\n\\r\\n";

struct Row<'a> {
    /// What is to come of it.
    want: &'a str,
    what: &'a str,
    /// Its mark, which the request behind it bears.
    mark: String,
    message: Vec<u8>,
}

fn corpus() -> Vec<Row<'static>> {
    let rows = rows(include_str!("requests.txt"), 3).into_iter().enumerate().map(|(i, row)| {
        let mark = format!("mark-{i:03}");
        let length =
            |more: &str| (marked(&mark).len() + more.parse::<usize>().expect("a number")).to_string();
        let mut text = row[2].replace("$ID", &format!("{i}")).replace("$EVIL", EVIL);
        if let Some((before, behind)) = text.clone().split_once("$FOLLOW+") {
            let digits = behind.find(|c: char| !c.is_ascii_digit()).unwrap_or(behind.len());
            text = format!("{before}{}{}", length(&behind[..digits]), &behind[digits..]);
        }
        Row { want: row[0], what: row[1], mark, message: bytes(&text) }
    });
    rows.collect()
}

/// What a caller was told.
#[derive(Default)]
struct Told {
    /// As `requests.txt` writes it.
    shown: Vec<String>,
    /// The requests that were answered, by the back end's word, in order.
    answered: Vec<String>,
}

/// Reads answers until the connection ends. `row` says to which methods they are.
async fn told(client: &mut Client, row: &Row<'_>) -> Told {
    let mut told = Told::default();
    loop {
        let head = row.message.windows(5).any(|w| w == b"HEAD ") && told.shown.is_empty();
        let Ok(answer) = client.try_response(if head { "HEAD" } else { "GET" }).await else { return told };
        match (answer.status(), answer.head.get("x-echo")) {
            (100..200, _) => continue,
            (_, Some(echo)) if answer.head.get("via").is_some() => {
                let marked = echo.ends_with(&row.mark);
                told.shown.push(if marked { "mark" } else { "fwd" }.to_owned());
                told.answered.push(echo.trim_end_matches(['-', ' ']).to_owned());
            }
            (status, _) => told.shown.push(status.to_string()),
        }
    }
}

/// Sends each row, with a marked request behind it, and looks at what caller and back end make of it.
pub(crate) async fn run(server: Server, workers: usize) {
    let router = "  httpAccessLog: access.log\n  client:\n    failureAccrual: {kind: none}";
    let setup = Setup::new().router(router).replicas("web", &[server.address]);
    let world = setup.start(workers).await;
    let corpus = corpus();
    assert!(corpus.len() >= 200, "{} messages", corpus.len());
    let (mut lines, mut answers, mut faults) = (0, 0, Vec::new());
    let mut cut = false;
    for row in &corpus {
        let mut client = world.client().await;
        // The proxy may refuse before it has read everything.
        let _ = client.try_send([row.message.as_slice(), marked(&row.mark).as_bytes()].concat()).await;
        client.finish_sending().await;
        let told = told(&mut client, row).await;
        drop(client);
        if let Some(fault) = fresh(&world, row).await {
            faults.push(fault);
        }
        let seen = server.lines(lines, &format!("{}-fresh", row.mark)).await;
        lines += seen.len();
        answers += told.answered.len() + 1;
        // The line of a message that was cut may come late.
        let late = std::mem::replace(&mut cut, row.want == "cut");
        faults.extend(differences(row, &told, &seen, late));
    }
    let count = || fs::read(world.disco().with_file_name("access.log")).unwrap_or_default();
    let count = || count().iter().filter(|b| **b == b'\n').count();
    eventually(PATIENCE, "all lines of the access log", || async { count() >= answers }).await;
    assert!(faults.is_empty(), "{} of {}:\n{}", faults.len(), corpus.len(), faults.join("\n"));
    assert_eq!(count(), answers, "the proxy forwarded what was answered, and no more");
    drop(server);
    world.finish().await;
}

/// Somebody else's request on a connection of its own: it must be answered with its own mark.
async fn fresh(world: &World, row: &Row<'_>) -> Option<String> {
    let mark = format!("{}-fresh", row.mark);
    let answer = world.ask("GET", marked(&mark)).await;
    let own = answer.head.get("x-echo") == Some(&format!("GET /marked {mark}"));
    (!own).then(|| format!("{}: somebody else was answered {answer:?}", row.what))
}

/// Where caller, proxy and back end disagree, and where the row wants something else.
fn differences(row: &Row<'_>, told: &Told, seen: &[String], late: bool) -> Vec<String> {
    let mut faults = Vec::new();
    let shown = told.shown.join(" ");
    let cut = row.want == "cut";
    if !(shown == row.want || cut && (shown.is_empty() || shown == "400")) {
        faults.push(format!("{}: the caller was told `{shown}`, not `{}`", row.what, row.want));
    }
    // Of a message that was cut a back end may have seen the beginning, and says so with one of these.
    let partial = |line: &&String| {
        (cut || late) && ["400 ", "408 ", "499 "].iter().any(|status| line.starts_with(status))
    };
    let requests: Vec<&str> = seen
        .iter()
        .filter(|line| !partial(line) && !line.ends_with("-fresh"))
        .map(|line| line.split_once(' ').map_or("", |(_, request)| request).trim_end_matches(['-', ' ']))
        .collect();
    if requests != told.answered {
        faults.push(format!("{}: the back end saw {seen:?}, the caller {:?}", row.what, told.answered));
    }
    faults
}
