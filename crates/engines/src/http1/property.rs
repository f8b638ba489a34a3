//! What strangers may send, made up at random: nothing panics, nothing depends on where the network cuts, and nothing is
//! understood otherwise than a second reader understands it.

use super::body::{Decoder, Encoding};
use super::framing::Body;
use super::head::HeadBuf;
use super::reader::{Read, Reader};
use super::scan::{Limits, Scanner};
use super::second;
use proptest::prelude::*;
use router::header::Name;
use router::seam::{Head, RequestHead, ResponseHead};

const LIMITS: Limits = Limits { initial_line: 60, headers: 100 };

/// Pieces of messages: glued together at random they are sometimes right and mostly nearly right.
const PIECES: [&[u8]; 40] = [
    b"GET / HTTP/1.1\r\n",
    b"POST /a?b HTTP/1.1\r\n",
    b"HEAD http://web/ HTTP/1.0\r\n",
    b"HTTP/1.1 200 OK\r\n",
    b"HTTP/1.1 103 Early Hints\r\n",
    b"HTTP/1.0 404 \r\n",
    b"HTTP/1.1 204\r\n",
    b"Host: web\r\n",
    b"hOST:web\r\n",
    b"X-A: 1\r\n",
    b"X-B:\r\n",
    b"X-C: \t \r\n",
    b"X-D:\t2  \r\n",
    b"X-E: \xe4\r\n",
    b"Via: 1.0 bob\r\n",
    b"Connection: close, x-a\r\n",
    b"Expect: 100-continue\r\n",
    b"Content-Length: 5\r\n",
    b"Content-Length: 0\r\n",
    b"content-length:12\r\n",
    b"Transfer-Encoding: chunked\r\n",
    b"Transfer-Encoding: gzip\r\n",
    b"hello",
    b"3\r\nabc\r\n",
    b"A;x=\"y\"\r\n0123456789\r\n",
    b"0\r\n",
    b"00 \r\nX-T: v\r\n\r\n",
    b"\r\n",
    b"\r\n",
    b"\r\n",
    b"\r\n\r\n",
    b"\r\n\r\n",
    b"\n",
    b"\r",
    b" ",
    b":",
    b"\0",
    b";",
    b"9",
    b"X",
];

/// One of these pieces, seldom something else.
fn piece(from: usize, to: usize) -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        60 => (from..to).prop_map(|i| PIECES[i].to_vec()),
        1 => prop::collection::vec(any::<u8>(), 1..6),
    ]
}

fn pieces(from: usize, to: usize, most: usize) -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(piece(from, to), 0..most).prop_map(|p| p.concat())
}

/// First line, header lines, framing, the empty line, a body or not.
fn message(requests: bool) -> impl Strategy<Value = Vec<u8>> {
    let first = if requests { piece(0, 3) } else { piece(3, 7) };
    let end = prop::sample::select(vec!["\r\n", "\r\n", "\r\n", ""]);
    let parts = (first, pieces(7, 17, 4), pieces(17, 22, 2), end, pieces(22, 27, 4));
    parts.prop_map(|(first, lines, framing, end, body)| [first, lines, framing, end.into(), body].concat())
}

/// A stream of requests or of responses: which, and its bytes.
fn stream() -> impl Strategy<Value = (bool, Vec<u8>)> {
    let messages = any::<bool>()
        .prop_flat_map(|requests| (Just(requests), prop::collection::vec(message(requests), 1..4)))
        .prop_map(|(requests, messages)| (requests, messages.concat()));
    prop_oneof![1 => (any::<bool>(), pieces(0, PIECES.len(), 14)), 2 => messages]
}

/// Reads a stream as the engine does, and holds each head to a second reader's opinion.
fn read(requests: bool, pieces: &[&[u8]]) -> Read {
    let read = Reader::read(requests, LIMITS, pieces);
    for message in &read.messages {
        let mut head = HeadBuf::default();
        let parsed =
            if requests { head.parse_request(&message.raw) } else { head.parse_response(&message.raw) };
        parsed.expect("it was read before");
        agree(&head, &message.raw, requests);
    }
    read
}

/// A second opinion: first line and header lines as httparse reads them.
type Opinion = (String, Vec<(String, Vec<u8>)>);

fn opinion(bytes: &[u8], requests: bool) -> Opinion {
    let mut headers = [httparse::EMPTY_HEADER; 256];
    let (first, headers) = if requests {
        let mut parsed = httparse::Request::new(&mut headers);
        let n = parsed.parse(bytes).expect("accepted by both").unwrap();
        assert_eq!(n, bytes.len());
        let first = (parsed.method, parsed.path, parsed.version);
        (format!("{first:?}"), &*parsed.headers)
    } else {
        let mut parsed = httparse::Response::new(&mut headers);
        let n = parsed.parse(bytes).expect("accepted by both").unwrap();
        assert_eq!(n, bytes.len());
        (format!("{:?}", (parsed.code, parsed.reason, parsed.version)), &*parsed.headers)
    };
    (first, headers.iter().map(|h| (h.name.to_owned(), h.value.to_vec())).collect())
}

/// The head says what httparse says of the bytes, and so it does after it was written.
fn agree(head: &HeadBuf, bytes: &[u8], requests: bool) {
    let read = opinion(bytes, requests);
    if requests {
        let text = |b: &[u8]| String::from_utf8(b.to_vec()).unwrap();
        let first = (Some(text(head.method())), Some(text(head.target())));
        assert!(read.0.starts_with(format!("{first:?}").trim_end_matches(')')), "{first:?} {}", read.0);
    } else {
        assert!(read.0.starts_with(&format!("(Some({})", head.status())), "{}", read.0);
    }
    for (name, _) in &read.1 {
        let same = read.1.iter().filter(|(n, _)| n.eq_ignore_ascii_case(name));
        let got: Vec<&[u8]> = head.values(Name::of(name.as_bytes())).collect();
        assert_eq!(got, same.map(|(_, v)| v.as_slice()).collect::<Vec<_>>(), "{name}");
    }
    let mut written = Vec::new();
    head.write_to(&mut written);
    written.extend_from_slice(b"\r\n");
    assert_eq!(opinion(&written, requests), read);
    assert_eq!(Scanner::default().scan(&written, Limits::default()), Ok(Some(written.len())));
}

/// Pieces bring the same messages as the whole. A fault in a head may be told in other words, or only when the head is
/// complete.
fn same(pieces: &Read, whole: &Read) -> Result<(), TestCaseError> {
    prop_assert_eq!(&pieces.messages, &whole.messages);
    match (&pieces.fault, &whole.fault) {
        (None, None) => prop_assert_eq!(pieces.left, whole.left),
        (None, Some(_)) => prop_assert!(pieces.left > 0, "waits for the rest of a head that is refused"),
        (told, refused) => prop_assert!(told.is_some() && refused.is_some(), "{:?} {:?}", pieces, whole),
    }
    Ok(())
}

fn cut<'a>(bytes: &'a [u8], cuts: &[prop::sample::Index]) -> Vec<&'a [u8]> {
    let mut at: Vec<usize> = cuts.iter().map(|i| i.index(bytes.len() + 1)).chain([0, bytes.len()]).collect();
    at.sort_unstable();
    at.windows(2).map(|w| &bytes[w[0]..w[1]]).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_000))]

    #[test]
    fn cuts_change_nothing(
        (requests, bytes) in stream(),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..6),
    ) {
        let whole = read(requests, &[&bytes]);
        same(&read(requests, &cut(&bytes, &cuts)), &whole)?;
        same(&read(requests, &bytes.chunks(1).collect::<Vec<_>>()), &whole)?;
        if requests {
            second::compare(&cut(&bytes, &cuts)).expect("hyper takes these bytes for the same requests");
        }
    }

    /// A body in whatever chunks: what is written for the other side decodes to the same data and trailers.
    #[test]
    fn bodies_are_framed_anew(
        chunks in prop::collection::vec((prop::collection::vec(any::<u8>(), 1..40), 0..4_usize), 0..6),
        trailers in prop::collection::vec("[A-Z]{1,3}", 0..3),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..6),
    ) {
        let (mut coded, mut data) = (Vec::new(), Vec::new());
        for (chunk, style) in &chunks {
            let len = chunk.len();
            let size = [format!("{len:x}"), format!("{len:X}"), format!("{len:03x} "), format!("{len:x};a=b")];
            coded.extend_from_slice(format!("{}\r\n", size[*style]).as_bytes());
            coded.extend_from_slice(chunk);
            coded.extend_from_slice(b"\r\n");
            data.extend_from_slice(chunk);
        }
        coded.extend_from_slice(b"0\r\n");
        let lines: String = trailers.iter().map(|t| format!("X-{t}: v\r\n")).collect();
        coded.extend_from_slice(format!("{lines}\r\n").as_bytes());
        let whole = coded.len();
        coded.extend_from_slice(b"GET /next");
        let (mut decoder, mut again, mut used) = (Decoder::new(Body::Chunked), Vec::new(), 0);
        for piece in cut(&coded, &cuts) {
            used += decoder.transfer(piece, Encoding::Chunked, &mut again).unwrap();
        }
        prop_assert!(decoder.is_done());
        prop_assert_eq!(used, whole);
        let end = format!("0\r\n{lines}\r\n");
        prop_assert!(again.ends_with(end.as_bytes()));
        let (mut decoder, mut plain) = (Decoder::new(Body::Chunked), Vec::new());
        prop_assert_eq!(decoder.transfer(&again, Encoding::Plain, &mut plain), Ok(again.len()));
        prop_assert!(decoder.is_done());
        prop_assert_eq!(plain, data);
    }
}

const NAMES: [&str; 9] = ["Host", "via", "VIA", "Connection", "TE", "X-A", "x-a", "X-Bc", "l5d-reqid"];

/// An edit of a head.
#[derive(Clone, Debug)]
enum Edit {
    Remove(usize),
    Append(usize, String),
    Extend(usize, String),
    Set(usize, String),
    Target(String),
}

fn edit() -> impl Strategy<Value = Edit> {
    let name = || 0..NAMES.len();
    prop_oneof![
        name().prop_map(Edit::Remove),
        (name(), "[a-z]{0,5}").prop_map(|(n, v)| Edit::Append(n, v)),
        (name(), "[a-z]{1,5}").prop_map(|(n, v)| Edit::Extend(n, v)),
        (name(), "[a-z]{0,5}").prop_map(|(n, v)| Edit::Set(n, v)),
        "/[a-z]{0,3}".prop_map(Edit::Target),
    ]
}

/// A head as a list of lines.
#[derive(Clone, Debug)]
struct Model {
    target: String,
    lines: Vec<(String, String)>,
}

impl Model {
    fn is(line: &(String, String), name: usize) -> bool {
        line.0.eq_ignore_ascii_case(NAMES[name])
    }

    fn push(&mut self, name: usize, value: String) {
        let spelling = String::from_utf8(Name::of(NAMES[name].as_bytes()).text().to_vec()).unwrap();
        self.lines.push((spelling, value));
    }

    fn apply(&mut self, edit: &Edit) {
        match edit {
            Edit::Remove(n) => self.lines.retain(|l| !Model::is(l, *n)),
            Edit::Append(n, v) => self.push(*n, v.clone()),
            Edit::Extend(n, v) => match self.lines.iter().rposition(|l| Model::is(l, *n)) {
                None => self.push(*n, v.clone()),
                Some(at) => {
                    let (_, old) = self.lines.remove(at);
                    self.push(*n, format!("{old}, {v}"));
                }
            },
            Edit::Set(n, v) => {
                self.lines.retain(|l| !Model::is(l, *n));
                self.push(*n, v.clone());
            }
            Edit::Target(t) => self.target.clone_from(t),
        }
    }

    fn check(&self, head: &HeadBuf) {
        let lines: String = self.lines.iter().map(|(n, v)| format!("{n}: {v}\r\n")).collect();
        let mut written = Vec::new();
        head.write_to(&mut written);
        let want = format!("GET {} HTTP/1.1\r\n{lines}", self.target);
        assert_eq!(String::from_utf8(written).unwrap(), want);
        assert_eq!(head.target(), self.target.as_bytes());
        for (n, text) in NAMES.into_iter().enumerate() {
            let name = Name::of(text.as_bytes());
            let want: Vec<&[u8]> =
                self.lines.iter().filter(|l| Model::is(l, n)).map(|l| l.1.as_bytes()).collect();
            assert_eq!(head.values(name).collect::<Vec<_>>(), want, "{text}");
            let mut each = Vec::new();
            head.each(name, &mut |v| each.push(v.to_vec()));
            assert_eq!(each, want, "{text}");
            assert_eq!(head.get(name), want.first().copied(), "{text}");
            if let Name::Known(known) = name {
                assert_eq!(head.has(known), !want.is_empty(), "{text}");
            }
        }
    }
}

fn apply(head: &mut HeadBuf, edit: &Edit) {
    let name = |n: &usize| Name::of(NAMES[*n].as_bytes());
    match edit {
        Edit::Remove(n) => head.remove(name(n)),
        Edit::Append(n, v) => head.append(name(n), v.as_bytes()),
        Edit::Extend(n, v) => head.extend_last(name(n), v.as_bytes()),
        Edit::Set(n, v) => head.set(name(n), v.as_bytes()),
        Edit::Target(t) => head.set_target(t.as_bytes()),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn edits_are_those_of_a_list_of_lines(
        lines in prop::collection::vec((0..NAMES.len(), "[a-z]{0,4}", "[ \t]{0,2}", "[ \t]{0,2}"), 0..8),
        edits in prop::collection::vec(edit(), 0..10),
        attempts in prop::collection::vec(
            prop::collection::vec((0..NAMES.len(), "[a-z]{0,5}"), 0..4),
            0..4,
        ),
    ) {
        let text: String =
            lines.iter().map(|(n, v, a, b)| format!("{}:{a}{v}{b}\r\n", NAMES[*n])).collect();
        let mut head = HeadBuf::default();
        head.parse_request(format!("GET /x HTTP/1.1\r\n{text}\r\n").as_bytes()).unwrap();
        let lines = lines.into_iter().map(|(n, v, ..)| (NAMES[n].to_owned(), v)).collect();
        let mut model = Model { target: "/x".to_owned(), lines };
        model.check(&head);
        for edit in &edits {
            apply(&mut head, edit);
            model.apply(edit);
            model.check(&head);
        }
        head.mark();
        for attempt in attempts {
            let mut tried = model.clone();
            for (n, v) in attempt {
                let edit = Edit::Append(n, v);
                apply(&mut head, &edit);
                tried.apply(&edit);
            }
            tried.check(&head);
            head.rewind();
            model.check(&head);
        }
    }
}
