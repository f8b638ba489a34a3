//! What the table shows: rates from the proxy's own counters, latencies from the callers, lives from the replicas.

use super::fleet::Alive;
use super::traffic::Latency;
use std::collections::{HashMap, VecDeque};
use std::time::Duration;
use tokio::time::Instant;

/// Over how long rates and latencies are taken.
pub(crate) const WINDOW: Duration = Duration::from_secs(5);

/// The services that are shown, as callers name them.
const SERVICES: [&str; 2] = ["hello", "world"];

/// Counters of the proxy by their full names.
type Counters = HashMap<String, f64>;

/// Turns the counters into rates.
#[derive(Debug, Default)]
pub(crate) struct Meter {
    /// Readings of the last window, oldest first.
    readings: VecDeque<(Instant, Counters)>,
}

/// One service as its callers see it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Service {
    pub(crate) name: &'static str,
    /// Requests a second.
    pub(crate) rate: f64,
    /// From 0 to 1; `None` without requests.
    pub(crate) success: Option<f64>,
    /// As the demo's own callers measured it; `None` when they do not call.
    pub(crate) latency: Option<Latency>,
}

/// One set of replicas.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Replicas {
    /// Attempts a second, retries included.
    pub(crate) rate: f64,
    pub(crate) alive: Alive,
}

/// All that is shown at one time.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Figures {
    pub(crate) services: Vec<Service>,
    pub(crate) replicas: Vec<Replicas>,
    /// Requests for the services since the start.
    pub(crate) requests: u64,
    /// Those of them that failed.
    pub(crate) failed: u64,
    /// Attempts that were tried on another replica, since no request had been sent.
    pub(crate) requeued: u64,
    /// Attempts that failed and were followed by another.
    pub(crate) retried: u64,
}

impl Meter {
    /// Takes a reading: `json` is the proxy's metrics as the admin server shows them.
    pub(crate) fn read(&mut self, now: Instant, json: &str) {
        // What cannot be read would be a fault of the renderer; then the table stands still.
        let Ok(counters) = serde_json::from_str::<Counters>(json) else { return };
        self.readings.push_back((now, counters));
        // The oldest reading kept is the last one that is a window old.
        while self.readings.get(1).is_some_and(|(at, _)| now - *at >= WINDOW) {
            self.readings.pop_front();
        }
    }

    /// What the readings say, together with what others know. `latency` has the order of the services.
    pub(crate) fn figures(&self, latency: [Option<Latency>; 2], alive: Vec<Alive>) -> Figures {
        let services = SERVICES.iter().zip(latency).map(|(name, latency)| {
            let scope = format!("rt/outgoing/service/svc/{name}/");
            let requests = self.growth(&format!("{scope}requests"));
            let success = self.growth(&format!("{scope}success"));
            Service {
                name,
                rate: self.per_second(requests),
                success: (requests > 0.0).then(|| success / requests),
                latency,
            }
        });
        let replicas = alive.into_iter().map(|alive| {
            let requests = self.growth(&format!("rt/incoming/client/#/io.l5d.fs/{}/requests", alive.set));
            Replicas { rate: self.per_second(requests), alive }
        });
        Figures {
            services: services.collect(),
            replicas: replicas.collect(),
            requests: self.sum("rt/outgoing/service/svc/", &SERVICES, "/requests"),
            failed: self.sum("rt/outgoing/service/svc/", &SERVICES, "/failures"),
            requeued: self.sum("rt/incoming/client/#/io.l5d.fs/", &SETS, "/retries/requeues"),
            retried: self.sum("rt/incoming/service/svc/", &SERVICES, "/retries/total"),
        }
    }

    /// By how much a counter grew within the window.
    fn growth(&self, name: &str) -> f64 {
        let value = |reading: Option<&(Instant, Counters)>| {
            reading.and_then(|(_, c)| c.get(name)).copied().unwrap_or_default()
        };
        (value(self.readings.back()) - value(self.readings.front())).max(0.0)
    }

    fn per_second(&self, growth: f64) -> f64 {
        let (Some((from, _)), Some((to, _))) = (self.readings.front(), self.readings.back()) else {
            return 0.0;
        };
        let seconds = (*to - *from).as_secs_f64();
        if seconds > 0.0 { growth / seconds } else { 0.0 }
    }

    fn sum(&self, prefix: &str, names: &[&str], suffix: &str) -> u64 {
        let Some((_, counters)) = self.readings.back() else { return 0 };
        let values = names.iter().filter_map(|name| counters.get(&format!("{prefix}{name}{suffix}")));
        values.sum::<f64>() as u64
    }
}

/// The sets of replicas.
const SETS: [&str; 3] = ["hello", "world-v1", "world-v2"];

#[cfg(test)]
mod tests {
    use super::*;

    fn json(requests: u64, success: u64) -> String {
        format!(
            "{{\"rt/outgoing/service/svc/hello/requests\":{requests},
               \"rt/outgoing/service/svc/hello/success\":{success},
               \"rt/outgoing/service/svc/hello/failures\":{},
               \"rt/outgoing/service/svc/world/requests\":1,
               \"rt/incoming/service/svc/hello/retries/total\":3,
               \"rt/incoming/client/#/io.l5d.fs/world-v1/requests\":{requests},
               \"rt/incoming/client/#/io.l5d.fs/world-v1/retries/requeues\":2}}",
            requests - success
        )
    }

    fn alive() -> Vec<Alive> {
        SETS.iter().map(|set| Alive { set, alive: 1, dead: Vec::new() }).collect()
    }

    #[tokio::test(start_paused = true)]
    async fn rates_are_those_of_the_window() {
        let mut meter = Meter::default();
        assert_eq!(meter.figures([None; 2], alive()).services[0].success, None);
        // Second by second; 10 requests a second at first, then 20, of which one fails in the last second.
        let mut requests = 0;
        for second in 0..20 {
            requests += if second < 10 { 10 } else { 20 };
            meter.read(Instant::now(), &json(requests, requests - u64::from(second == 19)));
            tokio::time::advance(Duration::from_secs(1)).await;
        }
        let figures = meter.figures([None; 2], alive());
        let hello = &figures.services[0];
        assert_eq!((hello.rate, hello.success), (20.0, Some(0.99)));
        let world = &figures.services[1];
        assert_eq!((world.rate, world.success), (0.0, None));
        assert_eq!(figures.replicas.iter().map(|r| r.rate).collect::<Vec<_>>(), [0.0, 20.0, 0.0]);
        assert_eq!((figures.requests, figures.failed), (requests + 1, 1));
        assert_eq!((figures.requeued, figures.retried), (2, 3));
        assert_eq!(meter.readings.len(), 6);
    }

    #[tokio::test(start_paused = true)]
    async fn the_names_are_those_of_the_proxy() {
        // Whether these counters exist under a real proxy is what the end-to-end test of the demo sees; here: that
        // the renderer's text is what `read` takes.
        let metrics = telemetry::Metrics::new(1);
        metrics.scope(&["rt", "outgoing", "service", "svc/hello"]).counter("requests").add(7);
        let json = telemetry::render_json(&metrics, &telemetry::JsonQuery::default()).unwrap();
        let mut meter = Meter::default();
        meter.read(Instant::now(), &json);
        assert_eq!(meter.figures([None; 2], alive()).requests, 7);
    }
}
