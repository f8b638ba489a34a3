//! Against a server of a few lines, on the loopback interface.

mod real;

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};

use names::Path;
use naming::{Addr, Address, Namers, Untracked};
use tokio::net::UdpSocket;

use super::*;

/// What the server says about every name: addresses with a TTL, that there is none, or nothing.
#[derive(Clone, Debug)]
enum Says {
    Addresses(Vec<Ipv4Addr>, u32),
    NoSuchName,
    ServerFailure,
    Nothing,
}

struct Server {
    at: SocketAddr,
    says: Arc<Mutex<Says>>,
    asked: Arc<AtomicUsize>,
}

async fn server(says: Says) -> Server {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let at = socket.local_addr().unwrap();
    let (says, asked) = (Arc::new(Mutex::new(says)), Arc::new(AtomicUsize::new(0)));
    tokio::spawn(serve(socket, says.clone(), asked.clone()));
    Server { at, says, asked }
}

async fn serve(socket: UdpSocket, says: Arc<Mutex<Says>>, asked: Arc<AtomicUsize>) {
    let mut query = [0; 512];
    loop {
        let (len, from) = socket.recv_from(&mut query).await.unwrap();
        asked.fetch_add(1, Ordering::SeqCst);
        let says = says.lock().clone();
        if let Some(answer) = answer(&query[..len], &says) {
            socket.send_to(&answer, from).await.unwrap();
        }
    }
}

/// A reply to the one question of `query`.
fn answer(query: &[u8], says: &Says) -> Option<Vec<u8>> {
    let name_len = query[12..].iter().position(|&b| b == 0)? + 1;
    let question = &query[12..12 + name_len + 4];
    let wants_v4 = question[name_len..name_len + 2] == [0, 1];
    let (code, ips, ttl) = match says {
        Says::Addresses(ips, ttl) if wants_v4 => (0, ips.clone(), *ttl),
        Says::Addresses(..) => (0, Vec::new(), 0),
        Says::NoSuchName => (3, Vec::new(), 0),
        Says::ServerFailure => (2, Vec::new(), 0),
        Says::Nothing => return None,
    };
    let mut out = query[..2].to_vec();
    out.extend([0x81, 0x80 | code, 0, 1, 0, u8::try_from(ips.len()).unwrap(), 0, 0, 0, 0]);
    out.extend(question);
    for ip in ips {
        out.extend([0xc0, 12, 0, 1, 0, 1]);
        out.extend(ttl.to_be_bytes());
        out.extend([0, 4]);
        out.extend(ip.octets());
    }
    Some(out)
}

fn ip(last: u8) -> Ipv4Addr {
    Ipv4Addr::new(10, 0, 0, last)
}

fn quick(server: &Server) -> DnsSettings {
    DnsSettings {
        servers: vec![server.at.into()],
        min_ttl: Duration::from_millis(20),
        max_ttl: Duration::from_secs(60),
        retry: Duration::from_millis(20),
        timeout: Duration::from_millis(100),
    }
}

/// Reads the name as a binder would, until it is as expected.
async fn until(dns: &Dns, expected: &State<Vec<Ipv4Addr>>) {
    let ask = || {
        dns.resolve("Web.Example", &mut Untracked)
            .map(|ips| ips.iter().map(|ip| ip.to_string().parse().unwrap()).collect::<Vec<Ipv4Addr>>())
    };
    let waiting = async {
        while ask() != *expected {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    let done = tokio::time::timeout(Duration::from_secs(10), waiting).await;
    assert!(done.is_ok(), "expected {expected:?}, still {:?}", ask());
}

#[tokio::test]
async fn names_follow_their_server() {
    let server = server(Says::Addresses(vec![ip(2), ip(1), ip(2)], 0)).await;
    let dns = Dns::new(Handle::current(), quick(&server));
    assert!(dns.resolve("web.example", &mut Untracked).is_pending());
    until(&dns, &State::Ok(vec![ip(1), ip(2)])).await;
    *server.says.lock() = Says::Addresses(vec![ip(3)], 0);
    until(&dns, &State::Ok(vec![ip(3)])).await;
    for trouble in [Says::Nothing, Says::ServerFailure] {
        *server.says.lock() = trouble.clone();
        tokio::time::sleep(Duration::from_millis(400)).await;
        until(&dns, &State::Ok(vec![ip(3)])).await;
    }
    *server.says.lock() = Says::NoSuchName;
    until(&dns, &State::Ok(vec![])).await;
    *server.says.lock() = Says::Addresses(vec![ip(4)], 0);
    until(&dns, &State::Ok(vec![ip(4)])).await;
    assert_eq!(dns.watches(), 1, "names are the same in any case");
}

#[tokio::test]
async fn a_server_that_never_answered_is_a_failure() {
    let server = server(Says::Nothing).await;
    let dns = Dns::new(Handle::current(), quick(&server));
    let failed = async {
        while !matches!(dns.resolve("web.example", &mut Untracked), State::Failed(_)) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), failed).await.expect("fails");
    *server.says.lock() = Says::Addresses(vec![ip(1)], 0);
    until(&dns, &State::Ok(vec![ip(1)])).await;
}

#[tokio::test]
async fn records_are_used_for_their_time() {
    let server = server(Says::Addresses(vec![ip(1)], 3600)).await;
    let dns = Dns::new(Handle::current(), quick(&server));
    until(&dns, &State::Ok(vec![ip(1)])).await;
    let asked = server.asked.load(Ordering::SeqCst);
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(server.asked.load(Ordering::SeqCst), asked);
}

/// Through `/$/inet`, and without any question for literal addresses.
#[tokio::test]
async fn inet() {
    let server = server(Says::Addresses(vec![ip(1)], 60)).await;
    let dns = Dns::new(Handle::current(), quick(&server));
    let namers = Namers::new(Arc::new(dns.clone()));
    let addresses = |id: &str| namers.addresses(&Path::parse(id.as_bytes()).unwrap(), &mut Untracked);
    let bound = |text: &str| Addr::bound(vec![Address::new(text.parse().unwrap())]);
    assert_eq!(addresses("/$/inet/127.1/80"), bound("127.0.0.1:80"));
    assert_eq!(addresses("/$/inet/localhost/80"), bound("127.0.0.1:80"));
    assert_eq!(addresses("/$/inet/web.example/70000"), Addr::failed("port out of range:70000"));
    assert_eq!((dns.watches(), server.asked.load(Ordering::SeqCst)), (0, 0));
    assert!(!dns.inner.client.is_made(), "no resolver is made for literals");
    assert_eq!(addresses("/$/inet/web.example/80"), Addr::Pending);
    until(&dns, &State::Ok(vec![ip(1)])).await;
    assert_eq!(addresses("/$/inet/web.example/80"), bound("10.0.0.1:80"));
    // No name at all: no question.
    let label = "x".repeat(64);
    let id = format!("/$/inet/{label}.example/80");
    let asked = server.asked.load(Ordering::SeqCst);
    while addresses(&id).is_pending() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    assert_eq!(addresses(&id), Addr::Neg);
    assert_eq!(server.asked.load(Ordering::SeqCst), asked);
}

/// A name nobody wants is forgotten after the linger.
#[tokio::test]
async fn unused_names_are_forgotten() {
    let server = server(Says::Addresses(vec![ip(1)], 60)).await;
    let dns = Dns::new(Handle::current(), quick(&server));
    until(&dns, &State::Ok(vec![ip(1)])).await;
    tokio::time::pause();
    let forgotten = async {
        while dns.watches() > 0 {
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    };
    tokio::time::timeout(LINGER * 3, forgotten).await.expect("forgotten");
}

/// Names found together are looked up again one after another, and no more than a few at a time.
#[tokio::test]
async fn many_names_are_refreshed_without_a_burst() {
    const NAMES: usize = 1_000;
    let socket = Arc::new(UdpSocket::bind("127.0.0.1:0").await.unwrap());
    let at = socket.local_addr().unwrap();
    let (open, most, asked) =
        (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let counts = (open, most.clone(), asked.clone());
    tokio::spawn(async move {
        let mut query = [0; 512];
        loop {
            let (len, from) = socket.recv_from(&mut query).await.unwrap();
            let Some(answer) = answer(&query[..len], &Says::Addresses(vec![ip(1)], 0)) else { continue };
            let (socket, (open, most, asked)) = (socket.clone(), counts.clone());
            most.fetch_max(open.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            asked.fetch_add(1, Ordering::SeqCst);
            tokio::spawn(async move {
                tokio::time::sleep(Duration::from_millis(2)).await;
                open.fetch_sub(1, Ordering::SeqCst);
                socket.send_to(&answer, from).await.unwrap();
            });
        }
    });
    let settings = DnsSettings {
        servers: vec![at.into()],
        min_ttl: Duration::from_millis(200),
        timeout: Duration::from_secs(5),
        ..DnsSettings::default()
    };
    let dns = Dns::new(Handle::current(), settings);
    let names: Vec<String> = (0..NAMES).map(|i| format!("n{i}.example")).collect();
    let known =
        || names.iter().filter(|name| matches!(dns.resolve(name, &mut Untracked), State::Ok(_))).count();
    let all = async {
        while known() < NAMES {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), all).await.expect("all names are found");
    most.store(0, Ordering::SeqCst);
    asked.store(0, Ordering::SeqCst);
    let again = async {
        while asked.load(Ordering::SeqCst) < 2 * NAMES {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), again).await.expect("all names are looked up again");
    // Each look-up asks for both kinds of addresses.
    assert!(most.load(Ordering::SeqCst) <= 2 * REFRESHES, "{most:?} questions at a time");
}

#[test]
fn times_are_spread() {
    let minute = Duration::from_secs(60);
    let all: Vec<Duration> = (0..1000).map(|_| spread(minute)).collect();
    assert!(all.iter().all(|&at| at > minute.mul_f64(0.899) && at <= minute));
    let (first, last) = (all.iter().min().unwrap(), all.iter().max().unwrap());
    assert!(*last - *first > Duration::from_secs(5), "{first:?} to {last:?}");
}
