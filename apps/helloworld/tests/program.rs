//! The binary itself: what it prints, how it ends.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Output, Stdio};

fn program(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_helloworld"));
    command.args(args).env_clear().stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// A port that was free a moment ago, from below those that other tests get for port 0.
fn free_port() -> u16 {
    let mut ports = std::iter::repeat_with(|| fastrand::u16(15_000..30_000));
    ports.find(|port| TcpListener::bind(("::", *port)).is_ok()).unwrap()
}

fn get(port: u16, request: &str) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    text
}

/// Serves on all addresses, answers, and ends with 0 after the signal.
fn check_signal(signal: &str) {
    let port = free_port();
    let addr = format!("-addr=:{port}");
    let mut child: Child =
        program(&[&addr, "-text", "flag"]).env("TARGET_WORLD", "world").env("POD_IP", "ip").spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
    assert_eq!(lines.next(), Some(format!("starting HTTP server on :{port}")));
    let request = "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    assert!(get(port, request).ends_with("\r\n\r\nworld (ip)!"));
    let request =
        "POST /setLatency?latency=1ms HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    assert!(get(port, request).ends_with("\r\n\r\nok"));
    assert_eq!(lines.next().as_deref(), Some("set latency to 1ms"));
    assert!(Command::new("kill").args([signal, &child.id().to_string()]).status().unwrap().success());
    assert_eq!(lines.next(), Some(format!("shutting down HTTP server on :{port}")));
    assert_eq!(lines.next(), None);
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

#[test]
fn sigint_and_sigterm_end_it() {
    check_signal("-INT");
    check_signal("-TERM");
}

#[test]
fn faults_end_it() {
    #[track_caller]
    fn check(args: &[&str], code: i32, first_line: &str) {
        let Output { status, stdout, stderr } = program(args).output().unwrap();
        let stderr = String::from_utf8(stderr).unwrap();
        assert_eq!((status.code(), stderr.lines().next()), (Some(code), Some(first_line)), "{args:?}");
        assert_eq!(stdout, b"", "{args:?}");
    }
    check(&["-latency=11s"], 1, "latency cannot exceed 10s");
    check(&["-protocol", "GRPC"], 1, "unsupported protocol: GRPC");
    check(&["-protocol=grpc"], 1, "-protocol=grpc is not built yet; -protocol=http is");
    check(&["-json=maybe"], 2, "invalid boolean value \"maybe\" for -json: parse error");
    check(&["-help"], 0, "Usage of helloworld:");
}

#[test]
fn a_port_in_use_ends_it() {
    let holder = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = holder.local_addr().unwrap();
    let output = program(&["-addr", &taken.to_string()]).output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr.starts_with(&format!("listen tcp {taken}: ")) && stderr.contains("in use"), "{stderr}");
}
