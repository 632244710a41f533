//! TLS: what is spoken over it, what is kept from whom, and certificates that change while the server runs.

use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::sync::Arc;

use preorder::http::Routes;
use preorder::kernel::actor::Role;
use reqwest::{Method, Version};
use rustls::pki_types::ServerName;
use rustls::pki_types::pem::PemObject as _;
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::support::events::Events;
use crate::support::{Identity, PASSWORD, Shell, TestApp, TlsFiles, all_pay, general, in_time, reservation};

/// A server that speaks TLS.
async fn tls_app(files: &TlsFiles) -> TestApp {
    TestApp::with(|config| {
        files.set(config);
        all_pay(config);
    })
    .await
}

#[tokio::test]
async fn both_protocols_are_spoken_and_browsers_are_told_to_come_back_the_same_way() {
    let identity = Identity::new();
    let files = TlsFiles::with(&identity);
    let app = tls_app(&files).await;
    app.account("ann", Role::User).await;
    let login = json!({"email": "ann@example.com", "password": PASSWORD});
    for (client, version) in [(identity.client(), Version::HTTP_2), (identity.client().http1_only(), Version::HTTP_11)]
    {
        let asker = app.over_tls(client);
        let answer = asker.get("/healthz").await;
        assert_eq!((answer.version, answer.header("strict-transport-security")), (version, "max-age=31536000"));
        let answer = asker.get("/nowhere").await.refused(404, "not_found");
        assert_eq!(answer.header("strict-transport-security"), "max-age=31536000");
        let answer = asker.post("/users/login", &login).await;
        assert!(answer.header("set-cookie").ends_with("; Secure"), "{answer:?}");
        // An answer before the body was read ends neither the connection nor the next request.
        for _ in 0..3 {
            let answer = asker.post("/payments", &json!({"productId": "x".repeat(50_000)})).await;
            assert_eq!(answer.refused(401, "unauthenticated").header("connection"), "");
        }
    }
    let plain = TestApp::with(all_pay).await;
    assert_eq!(plain.anonymous().get("/healthz").await.header("strict-transport-security"), "");
    let app = TestApp::with(|config| {
        files.set(config);
        config.tls.hsts_seconds = 0;
    })
    .await;
    assert_eq!(app.over_tls(identity.client()).get("/healthz").await.header("strict-transport-security"), "");
}

#[tokio::test]
async fn a_purchase_and_its_stream_over_http_2() {
    let identity = Identity::new();
    let app = tls_app(&TlsFiles::with(&identity)).await;
    app.sell(reservation("p", 10)).await;
    app.sell(general("g", 10)).await;
    let ann = app.account("ann", Role::User).await;
    let token = app.app.users.token(ann.id, None).await.unwrap();
    let buyer = app.over_tls(identity.client()).bearer(&token);
    let mut events = Events::to(&buyer, "/stocks/stream?productId=p", None).await;
    assert_eq!(events.response.version(), Version::HTTP_2);
    assert_eq!(events.next().await.data["available"], 10);
    let request = buyer.request(Method::POST, "/payments/pre-order").header("idempotency-key", "k");
    let order = buyer.send(request.json(&json!({"productId": "p", "quantity": 2}))).await;
    assert_eq!(order.version, Version::HTTP_2);
    let order = order.ok(201);
    assert_eq!(order["state"], "completed");
    assert_eq!(events.next().await.data["available"], 8);
    let held = buyer.post("/payments", &json!({"productId": "g"})).await.ok(201);
    buyer.post(&format!("/payments/{}/confirm", held["id"].as_str().unwrap()), &json!({})).await.ok(200);
    assert_eq!(buyer.get("/purchases").await.ok(200)["items"].as_array().unwrap().len(), 2);
    // A server that stops ends the stream, and is not held up by a connection that stays open.
    let server = app.stop();
    events.ends().await;
    in_time(server).await.unwrap().unwrap();
}

#[tokio::test]
async fn limits_hold_over_http_2() {
    let identity = Identity::new();
    let files = TlsFiles::with(&identity);
    let app = TestApp::with(|config| {
        files.set(config);
        config.limits.body_bytes = 2_000;
        config.limits.address_per_second = 1;
        config.limits.address_burst = 3;
    })
    .await;
    let asker = app.over_tls(identity.client());
    let post = |length: usize| {
        let request = asker.request(Method::POST, "/users/signup").header("content-type", "application/json");
        asker.send(request.body("x".repeat(length)))
    };
    post(2_001).await.refused(413, "payload_too_large");
    post(100_000).await.refused(413, "payload_too_large");
    asker.get("/nowhere").await.refused(404, "not_found");
    in_time(async { while asker.get("/nowhere").await.status != 429 {} }).await;
    asker.get("/healthz").await.ok(200);
}

#[tokio::test]
async fn another_sites_page_is_known_where_there_is_no_host_header() {
    let identity = Identity::new();
    let app = tls_app(&TlsFiles::with(&identity)).await;
    app.account("ann", Role::User).await;
    let asker = app.over_tls(identity.client());
    let login = json!({"email": "ann@example.com", "password": PASSWORD});
    let from =
        |origin: String| asker.send(asker.request(Method::POST, "/users/login").header("origin", origin).json(&login));
    let own = from(format!("https://{}", app.address)).await;
    assert_eq!(own.version, Version::HTTP_2);
    own.ok(200);
    from("https://evil.example".to_owned()).await.refused(403, "cross_site");
    // What the request is for counts, not a header beside it.
    let request = asker.request(Method::POST, "/users/login").header("origin", "https://evil.example");
    asker.send(request.header("host", "evil.example").json(&login)).await;
    asker.get("/healthz").await.ok(200);
}

/// A client's side of a TLS connection that speaks what it likes.
async fn wire(app: &TestApp, identity: &Identity, protocol: &str) -> TlsStream<TcpStream> {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(rustls::pki_types::CertificateDer::from_pem_slice(identity.certificate.as_bytes()).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let mut config = builder.with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = vec![protocol.as_bytes().to_vec()];
    let stream = TcpStream::connect(app.address).await.unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    TlsConnector::from(Arc::new(config)).connect(name, stream).await.unwrap()
}

#[tokio::test]
async fn whoever_is_slow_or_silent_is_hung_up_on() {
    let identity = Identity::new();
    let files = TlsFiles::with(&identity);
    let app = TestApp::with(|config| {
        files.set(config);
        config.limits.header_timeout_s = 1;
        config.limits.connections = 100;
    })
    .await;
    // No handshake, half of one, and what is none.
    for bytes in [&b""[..], &[22, 3, 1, 2, 0, 1], &[22, 3, 1, 0, 2, 9, 9], &[0, 0, 0]] {
        let mut slow = TcpStream::connect(app.address).await.unwrap();
        slow.write_all(bytes).await.unwrap();
        let mut rest = Vec::new();
        let _either_way = in_time(slow.read_to_end(&mut rest)).await;
        assert!(!rest.starts_with(b"HTTP"));
    }
    // A handshake, and then: no request, half of one, or HTTP/2's beginning without a request.
    for (protocol, bytes) in [
        ("http/1.1", &b""[..]),
        ("http/1.1", b"GET /healthz HTTP/1.1\r\nhost: sh"),
        ("h2", b""),
        ("h2", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0"),
    ] {
        let mut silent = wire(&app, &identity, protocol).await;
        silent.write_all(bytes).await.unwrap();
        let mut rest = Vec::new();
        let _either_way = in_time(silent.read_to_end(&mut rest)).await;
    }
    app.over_tls(identity.client()).get("/healthz").await.ok(200);
}

#[tokio::test]
async fn an_idle_http_2_connection_ends_and_its_client_notices() {
    let identity = Identity::new();
    let files = TlsFiles::with(&identity);
    let app = TestApp::with(|config| {
        files.set(config);
        config.limits.header_timeout_s = 1;
        // One client at a time: the second is let in when the first has been sent away.
        config.limits.connections = 1;
    })
    .await;
    let (first, second) = (app.over_tls(identity.client()), app.over_tls(identity.client()));
    first.get("/healthz").await.ok(200);
    in_time(second.get("/healthz")).await.ok(200);
    in_time(first.get("/healthz")).await.ok(200);
}

#[tokio::test]
async fn an_answer_that_nobody_takes_over_http_2_is_given_up_on() {
    let identity = Identity::new();
    let files = TlsFiles::with(&identity);
    let change = |config: &mut preorder::config::Config| {
        files.set(config);
        config.limits.header_timeout_s = 1;
        config.limits.connections = 1;
    };
    let long = async || {
        let pieces = futures_util::stream::iter((0..100).map(|_| Ok::<_, std::io::Error>("x".repeat(10_000))));
        axum::body::Body::from_stream(pieces)
    };
    let app = TestApp::serving(change, Routes::new().get("/long", long)).await;
    let deaf = app.over_tls(identity.client().http2_initial_stream_window_size(1_000));
    // The head is there; of the body as much as the client said that it would take.
    let response = deaf.request(Method::GET, "/long").send().await.unwrap();
    assert_eq!(response.version(), Version::HTTP_2);
    in_time(app.over_tls(identity.client()).get("/healthz")).await.ok(200);
    drop(response);
}

#[tokio::test]
async fn plain_http_is_told_what_is_spoken_here() {
    let app = tls_app(&TlsFiles::with(&Identity::new())).await;
    let mut plain = TcpStream::connect(app.address).await.unwrap();
    plain.write_all(b"GET / HTTP/1.1\r\nhost: shop\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    in_time(plain.read_to_string(&mut answer)).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 400") && answer.contains("https://"), "{answer}");
}

#[tokio::test]
async fn a_stopping_server_answers_what_is_in_flight_over_http_2() {
    let identity = Identity::new();
    let files = TlsFiles::with(&identity);
    let (started, finish) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (begun, go_on) = (Arc::clone(&started), Arc::clone(&finish));
    let rooms = Routes::new().get("/slow", async move || {
        begun.notify_one();
        go_on.notified().await;
        "answered."
    });
    let app = TestApp::serving(|config| files.set(config), rooms).await;
    let asker = app.over_tls(identity.client());
    let slow = tokio::spawn(asker.request(Method::GET, "/slow").send());
    // It is in the midst of a handshake that does not go on.
    let _silent = TcpStream::connect(app.address).await.unwrap();
    in_time(started.notified()).await;
    let server = app.stop();
    finish.notify_one();
    assert_eq!(in_time(slow).await.unwrap().unwrap().text().await.unwrap(), "answered.");
    in_time(server).await.unwrap().unwrap();
}

/// Whether somebody who trusts only this certificate is served.
async fn is_served(app: &TestApp, identity: &Identity) -> bool {
    let asker = app.over_tls(identity.client());
    asker.try_send(asker.request(Method::GET, "/healthz")).await.is_some()
}

#[tokio::test]
async fn new_files_are_taken_while_old_connections_go_on() {
    let (first, second, third) = (Identity::new(), Identity::new(), Identity::new());
    let files = TlsFiles::with(&first);
    let app = tls_app(&files).await;
    let visitor = app.over_tls(first.client());
    visitor.get("/healthz").await.ok(200);
    assert!(!is_served(&app, &second).await);
    files.put(&second);
    in_time(async { while !is_served(&app, &second).await {} }).await;
    visitor.get("/healthz").await.ok(200);
    assert!(!is_served(&app, &first).await);

    // As Kubernetes does it: the names are links through a folder that is itself a link, put in place of another at once.
    let folder = files.path();
    for (name, identity) in [("one", &second), ("two", &third)] {
        std::fs::create_dir(folder.join(name)).unwrap();
        std::fs::write(folder.join(name).join("cert.pem"), &identity.certificate).unwrap();
        std::fs::write(folder.join(name).join("key.pem"), &identity.key).unwrap();
    }
    symlink("one", folder.join("data")).unwrap();
    for name in ["cert.pem", "key.pem"] {
        symlink(format!("data/{name}"), folder.join("new")).unwrap();
        std::fs::rename(folder.join("new"), folder.join(name)).unwrap();
    }
    symlink("two", folder.join("new")).unwrap();
    std::fs::rename(folder.join("new"), folder.join("data")).unwrap();
    in_time(async { while !is_served(&app, &third).await {} }).await;
}

#[tokio::test]
async fn bad_files_are_refused_and_the_old_certificate_goes_on() {
    let (good, other) = (Identity::new(), Identity::new());
    let files = TlsFiles::with(&good);
    let shell = Shell::new();
    let (certificate, key) = (files.certificate().display().to_string(), files.key().display().to_string());
    let settings = [("PREORDER_TLS_CERT_FILE", &*certificate), ("PREORDER_TLS_KEY_FILE", &*key)];
    std::fs::set_permissions(files.key(), std::fs::Permissions::from_mode(0o644)).unwrap();
    let mut server = shell.serve("", &settings).await;
    assert!(server.url.starts_with("https://"), "{}", server.line);
    assert!(server.log().contains("everybody on this machine may read the private key"), "{}", server.log());
    let goes_on = async || {
        let url = format!("{}/healthz", server.url);
        in_time(good.client().build().unwrap().get(url).send()).await.unwrap();
    };
    std::fs::write(files.certificate(), &other.certificate).unwrap();
    server.logs("is not that of tls.cert_file").await;
    goes_on().await;
    std::fs::write(files.certificate(), Identity::good_for(2020, 2021).certificate).unwrap();
    server.logs("has run out").await;
    goes_on().await;
    std::fs::write(files.certificate(), Identity::good_for(2110, 2120).certificate).unwrap();
    server.logs("is not good yet").await;
    std::fs::write(files.certificate(), "nonsense").unwrap();
    server.logs("holds no certificate").await;
    std::fs::remove_file(files.certificate()).unwrap();
    server.logs("can't be read").await;
    goes_on().await;
    assert_eq!(server.log().matches("The certificate from before stays in use.").count(), 5, "{}", server.log());
    server.signal(rustix::process::Signal::TERM);
    assert_eq!(server.ended().await.code(), Some(0), "{}", server.log());
}

#[test]
fn what_a_server_does_not_start_with() {
    let (good, other) = (Identity::new(), Identity::new());
    let old = Identity::good_for(2020, 2021);
    let shell = Shell::new();
    for (name, text) in [
        ("cert.pem", &good.certificate),
        ("key.pem", &good.key),
        ("other.pem", &other.key),
        ("old.pem", &old.certificate),
        ("old-key.pem", &old.key),
        ("words.pem", &"only words".to_owned()),
        ("broken.pem", &good.certificate.replace("MII", "MIA")),
    ] {
        shell.write(name, text);
    }
    let mut seen = String::new();
    for (certificate, key) in [
        ("cert.pem", "other.pem"),
        ("old.pem", "old-key.pem"),
        ("words.pem", "key.pem"),
        ("broken.pem", "key.pem"),
        ("cert.pem", "words.pem"),
        ("cert.pem", "cert.pem"),
        ("nowhere.pem", "key.pem"),
        (".", "key.pem"),
        ("cert.pem", ""),
    ] {
        let settings = [("PREORDER_TLS_CERT_FILE", certificate), ("PREORDER_TLS_KEY_FILE", key)];
        seen.push_str(&shell.run_with("serve --listen 127.0.0.1:0", &settings));
    }
    let seen: String = seen
        .split_inclusive('\n')
        .map(|line| match line.split_once(" (it is ") {
            Some((before, _)) => format!("{before} (it is <time>).\n"),
            None => line.to_owned(),
        })
        .collect();
    assert!(!seen.contains("PRIVATE"), "{seen}");
    insta::assert_snapshot!("tls_not_started", seen);
}
