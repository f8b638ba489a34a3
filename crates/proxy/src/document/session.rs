//! How long connections live, and how many there are (dataplane.md §3.1, §6.2).

use super::{positive, positive_if_any};
use config::config;

config! {
    /// How long connections live. No request is cut by it: one under way is finished first.
    pub struct Session {
        /// How long a connection may be without a request, in milliseconds; absent: for ever.
        idle_time_ms "idleTimeMs": Option<u32>, from 1, check positive_if_any, example "60000";
        /// How long a connection may be open, in milliseconds; absent: for ever.
        life_time_ms "lifeTimeMs": Option<u32>, from 1, check positive_if_any, example "600000";
    }
}

config! {
    /// How many connections each endpoint may have, counted over the whole process.
    pub struct HostConnectionPool {
        /// Connections that are kept once they are there, however long they idle.
        min_size "minSize": u32 = "0", example "5";
        /// Most connections; requests beyond them wait for one.
        max_size "maxSize": u32 = "2147483647", from 1, check positive, example "100";
        /// How long connections above `minSize` may idle, in milliseconds; absent: for ever.
        idle_time_ms "idleTimeMs": Option<u32>, example "10000";
        /// Most requests that may wait; more are answered with 502.
        max_waiters "maxWaiters": u32 = "2147483647", example "5000";
    }
}
