//! Accounts and sessions.

use preorder::kernel::actor::Role;
use preorder::kernel::page::PageRequest;
use preorder::users::{SeedUser, UserFilter, UserState};
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{PASSWORD, TestApp, eventually};

fn ann() -> Value {
    json!({"name": "Ann", "email": "Ann@Example.com", "password": PASSWORD, "greeting": "안녕하세요"})
}

fn login(name: &str) -> Value {
    json!({"email": format!("{name}@example.com"), "password": PASSWORD})
}

#[tokio::test]
async fn signing_up_logging_in_and_asking_who_i_am() {
    let app = TestApp::start().await;
    let made = app.anonymous().post("/users/signup", &ann()).await.ok(201);
    let mut user = made.clone();
    assert!(user["createdAt"].take().as_str().unwrap().ends_with('Z'));
    assert_eq!(
        user,
        json!({
            "id": 1, "name": "Ann", "email": "ann@example.com", "greeting": "안녕하세요", "profileImageUrl": null,
            "role": "user", "state": "active", "createdAt": null,
        })
    );

    let answer = app.anonymous().post("/users/login", &login("ANN")).await;
    assert_eq!(answer.header("access"), answer.body["accessToken"].as_str().unwrap());
    assert_eq!(answer.header("cache-control"), "no-store");
    let cookie = answer.header("set-cookie");
    assert!(cookie.starts_with("refresh="), "{cookie}");
    assert!(cookie.ends_with("; Path=/users; Max-Age=86400; HttpOnly; SameSite=Strict"), "{cookie}");
    let login = answer.ok(200);
    assert_eq!((&login["tokenType"], &login["expiresIn"], &login["user"]), (&json!("Bearer"), &json!(600), &made));

    let token = login["accessToken"].as_str().unwrap();
    assert_eq!(app.bearer(token).get("/users/me").await.ok(200), made);
    let older = app.anonymous();
    let answer = older.send(older.request(Method::GET, "/users/me").header("access", token)).await;
    assert_eq!(answer.ok(200), made);
}

#[tokio::test]
async fn a_form_can_log_in() {
    let app = TestApp::start().await;
    app.anonymous().post("/users/signup", &ann()).await.ok(201);
    let form = |body: &'static str| {
        let asker = app.anonymous();
        let request = asker.request(Method::POST, "/users/login");
        let request = request.header("content-type", "application/x-www-form-urlencoded").body(body);
        async move { asker.send(request).await }
    };
    form("email=ann%40example.com&password=correct+horse").await.ok(200);
    form("email=ann%40example.com&password=wrong+horse").await.refused(401, "invalid_credentials");
    form("email=ann%40example.com").await.faults(&[("password", "required")]);
    form("email=a&email=b").await.faults(&[("email", "duplicate_field")]);
    form("email=a&x=b").await.faults(&[("x", "unknown_field")]);
}

#[tokio::test]
async fn signing_up_tells_every_fault() {
    let app = TestApp::start().await;
    let signup = |body: Value| {
        let asker = app.anonymous();
        async move { asker.post("/users/signup", &body).await }
    };
    signup(json!({})).await.faults(&[("email", "required"), ("name", "required"), ("password", "required")]);
    signup(json!({"name": "n".repeat(51), "email": "ann", "password": "short", "greeting": "g".repeat(201)}))
        .await
        .faults(&[("email", "not_allowed"), ("name", "too_long"), ("greeting", "too_long"), ("password", "too_short")]);
    signup(json!({"role": "admin"})).await.faults(&[("role", "unknown_field")]);
    signup(json!({"name": 5})).await.refused(400, "malformed_json");
    signup(json!(["Ann", "ann@example.com"])).await.refused(400, "malformed_json");

    signup(ann()).await.ok(201);
    signup(ann()).await.refused(409, "email_taken");
}

#[tokio::test]
async fn nobody_learns_who_has_an_account() {
    let app = TestApp::start().await;
    app.account("ann", Role::User).await;
    let ask = |email: &'static str| {
        let asker = app.anonymous();
        async move {
            let body = json!({"email": email, "password": "wrong horse"});
            let mut answer = asker.post("/users/login", &body).await.refused(401, "invalid_credentials");
            assert_eq!(answer.header("www-authenticate"), "Bearer");
            answer.body["requestId"].take();
            answer.body
        }
    };
    let known = ask("ann@example.com").await;
    assert_eq!(ask("bob@example.com").await, known);
    assert_eq!(ask("no address").await, known);
}

#[tokio::test]
async fn a_route_for_users_says_what_is_wrong_with_the_token() {
    let app = TestApp::with(|config| config.jwt.access_minutes = 0).await;
    app.account("ann", Role::User).await;
    for (method, path) in [
        (Method::GET, "/users/me"),
        (Method::PATCH, "/users/me"),
        (Method::DELETE, "/users/me"),
        (Method::PUT, "/users/me/password"),
        (Method::POST, "/users/logout"),
        (Method::POST, "/users/logout-all"),
    ] {
        let anonymous = app.anonymous();
        let request = anonymous.request(method.clone(), path).header("x-user-id", "1");
        let answer = anonymous.send(request).await.refused(401, "unauthenticated");
        assert_eq!(answer.header("www-authenticate"), "Bearer");
        let liar = app.bearer("a.b.c");
        liar.send(liar.request(method.clone(), path)).await.refused(401, "token_invalid");
        let login = app.anonymous().post("/users/login", &login("ann")).await.ok(200);
        let late = app.bearer(login["accessToken"].as_str().unwrap());
        late.send(late.request(method, path)).await.refused(401, "token_expired");
    }
    let public = app.bearer("a.b.c");
    public.get("/healthz").await.ok(200);
    public.post("/users/login", &login("ann")).await.ok(200);
}

#[tokio::test]
async fn logging_out_ends_this_session_at_once() {
    let app = TestApp::start().await;
    let ann = app.user("ann").await;
    let phone = app.anonymous().post("/users/login", &login("ann")).await.ok(200);
    let phone = app.bearer(phone["accessToken"].as_str().unwrap());

    let answer = phone.post("/users/logout", &json!({})).await;
    assert!(answer.header("set-cookie").starts_with("refresh=; Path=/users; Max-Age=0;"));
    assert_eq!(answer.ok(200), json!({"revoked": 1}));
    phone.get("/users/me").await.refused(401, "session_revoked");
    ann.get("/users/me").await.ok(200);

    app.anonymous().post("/users/login", &login("ann")).await.ok(200);
    assert_eq!(ann.post("/users/logout-all", &json!({})).await.ok(200), json!({"revoked": 2}));
    ann.get("/users/me").await.refused(401, "session_revoked");
}

#[tokio::test]
async fn a_session_stays_ended_after_a_restart() {
    let app = TestApp::start().await;
    let ann = app.account("ann", Role::User).await;
    let token = app.app.users.token(ann.id, Some(3600)).await.unwrap();
    app.bearer(&*token).post("/users/logout", &json!({})).await.ok(200);
    assert_eq!(app.elsewhere().await.users.authenticate(&token).unwrap_err().code(), "session_revoked");
}

#[tokio::test]
async fn a_blocked_user_is_locked_out_at_once_and_comes_back() {
    let app = TestApp::start().await;
    let ann = app.user("ann").await;
    let id = app.app.users.find("ann@example.com").await.unwrap().id;
    app.app.users.block(id).await.unwrap();
    ann.get("/users/me").await.refused(403, "account_blocked");
    app.anonymous().post("/users/login", &login("ann")).await.refused(403, "account_blocked");
    let wrong = json!({"email": "ann@example.com", "password": "wrong horse"});
    app.anonymous().post("/users/login", &wrong).await.refused(401, "invalid_credentials");
    assert_eq!(app.app.users.token(id, None).await.unwrap_err().code(), "account_blocked");

    app.app.users.unblock(id).await.unwrap();
    ann.get("/users/me").await.ok(200);
}

#[tokio::test]
async fn what_another_process_does_is_seen() {
    let app = TestApp::start().await;
    let ann = app.user("ann").await;
    let console = app.elsewhere().await.users;
    let id = console.find("Ann@example.com").await.unwrap().id;

    console.block(id).await.unwrap();
    eventually(&ann, "/users/me", |answer| answer.status == 403).await.refused(403, "account_blocked");
    console.unblock(id).await.unwrap();
    eventually(&ann, "/users/me", |answer| answer.status == 200).await;
    console.set_password(id, "another horse".to_owned()).await.unwrap();
    eventually(&ann, "/users/me", |answer| answer.status == 401).await.refused(401, "session_revoked");

    let token = console.token(id, None).await.unwrap();
    assert_eq!(app.bearer(token).get("/users/me").await.ok(200)["role"], "user");
}

#[tokio::test]
async fn a_role_counts_at_once_for_tokens_made_before() {
    let app = TestApp::start().await;
    let users = &app.app.users;
    let id = app.account("ann", Role::User).await.id;
    let token = users.token(id, None).await.unwrap();
    for role in [Role::Admin, Role::User] {
        assert_eq!(users.set_role(id, role).await.unwrap().role, role);
        assert_eq!(users.authenticate(&token).unwrap().role, role);
    }
}

#[tokio::test]
async fn withdrawing_takes_the_personal_data_and_frees_the_address() {
    let app = TestApp::start().await;
    let ann = app.user("ann").await;
    let users = &app.app.users;
    let id = users.find("ann@example.com").await.unwrap().id;
    let gone = users.delete(id).await.unwrap();
    assert_eq!((gone.state, gone.email, gone.name.as_str()), (UserState::Deleted, None, ""));
    ann.get("/users/me").await.refused(401, "session_revoked");
    app.anonymous().post("/users/login", &login("ann")).await.refused(401, "invalid_credentials");
    for refused in [
        users.block(id).await,
        users.unblock(id).await,
        users.delete(id).await,
        users.set_role(id, Role::Admin).await,
        users.set_password(id, "another horse".to_owned()).await,
    ] {
        assert_eq!(refused.unwrap_err().code(), "account_deleted");
    }
    app.account("ann", Role::User).await;
}

#[tokio::test]
async fn users_are_listed_in_pages() {
    let app = TestApp::start().await;
    for name in ["ann", "bob", "eve"] {
        app.account(name, Role::User).await;
    }
    app.admin().await;
    let users = &app.app.users;
    let filter = UserFilter { role: Some(Role::User), state: None };
    let mut names = Vec::new();
    let mut after = None;
    loop {
        let page = users.list(filter, PageRequest { limit: 2, after }).await.unwrap();
        names.extend(page.items.into_iter().map(|user| user.name));
        after = page.next_cursor;
        if after.is_none() {
            break;
        }
    }
    assert_eq!(names, ["ann", "bob", "eve"]);
    let blocked = UserFilter { role: None, state: Some(UserState::Blocked) };
    assert!(users.list(blocked, PageRequest { limit: 2, after: None }).await.unwrap().items.is_empty());
    assert_eq!(users.find("99").await.unwrap_err().code(), "user_not_found");
}

#[tokio::test]
async fn seeding_twice_adds_once_and_everybody_gets_a_token() {
    const USERS: usize = 10_001; // one more than a transaction takes
    let app = TestApp::start().await;
    let users = &app.app.users;
    let hash = users.hash_password(PASSWORD.to_owned()).await.unwrap();
    let seed: Vec<_> = (0..USERS)
        .map(|n| SeedUser {
            email: format!("user{n}@example.com").parse().unwrap(),
            name: format!("User {n}"),
            greeting: String::new(),
            role: Role::User,
        })
        .collect();
    assert_eq!(users.add_many(seed.clone(), &hash).await.unwrap(), USERS);
    assert_eq!(users.add_many(seed, &hash).await.unwrap(), 0);
    app.anonymous().post("/users/login", &login("user7")).await.ok(200);

    let blocked = users.find("user8@example.com").await.unwrap().id;
    users.block(blocked).await.unwrap();
    let mut actors = std::collections::HashSet::new();
    let count = users
        .tokens_for_all(Some(60), |_, token| {
            actors.insert(users.authenticate(&token)?.user);
            Ok(())
        })
        .await
        .unwrap();
    assert_eq!((count, actors.len()), (USERS - 1, USERS - 1));
    assert_eq!(users.sessions(*actors.iter().next().unwrap()).await.unwrap().len(), 1);
    let endless = users.tokens_for_all(Some(u32::MAX), |_, _| Ok(())).await.unwrap_err();
    assert_eq!(endless.parts().fields[0].field, "lifetime");
}

#[tokio::test]
async fn a_storm_of_logins_is_put_off_while_others_are_answered() {
    let app = TestApp::with(|config| {
        config.password.memory_kib = 19_456;
        config.password.threads = 1;
        config.password.queue_length = 1;
    })
    .await;
    let ann = app.user("ann").await;
    let storm: Vec<_> = (0..32)
        .map(|_| {
            let asker = app.anonymous();
            tokio::spawn(async move { asker.post("/users/login", &login("ann")).await })
        })
        .collect();
    ann.get("/users/me").await.ok(200);
    let mut put_off = 0;
    for login in storm {
        let answer = login.await.unwrap();
        if answer.status != 200 {
            assert_eq!(answer.refused(429, "login_busy").header("retry-after"), "1");
            put_off += 1;
        }
    }
    assert!((1..32).contains(&put_off), "{put_off} of 32 were put off");
}
