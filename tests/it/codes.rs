//! Codes by e-mail, with the mail in the log.

use std::io::Write;
use std::sync::{Arc, Mutex};

use preorder::config::Config;
use preorder::kernel::actor::Role;
use preorder::kernel::clock::ManualClock;
use preorder::kernel::ids::UserId;
use serde_json::{Value, json};
use tracing::subscriber::DefaultGuard;

use crate::support::{Answer, Asker, PASSWORD, TestApp};

/// What the server logs, as long as it runs on this thread.
#[derive(Clone, Default)]
pub(crate) struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Listens to what the server of this thread logs from now on.
pub(crate) fn listen_to() -> (Log, DefaultGuard) {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt().with_ansi(false).with_writer(move || writer.clone()).finish();
    (log, tracing::subscriber::set_default(subscriber))
}

impl Log {
    pub(crate) fn read(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }

    /// How many mails there were.
    fn mails(&self) -> usize {
        self.read().matches("mail.mode is log").count()
    }

    /// The code in the last mail.
    fn code(&self) -> String {
        let log = self.read();
        let (_, after) = log.rsplit_once("subject=\"").unwrap();
        after.chars().filter(char::is_ascii_digit).take(6).collect()
    }
}

struct Post {
    app: TestApp,
    clock: Arc<ManualClock>,
    log: Log,
    _listening: DefaultGuard,
}

impl Post {
    async fn open(change: impl FnOnce(&mut Config)) -> Self {
        let (log, listening) = listen_to();
        let (app, clock) = TestApp::with_clock(change).await;
        Self { app, clock, log, _listening: listening }
    }

    fn anybody(&self) -> Asker {
        self.app.anonymous()
    }

    async fn ask(&self, email: &str) -> Answer {
        self.anybody().post("/users/email-certification", &json!({"email": email})).await
    }

    async fn check(&self, email: &str, code: &str) -> Answer {
        self.anybody().post("/users/email-code-check", &json!({"email": email, "code": code})).await
    }

    /// How many addresses something is remembered of.
    async fn rows(&self) -> i64 {
        let count = |row: preorder::store::Row<'_>| row.int(0);
        let sql = "SELECT COUNT(*) FROM email_codes";
        self.app.app.db.read(move |conn| Ok(conn.row(sql, &[], count)?)).await.unwrap().unwrap()
    }

    /// A code for an address, as its reader gets it.
    async fn code(&self, email: &str) -> String {
        let before = self.log.mails();
        self.ask(email).await.ok(202);
        assert_eq!(self.log.mails(), before + 1);
        self.log.code()
    }
}

#[tokio::test]
async fn the_page_for_signing_up_asks_for_a_code_where_one_is_needed() {
    let post = Post::open(|config| config.signup_verified_email = true).await;
    let browser = post.app.browser();
    let page = browser.open("/signup").await.is(200).says(&["Code from the mail"]);
    let mut typed = vec![("name", "Ann"), ("email", ANN), ("password", PASSWORD), ("code", "")];
    browser.submit(&page, "/signup", &typed).await.is(422);
    let sent =
        browser.post("/signup/code", &page.form("/signup", &typed)).await.is(200).says(&["a code is on its way"]);
    assert!(sent.form("/signup", &[]).contains(&("name".to_owned(), "Ann".to_owned())));
    let code = post.log.code();
    let wrong = other(&code);
    typed[3].1 = &wrong;
    browser.submit(&page, "/signup", &typed).await.is(422);
    typed[3].1 = &code;
    browser.submit(&page, "/signup", &typed).await.is(200).says(&["Sign out"]);
}

/// A code that it is not.
fn other(code: &str) -> String {
    format!("{:06}", (code.parse::<u32>().unwrap() + 1) % 1_000_000)
}

const ANN: &str = "ann@example.com";

#[tokio::test]
async fn a_code_is_good_once() {
    let post = Post::open(|_| {}).await;
    let code = post.code(" Ann@Example.com ").await;
    assert_eq!(code.len(), 6);
    assert!(post.log.read().contains("to=ann@example.com"));
    post.check(ANN, &other(&code)).await.refused(422, "code_invalid");
    post.check("bob@example.com", &code).await.refused(422, "code_invalid");
    assert_eq!(post.check("ANN@example.com", &format!(" {code} ")).await.ok(200), json!({"verified": true}));
    post.check(ANN, &code).await.refused(422, "code_invalid");
}

#[tokio::test]
async fn a_code_is_good_for_ten_minutes() {
    let post = Post::open(|_| {}).await;
    let code = post.code(ANN).await;
    post.clock.advance_seconds(600);
    post.check(ANN, &code).await.refused(422, "code_invalid");
    let code = post.code(ANN).await;
    post.clock.advance_seconds(599);
    post.check(ANN, &code).await.ok(200);
}

#[tokio::test]
async fn five_wrong_guesses_end_a_code() {
    let post = Post::open(|_| {}).await;
    let code = post.code(ANN).await;
    for wrong in [other(&code), String::new(), "12345".to_owned(), format!("0{code}"), "x".repeat(10_000)] {
        post.check(ANN, &wrong).await.refused(422, "code_invalid");
    }
    post.check(ANN, &code).await.refused(422, "code_invalid");
    post.clock.advance_seconds(60);
    let next = post.code(ANN).await;
    for _ in 0..4 {
        post.check(ANN, &other(&next)).await.refused(422, "code_invalid");
    }
    post.check(ANN, &next).await.ok(200);
}

#[tokio::test]
async fn guesses_at_once_are_counted_one_by_one() {
    let post = Post::open(|_| {}).await;
    let code = post.code(ANN).await;
    let wrong = other(&code);
    let guesses = (0..20).map(|_| post.check(ANN, &wrong));
    for answer in futures_util::future::join_all(guesses).await {
        answer.refused(422, "code_invalid");
    }
    post.check(ANN, &code).await.refused(422, "code_invalid");
}

#[tokio::test]
async fn an_address_gets_a_mail_a_minute_and_the_answer_does_not_tell() {
    let post = Post::open(|_| {}).await;
    post.app.account("ann", Role::User).await;
    let code = post.code(ANN).await;
    let expected = json!({"expiresIn": 600, "resendIn": 60});
    let asking = (0..10).map(|_| post.ask(ANN));
    for answer in futures_util::future::join_all(asking).await {
        assert_eq!(answer.ok(202), expected);
    }
    assert_eq!(post.ask("nobody@example.com").await.ok(202), expected);
    assert_eq!(post.log.mails(), 2, "one to each");
    post.clock.advance_seconds(59);
    post.ask(ANN).await.ok(202);
    assert_eq!(post.log.mails(), 2);
    post.check(ANN, &code).await.ok(200);
    post.clock.advance_seconds(1);
    let next = post.code(ANN).await;
    post.check(ANN, &next).await.ok(200);
}

#[tokio::test]
async fn a_mail_speaks_the_readers_language() {
    let post = Post::open(|_| {}).await;
    let anybody = post.anybody();
    let request = anybody.request(reqwest::Method::POST, "/users/email-certification");
    let request = request.header("accept-language", "ko").json(&json!({"email": ANN}));
    anybody.send(request).await.ok(202);
    assert!(post.log.read().contains("인증 번호"), "{}", post.log.read());
}

#[tokio::test]
async fn what_is_no_address_or_no_code_is_refused() {
    let post = Post::open(|_| {}).await;
    let ask = |path: &'static str, body: Value| {
        let anybody = post.anybody();
        async move { anybody.post(path, &body).await }
    };
    let (send, check) = ("/users/email-certification", "/users/email-code-check");
    ask(send, json!({})).await.faults(&[("email", "required")]);
    ask(send, json!({"email": "ann"})).await.faults(&[("email", "not_allowed")]);
    ask(send, json!({"email": "a@example.com\r\nBcc: b@example.com"})).await.faults(&[("email", "not_allowed")]);
    ask(send, json!({"email": 5})).await.refused(400, "malformed_json");
    ask(send, json!({"email": ANN, "name": "x"})).await.faults(&[("name", "unknown_field")]);
    ask(check, json!({})).await.faults(&[("code", "required"), ("email", "required")]);
    ask(check, json!({"email": ANN, "code": 123_456})).await.refused(400, "malformed_json");
    assert_eq!(post.log.mails(), 0);
}

#[tokio::test]
async fn signing_up_may_need_a_proof_that_is_good_for_one_account_and_an_hour() {
    let post = Post::open(|config| config.signup_verified_email = true).await;
    let sign_up = |email: &str| {
        let (anybody, body) = (post.anybody(), json!({"name": "Ann", "email": email, "password": PASSWORD}));
        async move { anybody.post("/users/signup", &body).await }
    };
    post.app.account("bob", Role::User).await;
    sign_up(ANN).await.refused(403, "email_not_verified");
    // Whether somebody has an account, only the reader of the address's mail learns.
    sign_up("bob@example.com").await.refused(403, "email_not_verified");
    let code = post.code(ANN).await;
    sign_up(ANN).await.refused(403, "email_not_verified");
    post.check(ANN, &code).await.ok(200);
    sign_up("eve@example.com").await.refused(403, "email_not_verified");
    // Another code for the address, asked for by anybody, takes nothing away.
    post.clock.advance_seconds(60);
    post.code(ANN).await;
    post.clock.advance_seconds(3_600 - 61);
    sign_up(ANN).await.ok(201);
    sign_up(ANN).await.refused(403, "email_not_verified");

    let code = post.code("bob@example.com").await;
    post.check("bob@example.com", &code).await.ok(200);
    sign_up("bob@example.com").await.refused(409, "email_taken");
    let code = post.code("eve@example.com").await;
    post.check("eve@example.com", &code).await.ok(200);
    post.clock.advance_seconds(3_600);
    sign_up("eve@example.com").await.refused(403, "email_not_verified");
}

#[tokio::test]
async fn neither_a_signup_nor_a_withdrawal_gets_an_address_its_next_mail_sooner() {
    let post = Post::open(|config| config.signup_verified_email = true).await;
    let code = post.code(ANN).await;
    post.check(ANN, &code).await.ok(200);
    let body = json!({"name": "Ann", "email": ANN, "password": PASSWORD});
    post.anybody().post("/users/signup", &body).await.ok(201);
    post.ask(ANN).await.ok(202);
    assert_eq!(post.log.mails(), 1);
    let ann = post.app.app.users.find(ANN).await.unwrap().id;
    post.app.app.users.delete(ann).await.unwrap();
    post.clock.advance_seconds(59);
    post.ask(ANN).await.ok(202);
    assert_eq!(post.log.mails(), 1);
    post.clock.advance_seconds(1);
    let code = post.code(ANN).await;
    // What was proven before is gone, and so is the code that was on its way.
    post.anybody().post("/users/signup", &body).await.refused(403, "email_not_verified");
    post.check(ANN, &code).await.ok(200);
    let ann = post.anybody().post("/users/signup", &body).await.ok(201)["id"].as_i64().unwrap();
    post.clock.advance_seconds(60);
    let code = post.code(ANN).await;
    post.app.app.users.delete(UserId(ann)).await.unwrap();
    post.check(ANN, &code).await.refused(422, "code_invalid");
    // The pause is all that is kept of the address, and it goes too.
    post.clock.advance_seconds(4_200);
    post.app.app.users.tidy().await.unwrap();
    assert_eq!(post.rows().await, 0);
}

#[tokio::test]
async fn the_rows_do_not_tell_the_code_and_are_forgotten() {
    let post = Post::open(|_| {}).await;
    let code = post.code(ANN).await;
    let rows = || async {
        let read = |row: preorder::store::Row<'_>| row.bytes_or_null(0);
        let db = &post.app.app.db;
        db.read(move |conn| Ok(conn.rows("SELECT code_hash FROM email_codes", &[], read)?)).await.unwrap()
    };
    let kept = rows().await.remove(0).unwrap();
    assert_eq!(kept.len(), 32);
    assert!(!kept.windows(6).any(|bytes| bytes == code.as_bytes()));
    post.app.app.users.tidy().await.unwrap();
    assert_eq!(rows().await.len(), 1);
    post.clock.advance_seconds(4_200);
    post.app.app.users.tidy().await.unwrap();
    assert!(rows().await.is_empty());
}
