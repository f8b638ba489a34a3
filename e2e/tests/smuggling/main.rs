//! Messages that try to be understood in two ways, between real programs: what nginx and Node take for a request is what
//! the proxy took for one, and nobody is ever answered with what was meant for somebody else (architecture.md §8).
//!
//! The messages stand in `requests.txt` and `responses.txt`.

mod corpus;
mod requests;
mod responses;
mod servers;

use testkit::each_width;

each_width!(requests_to_nginx, requests_to_node, responses_of_liars);

async fn requests_to_nginx(workers: usize) {
    if let Some(server) = servers::nginx().await {
        requests::run(server, workers).await;
    }
}

async fn requests_to_node(workers: usize) {
    if let Some(server) = servers::node().await {
        requests::run(server, workers).await;
    }
}

async fn responses_of_liars(workers: usize) {
    responses::run(workers).await;
}
