//! Sessions: refresh tokens that are good once, and what ends a session.

use std::sync::Arc;

use preorder::app::App;
use preorder::kernel::actor::Role;
use preorder::kernel::clock::ManualClock;
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Answer, Asker, PASSWORD, TestApp, in_time};

/// A login on one device: what a browser keeps of it.
struct Device {
    asker: Asker,
    token: String,
    refresh: String,
}

impl Device {
    async fn login(app: &TestApp, name: &str) -> Self {
        let body = json!({"email": format!("{name}@example.com"), "password": PASSWORD});
        Self::of(app, app.anonymous().post("/users/login", &body).await)
    }

    fn of(app: &TestApp, answer: Answer) -> Self {
        let cookie = answer.header("set-cookie").to_owned();
        let refresh = cookie.split(';').next().unwrap().strip_prefix("refresh=").unwrap().to_owned();
        assert!(!refresh.is_empty(), "{cookie}");
        assert_eq!(answer.header("access"), answer.body["accessToken"].as_str().unwrap());
        assert_eq!(answer.header("cache-control"), "no-store");
        let body = answer.ok(200);
        let token = body["accessToken"].as_str().unwrap().to_owned();
        Self { asker: app.bearer(&*token), token, refresh }
    }

    /// The access token.
    fn token(&self) -> String {
        self.token.clone()
    }

    async fn me(&self) -> Answer {
        self.asker.get("/users/me").await
    }
}

async fn reissue(app: &TestApp, cookie: &str) -> Answer {
    let anybody = app.anonymous();
    anybody.send(anybody.request(Method::POST, "/users/reissue").header("cookie", cookie)).await
}

async fn refresh(app: &TestApp, token: &str) -> Answer {
    reissue(app, &format!("theme=dark; refresh={token}; x=y")).await
}

async fn change_password(asker: &Asker, body: Value) -> Answer {
    asker.send(asker.request(Method::PUT, "/users/me/password").json(&body)).await
}

#[tokio::test]
async fn a_refresh_token_is_good_once() {
    let app = TestApp::start().await;
    app.account("ann", Role::User).await;
    let first = Device::login(&app, "ann").await;
    let answer = refresh(&app, &first.refresh).await;
    let cookie = answer.header("set-cookie").to_owned();
    assert!(cookie.ends_with("; Path=/users; Max-Age=86400; HttpOnly; SameSite=Strict"), "{cookie}");
    assert_eq!(answer.body["user"]["email"], "ann@example.com");
    let second = Device::of(&app, answer);
    assert_ne!(first.refresh, second.refresh);
    let third = Device::of(&app, refresh(&app, &second.refresh).await);
    first.me().await.ok(200);
    third.me().await.ok(200);
    assert_eq!(app.app.users.sessions(app.app.users.find("1").await.unwrap().id).await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_refresh_token_that_comes_twice_ends_its_family_and_no_other() {
    let app = TestApp::start().await;
    app.account("ann", Role::User).await;
    let (first, laptop) = (Device::login(&app, "ann").await, Device::login(&app, "ann").await);
    let second = Device::of(&app, refresh(&app, &first.refresh).await);
    let third = Device::of(&app, refresh(&app, &second.refresh).await);
    refresh(&app, &first.refresh).await.refused(401, "refresh_reused");
    for device in [&first, &second, &third] {
        device.me().await.refused(401, "session_revoked");
        refresh(&app, &device.refresh).await.refused(401, "session_revoked");
    }
    laptop.me().await.ok(200);
    Device::of(&app, refresh(&app, &laptop.refresh).await);
    // A restart does not forget it.
    let elsewhere = app.elsewhere().await;
    assert_eq!(elsewhere.users.reissue(&third.refresh).await.err().unwrap().code(), "session_revoked");
}

#[tokio::test]
async fn of_eight_who_refresh_at_once_at_most_one_wins() {
    let app = TestApp::start().await;
    app.account("ann", Role::User).await;
    for _ in 0..5 {
        let device = Device::login(&app, "ann").await;
        let racers: Vec<_> = (0..8)
            .map(|_| {
                let (anybody, cookie) = (app.anonymous(), format!("refresh={}", device.refresh));
                let request = anybody.request(Method::POST, "/users/reissue").header("cookie", cookie);
                tokio::spawn(async move { anybody.send(request).await })
            })
            .collect();
        let mut won = Vec::new();
        for racer in racers {
            let answer = racer.await.unwrap();
            match answer.status.as_u16() {
                200 => won.push(answer),
                _ => assert!(["refresh_reused", "session_revoked"].contains(&answer.body["code"].as_str().unwrap())),
            }
        }
        assert_eq!(won.len(), 1, "one comes first, and the others come with a token that was used");
        let winner = Device::of(&app, won.remove(0));
        winner.me().await.refused(401, "session_revoked");
        refresh(&app, &winner.refresh).await.refused(401, "session_revoked");
    }
}

#[tokio::test]
async fn what_is_no_refresh_token_is_refused_and_ends_nothing() {
    let app = TestApp::start().await;
    app.account("ann", Role::User).await;
    let device = Device::login(&app, "ann").await;
    let anybody = app.anonymous();
    anybody.send(anybody.request(Method::POST, "/users/reissue")).await.refused(401, "refresh_invalid");
    let (session, _) = device.refresh.split_once('.').unwrap();
    let zeros = "0".repeat(64);
    for bad in ["", "x", session, &format!("{session}.{zeros}"), &format!("{session}.{zeros}.{zeros}"), &zeros] {
        refresh(&app, bad).await.refused(401, "refresh_invalid");
    }
    reissue(&app, "theme=dark").await.refused(401, "refresh_invalid");
    // An access token is none, and a token made on the command line has none.
    let token = app.app.users.token(app.app.users.find("1").await.unwrap().id, None).await.unwrap();
    refresh(&app, &token).await.refused(401, "refresh_invalid");
    Device::of(&app, refresh(&app, &device.refresh).await).me().await.ok(200);
}

#[tokio::test]
async fn a_session_can_be_refreshed_until_it_ends_and_no_longer() {
    let (app, clock) = TestApp::with_clock(|config| {
        config.jwt.access_minutes = 10;
        config.jwt.refresh_hours = 1;
    })
    .await;
    app.account("ann", Role::User).await;
    let device = Device::login(&app, "ann").await;
    clock.advance_seconds(3_595);
    device.me().await.refused(401, "token_expired");
    let answer = refresh(&app, &device.refresh).await;
    assert!(answer.header("set-cookie").contains("; Max-Age=5;"), "{}", answer.header("set-cookie"));
    assert_eq!(answer.body["expiresIn"], 5, "no access token outlives its session");
    let device = Device::of(&app, answer);
    clock.advance_seconds(5);
    device.me().await.refused(401, "token_expired");
    refresh(&app, &device.refresh).await.refused(401, "session_revoked");
}

#[tokio::test]
async fn a_refresh_token_of_a_locked_out_user_waits() {
    let app = TestApp::start().await;
    let id = app.account("ann", Role::User).await.id;
    let device = Device::login(&app, "ann").await;
    app.app.users.block(id).await.unwrap();
    refresh(&app, &device.refresh).await.refused(403, "account_blocked");
    app.app.users.unblock(id).await.unwrap();
    Device::of(&app, refresh(&app, &device.refresh).await).me().await.ok(200);
}

#[tokio::test]
async fn another_sites_page_gets_no_session() {
    let app = TestApp::start().await;
    app.account("ann", Role::User).await;
    let device = Device::login(&app, "ann").await;
    let own = format!("http://{}", app.address);
    for path in ["/users/login", "/users/reissue", "/users/logout", "/users/logout-all"] {
        for (name, value) in [("origin", "https://evil.example"), ("origin", "null"), ("sec-fetch-site", "cross-site")]
        {
            let request = device.asker.request(Method::POST, path).header(name, value);
            let request = request.header("cookie", format!("refresh={}", device.refresh));
            device.asker.send(request).await.refused(403, "cross_site");
        }
    }
    let request = device.asker.request(Method::POST, "/users/reissue").header("origin", own);
    let request = request.header("cookie", format!("refresh={}", device.refresh));
    Device::of(&app, device.asker.send(request).await).me().await.ok(200);
}

#[tokio::test]
async fn the_cookie_is_for_tls_only_where_tls_is_spoken() {
    let app = TestApp::start().await;
    app.account("ann", Role::User).await;
    let login = json!({"email": "ann@example.com", "password": PASSWORD});
    let anybody = app.anonymous();
    let claimed = || anybody.request(Method::POST, "/users/login").header("x-forwarded-proto", "https").json(&login);
    // Anybody can say so; a trusted proxy is believed.
    assert!(!anybody.send(claimed()).await.header("set-cookie").contains("Secure"));
    let app = TestApp::with(|config| config.proxy.trusted = vec!["127.0.0.0/8".parse().unwrap()]).await;
    app.account("ann", Role::User).await;
    let anybody = app.anonymous();
    let claimed = || anybody.request(Method::POST, "/users/login").header("x-forwarded-proto", "https").json(&login);
    assert!(anybody.send(claimed()).await.header("set-cookie").ends_with("; Secure"));
    assert!(!anybody.post("/users/login", &login).await.header("set-cookie").contains("Secure"));
    let app = TestApp::with(|config| config.jwt.secure_cookies = true).await;
    app.account("ann", Role::User).await;
    let answer = app.anonymous().post("/users/login", &login).await;
    assert!(answer.header("set-cookie").ends_with("; Secure"));
    let device = Device::of(&app, answer);
    assert!(refresh(&app, &device.refresh).await.header("set-cookie").ends_with("; Secure"));
}

#[tokio::test]
async fn a_new_password_ends_every_other_session_at_once() {
    let app = TestApp::start().await;
    let id = app.account("ann", Role::User).await.id;
    let (phone, laptop) = (Device::login(&app, "ann").await, Device::login(&app, "ann").await);
    let script = app.bearer(app.app.users.token(id, None).await.unwrap());
    let body = json!({"currentPassword": PASSWORD, "newPassword": "another horse"});
    assert_eq!(change_password(&phone.asker, body).await.ok(200), json!({"revoked": 2}));
    laptop.me().await.refused(401, "session_revoked");
    script.get("/users/me").await.refused(401, "session_revoked");
    refresh(&app, &laptop.refresh).await.refused(401, "session_revoked");
    phone.me().await.ok(200);
    Device::of(&app, refresh(&app, &phone.refresh).await).me().await.ok(200);
    let login = |password: &str| json!({"email": "ann@example.com", "password": password});
    app.anonymous().post("/users/login", &login(PASSWORD)).await.refused(401, "invalid_credentials");
    app.anonymous().post("/users/login", &login("another horse")).await.ok(200);
}

#[tokio::test]
async fn a_password_is_changed_by_whoever_knows_it() {
    let app = TestApp::start().await;
    let (ann, bob) = (app.user("ann").await, app.user("bob").await);
    let change = |current: &str, new: &str| json!({"currentPassword": current, "newPassword": new});
    change_password(&ann, json!({})).await.faults(&[("currentPassword", "required"), ("newPassword", "required")]);
    change_password(&ann, change(PASSWORD, "short")).await.faults(&[("newPassword", "too_short")]);
    change_password(&ann, change("wrong horse", "another horse")).await.faults(&[("currentPassword", "wrong")]);
    change_password(&ann, change("", "another horse")).await.faults(&[("currentPassword", "wrong")]);
    change_password(&ann, json!({"password": "x"})).await.faults(&[("password", "unknown_field")]);
    change_password(&ann, json!({"currentPassword": 5})).await.refused(400, "malformed_json");
    change_password(&app.anonymous(), change(PASSWORD, "another horse")).await.refused(401, "unauthenticated");
    // Nothing of all that changed anything.
    bob.get("/users/me").await.ok(200);
    app.anonymous().post("/users/login", &json!({"email": "ann@example.com", "password": PASSWORD})).await.ok(200);
}

#[tokio::test]
async fn of_two_who_change_a_password_at_once_one_is_told_that_it_is_another_by_now() {
    let app = TestApp::start().await;
    let ann = app.user("ann").await;
    let racers: Vec<_> = (0..4)
        .map(|n| {
            let (ann, body) =
                (ann.clone(), json!({"currentPassword": PASSWORD, "newPassword": format!("horse no {n}")}));
            tokio::spawn(async move { change_password(&ann, body).await })
        })
        .collect();
    let mut won = 0;
    for racer in racers {
        let answer = racer.await.unwrap();
        if answer.status == 200 {
            won += 1;
        } else {
            answer.faults(&[("currentPassword", "wrong")]);
        }
    }
    assert_eq!(won, 1);
}

#[tokio::test]
async fn what_was_ended_stays_ended_whatever_the_settings_say_next_time() {
    let (app, clock) = TestApp::with_clock(|config| config.jwt.access_minutes = 60).await;
    let id = app.account("ann", Role::User).await.id;
    let (phone, laptop) = (Device::login(&app, "ann").await, Device::login(&app, "ann").await);
    let script = app.app.users.token(id, Some(7 * 24 * 3600)).await.unwrap();
    let tokens = [phone.token(), laptop.token(), script];
    let mut config = app.app.config.clone();
    config.jwt.access_minutes = 1;
    let codes = async || {
        let restarted = App::open(&config, Arc::<ManualClock>::clone(&clock)).await.unwrap();
        let codes =
            tokens.iter().map(|token| restarted.users.authenticate(token).map_or_else(|e| e.code(), |_| "good"));
        codes.collect::<Vec<_>>()
    };
    app.app.users.logout_all(id).await.unwrap();
    assert_eq!(codes().await, ["session_revoked"; 3]);
    clock.advance_seconds(3_599);
    assert_eq!(codes().await, ["session_revoked"; 3]);
    clock.advance_seconds(1);
    assert_eq!(codes().await, ["token_expired", "token_expired", "session_revoked"]);
    clock.advance_seconds(7 * 24 * 3600 - 3_601);
    assert_eq!(codes().await, ["token_expired", "token_expired", "session_revoked"]);
}

#[tokio::test]
async fn a_shorter_life_of_new_tokens_does_not_forget_the_older_ones() {
    let (app, clock) = TestApp::with_clock(|config| config.jwt.access_minutes = 60).await;
    app.account("ann", Role::User).await;
    let device = Device::login(&app, "ann").await;
    let mut config = app.app.config.clone();
    config.jwt.access_minutes = 1;
    let restarted = App::open(&config, Arc::<ManualClock>::clone(&clock)).await.unwrap();
    restarted.users.reissue(&device.refresh).await.unwrap();
    let session = restarted.users.authenticate(&device.token()).unwrap().session;
    restarted.users.logout(session).await.unwrap();
    clock.advance_seconds(3_599);
    let restarted = App::open(&config, Arc::<ManualClock>::clone(&clock)).await.unwrap();
    assert_eq!(restarted.users.authenticate(&device.token()).unwrap_err().code(), "session_revoked");
}

#[tokio::test]
async fn logins_that_end_together_share_a_commit() {
    let app = TestApp::still(|_| {}).await;
    app.account("ann", Role::User).await;
    let mut devices = Vec::new();
    for _ in 0..8 {
        devices.push(Device::login(&app, "ann").await);
    }
    let (users, db) = (&app.app.users, &app.app.db);
    let actors: Vec<_> = devices.iter().map(|device| users.authenticate(&device.token()).unwrap()).collect();
    let (go, wait) = std::sync::mpsc::channel::<()>();
    let (began, has_begun) = tokio::sync::oneshot::channel();
    let busy = db.write(move |_| {
        began.send(()).unwrap();
        let _either_way = wait.recv();
        Ok(())
    });
    let mut work: Vec<std::pin::Pin<Box<dyn Future<Output = ()>>>> = vec![Box::pin(async { busy.await.unwrap() })];
    assert!(futures_util::poll!(&mut work[0]).is_pending());
    in_time(has_begun).await.unwrap();
    let before = db.version();
    for (index, actor) in actors.iter().enumerate() {
        let (session, refresh) = (actor.session, devices[index].refresh.clone());
        if index < 4 {
            work.push(Box::pin(async move { assert_eq!(users.logout(session).await.unwrap(), 1) }));
        } else {
            work.push(Box::pin(async move { drop(users.reissue(&refresh).await.unwrap()) }));
        }
    }
    for work in &mut work[1..] {
        assert!(futures_util::poll!(work).is_pending());
    }
    // Each works in a task of its own; on this one thread all of them have their turn before this one has it again.
    tokio::task::yield_now().await;
    drop(go);
    in_time(futures_util::future::join_all(work)).await;
    assert_eq!(db.version(), before + 1);
    let ended = devices.iter().map(|device| users.authenticate(&device.token()).is_err());
    assert_eq!(ended.collect::<Vec<_>>(), [true, true, true, true, false, false, false, false]);
}

#[tokio::test]
async fn asking_who_somebody_is_reads_no_rows() {
    let app = TestApp::still(|_| {}).await;
    app.account("ann", Role::User).await;
    let (phone, laptop) = (Device::login(&app, "ann").await, Device::login(&app, "ann").await);
    laptop.asker.post("/users/logout", &json!({})).await.ok(200);
    let before = app.app.db.reads_total();
    for _ in 0..10 {
        phone.asker.get("/nowhere").await.refused(404, "not_found");
        laptop.me().await.refused(401, "session_revoked");
        app.bearer("a.b.c").get("/users/me").await.refused(401, "token_invalid");
    }
    assert_eq!(app.app.db.reads_total(), before);
    phone.me().await.ok(200);
    assert_eq!(app.app.db.reads_total(), before + 1, "the row that is shown, and none to find out who asks");
}

#[tokio::test]
async fn sessions_that_are_over_are_forgotten() {
    let (app, clock) = TestApp::with_clock(|config| config.jwt.refresh_hours = 7 * 24).await;
    let users = &app.app.users;
    let id = app.account("ann", Role::User).await.id;
    let over = Device::login(&app, "ann").await;
    users.token(id, Some(60)).await.unwrap();
    clock.advance_seconds(6 * 24 * 3600);
    let live = Device::login(&app, "ann").await;
    assert_eq!(users.sessions(id).await.unwrap().len(), 3);
    // A day after its end a session is still listed.
    clock.advance_seconds(24 * 3600 + 1);
    users.tidy().await.unwrap();
    assert_eq!(users.sessions(id).await.unwrap().len(), 2);
    clock.advance_seconds(24 * 3600);
    users.tidy().await.unwrap();
    assert_eq!(users.sessions(id).await.unwrap().len(), 1);
    refresh(&app, &over.refresh).await.refused(401, "session_revoked");
    Device::of(&app, refresh(&app, &live.refresh).await).me().await.ok(200);
}
