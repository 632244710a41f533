//! What the log of a server holds, what it never holds, and what its readers can do to the server.

use std::process::Stdio;

use reqwest::Method;
use rustix::process::Signal;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, BufReader};

use crate::support::{Asker, Identity, Serving, Shell, TlsFiles, in_time};

/// The lines that tell of requests, read as JSON. Every line must be.
fn requests(log: &str) -> Vec<Value> {
    let lines = log.lines().filter(|line| !line.starts_with("error: ") && !line.starts_with("hint: "));
    let lines = lines.map(|line| serde_json::from_str::<Value>(line).unwrap_or_else(|_| panic!("no JSON: {line}")));
    lines.filter(|line| line["target"] == "preorder::requests").collect()
}

async fn ended(server: &mut Serving) -> String {
    server.signal(Signal::TERM);
    assert_eq!(server.ended().await.code(), Some(0), "{}", server.log());
    server.log()
}

#[tokio::test]
async fn json_has_a_line_for_each_request() {
    let shell = Shell::new();
    shell.ok("seed --users 1");
    let token = shell.ok("user token buyer000001@preorder.example").trim().to_owned();
    let mut server = shell.serve("", &[("PREORDER_LOG_FORMAT", "json")]).await;
    let buyer = server.anonymous().bearer(&token);
    let id = buyer.get("/users/me").await.ok(200)["id"].as_i64().unwrap();
    let asked = buyer.request(Method::GET, "/purchases/nonsense?secret=1").header("x-request-id", "my-own-7");
    buyer.send(asked).await.refused(404, "order_not_found");
    server.anonymous().get("/products?limit=1").await.ok(200);
    server.anonymous().get("/no/such/path").await.refused(404, "not_found");
    let lines = requests(&ended(&mut server).await);
    let seen: Vec<_> = lines
        .iter()
        .map(|line| (&line["method"], &line["route"], &line["status"], line.get("user").and_then(Value::as_i64)))
        .map(|(method, route, status, user)| json!([method, route, status, user]))
        .collect();
    assert_eq!(
        json!(seen),
        json!([
            ["GET", "/users/me", 200, id],
            ["GET", "/purchases/{orderId}", 404, id],
            ["GET", "/products", 200, null],
            ["other", "none", 404, null],
        ])
    );
    assert_eq!(lines[1]["request_id"], "my-own-7");
    for line in &lines {
        assert!(line["micros"].is_u64() && line["bytes"].is_u64() && line["time"].is_string(), "{line}");
    }
}

#[tokio::test]
async fn the_filter_and_the_flags_decide_about_request_lines() {
    for (flags, environment, expected) in [
        ("", &[][..], false),
        ("-v", &[], true),
        ("-v -v", &[], true),
        ("", &[("PREORDER_LOG_FILTER", "warn,preorder::requests=debug")], true),
        ("", &[("PREORDER_LOG_FORMAT", "json")], true),
        ("-q", &[("PREORDER_LOG_FORMAT", "json")], false),
        ("", &[("PREORDER_LOG_FORMAT", "json"), ("PREORDER_LOG_FILTER", "info,preorder::requests=off")], false),
        ("", &[("PREORDER_LOG_FORMAT", "json"), ("PREORDER_LOG_FILTER", "off")], false),
    ] {
        let shell = Shell::new();
        let mut server = shell.serve(flags, environment).await;
        server.anonymous().get("/healthz").await.ok(200);
        let log = ended(&mut server).await;
        assert_eq!(log.contains("/healthz"), expected, "{flags} {environment:?}: {log}");
    }
}

/// Words that must not be found in any log, and where each of them is sent.
const TELL_TALES: [&str; 12] = [
    "tell.tale.mail",
    "TellTaleName",
    "tell-tale-password",
    "tell-tale-greeting",
    "tell-tale-title",
    "tell-tale-comment",
    "tell-tale-query",
    "tell-tale-path",
    "tell-tale-key",
    "tell-tale-cookie",
    "tell-tale-header",
    "203.0.113.77",
];

/// Goes through the shop and leaves tell-tales wherever something can be said.
async fn talk(anybody: &Asker, token: &str) -> Vec<String> {
    let email = "tell.tale.mail@example.com";
    let person = json!({"name": "TellTaleName", "email": email, "password": "tell-tale-password", "greeting": "tell-tale-greeting"});
    anybody.post("/users/signup", &person).await.ok(201);
    anybody.post("/users/signup", &person).await.refused(409, "email_taken");
    let signed_in = anybody.post("/users/login", &json!({"email": email, "password": "tell-tale-password"})).await;
    let refresh = signed_in.header("set-cookie").split(['=', ';']).nth(1).unwrap().to_owned();
    let own = signed_in.ok(200)["accessToken"].as_str().unwrap().to_owned();
    anybody.post("/users/login", &json!({"email": email, "password": "tell-tale-password2"})).await;
    anybody.post("/users/email-certification", &json!({"email": email})).await;
    anybody.post("/users/email-code-check", &json!({"email": email, "code": "918273"})).await;
    for person in [anybody.bearer(&own), anybody.bearer(token), anybody.bearer("tell-tale-header"), anybody.clone()] {
        let post = json!({"title": "tell-tale-title", "content": "tell-tale-comment"});
        person.post("/activity/posts", &post).await;
        person.post("/activity/posts/1/comments", &json!({"content": "tell-tale-comment"})).await;
        for path in ["/users/me", "/tell-tale-path", "/purchases/tell-tale-path", "/products?cursor=tell-tale-query"] {
            person.get(path).await;
        }
        for (name, value) in [
            ("cookie", "session=tell-tale-cookie; refresh=tell-tale-cookie"),
            ("x-request-id", "tell-tale header\nforged"),
            ("x-forwarded-for", "203.0.113.77"),
            ("user-agent", "tell-tale-header"),
            ("last-event-id", "tell-tale-header"),
            ("referer", "https://shop.example/tell-tale-path?tell-tale-query"),
        ] {
            let Ok(value) = reqwest::header::HeaderValue::from_str(value) else { continue };
            for path in ["/users/reissue", "/signin", "/payments/pre-order?tell-tale-query"] {
                let body = json!({"productId": "tell-tale-path", "email": email});
                let request = person.request(Method::POST, path).header(name, &value);
                person.send(request.header("idempotency-key", "tell-tale-key").json(&body)).await;
            }
        }
        let broken = person.request(Method::POST, "/users/signup").header("content-type", "application/json");
        person.send(broken.body("{\"email\": tell-tale-password")).await.refused(400, "malformed_json");
        let form = "email=tell.tale.mail%40example.com&password=tell-tale-password&seal=tell-tale-key";
        let typed = person.request(Method::POST, "/signin").header("content-type", "application/x-www-form-urlencoded");
        person.send(typed.body(form)).await;
        let odd = Method::from_bytes(b"TELL-TALE-HEADER").unwrap();
        person.send(person.request(odd, "/users/me")).await;
    }
    vec![own, refresh]
}

#[tokio::test]
async fn nothing_secret_or_personal_is_ever_logged() {
    // Nobody is there to take mail, so that every letter fails, and is told about.
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = nobody.local_addr().unwrap().port().to_string();
    drop(nobody);
    let identity = Identity::new();
    let files = TlsFiles::with(&identity);
    let (certificate, key) = (files.certificate().display().to_string(), files.key().display().to_string());
    // Once in plain HTTP/1.1, once in HTTP/2 over TLS: other libraries are at work, and have much to say.
    for (format, certificate, key) in [("text", "", ""), ("json", &*certificate, &*key)] {
        let shell = Shell::new();
        shell.ok("seed --users 1");
        let token = shell.ok("user token buyer000001@preorder.example").trim().to_owned();
        let secret = "tell-tale-secret-of-at-least-32-characters";
        let environment = [
            ("PREORDER_LOG_FORMAT", format),
            ("PREORDER_MAIL_MODE", "smtp"),
            ("PREORDER_MAIL_SMTP_HOST", "127.0.0.1"),
            ("PREORDER_MAIL_SMTP_PORT", &port),
            ("PREORDER_MAIL_SMTP_STARTTLS", "off"),
            ("PREORDER_TLS_CERT_FILE", certificate),
            ("PREORDER_TLS_KEY_FILE", key),
            ("PREORDER_PROXY_TRUSTED", "127.0.0.1"),
            ("PREORDER_MEDIA_S3_ACCESS_KEY", secret),
            ("PREORDER_MEDIA_S3_SECRET_KEY", secret),
        ];
        let mut server = shell.serve("-v -v", &environment).await;
        let anybody = if key.is_empty() { server.anonymous() } else { server.over_tls(identity.client()) };
        let said = talk(&anybody, &token).await;
        let log = ended(&mut server).await;
        for route in ["/users/signup", "/activity/posts/{id}/comments", "/payments/pre-order", "/signin"] {
            assert!(log.contains(route), "{route} is not in the log: {log}");
        }
        let lower = log.to_lowercase();
        let tell_tales = TELL_TALES.iter().map(|word| word.to_lowercase());
        let said = said.iter().chain([&token]).map(|word| word.to_lowercase());
        for word in tell_tales.chain(said).chain([secret.to_owned(), "918273".to_owned()]) {
            let found = lower.lines().find(|line| line.contains(&word));
            assert!(found.is_none(), "'{word}' is in the log: {}", found.unwrap_or_default());
        }
        assert!(log.contains("a mail was not sent"), "{log}");
    }
}

#[tokio::test]
async fn a_reader_who_does_not_read_holds_up_nobody() {
    let shell = Shell::new();
    let mut command = shell.command("serve --listen 127.0.0.1:0 -v -v");
    command.env("PREORDER_LIMITS_ADDRESS_PER_SECOND", "0").stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut server = tokio::process::Command::from(command).kill_on_drop(true).spawn().unwrap();
    let mut lines = BufReader::new(server.stdout.take().unwrap()).lines();
    let line = in_time(lines.next_line()).await.unwrap().unwrap();
    let asker = Asker::at(line.split_whitespace().last().unwrap());
    // A pipe holds 64 KiB, and each of these is told in a hundred bytes or more.
    for _ in 0..1_500 {
        in_time(asker.get("/healthz")).await.ok(200);
    }
    let stderr = server.stderr.take().unwrap();
    let pid = rustix::process::Pid::from_raw(server.id().unwrap().cast_signed()).unwrap();
    rustix::process::kill_process(pid, Signal::TERM).unwrap();
    // It ends even so, though nobody takes the rest.
    assert_eq!(in_time(server.wait()).await.unwrap().code(), Some(0));
    drop(stderr);
}
