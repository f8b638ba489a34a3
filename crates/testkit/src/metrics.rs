//! The proxy's metrics as a test sees them, and the rules that hold after every test.

use crate::client::Client;
use std::collections::BTreeMap;
use std::net::SocketAddr;

/// An answer is no longer than that: some thousand services have numbers of several megabytes.
const MOST: usize = 256 << 20;

/// One reading of `/admin/metrics.json`.
#[derive(Clone, Debug, Default)]
pub struct Metrics(BTreeMap<String, f64>);

impl Metrics {
    /// Asks the admin server.
    ///
    /// # Panics
    /// When it does not answer with a flat JSON object of numbers.
    pub async fn fetch(admin: SocketAddr) -> Metrics {
        Metrics::fetch_below(admin, "").await
    }

    /// The same of the metrics below a scope only, such as `rt/out`: what costs little where there are many others. Their
    /// names are whole ones.
    ///
    /// # Panics
    /// As [`Metrics::fetch`], and when there is no such scope.
    pub async fn fetch_below(admin: SocketAddr, scope: &str) -> Metrics {
        let mut client = Client::connect(admin).await;
        client.keep(MOST);
        let query = if scope.is_empty() { String::new() } else { format!("?q={scope}") };
        let response = client.get(&format!("/admin/metrics.json{query}"), "admin").await;
        assert_eq!(response.status(), 200, "{response:?}");
        let read: BTreeMap<String, f64> = serde_json::from_slice(&response.body.data)
            .unwrap_or_else(|e| panic!("{e}: {}", response.text()));
        let whole = |name| if scope.is_empty() { name } else { format!("{scope}/{name}") };
        read.into_iter().map(|(name, value)| (whole(name), value)).collect()
    }

    /// A metric's value; 0 when there is none.
    #[must_use]
    pub fn get(&self, name: &str) -> f64 {
        self.0.get(name).copied().unwrap_or(0.0)
    }

    /// Whether the metric exists.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    /// Names and values.
    pub fn iter(&self) -> impl Iterator<Item = (&str, f64)> {
        self.0.iter().map(|(k, v)| (k.as_str(), *v))
    }

    /// Sum of the metrics whose name starts with `prefix` and ends with `suffix`.
    #[must_use]
    pub fn sum(&self, prefix: &str, suffix: &str) -> f64 {
        self.iter().filter(|(n, _)| n.starts_with(prefix) && n.ends_with(suffix)).map(|(_, v)| v).sum()
    }

    /// Scopes whose requests are not their successes plus their failures (observability.md §2.4).
    #[must_use]
    pub fn unbalanced(&self) -> Vec<String> {
        let scopes =
            self.0.keys().filter_map(|n| n.strip_suffix("/requests")).filter(|s| s.starts_with("rt/"));
        scopes
            .filter_map(|s| {
                let [r, ok, bad] = ["requests", "success", "failures"].map(|m| self.get(&format!("{s}/{m}")));
                ((r - ok - bad).abs() > 0.1)
                    .then(|| format!("{s}: requests {r}, success {ok}, failures {bad}"))
            })
            .collect()
    }

    /// Gauges of things in flight that are not 0: open connections and pending requests.
    #[must_use]
    pub fn in_flight(&self) -> Vec<String> {
        let gauges = ["/connections", "/pending", "/loadbalancer/load"];
        let alive = |n: &&str| n.starts_with("rt/") && gauges.iter().any(|g| n.ends_with(g));
        self.iter().filter(|(n, v)| alive(n) && *v != 0.0).map(|(n, v)| format!("{n} = {v}")).collect()
    }
}

impl FromIterator<(String, f64)> for Metrics {
    fn from_iter<I: IntoIterator<Item = (String, f64)>>(iter: I) -> Metrics {
        Metrics(iter.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn metrics(of: &[(&str, f64)]) -> Metrics {
        of.iter().map(|(n, v)| ((*n).to_owned(), *v)).collect()
    }

    #[test]
    fn unbalanced_scopes_are_named() {
        let m = metrics(&[
            ("rt/a/server/1/requests", 3.0),
            ("rt/a/server/1/success", 2.0),
            ("rt/a/server/1/failures", 1.0),
            ("rt/a/service/svc/x/requests", 2.0),
            ("rt/a/service/svc/x/success", 1.0),
        ]);
        assert_eq!(m.unbalanced(), ["rt/a/service/svc/x: requests 2, success 1, failures 0"]);
    }

    #[test]
    fn what_is_in_flight_is_named() {
        let m = metrics(&[
            ("rt/a/server/1/connections", 1.0),
            ("rt/a/client/x/pending", 0.0),
            ("other/pending", 1.0),
        ]);
        assert_eq!(m.in_flight(), ["rt/a/server/1/connections = 1"]);
        assert_eq!(m.sum("rt/", "/connections"), 1.0);
    }
}
