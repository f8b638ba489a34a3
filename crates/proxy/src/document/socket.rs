//! `socketOptions` of servers, clients and the admin server (dataplane.md §3.3).

use config::config;

config! {
    /// Options of sockets.
    pub struct SocketOptions {
        /// Accepted without effect: small writes are never held back.
        no_delay "noDelay": bool = "true", example "false";
        /// Accepted without effect: always on, so that a restart need not wait for old connections.
        reuse_addr "reuseAddr": bool = "true", example "false";
        /// Accepted without effect: the queue of new connections is as long as the system allows.
        backlog "backlog": Option<u32>, example "128";
    }
    later { "readTimeoutMs", "writeTimeoutMs" }
    only {
        /// Whether several processes may listen on the port.
        "reusePort": bool = "false";
        /// Whether idle connections are probed.
        "keepAlive": bool = "false";
    }
}
