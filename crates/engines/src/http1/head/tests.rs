//! Heads: parsed, edited, written.

use super::*;

fn request(text: &str) -> HeadBuf {
    let mut head = HeadBuf::default();
    head.parse_request(text.as_bytes()).expect("a good head");
    head
}

fn written(head: &HeadBuf) -> String {
    let mut out = Vec::new();
    head.write_to(&mut out);
    String::from_utf8(out).unwrap()
}

#[test]
fn an_untouched_head_is_written_as_it_came() {
    let text = "GET /a?b HTTP/1.1\r\nHost: web\r\nX-A: 1\r\nx-b:  \t2 \r\nX-Empty:\r\nX-C:3\r\n\r\n";
    let want = "GET /a?b HTTP/1.1\r\nHost: web\r\nX-A: 1\r\nx-b: 2\r\nX-Empty: \r\nX-C: 3\r\n";
    assert_eq!(written(&request(text)), want);
}

#[test]
fn edits_leave_the_other_lines_alone() {
    let mut head =
        request("POST /p HTTP/1.0\r\nHost: web\r\nVia: 1.0 bob\r\nvia: 1.1 mary\r\nTE: x\r\nFoo: 1\r\n\r\n");
    head.remove(Known::Te.into());
    head.remove(Name::of(b"foo"));
    head.extend_last(Known::Via.into(), b"1.0 linkerd");
    head.set(Known::L5dReqid.into(), b"abc");
    head.set_target(b"/q");
    let want =
        "POST /q HTTP/1.0\r\nHost: web\r\nVia: 1.0 bob\r\nVia: 1.1 mary, 1.0 linkerd\r\nl5d-reqid: abc\r\n";
    assert_eq!(written(&head), want);
    assert_eq!(head.get(Known::Te.into()), None);
    assert!(!head.has(Known::Te));
    assert_eq!(head.version(), Version::Http10);
}

#[test]
fn rewind_undoes_an_attempt() {
    let mut head = request("GET / HTTP/1.1\r\nHost: web\r\n\r\n");
    head.append(Known::L5dDstService.into(), b"/svc/web");
    head.mark();
    head.append(Known::L5dDstClient.into(), b"/a");
    head.rewind();
    assert!(!head.has(Known::L5dDstClient));
    head.append(Known::L5dDstClient.into(), b"/b");
    assert_eq!(
        written(&head),
        "GET / HTTP/1.1\r\nHost: web\r\nl5d-dst-service: /svc/web\r\nl5d-dst-client: /b\r\n"
    );
}

#[test]
fn appending_and_removing_again_leaves_nothing() {
    let mut head = request("GET / HTTP/1.1\r\nHost: web\r\n\r\n");
    head.append(Name::of(b"X-Own"), b"1");
    head.append(Known::L5dReqid.into(), b"1");
    head.remove(Name::of(b"x-own"));
    assert_eq!(written(&head), "GET / HTTP/1.1\r\nHost: web\r\nl5d-reqid: 1\r\n");
    head.remove(Known::L5dReqid.into());
    assert_eq!(written(&head), "GET / HTTP/1.1\r\nHost: web\r\n");
}

#[test]
fn many_lines_are_fine_and_too_many_are_not() {
    let lines = |n: usize| (0..n).map(|i| format!("X-{i}: {i}\r\n")).collect::<String>();
    let head = request(&format!("GET / HTTP/1.1\r\n{}\r\n", lines(200)));
    assert_eq!(head.get(Name::of(b"x-199")), Some(b"199".as_slice()));
    let mut head = HeadBuf::default();
    let text = format!("GET / HTTP/1.1\r\n{}\r\n", lines(MOST_LINES + 1));
    assert_eq!(head.parse_request(text.as_bytes()), Err(HeadError::TooManyLines));
}

#[test]
fn heads_that_are_not_http_are_refused() {
    let check = |text: &[u8]| {
        let mut head = HeadBuf::default();
        assert!(head.parse_request(text).is_err(), "{}", String::from_utf8_lossy(text));
    };
    check(b"GET /\r\n\r\n");
    check(b"GET / HTTP/2.0\r\n\r\n");
    check(b"GET / HTTQ/1.1\r\n\r\n");
    check(b"GET /a b HTTP/1.1\r\n\r\n");
    check(b"GET  / HTTP/1.1\r\n\r\n");
    check(b"GET /\xc3\xa9 HTTP/1.1\r\n\r\n");
    check(b"G@T / HTTP/1.1\r\n\r\n");
    check(b"GET / HTTP/1.1\r\n: v\r\n\r\n");
    check(b"GET / HTTP/1.1\r\nX-A : 1\r\n\r\n");
    check(b"GET / HTTP/1.1\r\nX-A\r\n\r\n");
    check(b"GET / HTTP/1.1\r\nX-A: a\rb\r\n\r\n");
    check(b"GET / HTTP/1.1\r\nX-A: a\0b\r\n\r\n");
    check(b"GET / HTTP/1.1\r\nX-A: 1\r\n  folded\r\n\r\n");
    check(b"GET / HTTP/1.1\r\n X-A: 1\r\n\r\n");
}

#[test]
fn responses() {
    let mut head = HeadBuf::default();
    head.parse_response(b"HTTP/1.1 200\r\nA: b\r\n\r\n").unwrap();
    assert_eq!(head.status(), 200);
    assert_eq!(written(&head), "HTTP/1.1 200\r\nA: b\r\n");
    head.parse_response(b"HTTP/1.0 599 What is this\r\n\r\n").unwrap();
    assert_eq!((head.status(), head.version()), (599, Version::Http10));
    assert_eq!(written(&head), "HTTP/1.0 599 What is this\r\n");
    assert!(head.parse_response(b"HTTP/1.1 2x0 OK\r\n\r\n").is_err());
    assert!(head.parse_response(b"\r\nHTTP/1.1 200 OK\r\nA: b\r\n\r\n").is_err());
    assert!(head.parse_response(b"HTTP/1.1 200 OK\r\nA: b\r\n c\r\n\r\n").is_err());
}

#[test]
fn rewind_brings_back_what_an_attempt_replaced() {
    let mut head = request("GET / HTTP/1.1\r\nhOST: web\r\nX-A: 1\r\n\r\n");
    head.append(Known::L5dReqid.into(), b"1");
    head.mark();
    let marked = written(&head);
    for _ in 0..2 {
        head.set(Known::Host.into(), b"acme.co");
        head.set(Known::Host.into(), b"acme.org");
        head.remove(Known::L5dReqid.into());
        head.remove(Name::of(b"x-a"));
        assert_eq!(written(&head), "GET / HTTP/1.1\r\nHost: acme.org\r\n");
        assert!(!head.has(Known::L5dReqid));
        head.rewind();
        assert_eq!(written(&head), marked);
        assert_eq!(head.get(Known::Host.into()), Some(&b"web"[..]));
        assert!(head.has(Known::L5dReqid));
    }
}

#[test]
fn lines_go_by_the_beginning_of_their_names() {
    let mut head =
        request("GET / HTTP/1.1\r\nHost: web\r\nL5D-Foo: 1\r\nl5d-dtab: x\r\nl5d: 2\r\nX-L5d-a: 3\r\n\r\n");
    head.append(Known::L5dReqid.into(), b"1");
    head.append(Name::of(b"L5d-bar"), b"1");
    head.remove_prefix(b"l5d-");
    assert_eq!(written(&head), "GET / HTTP/1.1\r\nHost: web\r\nl5d: 2\r\nX-L5d-a: 3\r\n");
    assert!(!head.has(Known::L5dDtab) && !head.has(Known::L5dReqid) && head.has(Known::Host));
    let mut seen = Vec::new();
    head.lines(&mut |name, value| seen.push((name.to_vec(), value.to_vec())));
    let pair = |n: &[u8], v: &[u8]| (n.to_vec(), v.to_vec());
    assert_eq!(seen, [pair(b"Host", b"web"), pair(b"l5d", b"2"), pair(b"X-L5d-a", b"3")]);
}
