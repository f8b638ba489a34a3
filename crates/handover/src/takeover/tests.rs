use super::wire::{ALL, GREETING, READY};
use super::*;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use testkit::within;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;

fn listeners(n: usize) -> Vec<TcpListener> {
    (0..n).map(|_| TcpListener::bind("127.0.0.1:0").unwrap()).collect()
}

fn addresses(listeners: &[TcpListener]) -> Vec<SocketAddr> {
    listeners.iter().map(|l| l.local_addr().unwrap()).collect()
}

fn duplicates(listeners: &[TcpListener]) -> impl Fn() -> io::Result<Vec<TcpListener>> {
    move || listeners.iter().map(TcpListener::try_clone).collect()
}

async fn claimed(path: &Path) -> (Claim, Vec<TcpListener>) {
    within("sockets", claim(path)).await.unwrap().expect("somebody waits there")
}

#[tokio::test]
async fn sockets_change_hands_with_what_waits_in_their_queues() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("deep/down/takeover.sock");
    // More than one bundle.
    let mine = listeners(150);
    let mut offer = Offer::at(&path).await.unwrap();
    let caller = std::net::TcpStream::connect(mine[149].local_addr().unwrap()).unwrap();
    let successor = async {
        let (claim, theirs) = claimed(&path).await;
        assert_eq!(addresses(&theirs), addresses(&mine));
        claim.ready().await.unwrap();
        theirs
    };
    let ((), theirs) = tokio::join!(offer.given(duplicates(&mine)), successor);
    drop(mine);
    theirs[149].set_nonblocking(false).unwrap();
    let (accepted, _) = theirs[149].accept().unwrap();
    assert_eq!(accepted.peer_addr().unwrap(), caller.local_addr().unwrap());
    // The successor's file takes the place of the first one's, whose end does not remove it.
    let second = Offer::in_place_of(&path).unwrap();
    drop(offer);
    UnixStream::connect(&path).await.unwrap();
    drop(second);
    assert!(!path.exists());
    assert!(claim(&path).await.unwrap().is_none(), "nobody is there: that is no fault");
}

#[tokio::test]
async fn who_gives_up_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("takeover.sock");
    let mine = listeners(2);
    let mut offer = Offer::at(&path).await.unwrap();
    let successors = async {
        drop(claimed(&path).await);
        let mut stranger = UnixStream::connect(&path).await.unwrap();
        stranger.write_all(b"GET / HTTP/1.1\r\n\r\n\r\n").await.unwrap();
        let mut text = String::new();
        stranger.read_to_string(&mut text).await.unwrap();
        assert_eq!(text, "Nit speaks another version");
        let (claim, theirs) = claimed(&path).await;
        assert_eq!(addresses(&theirs), addresses(&mine));
        claim.ready().await.unwrap();
    };
    tokio::join!(offer.given(duplicates(&mine)), successors);
}

#[tokio::test(start_paused = true)]
async fn who_is_ready_too_late_is_told_so() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("takeover.sock");
    let mine = listeners(1);
    let mut offer = Offer::at(&path).await.unwrap();
    let late = async {
        let (claim, _) = claimed(&path).await;
        tokio::time::sleep(std::time::Duration::from_secs(61)).await;
        let error = claim.ready().await.unwrap_err();
        assert!(error.to_string().contains("goes on"), "{error}");
        let (next, _) = claimed(&path).await;
        next.ready().await.unwrap();
    };
    tokio::join!(offer.given(duplicates(&mine)), late);
}

#[tokio::test]
async fn a_place_is_taken_once_and_a_stale_file_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("takeover.sock");
    // A process that was killed leaves its file behind.
    drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
    assert!(path.exists());
    let offer = Offer::at(&path).await.unwrap();
    assert_eq!(Offer::at(&path).await.unwrap_err().kind(), io::ErrorKind::AddrInUse);
    use std::os::unix::fs::PermissionsExt;
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    drop(offer);
    std::fs::write(&path, "somebody's work").unwrap();
    assert_eq!(Offer::at(&path).await.unwrap_err().kind(), io::ErrorKind::AlreadyExists);
    assert_eq!(std::fs::read(&path).unwrap(), b"somebody's work");
}

/// A process that dies after it has handed its sockets over does not stop its successor.
#[tokio::test]
async fn a_predecessor_may_die() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("takeover.sock");
    let listener = tokio::net::UnixListener::bind(&path).unwrap();
    let dying = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        stream.read_exact(&mut [0; GREETING.len()]).await.unwrap();
        stream.write_all(&[ALL]).await.unwrap();
        assert_eq!(stream.read_u8().await.unwrap(), READY);
    };
    let successor = async { claimed(&path).await.0.ready().await.unwrap() };
    tokio::join!(dying, successor);
}
