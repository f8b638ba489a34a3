//! The walkthroughs of Linkerd's articles on a real cluster of three nodes, with what `deploy/` ships: each row of
//! walkthroughs.md is a named step, and a step says what was seen when it is not what it should be.
//!
//! One test for each part, because its steps stand on one another. They take minutes and real nodes: `.ci/long cluster`.

mod bed;
mod controller;
mod edge;
mod egress;
mod mesh;
mod originals;
mod release;
mod said;

/// Runs a step under its number in walkthroughs.md, and says so, so that the log of a run reads like the article.
async fn step<T>(number: &str, what: &str, doing: impl Future<Output = T>) -> T {
    eprintln!("{number:8} {what}");
    doing.await
}
