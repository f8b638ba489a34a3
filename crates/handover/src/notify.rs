//! Word to the service manager (`sd_notify(3)`): units of `Type=notify` and `Type=notify-reload`, and `WatchdogSec=`.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

/// The way to the service manager; without one nothing is said.
#[derive(Debug, Default)]
pub struct Notifier {
    to: Option<(UnixDatagram, SocketAddr)>,
    watchdog: Option<Duration>,
}

impl Notifier {
    /// As `NOTIFY_SOCKET`, `WATCHDOG_USEC` and `WATCHDOG_PID` say. An address that cannot be used is a warning.
    #[must_use]
    pub fn from_env() -> Notifier {
        let number = |name| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
        let other = number("WATCHDOG_PID").is_some_and(|pid| pid != u64::from(std::process::id()));
        let watchdog = number("WATCHDOG_USEC").filter(|_| !other);
        Notifier::new(std::env::var_os("NOTIFY_SOCKET"), watchdog.map(Duration::from_micros))
    }

    /// Speaks to the datagram socket at `address`: a path, or `@` and an abstract name. `watchdog`: within which time
    /// [`Notifier::alive`] is expected, again and again.
    #[must_use]
    pub fn new(address: Option<OsString>, watchdog: Option<Duration>) -> Notifier {
        let Some(address) = address.filter(|address| !address.is_empty()) else { return Notifier::default() };
        match open(&address) {
            Ok(to) => Notifier { to: Some(to), watchdog: watchdog.filter(|time| !time.is_zero()) },
            Err(error) => {
                tracing::warn!("the service manager cannot be told (NOTIFY_SOCKET={address:?}): {error}");
                Notifier::default()
            }
        }
    }

    /// Everything is served, after a start or a reload.
    pub fn ready(&self) {
        self.say("READY=1\nSTATUS=serving");
    }

    /// This process is the service's from now on: it has taken over from another.
    pub fn took_over(&self) {
        self.say(&format!("MAINPID={}\nREADY=1\nSTATUS=serving, taken over", std::process::id()));
    }

    /// The configuration is being read anew; [`Notifier::ready`] is to follow, whatever comes of it.
    pub fn reloading(&self) {
        let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
        let micros = now.tv_sec * 1_000_000 + now.tv_nsec / 1_000;
        self.say(&format!("RELOADING=1\nMONOTONIC_USEC={micros}\nSTATUS=reloading"));
    }

    /// The end has begun.
    pub fn stopping(&self) {
        self.say("STOPPING=1\nSTATUS=draining");
    }

    /// All is well, until the next time this is due.
    pub fn alive(&self) {
        self.say("WATCHDOG=1");
    }

    /// How often [`Notifier::alive`] should be called where the manager watches: twice within the time it grants.
    #[must_use]
    pub fn beat(&self) -> Option<Duration> {
        self.watchdog.map(|time| time / 2)
    }

    fn say(&self, words: &str) {
        let Some((socket, address)) = &self.to else { return };
        if let Err(error) = socket.send_to_addr(words.as_bytes(), address) {
            tracing::warn!("the service manager was not told {:?}: {error}", words.lines().next());
        }
    }
}

fn open(address: &OsStr) -> std::io::Result<(UnixDatagram, SocketAddr)> {
    let address = match address.as_bytes() {
        [b'@', name @ ..] => abstract_name(name)?,
        _ => SocketAddr::from_pathname(address)?,
    };
    let socket = UnixDatagram::unbound()?;
    // A manager that does not listen must not hold anybody up.
    socket.set_nonblocking(true)?;
    Ok((socket, address))
}

#[cfg(target_os = "linux")]
fn abstract_name(name: &[u8]) -> std::io::Result<SocketAddr> {
    <SocketAddr as std::os::linux::net::SocketAddrExt>::from_abstract_name(name)
}

#[cfg(not(target_os = "linux"))]
fn abstract_name(_: &[u8]) -> std::io::Result<SocketAddr> {
    Err(std::io::Error::other("only Linux has abstract names"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heard(manager: &UnixDatagram) -> String {
        let mut bytes = [0; 500];
        let n = manager.recv(&mut bytes).unwrap();
        String::from_utf8_lossy(&bytes[..n]).into_owned()
    }

    fn told(manager: &UnixDatagram, address: OsString) {
        let notifier = Notifier::new(Some(address), Some(Duration::from_secs(4)));
        notifier.ready();
        assert_eq!(heard(manager), "READY=1\nSTATUS=serving");
        notifier.reloading();
        let text = heard(manager);
        let micros = text.strip_prefix("RELOADING=1\nMONOTONIC_USEC=").and_then(|t| t.split('\n').next());
        assert!(micros.and_then(|m| m.parse::<u64>().ok()).is_some_and(|m| m > 0), "{text}");
        notifier.took_over();
        assert!(heard(manager).starts_with(&format!("MAINPID={}\nREADY=1\n", std::process::id())));
        notifier.alive();
        notifier.stopping();
        assert_eq!(
            (heard(manager), heard(manager)),
            ("WATCHDOG=1".into(), "STOPPING=1\nSTATUS=draining".into())
        );
        assert_eq!(notifier.beat(), Some(Duration::from_secs(2)));
    }

    #[test]
    fn a_manager_at_a_path_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        told(&UnixDatagram::bind(&path).unwrap(), path.into_os_string());
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_manager_of_an_abstract_name_is_told() {
        let name = format!("wayleave-test-{}", std::process::id());
        let address = abstract_name(name.as_bytes()).unwrap();
        told(&UnixDatagram::bind_addr(&address).unwrap(), format!("@{name}").into());
    }

    #[test]
    fn without_a_manager_nothing_happens() {
        for address in
            [None, Some(OsString::new()), Some("/nonexistent/socket".into()), Some("x".repeat(200).into())]
        {
            let notifier = Notifier::new(address, None);
            notifier.ready();
            assert_eq!(notifier.beat(), None);
        }
    }
}
