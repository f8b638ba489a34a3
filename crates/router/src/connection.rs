//! What is asked of connections: of their sockets, of how long they live, of how many there are (dataplane.md §3.1, §3.3,
//! §6.2). The router only carries this; the engine obeys.

use balance::Nanos;
use telemetry::{Counter, Scope};

/// `socketOptions`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SocketSettings {
    /// Small writes are sent at once (`noDelay`, true).
    pub no_delay: bool,
    /// An address may be bound while connections of an earlier process linger (`reuseAddr`, true).
    pub reuse_addr: bool,
    /// Several sockets, also of other processes, may be bound to one address (`reusePort`, false).
    pub reuse_port: bool,
    /// How long the proxy waits for bytes of a peer whose turn it is (`readTimeoutMs`, for ever).
    pub read_timeout: Option<Nanos>,
    /// How long the proxy waits for a peer to take bytes (`writeTimeoutMs`, for ever).
    pub write_timeout: Option<Nanos>,
    /// Whether the kernel probes idle connections (`keepAlive`, as the system has it).
    pub keep_alive: Option<bool>,
    /// How many connections the kernel queues (`backlog`, as many as it will).
    pub backlog: Option<u32>,
}

impl Default for SocketSettings {
    fn default() -> SocketSettings {
        SocketSettings {
            no_delay: true,
            reuse_addr: true,
            reuse_port: false,
            read_timeout: None,
            write_timeout: None,
            keep_alive: None,
            backlog: None,
        }
    }
}

/// `serverSession` and `clientSession`: how long a connection may live. No request is ever cut by it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SessionSettings {
    /// Without a request (`idleTimeMs`, for ever).
    pub idle: Option<Nanos>,
    /// In all (`lifeTimeMs`, for ever); a request under way is finished first.
    pub life: Option<Nanos>,
}

impl SessionSettings {
    /// Whether there is a limit at all.
    #[must_use]
    pub fn is_bounded(&self) -> bool {
        *self != SessionSettings::default()
    }
}

/// `hostConnectionPool`: how many connections an endpoint may have, in the whole process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PoolSettings {
    /// Connections that are kept however long they idle (`minSize`, 0).
    pub min: u32,
    /// Most connections (`maxSize`, no limit).
    pub max: u32,
    /// Most requests that wait for a connection (`maxWaiters`, no limit).
    pub max_waiters: u32,
    /// How long those above `min` may idle (`idleTimeMs`, for ever).
    pub idle: Option<Nanos>,
}

impl PoolSettings {
    /// Linkerd's way to say "no limit": the largest number its configuration can hold.
    pub const UNLIMITED: u32 = i32::MAX as u32;
}

impl Default for PoolSettings {
    fn default() -> PoolSettings {
        let max = PoolSettings::UNLIMITED;
        PoolSettings { min: 0, max, max_waiters: max, idle: None }
    }
}

/// All of it, for the connections to one client's endpoints.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ConnectionSettings {
    /// How many.
    pub pool: PoolSettings,
    /// For how long.
    pub session: SessionSettings,
    /// Of which kind.
    pub socket: SocketSettings,
}

impl ConnectionSettings {
    /// Whether number or age of the connections is limited: only then the engine has to count and look.
    #[must_use]
    pub fn is_bounded(&self) -> bool {
        self.session.is_bounded() || self.pool.idle.is_some() || self.pool.max < PoolSettings::UNLIMITED
    }
}

/// Why a session ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SessionEnd {
    /// It was idle too long.
    Idle,
    /// It was open long enough.
    Life,
}

/// Counters `idle` and `lifetime`, only there where sessions are limited (observability.md §2.4).
#[derive(Debug)]
pub(crate) struct SessionCounters {
    idle: Counter,
    life: Counter,
}

impl SessionCounters {
    pub(crate) fn new(settings: &SessionSettings, scope: &Scope) -> Option<SessionCounters> {
        let counters = || SessionCounters { idle: scope.counter("idle"), life: scope.counter("lifetime") };
        settings.is_bounded().then(counters)
    }

    pub(crate) fn count(&self, end: SessionEnd) {
        match end {
            SessionEnd::Idle => self.idle.inc(),
            SessionEnd::Life => self.life.inc(),
        }
    }
}
