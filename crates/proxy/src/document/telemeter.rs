//! `telemetry`, `admin` and `usage`: what the process tells about itself (dataplane.md §1.5, §1.6; observability.md §1).

use super::socket::SocketOptions;
use config::{config, kinds};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

kinds! {
    /// Where metrics and traces go.
    pub enum Telemeter: "telemeter", key "kind" {
        "io.l5d.prometheus" => Prometheus(Prometheus),
    }
    later {
        "io.l5d.influxdb", "io.l5d.statsd", "io.l5d.tracelog", "io.l5d.recentRequests", "io.l5d.zipkin",
        "io.zipkin.http", "io.zipkin.kafka",
    }
}

config! {
    /// Metrics in Prometheus' text format on the admin server.
    pub struct Prometheus {
        /// Where they are served.
        path "path": String = "/admin/metrics/prometheus", example "/metrics";
        /// What is put before every metric's name.
        prefix "prefix": String = "''", example "l5d_";
        /// Accepted without effect: this telemeter is not experimental.
        experimental "experimental": bool = "false", example "true";
    }
}

config! {
    /// The admin server.
    pub struct Admin {
        /// The address to listen on.
        ip "ip": IpAddr = "127.0.0.1", example "0.0.0.0";
        /// The port; 0 lets the system choose one.
        port "port": u16 = "9990", example "9991";
        /// How long shutting down may take, in milliseconds.
        shutdown_grace_ms "shutdownGraceMs": u32 = "10000", example "5000";
        /// How long new connections are still accepted after SIGTERM or `/admin/shutdown`, in milliseconds, while
        /// `/admin/ready` says no; only then `shutdownGraceMs` begins. For those who send traffic here and take a while to
        /// learn that they should not. By default 5000 in a Kubernetes pod (where `KUBERNETES_SERVICE_HOST` is set), else 0.
        drain_delay_ms "drainDelayMs": Option<u32>, example "5000";
        /// Accepted without effect: the admin server runs on the threads of discovery, which sleep nearly always.
        worker_threads "workerThreads": u32 = "2", example "4";
        /// Options of the listening socket and of its connections.
        socket_options "socketOptions": SocketOptions = "{}", example "{backlog: 128}";
    }
    later { "httpIdentifierPort", "tls", "security" }
}

impl Admin {
    /// The address to listen on.
    pub fn address(&self) -> SocketAddr {
        SocketAddr::new(self.ip, self.port)
    }

    /// How long accepting goes on after the end has begun, if that is configured.
    pub fn drain_delay(&self) -> Option<Duration> {
        self.drain_delay_ms.map(|millis| Duration::from_millis(millis.into()))
    }

    /// How long shutting down may take.
    pub fn shutdown_grace(&self) -> Duration {
        Duration::from_millis(self.shutdown_grace_ms.into())
    }
}

config! {
    /// Linkerd's usage reports. Wayleave accepts the keys and never reports to anybody.
    pub struct Usage {
        /// Accepted without effect: nothing is ever reported.
        org_id "orgId": Option<String>, example "my-org";
        /// Accepted without effect: nothing is ever reported.
        enabled "enabled": bool = "true", example "false";
    }
}
