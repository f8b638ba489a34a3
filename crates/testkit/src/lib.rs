//! What tests of the whole proxy are made of: back ends that do exactly what their script says, callers that send exact
//! bytes, the real binary as a process, and helpers that wait for events instead of sleeping.
//!
//! A development dependency only. Helpers panic with what they saw: in a test that is the report one wants.

pub mod backend;
pub mod client;
pub mod cluster;
pub mod head;
pub mod kube_api;
pub mod load;
pub mod metrics;
pub mod namespace;
pub mod pace;
pub mod ports;
pub mod process;
pub mod procfs;
pub mod wait;
pub mod wire;
pub mod world;

pub use backend::{Act, Backend, Delay, Gate, Play, Seen};
pub use client::{Client, Response};
pub use head::Head;
pub use kube_api::KubeApi;
pub use load::{Load, Report};
pub use metrics::Metrics;
pub use pace::Pace;
pub use ports::free_port;
pub use process::{Process, helloworld_binary, wayleave_binary};
pub use wait::{PATIENCE, eventually, within};
pub use world::{Setup, World};

/// Declares a test at one worker and at four of each function named: `async fn name(workers: usize)`.
#[macro_export]
macro_rules! each_width {
    ($($name:ident),* $(,)?) => {$(
        mod $name {
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn workers_1() {
                super::$name(1).await;
            }
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn workers_4() {
                super::$name(4).await;
            }
        }
    )*};
}
