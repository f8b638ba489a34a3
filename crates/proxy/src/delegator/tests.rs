//! The status rows of routing.md §8, over a document with every kind of namer, interpreter and transformer.

use super::*;
use crate::document as doc;
use admin::Bytes;

const DOCUMENT: &str = "
namers:
- kind: io.l5d.fs
  rootDir: DIR/disco
- kind: io.l5d.fs
  rootDir: DIR/disco
  prefix: /ported
  transformers:
  - {kind: io.l5d.specificHost, host: 10.0.0.1}
  - {kind: io.l5d.port, port: 4141}
- {kind: io.l5d.rewrite, prefix: /rw, pattern: '/{service}/api', name: '/srv/{service}'}
- {kind: io.l5d.dnssrv, experimental: true, dnsHosts: ['127.0.0.1:1']}
routers:
- protocol: http
  label: plain
  servers: [{port: 0}]
- protocol: http
  label: ported
  servers: [{port: 0}]
  interpreter:
    kind: default
    transformers: [{kind: io.l5d.port, port: 4140}]
- protocol: http
  label: instead
  servers: [{port: 0}]
  interpreter:
    kind: default
    transformers: [{kind: io.l5d.replace, path: /$/inet/127.1/9}]
- protocol: http
  label: file
  servers: [{port: 0}]
  interpreter: {kind: io.l5d.fs, dtabFile: DIR/web.dtab}
- protocol: http
  label: here
  servers: [{port: 0}]
  interpreter:
    kind: default
    transformers: [{kind: io.l5d.localhost}]
";

struct Fixture {
    dir: tempfile::TempDir,
    sources: Arc<Sources>,
}

fn fixture() -> Fixture {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("disco")).unwrap();
    std::fs::write(dir.path().join("disco/users"), "10.0.0.1 8080\n10.0.0.2 8080 * 0.5\n").unwrap();
    std::fs::write(dir.path().join("disco/b\"d"), "junk").unwrap();
    std::fs::write(dir.path().join("web.dtab"), "/svc => /#/io.l5d.fs;\n").unwrap();
    let text = DOCUMENT.replace("DIR", &dir.path().display().to_string());
    let document = doc::load("linkerd.yaml", text.as_bytes()).unwrap_or_else(|faults| panic!("{faults}"));
    let sources = Arc::new(Sources::new(&document).unwrap());
    Fixture { dir, sources }
}

impl Fixture {
    async fn ask(&self, method: Method, query: &str, kind: &str, body: &str) -> (u16, String) {
        let mut request = Request::new(Bytes::copy_from_slice(body.as_bytes()));
        *request.method_mut() = method;
        *request.uri_mut() = format!("/delegator.json?{query}").parse().unwrap();
        if !kind.is_empty() {
            request.headers_mut().insert("content-type", kind.parse().unwrap());
        }
        read(delegator(self.sources.clone(), request).await).await
    }

    async fn get(&self, query: &str) -> (u16, String) {
        self.ask(Method::GET, query, "", "").await
    }
}

/// Status and body of a response; the body is whole already.
async fn read(response: Response) -> (u16, String) {
    let status = response.status().as_u16();
    let shown = format!("{:?}", response.into_body());
    // `Full { data: Some(b"...") }`
    let data =
        shown.split_once("b\"").and_then(|(_, rest)| rest.rsplit_once('"')).map_or("", |(data, _)| data);
    (status, data.replace("\\\"", "\"").replace("\\\\", "\\").replace("\\'", "'"))
}

const NEG: &str = r#"{"type":"neg","path":"/svc/web"}"#;

#[tokio::test]
async fn questions() {
    let f = fixture();
    let check = async |query: &str, code: u16, body: &str| {
        assert_eq!(f.get(query).await, (code, body.to_owned()), "{query}");
    };
    check("path=/svc/web", 200, NEG).await;
    check("path=%2fsvc%2Fweb&dtab=", 200, NEG).await;
    check("path=/svc/web&namespace=plain", 200, NEG).await;
    check("path=/%23/rw/web/api", 200, r##"{"type":"neg","path":"/#/rw/web/api"}"##).await;
    check("namespace=plain&path=/%23/rw/web/api", 200, r#"{"type":"neg","path":"/srv/web"}"#).await;
    check("path=/x&dtab=bad", 400, "Invalid dtab: '/' expected but 'b' found at '[b]ad'").await;
    check("path=x&dtab=bad", 400, "Invalid dtab: '/' expected but 'b' found at '[b]ad'").await;
    check("path=x", 400, "Invalid path: '/' expected but 'x' found at '[x]'").await;
    check("dtab=/x=%3E/y", 400, "Invalid path: null").await;
    check("path=/x&namespace=none", 501, "Name Interpreter for none cannot show delegations").await;
    check("path=/x&namespace=instead", 501, "Name Interpreter for instead cannot show delegations").await;
    check("path=/s&dtab=/s+=%3E+/s/x", 500, "").await;
    let (code, body) = f.get("namespace=file&path=/svc/users").await;
    assert!(code == 200 && body.contains(r##""id":"/#/io.l5d.fs/users""##), "{code} {body}");
}

#[tokio::test]
async fn posts() {
    let f = fixture();
    let check = async |kind: &str, body: &str, code: u16, expected: &str| {
        let got = f.ask(Method::POST, "", kind, body).await;
        assert_eq!(got, (code, expected.to_owned()), "{kind} {body}");
    };
    const JSON: &str = "application/json";
    check(JSON, r#"{"dtab":"","path":"/svc/web"}"#, 200, NEG).await;
    check(
        JSON,
        r#"{"namespace":"none","dtab":"","path":"/x"}"#,
        501,
        "Name Interpreter for none cannot show delegations",
    )
    .await;
    check(
        JSON,
        r#"{"dtab":"bad","path":"/svc/web"}"#,
        400,
        "Invalid dtab: '/' expected but 'b' found at '[b]ad'",
    )
    .await;
    check(JSON, "", 400, "Malformed delegation request: ").await;
    check(JSON, "{", 400, "Malformed delegation request: {").await;
    check(JSON, r#"{"path":"/x"}"#, 400, r#"Malformed delegation request: {"path":"/x"}"#).await;
    check("application/json;charset=UTF-8", r#"{"dtab":"","path":"/x"}"#, 415, "").await;
    check("", r#"{"dtab":"","path":"/x"}"#, 415, "").await;
}

#[tokio::test(start_paused = true)]
async fn what_never_answers_is_not_waited_for() {
    let f = fixture();
    std::fs::remove_file(f.dir.path().join("web.dtab")).unwrap();
    let answer = f.get("namespace=file&path=/svc/users").await;
    assert_eq!(answer, (503, "Request timed out.".to_owned()));
}

/// Namer transformers change ids inside, interpreter transformers are nodes.
#[tokio::test]
async fn transformers() {
    let f = fixture();
    let (code, body) = f.get("namespace=plain&path=/%23/ported/users/r").await;
    let leaf = concat!(
        r##"{"type":"leaf","path":"/#/ported/users/r","bound":{"addr":{"type":"bound","addrs":["##,
        r##"{"ip":"10.0.0.1","port":4141,"meta":{}}],"meta":{}},"##,
        r##""id":"/%/io.l5d.port/4141/%/io.l5d.specificHost/#/ported/users","path":"/r"}}"##
    );
    assert_eq!((code, body.as_str()), (200, leaf));
    let (code, body) = f.get("namespace=ported&path=/$/inet/10.0.0.9/1").await;
    let changed = concat!(
        r##"{"type":"transformation","path":"/$/inet/10.0.0.9/1","name":"DelegatingNameTreeTransformer$","bound":"##,
        r##"{"addr":{"type":"bound","addrs":[{"ip":"10.0.0.9","port":1,"meta":{}}],"meta":{}},"##,
        r##""id":"/$/inet/10.0.0.9/1","path":"/"},"tree":{"type":"leaf","path":"/%/io.l5d.port/4140/$/inet/10.0.0.9/1","##,
        r##""bound":{"addr":{"type":"bound","addrs":[{"ip":"10.0.0.9","port":4140,"meta":{}}],"meta":{}},"##,
        r##""id":"/%/io.l5d.port/4140/$/inet/10.0.0.9/1","path":"/"}}}"##
    );
    assert_eq!((code, body.as_str()), (200, changed));
    let (_, body) = f.get("namespace=here&path=/$/inet/127.0.0.1/80").await;
    assert!(
        body.contains(r#""tree":{"type":"leaf","path":"/%/io.l5d.localhost/$/inet/127.0.0.1/80""#),
        "{body}"
    );
    assert_eq!(body.matches(r#""type":"bound""#).count(), 2, "{body}");
    let (_, body) = f.get("namespace=here&path=/$/inet/192.0.2.77/80").await;
    assert_eq!(body.matches(r#""type":"neg""#).count(), 1, "{body}");
}

#[tokio::test]
async fn states() {
    let f = fixture();
    let names = read(bound_names(f.sources.clone()).await).await.1;
    let listed =
        r##"["/#/io.l5d.fs/\x62\x22\x64","/#/io.l5d.fs/users","/#/ported/\x62\x22\x64","/#/ported/users"]"##;
    assert_eq!(names.replace("\\\\", "\\"), listed);
    let namer = &f.sources.told[0].1;
    assert_eq!(namer.state_json(), "{}");
    f.get("namespace=plain&path=/%23/io.l5d.fs/users").await;
    f.get("namespace=plain&path=/%23/io.l5d.fs/none").await;
    let dir = f.dir.path().display();
    let expected = format!(
        concat!(
            r#"{{"none":{{"state":{{"kind":"absent"}},"watch":{{"request":"{dir}/disco/none","streaming":false}}}},"#,
            r#""users":{{"state":{{"kind":"file","value":["10.0.0.1 8080","10.0.0.2 8080 * 0.5"]}},"#,
            r#""watch":{{"request":"{dir}/disco/users","streaming":false}}}}}}"#
        ),
        dir = dir
    );
    assert_eq!(namer.state_json(), expected);
    let file = f.sources.routers.iter().find_map(|router| router.dtab.as_ref()).unwrap();
    f.get("namespace=file&path=/svc/none").await;
    let expected =
        format!(r##"{{"state":{{"value":"/svc=>/#/io.l5d.fs"}},"watch":{{"request":"{dir}/web.dtab"}}}}"##);
    assert_eq!(file.state_json(), expected);
}
