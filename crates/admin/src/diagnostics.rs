//! What a daemon tells about its own process (observability.md §6.2). Where Twitter's server asks the Java virtual
//! machine, this one asks the kernel, or says which tool answers the question.

use std::fmt::Write as _;
use std::fs;
use std::sync::Arc;

use hyper::StatusCode;
use serde_json::{Value, json};

use crate::reply::reply;
use crate::{Request, Response, Routes, json, query, status, text};

/// What a daemon is.
#[derive(Clone)]
pub struct About {
    /// Its name: `wayleave`.
    pub name: &'static str,
    /// Its version.
    pub version: &'static str,
    /// The revision it was built from, where the build knew.
    pub revision: Option<&'static str>,
    /// When the process started, as RFC 3339 has it.
    pub start_time: String,
    /// For how long it has run, in milliseconds.
    pub uptime: Arc<dyn Fn() -> u64 + Send + Sync>,
    /// The configuration's file as it was named.
    pub config: String,
    /// How many workers carry traffic.
    pub workers: usize,
}

impl std::fmt::Debug for About {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("About")
            .field("name", &self.name)
            .field("version", &self.version)
            .finish_non_exhaustive()
    }
}

/// What profilers there are instead, by path.
const PROFILES: [(&str, &str); 3] = [
    (
        "/admin/pprof/profile",
        "No CPU profiler is built in. The release binary has line tables: `perf record -g -p PID -- sleep 10`, then \
         `perf report`.\n",
    ),
    (
        "/admin/pprof/heap",
        "No heap profiler is built in. /admin/metrics.json tells how much memory is in use, \
         `heaptrack -p PID` tells by whom.\n",
    ),
    ("/admin/pprof/contention", "Locks are not profiled: the path of a request takes none.\n"),
];

impl Routes {
    /// Adds what tells about the process: `/admin/server_info`, `/admin/registry.json`, `/admin/threads`,
    /// `/admin/threads.json`, `/admin/contention`, `/admin/tracing`, `/admin/announcer` and `/admin/pprof/...`.
    #[must_use]
    pub fn diagnostics(self, about: &About) -> Routes {
        let info = about.clone();
        let registry = registry(about);
        let mut routes = self
            .get("/admin/server_info", move |_| json(server_info(&info).to_string()))
            .get("/admin/registry.json", move |_| json(registry.to_string()))
            .get("/admin/threads", |_| text(threads_text(&threads())))
            .get("/admin/threads.json", |_| json(threads_json(&threads()).to_string()))
            .get("/admin/contention", |_| text("No request waits for a lock, so none is watched.\n"))
            .get("/admin/tracing", tracing)
            .get("/admin/announcer", |_| text("Nothing is announced: announcers are not built.\n"));
        for (path, said) in PROFILES {
            routes = routes.get(path, move |_| status(StatusCode::NOT_IMPLEMENTED, said));
        }
        routes
    }

    /// Adds `/admin/lint.json`, and `/admin/lint` for people: `find` gives what is odd, each with `rule`, `severity`,
    /// `message` and what else there is to say.
    #[must_use]
    pub fn lint(self, find: impl Fn() -> Vec<Value> + Clone + Send + Sync + 'static) -> Routes {
        let shown = find.clone();
        self.get("/admin/lint.json", move |_| json(json!({ "lint": { "issues": find() } }).to_string()))
            .get("/admin/lint", move |_| text(lint_text(&shown())))
    }
}

fn server_info(about: &About) -> Value {
    json!({
        "name": about.name, "build": about.version, "build_revision": about.revision.unwrap_or("unknown"),
        "version": about.version, "start_time": about.start_time, "uptime": (about.uptime)(),
        "pid": std::process::id(), "workers": about.workers,
    })
}

fn registry(about: &About) -> Value {
    let arguments: Vec<String> =
        std::env::args_os().skip(1).map(|argument| argument.to_string_lossy().into_owned()).collect();
    json!({ "registry": {
        about.name: { "version": about.version, "config": about.config, "workers": about.workers },
        "flags": arguments,
    } })
}

/// The switch has nothing to switch: whether a request is traced is said by its headers and the telemeters.
fn tracing(request: &Request) -> Response {
    let asked = request.uri().query().unwrap_or_default();
    let said = |key: &str| query::first(asked, key).is_some_and(|value| value == b"true");
    let text = match (said("enable"), said("disable")) {
        (true, true) => {
            return status(StatusCode::BAD_REQUEST, "expected `enable=true` or `disable=true`, not both\n");
        }
        (true, false) | (false, true) => {
            "There is no switch: requests are traced as their headers and the telemeters say.\n"
        }
        (false, false) => "Requests are traced as their headers and the telemeters say.\n",
    };
    reply(StatusCode::OK, "text/html;charset=UTF-8", text.into())
}

fn lint_text(issues: &[Value]) -> String {
    let mut out = String::new();
    for issue in issues {
        let word = |key: &str| issue.get(key).and_then(Value::as_str).unwrap_or_default();
        let (router, severity, rule) = (word("router"), word("severity"), word("rule"));
        writeln!(out, "router {router}: {severity}[{rule}]: {}\n  {}", word("message"), word("advice"))
            .expect("writing to a string");
    }
    if out.is_empty() { "No issues.\n".to_owned() } else { out }
}

/// A thread of this process.
#[derive(Debug, PartialEq)]
struct Thread {
    id: u32,
    name: String,
    /// As the kernel writes it: `R` runs, `S` sleeps, `D` waits for a disk.
    state: char,
    /// Processor time so far, in hundredths of a second.
    ticks: u64,
}

fn threads() -> Vec<Thread> {
    let tasks = fs::read_dir("/proc/self/task").into_iter().flatten().flatten();
    let mut threads: Vec<Thread> =
        tasks.filter_map(|task| thread(&fs::read_to_string(task.path().join("stat")).ok()?)).collect();
    threads.sort_by_key(|thread| thread.id);
    threads
}

/// A line of `/proc/<pid>/task/<id>/stat` (proc(5)); the name may hold blanks and brackets.
fn thread(stat: &str) -> Option<Thread> {
    let (id, rest) = stat.split_once(" (")?;
    let (name, rest) = rest.rsplit_once(") ")?;
    let fields: Vec<&str> = rest.split(' ').collect();
    let number = |at: usize| fields.get(at)?.parse::<u64>().ok();
    // Fields 14 and 15 of the line, counted from 1; the third is the first behind the name.
    let ticks = number(11)? + number(12)?;
    Some(Thread {
        id: id.parse().ok()?,
        name: name.to_owned(),
        state: fields.first()?.chars().next()?,
        ticks,
    })
}

fn threads_json(threads: &[Thread]) -> Value {
    let one = |thread: &Thread| {
        json!({
            "id": thread.id, "name": thread.name, "state": thread.state.to_string(),
            "cpu_ms": thread.ticks * 10,
        })
    };
    json!({ "threads": threads.iter().map(one).collect::<Vec<_>>() })
}

fn threads_text(threads: &[Thread]) -> String {
    let mut out = format!("{:>8}  {:<16} state   cpu s\n", "id", "name");
    for Thread { id, name, state, ticks } in threads {
        writeln!(out, "{id:>8}  {name:<16} {state}    {:>8.2}", *ticks as f64 / 100.0)
            .expect("writing to a string");
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threads_are_those_of_the_kernel() {
        let line = "71 (a (b) c) S 1 71 71 0 -1 4194560 10 0 0 0 1234 66 0 0 20 0 4 0 100 1000 10";
        let expected = Thread { id: 71, name: "a (b) c".into(), state: 'S', ticks: 1300 };
        assert_eq!(thread(line), Some(expected));
        assert_eq!(thread("71 (a"), None);
        assert_eq!(thread(""), None);
        let all = threads();
        assert!(all.iter().any(|thread| thread.id == std::process::id()), "{all:?}");
        assert!(threads_text(&all).contains(&std::process::id().to_string()));
    }

    #[test]
    fn issues_for_people() {
        assert_eq!(lint_text(&[]), "No issues.\n");
        let issue =
            json!({"router": "a", "severity": "error", "rule": "loop", "message": "m", "advice": "do"});
        assert_eq!(lint_text(&[issue]), "router a: error[loop]: m\n  do\n");
    }
}
