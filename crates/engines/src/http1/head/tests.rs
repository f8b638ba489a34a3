//! Heads: parsed, edited, written.

use super::*;
use proptest::prelude::*;

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

/// Whether httparse takes all of `bytes` for one head that our own rules accept as well.
fn accepted(requests: bool, bytes: &[u8]) -> bool {
    let mut headers = [httparse::EMPTY_HEADER; 64];
    let whole = |done| matches!(done, Ok(httparse::Status::Complete(n)) if n == bytes.len());
    let visible = |target: &str| target.bytes().all(|b| (0x21..=0x7e).contains(&b));
    let bare = |i: usize| bytes[i] == b'\n' && (i == 0 || bytes[i - 1] != b'\r');
    let ours = !(0..bytes.len()).any(bare) && !bytes.starts_with(b"\r\n");
    if requests {
        let mut parsed = httparse::Request::new(&mut headers);
        whole(parsed.parse(bytes)) && ours && parsed.path.is_some_and(visible)
    } else {
        let mut parsed = httparse::Response::new(&mut headers);
        whole(parsed.parse(bytes)) && ours
    }
}

/// A head put together from good and bad pieces.
fn pieces() -> impl Strategy<Value = (bool, Vec<u8>)> {
    let piece = prop_oneof![
        8 => prop::sample::select(vec![
            "GET", "G T", "/", "/a?b=c#d", "HTTP/1.1", "HTTP/1.0", "HTTP/1.", "http/1.1", " ", "  ", "\t", "\r\n", "\n", "\r",
            "Host: a\r\n", "X-Y:z\r\n", "a: b \t\r\n", "n:\r\n", ": v\r\n", "a b: c\r\n", " fold\r\n", "200", " OK", "20", "2000",
            "(): x\r\n", "aaaaaaaaaaaaaaaaaaaaaaaa: bbbbbbbbbbbbbbbbbbbbbbbbbbbbb\tb\r\n", "\r\n\r\n",
        ]).prop_map(|s| s.as_bytes().to_vec()),
        1 => any::<u8>().prop_map(|b| vec![b]),
    ];
    let first = |requests: bool| if requests { "GET / HTTP/1.1\r\n" } else { "HTTP/1.1 200 OK\r\n" };
    let head = (any::<bool>(), any::<bool>(), any::<bool>(), prop::collection::vec(piece, 0..7));
    head.prop_map(move |(requests, good_first, good_end, pieces)| {
        let mut bytes = if good_first { first(requests).as_bytes().to_vec() } else { Vec::new() };
        pieces.iter().for_each(|piece| bytes.extend_from_slice(piece));
        if good_end {
            bytes.extend_from_slice(b"\r\n");
        }
        (requests, bytes)
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(20_000))]

    /// What is refused and what is accepted is what httparse says, but for our own rules.
    #[test]
    fn heads_are_accepted_as_httparse_accepts_them((requests, bytes) in pieces()) {
        let mut head = HeadBuf::default();
        let got = if requests { head.parse_request(&bytes) } else { head.parse_response(&bytes) };
        prop_assert_eq!(got.is_ok(), accepted(requests, &bytes), "{:?} {:?}", String::from_utf8_lossy(&bytes), got);
    }

    /// Any byte in any place of a line.
    #[test]
    fn each_byte_is_judged_as_httparse_judges_it(at in 0_usize..40, byte in any::<u8>(), requests in any::<bool>()) {
        let mut bytes = if requests {
            b"GET /path HTTP/1.1\r\nX-Name: some value\r\n\r\n".to_vec()
        } else {
            b"HTTP/1.1 200 Fine\r\nX-Name: some value\r\n\r\n".to_vec()
        };
        bytes[at] = byte;
        let mut head = HeadBuf::default();
        let got = if requests { head.parse_request(&bytes) } else { head.parse_response(&bytes) };
        prop_assert_eq!(got.is_ok(), accepted(requests, &bytes), "{:?} {:?}", String::from_utf8_lossy(&bytes), got);
    }
}
