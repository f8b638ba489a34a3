//! The metrics tree, its per-worker shards and its renderers; access logs.
//!
//! Traffic writes into [`Shard`]s (one per worker, one writer each, plain loads and stores); control reads them:
//! once a minute [`Metrics::snapshot_histograms`] turns what histograms counted into summaries, and the renderers
//! walk the tree without ever holding up a writer. Nothing here is global: two proxies in one process have two trees.

mod access_log;
mod block;
mod counter;
mod histogram;
mod number;
pub mod process;
mod render;
mod tree;

pub use access_log::{AccessLog, Entry, Lines, Reopener, RollPolicy, WallClock};
pub use access_log::{Clocks as AccessLogClocks, File as AccessLogFile, Writer as AccessLogWriter};
pub use block::{Block, BlockSpec, Shard, Total};
pub use counter::Counter;
pub use histogram::{Cumulative, Histogram, Summary, bucket_limits};
pub use number::{push_f32, push_f64, utc_millis};
pub use render::influx::render_influx;
pub use render::json::{JsonQuery, NoSuchSubtree, render_json};
pub use render::prometheus::{PrometheusOptions, render_prometheus, render_prometheus_pieces};
pub use render::statsd::{Statsd, StatsdRates};
pub use render::{Value, Visitor};
pub use tree::{Lease, Metrics, Scope};
