//! The resolver behind the watches: made when the first name is looked up, made anew when servers that are given by name
//! may have moved.

use std::net::{IpAddr, SocketAddr};

use hickory_resolver::TokioResolver;
use hickory_resolver::config::{
    ConnectionConfig, LookupIpStrategy, NameServerConfig, ResolverConfig, ResolverOpts,
};
use hickory_resolver::net::NetError;
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use parking_lot::Mutex;

use super::DnsSettings;

/// A DNS server to ask.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DnsHost {
    /// Its IP, or a name that the system finds.
    pub host: String,
    /// The port, 53 as a rule.
    pub port: u16,
}

impl From<SocketAddr> for DnsHost {
    fn from(at: SocketAddr) -> DnsHost {
        DnsHost { host: at.ip().to_string(), port: at.port() }
    }
}

impl DnsHost {
    fn ip(&self) -> Option<IpAddr> {
        self.host.parse().ok()
    }

    /// All its addresses.
    async fn addresses(&self) -> Result<Vec<SocketAddr>, String> {
        if let Some(ip) = self.ip() {
            return Ok(vec![SocketAddr::new(ip, self.port)]);
        }
        let found = tokio::net::lookup_host((self.host.as_str(), self.port)).await;
        let unknown =
            |why: &dyn std::fmt::Display| format!("the DNS server {} is not found: {why}", self.host);
        let found: Vec<SocketAddr> = found.map_err(|error| unknown(&error))?.collect();
        if found.is_empty() { Err(unknown(&"it has no address")) } else { Ok(found) }
    }
}

/// A resolver that keeps nothing and asks what its settings say.
pub(crate) struct Client {
    settings: DnsSettings,
    made: Mutex<Option<TokioResolver>>,
}

impl Client {
    /// Nothing is made or asked yet.
    pub(crate) fn new(settings: DnsSettings) -> Client {
        Client { settings, made: Mutex::default() }
    }

    pub(crate) fn settings(&self) -> &DnsSettings {
        &self.settings
    }

    /// The resolver.
    ///
    /// # Errors
    /// When the system's configuration cannot be read, or no server given by name is found.
    pub(crate) async fn get(&self) -> Result<TokioResolver, String> {
        if let Some(made) = &*self.made.lock() {
            return Ok(made.clone());
        }
        let servers = self.servers().await?;
        let made = made(&self.settings, &servers).map_err(|error| format!("no DNS resolver: {error}"))?;
        Ok(self.made.lock().get_or_insert(made).clone())
    }

    /// To be told of look-ups without an answer: servers given by name are looked for anew.
    pub(crate) fn unanswered(&self) {
        if self.settings.servers.iter().any(|server| server.ip().is_none()) {
            *self.made.lock() = None;
        }
    }

    /// The addresses of the servers; one that is found is enough.
    async fn servers(&self) -> Result<Vec<SocketAddr>, String> {
        let (mut found, mut missing) = (Vec::new(), None);
        for server in &self.settings.servers {
            match server.addresses().await {
                Ok(addresses) => found.extend(addresses),
                Err(why) => missing = missing.or(Some(why)),
            }
        }
        missing.filter(|_| found.is_empty()).map_or(Ok(found), Err)
    }

    #[cfg(test)]
    pub(super) fn is_made(&self) -> bool {
        self.made.lock().is_some()
    }
}

fn made(settings: &DnsSettings, servers: &[SocketAddr]) -> Result<TokioResolver, NetError> {
    let mut builder = if servers.is_empty() {
        TokioResolver::builder_tokio()?
    } else {
        let config = ResolverConfig::from_name_servers(servers.iter().map(server).collect());
        TokioResolver::builder_with_config(config, TokioRuntimeProvider::default())
    };
    let options: &mut ResolverOpts = builder.options_mut();
    // Names are kept by the watches, with their times.
    options.cache_size = 0;
    options.timeout = settings.timeout;
    options.ip_strategy = LookupIpStrategy::Ipv4AndIpv6;
    builder.build()
}

fn server(at: &SocketAddr) -> NameServerConfig {
    let connections = [ConnectionConfig::udp(), ConnectionConfig::tcp()].map(|mut connection| {
        connection.port = at.port();
        connection
    });
    NameServerConfig::new(at.ip(), true, connections.into())
}
