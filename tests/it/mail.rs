//! Mail through a real mail server, and through some that are not well.

use preorder::config::{Config, MailMode, Secret, StartTls};
use rustix::process::Signal;
use serde_json::json;
use tokio::net::TcpListener;

use crate::codes::{Log, listen_to};
use crate::support::{OtherServer, Shell, TestApp, in_time};

const ANN: &str = "ann@example.com";

/// Mail goes to a server on this machine, without TLS.
fn smtp(port: u16) -> impl Fn(&mut Config) {
    move |config| {
        config.mail.mode = MailMode::Smtp;
        "Shop <shop@example.com>".clone_into(&mut config.mail.from);
        "127.0.0.1".clone_into(&mut config.mail.smtp.host);
        config.mail.smtp.port = port;
        config.mail.smtp.starttls = StartTls::Off;
    }
}

/// The same over TLS, as somebody who may send mail.
fn smtp_with_tls(server: &OtherServer) -> impl Fn(&mut Config) + use<> {
    let (plain, folder) = (smtp(server.port), server.folder.path().to_owned());
    move |config| {
        plain(config);
        config.mail.smtp.starttls = StartTls::Required;
        config.mail.smtp.ca_file = Some(folder.join("ca.pem"));
        "shop".clone_into(&mut config.mail.smtp.user);
        config.mail.smtp.password = Some(Secret::new("swordfish"));
    }
}

async fn ask(app: &TestApp, email: &str) {
    app.anonymous().post("/users/email-certification", &json!({"email": email})).await.ok(202);
}

/// Settings of a server in a process of its own, as the environment gives them.
fn through(port: &str) -> [(&str, &str); 5] {
    [
        ("PREORDER_MAIL_MODE", "smtp"),
        ("PREORDER_MAIL_SMTP_HOST", "127.0.0.1"),
        ("PREORDER_MAIL_SMTP_PORT", port),
        ("PREORDER_MAIL_SMTP_STARTTLS", "off"),
        ("PREORDER_MAIL_SMTP_TIMEOUT_S", "60"),
    ]
}

/// Of how many addresses it is noted that a code was sent.
async fn noted(app: &TestApp) -> i64 {
    let rows = |row: preorder::store::Row<'_>| row.int(0);
    let count = "SELECT COUNT(*) FROM email_codes";
    app.app.db.read(move |conn| Ok(conn.row(count, &[], rows)?)).await.unwrap().unwrap()
}

/// Waits until the server has said in its log that a mail was not sent.
async fn not_sent(log: &Log) {
    in_time(async {
        while !log.read().contains("a mail was not sent") {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

#[tokio::test]
async fn a_code_comes_by_mail_over_tls() {
    let Some(mut server) = OtherServer::start("smtp.py", "tls").await else { return };
    std::fs::write(server.folder.path().join("password"), "swordfish\n").unwrap();
    let (settings, file) = (smtp_with_tls(&server), server.folder.path().join("password"));
    let app = TestApp::with(|config| {
        settings(config);
        config.mail.smtp.password = None;
        config.mail.smtp.password_file = Some(file);
    })
    .await;
    ask(&app, "Ann@Example.com").await;
    let mail = server.line().await;
    assert_eq!((&mail["sender"], &mail["to"]), (&json!("shop@example.com"), &json!([ANN])));
    assert_eq!((&mail["tls"], &mail["authenticated"]), (&json!(true), &json!(true)));
    let code = mail["subject"].as_str().unwrap().split(' ').next().unwrap().to_owned();
    assert!(mail["text"].as_str().unwrap().contains(&code), "{mail}");
    let body = json!({"email": ANN, "code": code});
    app.anonymous().post("/users/email-code-check", &body).await.ok(200);

    let anybody = app.anonymous();
    let request = anybody.request(reqwest::Method::POST, "/users/email-certification");
    let request = request.header("accept-language", "ko").json(&json!({"email": "bob@example.com"}));
    anybody.send(request).await.ok(202);
    let mail = server.line().await;
    assert!(mail["subject"].as_str().unwrap().starts_with("인증 번호 "), "{mail}");
    assert!(mail["text"].as_str().unwrap().contains("10분 동안"), "{mail}");
}

#[tokio::test]
async fn a_server_without_tls_is_used_where_the_settings_allow_it() {
    let Some(mut server) = OtherServer::start("smtp.py", "plain").await else { return };
    for (starttls, email) in [(StartTls::Off, ANN), (StartTls::WhenOffered, "bob@example.com")] {
        let settings = smtp(server.port);
        let app = TestApp::with(|config| {
            settings(config);
            config.mail.smtp.starttls = starttls;
        })
        .await;
        ask(&app, email).await;
        let mail = server.line().await;
        assert_eq!((&mail["to"], &mail["tls"]), (&json!([email]), &json!(false)));
    }
    let (log, _listening) = listen_to();
    let settings = smtp(server.port);
    let app = TestApp::with(|config| {
        settings(config);
        config.mail.smtp.starttls = StartTls::Required;
    })
    .await;
    ask(&app, "eve@example.com").await;
    not_sent(&log).await;
}

#[tokio::test]
async fn a_server_that_nobody_vouches_for_gets_no_mail() {
    let Some(server) = OtherServer::start("smtp.py", "tls").await else { return };
    let (log, _listening) = listen_to();
    let settings = smtp_with_tls(&server);
    let stranger = OtherServer::start("smtp.py", "tls").await.unwrap();
    let app = TestApp::with(|config| {
        settings(config);
        config.mail.smtp.ca_file = Some(stranger.folder.path().join("ca.pem"));
    })
    .await;
    ask(&app, ANN).await;
    not_sent(&log).await;
    assert!(!log.read().contains("swordfish"));
}

#[tokio::test]
async fn a_wrong_password_is_told_in_the_log_alone() {
    let Some(server) = OtherServer::start("smtp.py", "tls").await else { return };
    let (log, _listening) = listen_to();
    let settings = smtp_with_tls(&server);
    let app = TestApp::with(|config| {
        settings(config);
        config.mail.smtp.password = Some(Secret::new("marlin"));
    })
    .await;
    ask(&app, ANN).await;
    not_sent(&log).await;
    assert!(!log.read().contains("marlin"));
}

#[tokio::test]
async fn a_server_that_hangs_holds_up_nobody() {
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let settings = smtp(silent.local_addr().unwrap().port());
    let app = TestApp::with(|config| {
        settings(config);
        config.mail.smtp.timeout_s = 600;
    })
    .await;
    // Nobody ever answers those who carry mail; whoever asks for a code is answered all the same, until too many wait.
    let mut sent = 0;
    let refused = in_time(async {
        loop {
            let body = json!({"email": format!("user{sent}@example.com")});
            let answer = app.anonymous().post("/users/email-certification", &body).await;
            if answer.status != 202 {
                return answer;
            }
            sent += 1;
        }
    })
    .await;
    assert_eq!(refused.refused(503, "busy").header("retry-after"), "60");
    assert!((1_000..=1_004).contains(&sent), "{sent}");
    // Who was put off is not told to wait for a mail that was never written.
    assert_eq!(noted(&app).await, sent);
}

#[tokio::test]
async fn who_is_put_off_in_a_crowd_may_ask_again_at_once() {
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let settings = smtp(silent.local_addr().unwrap().port());
    let app = TestApp::with(|config| {
        settings(config);
        config.mail.smtp.timeout_s = 600;
    })
    .await;
    let asking = (0..1_500).map(|n| {
        let (users, email) = (&app.app.users, format!("user{n}@example.com"));
        async move { users.send_code(Some(&email), |text| text.en.to_string()).await }
    });
    let answers = in_time(futures_util::future::join_all(asking)).await;
    let sent = answers.iter().filter(|answer| answer.is_ok()).count();
    assert!((1_000..=1_004).contains(&sent), "{sent}");
    assert!(answers.iter().all(|answer| answer.as_ref().map_or_else(|error| error.code() == "busy", |()| true)));
    assert_eq!(noted(&app).await, i64::try_from(sent).unwrap());
}

#[tokio::test]
async fn a_stopping_server_sends_what_it_promised() {
    let Some(mut mail) = OtherServer::start("smtp.py", "plain").await else { return };
    let shell = Shell::new();
    let port = mail.port.to_string();
    let mut server = shell.serve("", &through(&port)).await;
    for n in 0..8 {
        let body = json!({"email": format!("user{n}@example.com")});
        server.anonymous().post("/users/email-certification", &body).await.ok(202);
    }
    server.signal(Signal::TERM);
    assert_eq!(server.ended().await.code(), Some(0), "{}", server.log());
    let mut to = Vec::new();
    for _ in 0..8 {
        to.push(mail.line().await["to"][0].as_str().unwrap().to_owned());
    }
    to.sort_unstable();
    assert_eq!(to, (0..8).map(|n| format!("user{n}@example.com")).collect::<Vec<_>>());
    assert!(!server.log().contains("not sent"), "{}", server.log());
}

#[tokio::test]
async fn a_stopping_server_says_how_many_letters_it_did_not_send() {
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = silent.local_addr().unwrap().port().to_string();
    let shell = Shell::new();
    let settings = [&through(&port)[..], &[("PREORDER_LIMITS_SHUTDOWN_TIMEOUT_S", "1")]].concat();
    let mut server = shell.serve("", &settings).await;
    for n in 0..6 {
        let body = json!({"email": format!("user{n}@example.com")});
        server.anonymous().post("/users/email-certification", &body).await.ok(202);
    }
    server.signal(Signal::TERM);
    assert_eq!(server.ended().await.code(), Some(0), "{}", server.log());
    assert!(server.log().contains("count=6"), "{}", server.log());
}

#[tokio::test]
async fn a_server_that_takes_too_long_is_given_up_on() {
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (log, _listening) = listen_to();
    let settings = smtp(silent.local_addr().unwrap().port());
    let app = TestApp::with(|config| {
        settings(config);
        config.mail.smtp.timeout_s = 1;
    })
    .await;
    ask(&app, ANN).await;
    in_time(async {
        while !["took too long", "a mail was not sent"].iter().any(|words| log.read().contains(words)) {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

#[tokio::test]
async fn settings_that_cannot_be_used_are_told_at_the_start() {
    let app = TestApp::start().await;
    for (change, what) in [
        ((|smtp| smtp.ca_file = Some("nowhere.pem".into())) as fn(&mut preorder::config::SmtpConfig), "nowhere.pem"),
        (
            |smtp| {
                "shop".clone_into(&mut smtp.user);
                smtp.password_file = Some("nowhere.txt".into());
            },
            "nowhere.txt",
        ),
    ] {
        let mut config = app.app.config.clone();
        smtp(25)(&mut config);
        config.mail.smtp.starttls = StartTls::Required;
        change(&mut config.mail.smtp);
        let error = preorder::app::App::open(&config, std::sync::Arc::new(preorder::kernel::clock::SystemClock)).await;
        let error = error.err().unwrap();
        assert_eq!(error.code(), "mail_settings");
        assert!(error.to_string().contains(what), "{error}");
    }
}
