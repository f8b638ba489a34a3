//! `telemetry`, `admin` and `usage`: what the process tells about itself (dataplane.md §1.5, §1.6; observability.md §1).

use super::positive;
use super::socket::SocketOptions;
use config::{Context, Fault, Places, config, kinds};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

kinds! {
    /// Where metrics and traces go.
    pub enum Telemeter: "telemeter", key "kind" {
        "io.l5d.prometheus" => Prometheus(Prometheus),
        "io.l5d.influxdb" => Influxdb(Influxdb),
        "io.l5d.statsd" => Statsd(Statsd),
        "io.l5d.recentRequests" => RecentRequests(RecentRequests),
        "io.l5d.commonMetrics" => CommonMetrics(CommonMetrics),
    }
    later { "io.l5d.tracelog", "io.l5d.zipkin", "io.zipkin.http", "io.zipkin.kafka" }
}

config! {
    /// Metrics in Prometheus' text format on the admin server.
    /// Names and labels are Linkerd's. Beside each summary `request_latency_ms`, which speaks of the last full minute,
    /// stands a histogram that is never reset: `request_latency_ms_histogram_bucket`, `_histogram_sum`,
    /// `_histogram_count`. Its quantiles can be had over any time and over several proxies:
    /// `histogram_quantile(0.99, sum(rate(rt:server:request_latency_ms_histogram_bucket[5m])) by (le, rt))`.
    pub struct Prometheus {
        /// Where they are served.
        path "path": String = "/admin/metrics/prometheus", example "/metrics";
        /// What is put before every metric's name.
        prefix "prefix": String = "''", example "l5d_";
        /// Whether request latencies have histograms beside their summaries: 18 lines for each server, service and
        /// client. A key of Wayleave's.
        histograms "histograms": bool = "true", example "false";
        /// Accepted without effect: this telemeter is not experimental.
        experimental "experimental": bool = "false", example "true";
    }
}

config! {
    /// Metrics in InfluxDB's line protocol on the admin server, at `/admin/metrics/influxdb`.
    pub struct Influxdb {
        /// Accepted without effect: this telemeter is not experimental.
        experimental "experimental": bool = "false", example "true";
    }
}

config! {
    /// Metrics as StatsD packets over UDP, each second.
    /// Counters are sent as exact differences. Linkerd sends a packet for each event instead, as far as it is sampled; a
    /// StatsD server arrives at the same sums.
    pub struct Statsd {
        /// What is put before every metric's name, with a dot between.
        prefix "prefix": String = "linkerd", example "mesh";
        /// Where packets go: a name, which is looked up each minute, or an address.
        hostname "hostname": String = "127.0.0.1", example "statsd";
        /// The port there.
        port "port": u16 = "8125", example "9125";
        /// How often gauges are sent, in milliseconds; rounded up to whole seconds.
        gauge_interval_ms "gaugeIntervalMs": u32 = "10000", from 1, check positive, example "5000";
        /// Which part of the samples of histograms is sent, from 0 to 1.
        sample_rate "sampleRate": f64 = "0.01", check rate, example "1.0";
        /// Has to be `true`: this telemeter is experimental.
        experimental "experimental": bool = "false", example "true";
    }
    rule statsd_is_meant;
}

config! {
    /// The latest requests, on the admin server's page `/requests`.
    pub struct RecentRequests {
        /// Which part of the requests is remembered, from 0 to 1.
        sample_rate "sampleRate": f64, check rate, example "0.25";
        /// How many requests are shown.
        capacity "capacity": u32 = "10", from 1 to 10000, check some, example "100";
        /// Accepted without effect: this telemeter is not experimental.
        experimental "experimental": bool = "false", example "true";
    }
}

config! {
    /// Nothing: what it once showed stands at `/admin/metrics.json` anyway. It ended with Linkerd 0.9.
    pub struct CommonMetrics {
        /// Accepted without effect: this telemeter is not experimental.
        experimental "experimental": bool = "false", example "true";
    }
    rule common_metrics_are_common;
}

fn rate(rate: &f64) -> Result<(), String> {
    if (0.0..=1.0).contains(rate) { Ok(()) } else { Err("sampleRate must be between 0.0 and 1.0".into()) }
}

fn some(capacity: &u32) -> Result<(), String> {
    if (1..=10_000).contains(capacity) {
        Ok(())
    } else {
        Err(format!("{capacity} is not between 1 and 10000"))
    }
}

/// As Linkerd, which does not start otherwise.
fn statsd_is_meant(statsd: &Statsd, places: Places<'_>, cx: &mut Context) -> Option<()> {
    if statsd.experimental {
        return Some(());
    }
    let message = "The io.l5d.statsd telemeter is experimental and must be explicitly enabled by setting the \
                   `experimental' parameter to `true'.";
    cx.fault(Fault::new(places.of("experimental"), message).expected("`experimental: true`"));
    None
}

fn common_metrics_are_common(_: &CommonMetrics, places: Places<'_>, cx: &mut Context) -> Option<()> {
    let message = "io.l5d.commonMetrics is deprecated and does nothing";
    let fault = Fault::new(places.of("kind"), message);
    cx.fault(fault.expected("nothing here: its metrics are at /admin/metrics.json").warning());
    Some(())
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
    /// Linkerd's usage reports. Wayleave never reports to anybody; what Linkerd would report can be looked at on the admin
    /// server, at `/admin/metrics/usage`.
    pub struct Usage {
        /// What the report would be signed with.
        org_id "orgId": Option<String>, example "my-org";
        /// Whether there is such a page.
        enabled "enabled": bool = "true", example "false";
    }
}
