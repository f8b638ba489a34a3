//! `socketOptions` of servers, clients and the admin server (dataplane.md §3.3).

use config::config;

config! {
    /// Options of sockets.
    pub struct SocketOptions {
        /// Whether small writes are sent at once instead of being held back for more to come.
        no_delay "noDelay": bool = "true", example "false";
        /// Whether an address may be bound while connections of an earlier process linger on it.
        reuse_addr "reuseAddr": bool = "true", example "false";
        /// Whether several processes may listen on the port; each must say so.
        reuse_port "reusePort": bool = "false", example "true";
        /// How long to wait for bytes of a peer whose turn it is, in milliseconds; absent or 0: for ever. A back end that
        /// takes longer to answer costs its request a 502.
        read_timeout_ms "readTimeoutMs": Option<u32>, example "60000";
        /// How long to wait for a peer to take bytes, in milliseconds; absent or 0: for ever.
        write_timeout_ms "writeTimeoutMs": Option<u32>, example "60000";
        /// Whether the system probes idle connections; absent: as the system does by itself.
        keep_alive "keepAlive": Option<bool>, example "true";
        /// How many new connections the system queues, for listening sockets; absent: as many as it will.
        backlog "backlog": Option<u32>, example "128";
    }
}
