//! Somebody's server that is told of orders: it shows a test each request, and answers what the test says.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Arc, Mutex};

use preorder::config::Secret;
use preorder::webhooks::{Webhook, WebhookDraft};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, oneshot};

use super::{TestApp, in_time};

/// A server on a free port; its connections end with the test's runtime.
pub(crate) struct Receiver {
    pub(crate) address: SocketAddr,
    requests: mpsc::UnboundedReceiver<Got>,
}

/// A request that waits for its answer. Dropped, it gets none.
pub(crate) struct Got {
    pub(crate) path: String,
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: String,
    answer: oneshot::Sender<Vec<u8>>,
}

impl Receiver {
    pub(crate) async fn start() -> Self {
        Self::on(TcpListener::bind("127.0.0.1:0").await.unwrap())
    }

    /// At a given address, which must be free.
    pub(crate) fn on(listener: TcpListener) -> Self {
        let address = listener.local_addr().unwrap();
        let (sender, requests) = mpsc::unbounded_channel();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, sender.clone()));
            }
        });
        Self { address, requests }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/hook", self.address)
    }

    /// The next request.
    pub(crate) async fn next(&mut self) -> Got {
        in_time(self.requests.recv()).await.unwrap()
    }

    /// The next request, which is answered 200; gives the event.
    pub(crate) async fn take(&mut self) -> Value {
        let got = self.next().await;
        let event = got.event();
        got.answer(200);
        event
    }

    /// Answers everything from now on, with a status that can be changed.
    pub(crate) fn answer_all(mut self, status: u16) -> Always {
        let always = Always { status: Arc::new(AtomicU16::new(status)), told: Arc::default() };
        let (status, told) = (Arc::clone(&always.status), Arc::clone(&always.told));
        tokio::spawn(async move {
            while let Some(got) = self.requests.recv().await {
                told.lock().unwrap().push(got.event());
                got.answer(status.load(Ordering::SeqCst));
            }
        });
        always
    }

    /// Whether a request waits already.
    pub(crate) fn has_more(&mut self) -> bool {
        !self.requests.is_empty()
    }
}

/// A server that always answers the same.
pub(crate) struct Always {
    pub(crate) status: Arc<AtomicU16>,
    /// Every event that it was told of.
    pub(crate) told: Arc<Mutex<Vec<Value>>>,
}

impl Always {
    /// The orders that it was told of.
    pub(crate) fn orders(&self) -> BTreeSet<String> {
        let told = self.told.lock().unwrap();
        told.iter().filter_map(|event| event["data"]["order"]["id"].as_str().map(str::to_owned)).collect()
    }
}

impl Got {
    pub(crate) fn event(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }

    pub(crate) fn kind(&self) -> &str {
        &self.headers["preorder-event"]
    }

    pub(crate) fn answer(self, status: u16) {
        self.answer_with(status, "");
    }

    /// With more header lines, each with its end.
    pub(crate) fn answer_with(self, status: u16, headers: &str) {
        let text = format!("HTTP/1.1 {status} Whatever\r\n{headers}Content-Length: 2\r\n\r\nok");
        drop(self.answer.send(text.into_bytes()));
    }

    /// The signature is this body's, by this secret, computed here by the book (RFC 2104).
    #[track_caller]
    pub(crate) fn is_signed_by(&self, secret: &Secret) -> i64 {
        let header = &self.headers["preorder-signature"];
        let (time, tag) = header.strip_prefix("t=").unwrap().split_once(",v1=").unwrap();
        // A key that is longer than a block is hashed first.
        let key = hash(secret.bytes());
        let padded = |pad: u8| key.clone().into_iter().chain([0; 32]).map(move |byte| byte ^ pad);
        let inner = hash(padded(0x36).chain(format!("{time}.{}", self.body).bytes()));
        assert_eq!(tag, hex(&hash(padded(0x5c).chain(inner))), "{header}");
        time.parse().unwrap()
    }
}

fn hash(bytes: impl Iterator<Item = u8>) -> Vec<u8> {
    use sha2::Digest as _;
    sha2::Sha256::digest(bytes.collect::<Vec<_>>()).to_vec()
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").unwrap();
        text
    })
}

/// Reads requests off a connection until it ends, or one gets no answer.
async fn serve(stream: TcpStream, requests: mpsc::UnboundedSender<Got>) -> Option<()> {
    let mut stream = BufReader::new(stream);
    loop {
        let mut line = String::new();
        stream.read_line(&mut line).await.ok().filter(|read| *read > 0)?;
        let path = line.split(' ').nth(1)?.to_owned();
        let mut headers = BTreeMap::new();
        loop {
            let mut line = String::new();
            stream.read_line(&mut line).await.ok()?;
            let Some((name, value)) = line.trim().split_once(": ") else { break };
            headers.insert(name.to_ascii_lowercase(), value.to_owned());
        }
        let mut body = vec![0; headers["content-length"].parse().unwrap()];
        stream.read_exact(&mut body).await.ok()?;
        let (answer, answered) = oneshot::channel();
        requests.send(Got { path, headers, body: String::from_utf8(body).unwrap(), answer }).ok()?;
        stream.write_all(&answered.await.ok()?).await.ok()?;
    }
}

impl TestApp {
    /// Lets a server be told of these events, or of all.
    pub(crate) async fn tell(&self, url: &str, events: Option<&str>) -> Webhook {
        let draft = WebhookDraft { url: url.to_owned(), events: events.map(str::to_owned), description: None };
        self.app.webhooks.add(draft).await.unwrap()
    }

    /// A number from the rows.
    pub(crate) async fn number(&self, sql: &'static str) -> i64 {
        self.app.db.read(move |conn| Ok(conn.row(sql, &[], |row| row.int(0))?.unwrap())).await.unwrap()
    }

    /// Waits until a number from the rows is as it should be.
    pub(crate) async fn until_number(&self, sql: &'static str, expected: i64) {
        in_time(async { while self.number(sql).await != expected {} }).await;
    }
}
