//! What is true for every route: problem documents, limits, timeouts, and how the server stops.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use preorder::http::Routes;
use reqwest::Method;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::Notify;

use crate::support::{TestApp, in_time};

#[tokio::test]
async fn the_probes_answer() {
    let app = TestApp::start().await;
    assert_eq!(app.anonymous().get("/healthz").await.ok(200), json!({"status": "ok"}));
    assert_eq!(app.anonymous().get("/readyz").await.ok(200), json!({"status": "ok"}));
}

#[tokio::test]
async fn every_refusal_is_a_problem_document() {
    let app = TestApp::with(|config| config.limits.body_bytes = 100).await;
    let asker = app.anonymous();
    asker.get("/nowhere").await.refused(404, "not_found");
    asker.get("/nowhere/%FF").await.refused(404, "not_found");
    asker.get("/users/%FF").await.refused(404, "user_not_found");
    let answer = asker.get("/users/login").await.refused(405, "method_not_allowed");
    assert_eq!(answer.header("allow"), "POST");

    let post = |media_type: &'static str, body: String| {
        let asker = app.anonymous();
        let request = asker.request(Method::POST, "/users/signup").header("content-type", media_type).body(body);
        async move { asker.send(request).await }
    };
    post("text/plain", "{}".to_owned()).await.refused(415, "unsupported_media_type");
    post("application/jsonp", "{}".to_owned()).await.refused(415, "unsupported_media_type");
    post("application/json", "x".repeat(101)).await.refused(413, "payload_too_large");
    post("application/json", String::new()).await.refused(400, "malformed_json");
    post("application/json", "{\"name\": ".to_owned()).await.refused(400, "malformed_json");
    post("application/json", "[".repeat(100)).await.refused(400, "malformed_json");
    post("application/vnd.shop+json; charset=utf-8", "{\"x\": 1}".to_owned()).await.faults(&[("x", "unknown_field")]);
    for charset in ["charset=UTF-8", "charset=\"utf-8\"", "boundary=x;Charset=utf8", "charset", ""] {
        let media_type: &'static str = format!("application/json;{charset}").leak();
        post(media_type, "{\"x\": 1}".to_owned()).await.faults(&[("x", "unknown_field")]);
    }
    for charset in ["charset=iso-8859-1", "charset=utf-16", "CHARSET = \"euc-kr\"", "charset="] {
        let media_type: &'static str = format!("application/json; {charset}").leak();
        post(media_type, "{\"x\": 1}".to_owned()).await.refused(415, "unsupported_media_type");
    }
    for (path, media_type) in
        [("/users/signup", "application/json"), ("/users/login", "application/x-www-form-urlencoded")]
    {
        for (encoding, status) in [("gzip", 415), ("identity, br", 415), ("Identity", 422), (" identity ", 422)] {
            let request = asker.request(Method::POST, path).header("content-type", media_type);
            let request = request.header("content-encoding", encoding).body(if path == "/users/login" {
                "x=1"
            } else {
                "{\"x\": 1}"
            });
            assert_eq!(asker.send(request).await.status, status, "{path}, {encoding}");
        }
    }
    let bare = asker.request(Method::POST, "/users/signup");
    asker.send(bare).await.refused(415, "unsupported_media_type");
}

#[tokio::test]
async fn the_reader_chooses_the_language() {
    let app = TestApp::start().await;
    let asker = app.anonymous();
    for (accepted, tag, detail) in [
        ("ko-KR,ko;q=0.9,en;q=0.8", "ko", "이 경로에는 아무것도 없습니다."),
        ("en,ko;q=0.9", "en", "There is nothing at this path."),
        ("fr", "en", "There is nothing at this path."),
    ] {
        let request = asker.request(Method::GET, "/nowhere").header("accept-language", accepted);
        let answer = asker.send(request).await.refused(404, "not_found");
        assert_eq!((answer.header("content-language"), answer.body["detail"].as_str()), (tag, Some(detail)));
    }
}

#[tokio::test]
async fn every_answer_carries_a_request_id() {
    let app = TestApp::start().await;
    let asker = app.anonymous();
    let ask = |id: &'static str| asker.send(asker.request(Method::GET, "/healthz").header("x-request-id", id));
    assert_eq!(ask("checkout-7.a_B").await.header("x-request-id"), "checkout-7.a_B");
    let made = ask("with blanks").await;
    assert_ne!(made.header("x-request-id"), "with blanks");
    assert_ne!(made.header("x-request-id"), asker.get("/healthz").await.header("x-request-id"));
}

#[tokio::test]
async fn an_address_that_asks_too_often_is_put_off() {
    let app = TestApp::with(|config| {
        config.limits.address_per_second = 1;
        config.limits.address_burst = 3;
    })
    .await;
    let asker = app.anonymous();
    for _ in 0..3 {
        asker.get("/nowhere").await.refused(404, "not_found");
    }
    let put_off = in_time(async {
        loop {
            let answer = asker.get("/nowhere").await;
            if answer.status != 404 {
                return answer;
            }
        }
    });
    assert_eq!(put_off.await.refused(429, "rate_limited").header("retry-after"), "1");
    asker.get("/healthz").await.ok(200);
}

#[tokio::test]
async fn whose_rate_it_is_is_known_from_trusted_proxies_alone() {
    for (trusted, is_believed) in [("192.0.2.0/24", false), ("127.0.0.0/8", true)] {
        let app = TestApp::with(|config| {
            config.limits.address_per_second = 1;
            config.limits.address_burst = 1;
            config.proxy.trusted = vec![trusted.parse().unwrap()];
        })
        .await;
        let asker = app.anonymous();
        let from =
            |address: String| asker.send(asker.request(Method::GET, "/nowhere").header("x-forwarded-for", address));
        // Everybody has an address of their own, if the header is believed.
        let mut put_off = 0;
        for host in 1..=200 {
            put_off += usize::from(from(format!("203.0.113.{host}")).await.status == 429);
        }
        assert_eq!(put_off == 0, is_believed, "{put_off} of 200 behind {trusted}");
        // What the client made up before it came to the proxy is nobody's address.
        if is_believed {
            in_time(async { while from("1.2.3.4, 198.51.100.1".to_owned()).await.status != 429 {} }).await;
            in_time(async { while from("5.6.7.8, 198.51.100.1".to_owned()).await.status != 429 {} }).await;
        }
    }
}

#[tokio::test]
async fn an_account_that_asks_too_often_is_put_off() {
    let app = TestApp::with(|config| {
        config.limits.account_per_second = 1;
        config.limits.account_burst = 2;
    })
    .await;
    let (ann, bob) = (app.user("ann").await, app.user("bob").await);
    let put_off = in_time(async {
        loop {
            let answer = ann.get("/users/me").await;
            if answer.status != 200 {
                return answer;
            }
        }
    });
    assert_eq!(put_off.await.refused(429, "rate_limited").header("retry-after"), "1");
    bob.get("/users/me").await.ok(200);
    app.anonymous().get("/healthz").await.ok(200);
}

#[tokio::test]
async fn a_handler_that_panics_or_hangs_is_answered() {
    let rooms = Routes::new()
        .get("/panics", async || if true { panic!("on purpose, for a test") } else { "" })
        .get("/hangs", std::future::pending::<&str>);
    let app = TestApp::serving(|config| config.limits.request_timeout_s = 1, rooms).await;
    app.anonymous().get("/panics").await.refused(500, "internal");
    let answer = in_time(app.anonymous().get("/hangs")).await.refused(503, "timeout");
    assert_eq!(answer.header("retry-after"), "1");
    let detail = answer.body["detail"].as_str().unwrap();
    assert!(detail.contains("/purchases") && detail.contains("Idempotency-Key"), "{detail}");
    app.anonymous().get("/healthz").await.ok(200);
}

#[tokio::test]
async fn odd_requests_never_cause_a_500() {
    let app = TestApp::start().await;
    let asker = app.user("ann").await;
    let long = "x".repeat(5_000);
    for path in ["/%00", "/users/%2e%2e/me", "//", "/users/me?limit=%FF", "/users/me/", &format!("/{long}")] {
        assert!(asker.get(path).await.status.as_u16() < 500, "{path}");
    }
    for (name, value) in [
        ("authorization", "Bearer "),
        ("authorization", "\u{a0}"),
        ("access", &*long),
        ("accept-language", &*long),
        ("accept-language", "ko;q=ko"),
        ("x-request-id", &*long),
        ("content-type", "/"),
        ("cookie", "refresh=\u{ff}"),
    ] {
        for method in [Method::GET, Method::POST, Method::PUT, Method::HEAD, Method::OPTIONS] {
            let request = asker.request(method, "/users/login").header(name, value);
            assert!(asker.send(request).await.status.as_u16() < 500, "{name}");
        }
    }
    for body in
        ["null", "\"\\ud800\"", "{\"email\":\"\\u0000@x.com\",\"password\":\"\\u0000\"}", "1e999", "{\"email\":1e999}"]
    {
        for path in ["/users/login", "/users/signup"] {
            let request = asker.request(Method::POST, path).header("content-type", "application/json").body(body);
            assert!(asker.send(request).await.status.as_u16() < 500, "{body}");
        }
    }
}

/// A connection without a client's cleverness.
pub(crate) struct Wire(TcpStream);

impl Wire {
    pub(crate) async fn open(app: &TestApp) -> Self {
        Self(TcpStream::connect(app.address).await.unwrap())
    }

    pub(crate) async fn send(&mut self, text: &str) {
        self.0.write_all(text.as_bytes()).await.unwrap();
    }

    async fn get(&mut self, path: &str) {
        self.send(&format!("GET {path} HTTP/1.1\r\nhost: shop\r\n\r\n")).await;
    }

    /// Reads until what came ends with `end`.
    pub(crate) async fn read_until(&mut self, end: &str) -> String {
        let mut text = Vec::new();
        while !text.ends_with(end.as_bytes()) {
            text.push(in_time(self.0.read_u8()).await.unwrap());
        }
        String::from_utf8(text).unwrap()
    }

    /// Reads until the server closes the connection.
    pub(crate) async fn read_to_end(&mut self) -> String {
        let mut text = String::new();
        in_time(self.0.read_to_string(&mut text)).await.unwrap();
        text
    }
}

const ALIVE: &str = "{\"status\":\"ok\"}";

#[tokio::test]
async fn slow_heads_and_idle_connections_are_closed() {
    let app = TestApp::with(|config| config.limits.header_timeout_s = 1).await;
    let mut silent = Wire::open(&app).await;
    let mut slow = Wire::open(&app).await;
    slow.send("GET /healthz HTTP/1.1\r\nhost: sh").await;
    let mut idle = Wire::open(&app).await;
    idle.get("/healthz").await;
    idle.read_until(ALIVE).await;
    for wire in [&mut silent, &mut slow, &mut idle] {
        let last_words = wire.read_to_end().await;
        assert!(last_words.is_empty() || last_words.starts_with("HTTP/1.1 408"), "{last_words}");
    }
}

#[tokio::test]
async fn a_body_that_does_not_arrive_is_given_up_on() {
    let app = TestApp::with(|config| config.limits.request_timeout_s = 1).await;
    let mut slow = Wire::open(&app).await;
    slow.send("POST /users/signup HTTP/1.1\r\nhost: shop\r\ncontent-type: application/json\r\n").await;
    slow.send("content-length: 100\r\n\r\n{").await;
    let answer = slow.read_to_end().await;
    assert!(answer.starts_with("HTTP/1.1 503") && answer.contains("\"code\":\"timeout\""), "{answer}");
}

/// A request with a body, as it goes over the wire.
fn posted(path: &str, headers: &str, body: &str) -> String {
    let length = if headers.contains("transfer-encoding") {
        String::new()
    } else {
        format!("content-length: {}\r\n", body.len())
    };
    format!("POST {path} HTTP/1.1\r\nhost: shop\r\n{headers}{length}\r\n{body}")
}

#[tokio::test]
async fn a_small_body_that_nobody_read_is_taken_off_the_wire() {
    let app = TestApp::with(|config| {
        config.limits.account_per_second = 1;
        config.limits.account_burst = 1;
    })
    .await;
    app.user("ann").await;
    let token = app.app.users.token(preorder::kernel::ids::UserId(1), None).await.unwrap();
    let json = "content-type: application/json\r\n";
    let known = format!("{json}authorization: Bearer {token}\r\n");
    let mut wire = Wire::open(&app).await;
    for (status, path, headers, body) in [
        ("401", "/payments", json, "{\"productId\":\"100\"}"),
        ("404", "/nowhere", json, "{}"),
        ("405", "/products/100", json, "{}"),
        ("415", "/users/signup", "content-type: text/plain\r\n", "words"),
        ("401", "/payments", "transfer-encoding: chunked\r\n", "5\r\nwords\r\n0\r\n\r\n"),
        ("404", "/payments/01890000-0000-7000-8000-000000000000/confirm", &known, "{}"),
        ("429", "/payments/01890000-0000-7000-8000-000000000000/confirm", &known, "{}"),
        ("401", "/payments", json, &format!("{{\"productId\":\"{}\"}}", "x".repeat(6_000))),
    ] {
        wire.send(&posted(path, headers, body)).await;
        let head = wire.read_until("\r\n\r\n").await;
        assert!(
            head.starts_with(&format!("HTTP/1.1 {status}")) && !head.contains("connection: close"),
            "{path}: {head}"
        );
        wire.read_until("}").await;
        wire.get("/healthz").await;
        wire.read_until(ALIVE).await;
    }
}

#[tokio::test]
async fn a_body_that_stays_on_the_wire_ends_the_connection_and_the_answer_says_so() {
    let app = TestApp::with(|config| config.limits.body_bytes = 1_000).await;
    let long = "x".repeat(2_000);
    let json = "content-type: application/json\r\n";
    for (status, request) in [
        // It does not come.
        ("401", format!("POST /payments HTTP/1.1\r\nhost: shop\r\n{json}content-length: 100\r\n\r\n{{")),
        // It is too long, and says so or does not.
        ("401", posted("/payments", json, &long)),
        ("413", posted("/users/signup", json, &long).replace("length: 2000", "length: 4000")),
        ("401", posted("/payments", "transfer-encoding: chunked\r\n", &format!("7d0\r\n{long}\r\n0\r\n\r\n"))),
        // The client waits to be asked for it.
        (
            "401",
            format!("POST /payments HTTP/1.1\r\nhost: shop\r\n{json}expect: 100-continue\r\ncontent-length: 2\r\n\r\n"),
        ),
    ] {
        let mut wire = Wire::open(&app).await;
        wire.send(&request).await;
        let head = wire.read_until("\r\n\r\n").await;
        assert!(
            head.starts_with(&format!("HTTP/1.1 {status}")) && head.contains("connection: close"),
            "{request}: {head}"
        );
        wire.read_until("}").await;
        // Nothing more is answered, whether the connection ends in order or is cut.
        let mut rest = Vec::new();
        let _either_way = in_time(wire.0.read_to_end(&mut rest)).await;
        assert!(rest.is_empty(), "{request}: {}", String::from_utf8_lossy(&rest));
    }
}

#[tokio::test]
async fn a_client_that_never_reads_is_given_up_on() {
    let rooms = Routes::new().get("/long", async || "x".repeat(1_000_000));
    let app = TestApp::serving(|config| config.limits.header_timeout_s = 1, rooms).await;
    let mut deaf = Wire::open(&app).await;
    // The server stops reading when it can't write; these go through until the buffers are full, and fail once it has
    // hung up.
    in_time(async { while deaf.0.write_all(b"GET /long HTTP/1.1\r\nhost: shop\r\n\r\n").await.is_ok() {} }).await;
}

#[tokio::test]
async fn a_head_without_end_is_refused() {
    let app = TestApp::start().await;
    let mut wire = Wire::open(&app).await;
    wire.send(&format!("GET /healthz HTTP/1.1\r\nx: {}", "x".repeat(100_000))).await;
    assert!(wire.read_until("\r\n").await.starts_with("HTTP/1.1 431"));
}

#[tokio::test]
async fn connections_over_the_limit_wait_their_turn() {
    let first_has_left = Arc::new(AtomicBool::new(false));
    let seen = Arc::clone(&first_has_left);
    let rooms =
        Routes::new().get("/turn", async move || if seen.load(Ordering::SeqCst) { "after." } else { "beside." });
    let app = TestApp::serving(|config| config.limits.connections = 1, rooms).await;
    let mut first = Wire::open(&app).await;
    first.get("/healthz").await;
    first.read_until(ALIVE).await;
    let mut second = Wire::open(&app).await;
    second.get("/turn").await;
    // The second would be answered during these, if it were let in.
    for _ in 0..20 {
        first.get("/healthz").await;
        first.read_until(ALIVE).await;
    }
    first_has_left.store(true, Ordering::SeqCst);
    drop(first);
    assert!(second.read_until("after.").await.starts_with("HTTP/1.1 200"));
}

#[tokio::test]
async fn a_stopping_server_answers_what_is_in_flight_and_takes_no_more() {
    let (started, finish) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (begun, go_on) = (Arc::clone(&started), Arc::clone(&finish));
    let rooms = Routes::new().get("/slow", async move || {
        begun.notify_one();
        go_on.notified().await;
        "answered."
    });
    let app = TestApp::serving(|_| {}, rooms).await;
    let address = app.address;
    let mut idle = Wire::open(&app).await;
    idle.get("/healthz").await;
    idle.read_until(ALIVE).await;
    let mut wire = Wire::open(&app).await;
    wire.get("/slow").await;
    in_time(started.notified()).await;
    let server = app.stop();
    idle.read_to_end().await;
    in_time(async { while TcpStream::connect(address).await.is_ok() {} }).await;
    finish.notify_one();
    assert!(wire.read_to_end().await.ends_with("answered."));
    in_time(server).await.unwrap().unwrap();
}

#[tokio::test]
async fn a_stopping_server_gives_up_on_what_does_not_end() {
    let started = Arc::new(Notify::new());
    let begun = Arc::clone(&started);
    let rooms = Routes::new().get("/never", async move || {
        begun.notify_one();
        std::future::pending::<&str>().await
    });
    let app = TestApp::serving(|config| config.limits.shutdown_timeout_s = 0, rooms).await;
    let mut wire = Wire::open(&app).await;
    wire.get("/never").await;
    in_time(started.notified()).await;
    let ended = in_time(app.stop()).await.unwrap();
    assert_eq!(ended.unwrap_err().code(), "shutdown_timeout");
    assert_eq!(wire.read_to_end().await, "");
}
