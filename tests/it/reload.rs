//! SIGHUP: what a running server takes of its settings, what it names, and what it refuses.

use reqwest::Method;
use rustix::process::Signal;
use serde_json::json;

use crate::support::{Identity, Serving, Shell, TlsFiles, in_time};

/// A server with a settings file, and a command line of its own.
async fn serve(shell: &Shell, settings: &str) -> Serving {
    shell.write("preorder.toml", settings);
    let mut command = shell.command("serve --listen 127.0.0.1:0");
    command.env("PREORDER_PASSWORD_MEMORY_KIB", "8");
    Serving::start(command, shell.path()).await
}

impl Serving {
    /// Lets it read other settings; waits for what it says about them.
    async fn reads(&self, shell: &Shell, settings: &str, words: &str) {
        shell.write("preorder.toml", settings);
        self.signal(Signal::HUP);
        self.logs(words).await;
    }
}

#[tokio::test]
async fn rates_limits_and_the_log_change_while_it_runs() {
    let shell = Shell::new();
    let mut server = serve(&shell, "limits.address_per_second = 0\nlog.filter = 'info'\n").await;
    let asker = server.anonymous();
    let post = async |length: usize| {
        let request = asker.request(Method::POST, "/users/signup").header("content-type", "application/json");
        asker.send(request.body("x".repeat(length))).await
    };
    post(3_000).await.refused(400, "malformed_json");
    let settings = "limits.address_per_second = 1\nlimits.address_burst = 1\nlimits.body_bytes = 2000\n\
         log.filter = 'info,preorder::requests=debug'\nlisten = '127.0.0.1:1'\njwt.access_minutes = 7\n";
    server.reads(&shell, settings, "some need a restart").await;
    let log = server.log();
    assert!(log.contains("limits.body_bytes = 2000") && log.contains("waiting=\"jwt.access_minutes\""), "{log}");
    in_time(async { while asker.get("/nowhere").await.status != 429 {} }).await;
    server.logs("status=429").await;
    let settings = "limits.address_per_second = 0\nlimits.body_bytes = 2000\n";
    server.reads(&shell, settings, "limits.address_per_second = 0").await;
    post(3_000).await.refused(413, "payload_too_large");
    for _ in 0..50 {
        asker.get("/nowhere").await.refused(404, "not_found");
    }
    server.reads(&shell, settings, "nothing new").await;
    server.signal(Signal::TERM);
    assert_eq!(server.ended().await.code(), Some(0), "{}", server.log());
}

#[tokio::test]
async fn one_fault_and_nothing_is_taken() {
    let shell = Shell::new();
    let server = serve(&shell, "limits.address_per_second = 0\n").await;
    let asker = server.anonymous();
    let bad = "limits.address_per_second = 1\nlimits.address_burst = 1\nlimits.body_bytes = 'many'\ncolour = 'red'\n";
    server.reads(&shell, bad, "Unknown setting colour").await;
    server.logs("limits.body_bytes").await;
    assert!(server.log().contains("those from before go on"), "{}", server.log());
    for _ in 0..50 {
        asker.get("/nowhere").await.refused(404, "not_found");
    }
    server.reads(&shell, "half a line", "is not TOML").await;
    std::fs::remove_file(shell.path().join("preorder.toml")).unwrap();
    server.signal(Signal::HUP);
    server.logs("limits.address_per_second = 1000").await;
    asker.get("/healthz").await.ok(200);
}

#[tokio::test]
async fn fewer_connections_and_a_shorter_queue() {
    let shell = Shell::new();
    shell.ok("seed --users 1");
    shell.ok("product add --id p --name P --type reservation --price 1000 --stock 10");
    let token = shell.ok("user token buyer000001@preorder.example").trim().to_owned();
    let server = serve(&shell, "limits.connections = 2\n").await;
    let (first, second) = (server.anonymous(), server.anonymous());
    first.get("/healthz").await.ok(200);
    second.get("/healthz").await.ok(200);
    server.reads(&shell, "limits.connections = 1\nlimits.queue_length = 1\n", "limits.connections = 1").await;
    drop((first, second));
    let buyer = in_time(async { server.anonymous().bearer(&token) }).await;
    in_time(buyer.post("/payments", &json!({"productId": "p"}))).await.ok(201);
}

#[tokio::test]
async fn certificates_are_read_anew_at_once_or_nothing_is() {
    let (old, new) = (Identity::new(), Identity::new());
    let (files, others) = (TlsFiles::with(&old), TlsFiles::with(&new));
    let shell = Shell::new();
    let settings = |files: &TlsFiles, more: &str| {
        let (certificate, key) = (files.certificate(), files.key());
        format!("tls.cert_file = '{}'\ntls.key_file = '{}'\n{more}", certificate.display(), key.display())
    };
    let server = serve(&shell, &settings(&files, "")).await;
    let hsts = async |identity: &Identity| {
        let url = format!("{}/healthz", server.url);
        let answer = in_time(identity.client().build().unwrap().get(url).send()).await.ok()?;
        Some(answer.headers().get("strict-transport-security").is_some())
    };
    assert_eq!((hsts(&old).await, hsts(&new).await), (Some(true), None));
    server.reads(&shell, &settings(&others, "tls.hsts_seconds = 0\n"), "tls.hsts_seconds = 0").await;
    assert_eq!((hsts(&old).await, hsts(&new).await), (None, Some(false)));
    // A key that does not fit, and a rate beside it.
    let bad = settings(&others, "limits.address_per_second = 1\n")
        .replace(&others.key().display().to_string(), &files.key().display().to_string());
    server.reads(&shell, &bad, "is not that of tls.cert_file").await;
    assert!(!server.log().contains("limits.address_per_second = 1"), "{}", server.log());
    assert_eq!(hsts(&new).await, Some(false));
    // TLS can't go while the server runs.
    server.reads(&shell, "", "tls.cert_file, tls.key_file").await;
    assert_eq!(hsts(&new).await, Some(false));
}
