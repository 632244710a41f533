//! What the tests of streams share: somebody who listens to server-sent events.

use reqwest::{Method, Response};
use serde_json::Value;

use super::{Asker, in_time};

/// An open stream of server-sent events.
pub(crate) struct Events {
    pub(crate) response: Response,
    /// What has come and was not taken yet. Bytes, as a chunk may end within a character.
    pub(crate) heard: Vec<u8>,
}

/// One event.
#[derive(Debug)]
pub(crate) struct Event {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) data: Value,
}

impl Events {
    /// Listens from now on, or from behind an event.
    pub(crate) async fn to(asker: &Asker, path: &str, since: Option<&str>) -> Self {
        let mut request = asker.request(Method::GET, path);
        if let Some(since) = since {
            request = request.header("last-event-id", since);
        }
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        assert_eq!(response.headers()["x-accel-buffering"], "no");
        let mut events = Self { response, heard: Vec::new() };
        assert!(events.block().await.unwrap().starts_with(": listening"));
        events
    }

    /// The next block of lines, or `None` when the stream has ended.
    pub(crate) async fn block(&mut self) -> Option<String> {
        in_time(async {
            loop {
                if let Some(end) = self.heard.windows(2).position(|bytes| bytes == b"\n\n") {
                    let block: Vec<u8> = self.heard.drain(..end + 2).take(end).collect();
                    return Some(String::from_utf8(block).unwrap());
                }
                self.heard.extend(self.response.chunk().await.ok()??);
            }
        })
        .await
    }

    /// The next event.
    pub(crate) async fn next(&mut self) -> Event {
        let block = self.block().await.expect("the stream goes on");
        let field = |name: &str| {
            let line = block.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_else(|| panic!("{block}"));
            line.trim_start_matches(':').trim_start().to_owned()
        };
        Event { id: field("id"), name: field("event"), data: serde_json::from_str(&field("data")).unwrap() }
    }

    pub(crate) async fn ends(mut self) {
        // Signs of life go on for as long as the stream does.
        in_time(async {
            while let Some(block) = self.block().await {
                assert!(block.starts_with(':'), "{block}");
            }
        })
        .await;
    }
}
