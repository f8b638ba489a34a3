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
        /// The port, on the same address, of a second server that names requests: to any request it answers with the name
        /// each router of HTTP would give it. None when absent.
        http_identifier_port "httpIdentifierPort": Option<u16>, example "9991";
        /// What may be asked for.
        security "security": AdminSecurity = "{}", example "{controlEnabled: false}";
    }
    later { "tls" }
}

config! {
    /// What may be asked of the admin server; the rest is answered as if it were not there, with 404. A path may be asked
    /// for when its category is enabled or the whitelist has it, and the blacklist has it not.
    pub struct AdminSecurity {
        /// Whether there are the pages, and what they show: the configuration, metrics, where names lead.
        ui_enabled "uiEnabled": bool = "true", example "false";
        /// Whether there is what changes the process: `/admin/shutdown`, `/admin/reload`, `/logging.json`.
        control_enabled "controlEnabled": bool = "true", example "false";
        /// Whether there is everything else, such as `/admin/ping` and the metrics for Prometheus.
        diagnostics_enabled "diagnosticsEnabled": bool = "true", example "false";
        /// Paths that are there although their category is not: regular expressions for whole paths.
        path_whitelist "pathWhitelist": Vec<String> = "[]", check path_rules, example "['^/config.json$']";
        /// Paths that are not there whatever allows them: regular expressions for whole paths.
        path_blacklist "pathBlacklist": Vec<String> = "[]", check path_rules, example "['/admin/pprof/.*']";
    }
}

/// Expressions that can be read.
fn path_rules(rules: &Vec<String>) -> Result<(), String> {
    for rule in rules {
        admin::PathRule::parse(rule).map_err(|why| format!("`{rule}` is no regular expression: {why}"))?;
    }
    Ok(())
}

impl AdminSecurity {
    /// What it permits.
    pub fn rules(&self) -> admin::Security {
        // Checked when they were read.
        let rules = |of: &[String]| of.iter().filter_map(|rule| admin::PathRule::parse(rule).ok()).collect();
        admin::Security {
            ui: self.ui_enabled,
            control: self.control_enabled,
            diagnostics: self.diagnostics_enabled,
            whitelist: rules(&self.path_whitelist),
            blacklist: rules(&self.path_blacklist),
        }
    }
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

    /// Where requests are named, if anywhere.
    pub fn identifier_address(&self) -> Option<SocketAddr> {
        self.http_identifier_port.map(|port| SocketAddr::new(self.ip, port))
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
