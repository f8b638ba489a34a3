//! Objects written and read as JSON, without a process for each: what a test does a thousand times.

use super::Cluster;
use super::program::run;
use crate::client::Client;
use serde_json::Value;
use std::fs;
use std::io;
use std::net::SocketAddr;

/// One connection to the plain front, kept alive.
#[derive(Debug)]
pub struct Session {
    client: Client,
    host: String,
}

impl Session {
    /// Connects to a front.
    ///
    /// # Errors
    /// The system's.
    pub async fn open(front: SocketAddr) -> io::Result<Session> {
        Ok(Session { client: Client::try_connect(front).await?, host: front.to_string() })
    }

    /// Sends one request; the status and the JSON of the answer, or its text where it is none.
    ///
    /// A PATCH is a merge patch.
    ///
    /// # Errors
    /// How the connection ended before the answer was complete.
    pub async fn try_call(
        &mut self,
        method: &str,
        path: &str,
        body: Option<&Value>,
    ) -> io::Result<(u16, Value)> {
        let kind = if method == "PATCH" { "application/merge-patch+json" } else { "application/json" };
        let text = body.map(Value::to_string).unwrap_or_default();
        let mut head =
            format!("{method} {path} HTTP/1.1\r\nHost: {}\r\nAccept: application/json\r\n", self.host);
        if body.is_some() {
            head += &format!("Content-Type: {kind}\r\nContent-Length: {}\r\n", text.len());
        }
        self.client.try_send(format!("{head}\r\n{text}")).await?;
        let answer = self.client.try_response(method).await?;
        let value = serde_json::from_slice(&answer.body.data).unwrap_or_else(|_| Value::from(answer.text()));
        Ok((answer.status(), value))
    }

    /// The same where it has to succeed.
    ///
    /// # Panics
    /// When it does not, with what was said.
    pub async fn call(&mut self, method: &str, path: &str, body: Option<&Value>) -> Value {
        match self.try_call(method, path, body).await {
            Ok((200..=299, value)) => value,
            Ok((status, value)) => panic!("{method} {path}: {status} {value}"),
            Err(e) => panic!("{method} {path}: {e}"),
        }
    }
}

impl Cluster {
    /// A connection for many calls.
    ///
    /// # Panics
    /// When there is none.
    pub async fn session(&self) -> Session {
        Session::open(self.front()).await.unwrap_or_else(|e| panic!("connect to {}: {e}", self.front()))
    }

    /// GET of a path, which has to succeed.
    pub async fn get(&self, path: &str) -> Value {
        self.session().await.call("GET", path, None).await
    }

    /// POST of an object to the path of its collection, which has to succeed.
    pub async fn create(&self, path: &str, object: &Value) -> Value {
        self.session().await.call("POST", path, Some(object)).await
    }

    /// Merge patch of the object at a path, which has to succeed.
    pub async fn patch(&self, path: &str, changes: &Value) -> Value {
        self.session().await.call("PATCH", path, Some(changes)).await
    }

    /// DELETE of the object at a path, which has to succeed.
    pub async fn delete(&self, path: &str) -> Value {
        self.session().await.call("DELETE", path, None).await
    }

    /// `kubectl` with these arguments: what it printed, or all it said when it failed.
    ///
    /// # Errors
    /// Its command line, status and output.
    pub async fn try_kubectl(&self, args: &[&str]) -> Result<String, String> {
        let folder = self.folder().display();
        let mut words = vec!["kubectl".to_owned()];
        words.push(format!("--kubeconfig={}", self.kubeconfig().display()));
        words.push(format!("--cache-dir={folder}/kubectl"));
        words.extend(args.iter().map(|a| (*a).to_owned()));
        let program = self.program().display().to_string();
        let done = tokio::task::spawn_blocking(move || run(&program, words)).await;
        done.expect("running a program does not panic")
    }

    /// The same where it has to succeed.
    ///
    /// # Panics
    /// When it does not, with what it said.
    pub async fn kubectl(&self, args: &[&str]) -> String {
        self.try_kubectl(args).await.unwrap_or_else(|e| panic!("{e}"))
    }

    /// `kubectl apply` of YAML or JSON, one document or several; returns what it printed.
    ///
    /// # Panics
    /// When the API server refuses any of it, with what it said.
    pub async fn apply(&self, text: &str) -> String {
        self.with_file("apply", text, &["apply", "-f"]).await
    }

    /// `kubectl delete` of everything in a YAML or JSON text; returns what it printed.
    ///
    /// # Panics
    /// When any of it cannot be deleted, with what was said.
    pub async fn remove(&self, text: &str) -> String {
        self.with_file("remove", text, &["delete", "--wait=false", "-f"]).await
    }

    /// `kubectl` with these arguments and a file of this text as the last one.
    async fn with_file(&self, name: &str, text: &str, args: &[&str]) -> String {
        let file = self.folder().join(format!("{name}-{:016x}.yaml", fastrand::u64(..)));
        fs::write(&file, text).expect("the cluster's folder can be written");
        let path = file.display().to_string();
        let done = self.kubectl(&args.iter().copied().chain([path.as_str()]).collect::<Vec<_>>()).await;
        fs::remove_file(file).expect("it was just written");
        done
    }
}
