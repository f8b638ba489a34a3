//! What a service is told by its flags and its environment (sample-apps.md §1.1).

use crate::flags::{self, Flag, FlagFault, Kind, Value};

/// What a service says, whom it asks first and how badly it behaves.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// Listen address `host:port`, host may be empty. Only [`crate::bind`] and the messages use it.
    pub addr: String,
    /// What it says; `TARGET_WORLD` has replaced `-text` already.
    pub text: String,
    /// `host[:port]` of the service to call before each answer.
    pub target: Option<String>,
    /// Sleep before each request, in nanoseconds; none if not positive.
    pub latency: i64,
    /// Probability of an error instead of an answer.
    pub failure_rate: f64,
    /// Answers `{"api_result":"…"}`.
    pub json: bool,
    /// Protocol to serve.
    pub protocol: Protocol,
    /// Address shown behind the text.
    pub pod_ip: Option<String>,
    /// Proxy for the call to the target.
    pub proxy: ProxySettings,
}

/// Protocols of the original.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// HTTP/1.1.
    Http,
    /// gRPC; not built yet.
    Grpc,
}

/// `http_proxy` and `no_proxy`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProxySettings {
    /// `host:port` or URL of the proxy.
    pub http_proxy: Option<String>,
    /// Hosts to call directly, separated by commas.
    pub no_proxy: Option<String>,
}

/// Why a service cannot start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Help was asked for; this is the text.
    Help(String),
    /// Flags that cannot be read: the fault and the usage.
    Usage(String),
    /// Anything else.
    Fatal(String),
}

impl Fault {
    /// What to print on standard error.
    #[must_use]
    pub fn text(&self) -> &str {
        match self {
            Fault::Help(text) | Fault::Usage(text) | Fault::Fatal(text) => text,
        }
    }

    /// The process's exit code: as Go's for flags, else 1.
    #[must_use]
    pub const fn exit_code(&self) -> u8 {
        match self {
            Fault::Help(_) => 0,
            Fault::Usage(_) => 2,
            Fault::Fatal(_) => 1,
        }
    }
}

const FLAGS: [Flag; 7] = [
    Flag { name: "addr", kind: Kind::Text, default: ":7777", help: "listen address" },
    Flag {
        name: "failure-rate",
        kind: Kind::Float,
        default: "0",
        help: "probability of an error reply, 0.0 to 1.0",
    },
    Flag { name: "json", kind: Kind::Switch, default: "false", help: "reply in JSON (HTTP only)" },
    Flag {
        name: "latency",
        kind: Kind::Duration,
        default: "0",
        help: "sleep before each request is processed",
    },
    Flag { name: "protocol", kind: Kind::Text, default: "http", help: "API protocol: http or grpc" },
    Flag { name: "target", kind: Kind::Text, default: "", help: "service to call before replying" },
    Flag { name: "text", kind: Kind::Text, default: "Hello", help: "text to serve" },
];

/// The longest `-latency` in HTTP mode, in nanoseconds: 10 s.
const MAX_LATENCY: i64 = 10_000_000_000;

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            addr: ":7777".to_owned(),
            text: "Hello".to_owned(),
            target: None,
            latency: 0,
            failure_rate: 0.0,
            json: false,
            protocol: Protocol::Http,
            pod_ip: None,
            proxy: ProxySettings::default(),
        }
    }
}

impl Settings {
    /// Reads flags (without the program's name) and environment.
    ///
    /// # Errors
    /// Faulty flags, an unknown protocol, a latency above 10 s in HTTP mode.
    pub fn read(args: &[String], env: impl Fn(&str) -> Option<String>) -> Result<Settings, Fault> {
        let mut settings = Settings::default();
        let mut protocol = "http".to_owned();
        flags::parse(&FLAGS, args, |name, value| match (name, value) {
            ("addr", Value::Text(addr)) => settings.addr = addr,
            ("text", Value::Text(text)) => settings.text = text,
            ("target", Value::Text(target)) => settings.target = Some(target).filter(|t| !t.is_empty()),
            ("latency", Value::Duration(latency)) => settings.latency = latency,
            ("failure-rate", Value::Float(rate)) => settings.failure_rate = rate,
            ("json", Value::Switch(json)) => settings.json = json,
            ("protocol", Value::Text(text)) => protocol = text,
            _ => {}
        })
        .map_err(flag_fault)?;
        settings.protocol = settings.check(&protocol)?;
        settings.read_env(env);
        Ok(settings)
    }

    /// Whether this build can serve them.
    ///
    /// # Errors
    /// gRPC is not built yet.
    pub fn check_built(&self) -> Result<(), Fault> {
        match self.protocol {
            Protocol::Http => Ok(()),
            Protocol::Grpc => {
                Err(Fault::Fatal("-protocol=grpc is not built yet; -protocol=http is".to_owned()))
            }
        }
    }

    fn check(&self, protocol: &str) -> Result<Protocol, Fault> {
        match protocol {
            "http" if self.latency > MAX_LATENCY => Err(Fault::Fatal("latency cannot exceed 10s".to_owned())),
            "http" => Ok(Protocol::Http),
            "grpc" => Ok(Protocol::Grpc),
            other => Err(Fault::Fatal(format!("unsupported protocol: {other}"))),
        }
    }

    fn read_env(&mut self, env: impl Fn(&str) -> Option<String>) {
        let env = |name| env(name).filter(|value| !value.is_empty());
        if let Some(text) = env("TARGET_WORLD") {
            self.text = text;
        }
        self.pod_ip = env("POD_IP");
        self.proxy = ProxySettings {
            http_proxy: env("HTTP_PROXY").or_else(|| env("http_proxy")),
            no_proxy: env("NO_PROXY").or_else(|| env("no_proxy")),
        };
    }
}

fn flag_fault(fault: FlagFault) -> Fault {
    let usage = flags::usage("helloworld", &FLAGS);
    match fault {
        FlagFault::Help => Fault::Help(usage),
        FlagFault::Bad(text) => Fault::Usage(format!("{text}\n{usage}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(args: &str, env: &[(&str, &str)]) -> Result<Settings, Fault> {
        let args: Vec<_> = args.split_whitespace().map(str::to_owned).collect();
        Settings::read(&args, |name| env.iter().find(|(n, _)| *n == name).map(|(_, v)| (*v).to_owned()))
    }

    #[track_caller]
    fn check(args: &str, env: &[(&str, &str)], expected: Settings) {
        assert_eq!(read(args, env), Ok(expected), "{args} {env:?}");
    }

    #[test]
    fn defaults() {
        check("", &[], Settings::default());
        let empty = [("TARGET_WORLD", ""), ("POD_IP", ""), ("http_proxy", ""), ("no_proxy", "")];
        check("-target=", &empty, Settings::default());
    }

    #[test]
    fn flags_of_the_manifests() {
        let d = Settings::default;
        check(
            "-addr=:7777 -text=Hello -target=world",
            &[("http_proxy", "node-1:4140"), ("POD_IP", "10.1.2.3")],
            Settings {
                target: Some("world".to_owned()),
                pod_ip: Some("10.1.2.3".to_owned()),
                proxy: ProxySettings { http_proxy: Some("node-1:4140".to_owned()), no_proxy: None },
                ..d()
            },
        );
        check(
            "-addr=:7778",
            &[("TARGET_WORLD", "world")],
            Settings { addr: ":7778".to_owned(), text: "world".to_owned(), ..d() },
        );
        check("-text=api -json", &[], Settings { text: "api".to_owned(), json: true, ..d() });
        check("--latency 500ms", &[], Settings { latency: 500_000_000, ..d() });
        check("-failure-rate=0.5", &[], Settings { failure_rate: 0.5, ..d() });
        check(
            "-protocol=grpc -latency 20s",
            &[],
            Settings { protocol: Protocol::Grpc, latency: 2 * MAX_LATENCY, ..d() },
        );
        check("-latency=10s", &[], Settings { latency: MAX_LATENCY, ..d() });
        check("-latency=-3s", &[], Settings { latency: -3_000_000_000, ..d() });
    }

    #[test]
    fn environment_wins_and_upper_case_before_lower() {
        check(
            "-text=flag",
            &[("TARGET_WORLD", "env")],
            Settings { text: "env".to_owned(), ..Settings::default() },
        );
        let both = [("HTTP_PROXY", "upper"), ("http_proxy", "lower"), ("NO_PROXY", "u"), ("no_proxy", "l")];
        let proxy = ProxySettings { http_proxy: Some("upper".to_owned()), no_proxy: Some("u".to_owned()) };
        check("", &both, Settings { proxy, ..Settings::default() });
    }

    #[test]
    fn faults() {
        #[track_caller]
        fn check(args: &str, first_line: &str, code: u8) {
            let fault = read(args, &[]).unwrap_err();
            assert_eq!((fault.text().lines().next(), fault.exit_code()), (Some(first_line), code), "{args}");
        }
        check("-latency=10001ms", "latency cannot exceed 10s", 1);
        check("-protocol=HTTP", "unsupported protocol: HTTP", 1);
        check("-protocol=thrift", "unsupported protocol: thrift", 1);
        check("-protocol=", "unsupported protocol: ", 1);
        check("-port=80", "flag provided but not defined: -port", 2);
        check("-h", "Usage of helloworld:", 0);
    }
}
