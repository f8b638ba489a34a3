//! Real servers as back ends: they say of each answer which request it answers, and keep a log of the requests they had.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use tempfile::TempDir;
use testkit::{Client, PATIENCE, Process, eventually, free_port};

/// A server whose log has a line `<status> <method> <target> <mark>` for each request, and whose answers carry the same
/// but for the status in `X-Echo`.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    log: PathBuf,
    process: Process,
    _folder: TempDir,
}

/// The program, found on the path or where Debian puts servers.
fn program(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain([PathBuf::from("/usr/sbin")]);
    let found = folders.map(|folder| folder.join(name)).find(|file| file.is_file());
    if found.is_none() {
        assert!(std::env::var_os("CI").is_none(), "CI must have {name}");
        eprintln!("SKIPPED smuggling: {name} is not installed");
    }
    found
}

impl Server {
    async fn start(name: &str, program: &Path, folder: TempDir, port: u16, args: &[&str]) -> Server {
        let process = Process::start(name, program, args, folder.path());
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let log = folder.path().join("requests.log");
        let mut server = Server { address, log, process, _folder: folder };
        eventually(PATIENCE, &format!("{name} listens"), || {
            let ended = server.process.ended();
            assert!(ended.is_none(), "{name} ended with {ended:?}:\n{}", server.process.log());
            async move { Client::try_connect(address).await.is_ok() }
        })
        .await;
        server
    }

    /// Lines of the log behind the first `from`, once the last one is about `mark`.
    pub(crate) async fn lines(&self, from: usize, mark: &str) -> Vec<String> {
        let read = || -> Vec<String> {
            let text = fs::read(&self.log).unwrap_or_default();
            let text = String::from_utf8_lossy(&text).into_owned();
            text.lines().skip(from).map(str::to_owned).collect()
        };
        let there = || async { read().iter().any(|line| line.ends_with(&format!(" {mark}"))) };
        eventually(PATIENCE, &format!("{mark} in the back end's log"), there).await;
        read()
    }
}

/// nginx, which reads each request whole before a server behind it (in the same process) answers.
pub(crate) async fn nginx() -> Option<Server> {
    const CONFIG: &str = "daemon off; master_process off; user root; pid nginx.pid; error_log nginx.err;
        events { worker_connections 1000; }
        http {
          client_body_temp_path tmp1; proxy_temp_path tmp2; fastcgi_temp_path tmp3; uwsgi_temp_path tmp4; scgi_temp_path tmp5;
          log_format line escape=none '$status $request_method $request_uri $http_x_mark';
          keepalive_requests 100000; keepalive_timeout 600s; large_client_header_buffers 8 32k; client_max_body_size 0;
          server {
            listen 127.0.0.1:PORT; access_log requests.log line; merge_slashes off;
            location / { proxy_pass http://unix:FOLDER/inner.sock:; }
          }
          server {
            listen unix:FOLDER/inner.sock; access_log off; merge_slashes off;
            add_header X-Echo '$request_method $request_uri $http_x_mark' always;
            location / { return 200 ok; }
          }
        }";
    let program = program("nginx")?;
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let (port, path) = (free_port(), folder.path().display().to_string());
    let config = CONFIG.replace("PORT", &port.to_string()).replace("FOLDER", &path);
    fs::write(folder.path().join("nginx.conf"), config).expect("the test's folder can be written");
    let args = ["-p", &path, "-e", "nginx.err", "-c", "nginx.conf"];
    Some(Server::start("nginx", &program, folder, port, &args).await)
}

/// Node's own HTTP server, as strict as it comes.
pub(crate) async fn node() -> Option<Server> {
    const SCRIPT: &str = "
        const fs = require('fs'), log = fs.openSync('requests.log', 'a');
        const options = { keepAliveTimeout: 0, requestTimeout: 0, headersTimeout: 0, maxHeaderSize: 65536 };
        const server = require('http').createServer(options);
        const note = (status, echo) => fs.writeSync(log, status + ' ' + echo + '\\n');
        const answer = (request, response) => {
          request.on('data', () => {});
          request.on('end', () => {
            const echo = request.method + ' ' + request.url + ' ' + (request.headers['x-mark'] || '-');
            note(200, echo);
            response.setHeader('X-Echo', echo);
            response.end('ok');
          });
        };
        for (const event of ['request', 'checkContinue', 'checkExpectation']) server.on(event, answer);
        for (const event of ['upgrade', 'connect'])
          server.on(event, (request, socket) => { note(900, event + ' ' + request.url + ' -'); socket.destroy(); });
        server.on('clientError', (error, socket) => {
          if (error.code.startsWith('HPE_') && error.code != 'HPE_INVALID_EOF_STATE') note(400, error.code + ' - -');
          socket.destroy();
        });
        server.listen(Number(process.argv[1]), '127.0.0.1');";
    let program = program("node")?;
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let port = free_port();
    let args = ["-e", SCRIPT, &port.to_string()];
    Some(Server::start("node", &program, folder, port, &args).await)
}
