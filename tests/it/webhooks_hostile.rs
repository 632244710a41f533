//! Targets that hang, never end, or lead inside: they harm nobody, and least of all those beside them.

use std::sync::Arc;
use std::time::Duration;

use preorder::app::App;
use preorder::kernel::clock::SystemClock;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

use crate::support::{Receiver, TestApp, all_pay, in_time, reservation};

/// What a server does to whoever asks it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Mischief {
    /// Takes the request and says nothing.
    Hangs,
    /// Answers 200, and a body without end.
    NeverEnds,
    /// The same, as if it were compressed.
    Bomb,
    /// Answers 200, and header lines without end.
    Headers,
    /// Sends a head letter by letter, and never all of it.
    Drips,
    /// Says that much will come, and sends a little.
    Promises,
    /// Speaks no HTTP.
    Babbles,
}

const ALL: [Mischief; 7] = [
    Mischief::Hangs,
    Mischief::NeverEnds,
    Mischief::Bomb,
    Mischief::Headers,
    Mischief::Drips,
    Mischief::Promises,
    Mischief::Babbles,
];

impl Mischief {
    /// Serves until the other side hangs up; gives what it has sent in all.
    async fn does(self, mut stream: TcpStream) -> usize {
        let (begin, again, pause) = match self {
            Self::Hangs => ("", "", None),
            Self::NeverEnds => ("HTTP/1.1 200 OK\r\n\r\n", "0123456789abcdef", None),
            Self::Bomb => {
                ("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 9999999999\r\n\r\n", "\u{1f}\u{8}", None)
            }
            Self::Headers => ("HTTP/1.1 200 OK\r\n", "X-More: and more and more and more\r\n", None),
            Self::Drips => ("HTTP/1.1 200 OK\r\nX: ", "x", Some(Duration::from_millis(20))),
            Self::Promises => ("HTTP/1.1 200 OK\r\nContent-Length: 9999999\r\n\r\na little", "", None),
            Self::Babbles => ("SSH-2.0-OpenSSH_9.9\r\n\r\n", "", None),
        };
        let (mut read, mut write) = stream.split();
        let mut sent = 0;
        let sending = async {
            write.write_all(begin.as_bytes()).await?;
            let piece = again.repeat(if pause.is_some() { 1 } else { 1_024 });
            while !piece.is_empty() {
                write.write_all(piece.as_bytes()).await?;
                sent += piece.len();
                if let Some(pause) = pause {
                    tokio::time::sleep(pause).await;
                }
            }
            std::future::pending::<std::io::Result<()>>().await
        };
        let hanging_up = async {
            let mut request = [0; 4_096];
            while read.read(&mut request).await.is_ok_and(|count| count > 0) {}
        };
        tokio::select! {
            _ = sending => {}
            () = hanging_up => {}
        }
        sent
    }

    /// A server that does it; tells when somebody has hung up, and how much they were sent.
    async fn serve(self, hung_up: mpsc::UnboundedSender<(Self, usize)>) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let hung_up = hung_up.clone();
                tokio::spawn(async move { hung_up.send((self, self.does(stream).await)) });
            }
        });
        url
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn targets_that_misbehave_harm_nobody() {
    let app = TestApp::with(|config| {
        all_pay(config);
        config.webhooks.allow_private = true;
        config.webhooks.timeout_s = 3;
    })
    .await;
    let (sender, mut hung_up) = mpsc::unbounded_channel();
    let mut targets = Vec::new();
    for mischief in ALL {
        let url = mischief.serve(sender.clone()).await;
        targets.push((mischief, app.tell(&url, Some("order.completed")).await.id));
    }
    let mut good = Receiver::start().await;
    app.tell(&good.url(), Some("order.completed")).await;
    app.sell(reservation("p", 9)).await;
    let ann = app.user("ann").await;
    ann.buy("p").await.ok(201);
    good.take().await;

    // Everybody is hung up on, and next to nothing of what never ends was read: the rest is in the system's buffers.
    let mut left = ALL.to_vec();
    while !left.is_empty() {
        let (mischief, sent) = in_time(hung_up.recv()).await.unwrap();
        assert!(sent < 16_000_000, "{mischief:?} could send {sent} bytes");
        left.retain(|other| *other != mischief);
    }
    app.until_number("SELECT COUNT(DISTINCT webhook_id) FROM webhook_deliveries", 8).await;
    for (mischief, id) in targets {
        let attempts = app.app.webhooks.deliveries(Some(id), false, 100).await.unwrap();
        let first = attempts.last().unwrap();
        let (outcome, error) = (first.outcome.as_str(), first.error.as_deref());
        match mischief {
            // The answer is there, whatever comes after it.
            Mischief::NeverEnds | Mischief::Bomb | Mischief::Promises => {
                assert_eq!((outcome, first.status), ("delivered", Some(200)), "{mischief:?}");
            }
            Mischief::Hangs | Mischief::Drips => {
                assert_eq!((outcome, error), ("failed", Some("no answer within 3 s")), "{mischief:?}");
            }
            Mischief::Headers | Mischief::Babbles => {
                assert!(outcome == "failed" && error.is_some(), "{mischief:?}: {first:?}");
            }
        }
    }
    ann.buy("p").await.ok(201);
    good.take().await;
}

#[tokio::test]
async fn nobody_is_led_inside_whenever_a_name_is_resolved() {
    let app = TestApp::still(|config| config.webhooks.allow_private = true).await;
    let mut receiver = Receiver::start().await;
    let port = receiver.address.port();
    let inside = ["127.0.0.1", "localhost", "2130706433", "[::ffff:127.0.0.1]", "0"];
    let mut ids = Vec::new();
    for host in inside {
        ids.push(app.tell(&format!("http://{host}:{port}/"), None).await.id);
    }
    // These were added when it was allowed, or their names have changed since.
    let mut config = app.app.config.clone();
    config.webhooks.allow_private = false;
    let strict = App::open(&config, Arc::new(SystemClock)).await.unwrap();
    for (host, id) in inside.iter().zip(&ids) {
        let tested = strict.webhooks.test(*id).await.unwrap();
        assert!(!tested.delivered && tested.status.is_none(), "{host}");
        let error = tested.error.unwrap();
        assert!(error.contains("private") || error.contains("not public"), "{host}: {error}");
    }
    assert!(!receiver.has_more());
    // It is the setting alone that keeps them out.
    let webhooks = Arc::clone(&app.app.webhooks);
    let testing = tokio::spawn(async move { webhooks.test(ids[1]).await });
    receiver.next().await.answer(200);
    assert!(in_time(testing).await.unwrap().unwrap().delivered);
}

#[tokio::test]
async fn a_target_that_speaks_tls_badly_is_not_trusted() {
    let app = TestApp::still(|config| config.webhooks.allow_private = true).await;
    let receiver = Receiver::start().await;
    let id = app.tell(&receiver.url().replace("http:", "https:"), None).await.id;
    let tested = in_time(app.app.webhooks.test(id)).await.unwrap();
    assert!(!tested.delivered && tested.status.is_none() && tested.error.is_some());
}
