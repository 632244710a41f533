//! Who may use which route: one line for each route of the router, and each of its five answers is really asked for.
//!
//! A new route takes a line in [`ACCESS`], and a place in [`thing`] when its path names a thing of a new kind.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU32, Ordering};

use futures_util::future::join_all;
use image::ImageFormat;
use preorder::http::Route;
use preorder::kernel::actor::{By, Role};
use preorder::kernel::page::PageRequest;
use preorder::server;
use preorder::target::Targets;
use preorder::trail::{Entry, Filter, Writer};
use preorder::users::User;
use reqwest::Method;
use serde_json::json;

use crate::images::{drawn, upload};
use crate::support::{Asker, PASSWORD, TestApp, all_pay, id, reservation};

/// The status that each of them gets. Every answer comes from a request of its own, for a thing of its own:
/// - `owner` made what the path names (where a user can); `blocked` did too, and was blocked afterwards,
/// - `other` is another user, `admin` an admin, `nobody` sends no token.
///
/// Then the body, if the route takes one. In it `$new` is a word that nobody has used, `$product` a product on sale,
/// `$email` the asker's own address (nobody's: the owner's), `$password` everybody's password. Instead of a body, `cookie`
/// sends the asker's refresh cookie. A page's line ends with `page` and, for a form, its fields: whoever asks is signed in
/// with a browser and not by a token, and the form is sealed for them.
const ACCESS: &str = r#"
route                                     owner other admin nobody blocked  body

GET    /healthz                             200   200   200    200     200
GET    /openapi.json                        200   200   200    200     200
GET    /docs                                200   200   200    200     200
GET    /docs/{file}                         200   200   200    200     200
GET    /readyz                              200   200   200    200     200
GET    /metrics                             200   200   200    200     200

POST   /users/signup                        201   201   201    201     201  {"name": "Ann", "email": "$new@example.com", "password": "$password"}
POST   /users/email-certification           202   202   202    202     202  {"email": "$new@example.com"}
POST   /users/email-code-check              422   422   422    422     422  {"email": "$new@example.com", "code": "000000"}
POST   /users/login                         200   200   200    200     403  {"email": "$email", "password": "$password"}
POST   /users/reissue                       200   200   200    401     403  cookie
POST   /users/logout                        200   200   200    401     403
POST   /users/logout-all                    200   200   200    401     403
GET    /users/me                            200   200   200    401     403
PATCH  /users/me                            200   200   200    401     403  {"name": "Ann"}
DELETE /users/me                            204   204   204    401     403
PUT    /users/me/password                   200   200   200    401     403  {"currentPassword": "$password", "newPassword": "another horse"}
GET    /users/{id}                          200   200   200    200     200
GET    /audit-log                           403   403   200    401     403
GET    /media/{name}                        200   200   200    200     200

GET    /products                            200   200   200    200     200
POST   /products                            403   403   201    401     403  {"id": "$new", "name": "Mug", "type": "general", "price": 100, "stock": 1}
GET    /products/{id}                       200   200   200    200     200
PATCH  /products/{id}                       403   403   200    401     403  {"name": "Mug"}
DELETE /products/{id}                       403   403   204    401     403

GET    /products/{id}/stock                 200   200   200    200     200
GET    /stocks/stream                       200   200   200    200     200
GET    /stocks/{productId}                  200   200   200    200     200
POST   /stocks/{productId}/adjustments      403   403   201    401     403  {"delta": 1}
GET    /stocks/{productId}/movements        403   403   200    401     403

POST   /payments/pre-order                  201   201   201    401     403  {"productId": "$product"}
POST   /payments                            201   201   201    401     403  {"productId": "$product"}
POST   /payments/{orderId}/confirm          200   404   404    401     403
POST   /payments/{orderId}/cancel           200   404   404    401     403

GET    /purchases                           200   200   200    401     403
GET    /purchases/{orderId}                 200   404   404    401     403
POST   /purchases/{orderId}/cancel          200   404   404    401     403

GET    /activity/posts                      200   200   200    401     403
POST   /activity/posts                      201   201   201    401     403  {"title": "Hello", "content": "Anybody here?"}
GET    /activity/posts/liked                200   200   200    401     403
GET    /activity/posts/{id}                 200   200   200    200     200
PATCH  /activity/posts/{id}                 200   403   200    401     403  {"title": "Hello again"}
DELETE /activity/posts/{id}                 204   403   204    401     403
PUT    /activity/posts/{id}/like            200   200   200    401     403
DELETE /activity/posts/{id}/like            200   200   200    401     403
GET    /activity/posts/{id}/comments        200   200   200    200     200
POST   /activity/posts/{id}/comments        201   201   201    401     403  {"content": "Me too"}
GET    /activity/comments                   200   200   200    401     403
GET    /activity/comments/liked             200   200   200    401     403
PATCH  /activity/comments/{id}              200   403   200    401     403  {"content": "Me three"}
DELETE /activity/comments/{id}              204   403   204    401     403
PUT    /activity/comments/{id}/like         200   200   200    401     403
DELETE /activity/comments/{id}/like         200   200   200    401     403
PUT    /activity/follows/{userId}           422   200   200    401     403
DELETE /activity/follows/{userId}           422   200   200    401     403
GET    /activity/followers                  200   200   200    401     403
GET    /activity/following                  200   200   200    401     403

GET    /newsfeeds                           200   200   200    200     200
GET    /newsfeeds/my-following              200   200   200    401     403
GET    /newsfeeds/my-follower               200   200   200    401     403
GET    /newsfeeds/my-post-alarm             200   200   200    401     403
GET    /newsfeeds/stream                    200   200   200    401     403

GET    /                                    200   200   200    200     200  page
GET    /assets/{name}                       200   200   200    200     200  page
POST   /settings                            303   303   303    303     403  page lang=ko&back=/
GET    /signin                              200   200   200    200     200  page
POST   /signin                              303   303   303    303     403  page email=$email&password=$password
GET    /signup                              200   200   200    200     200  page
POST   /signup                              303   303   303    303     403  page name=Ann&email=$new@example.com&password=$password
POST   /signup/code                         200   200   200    200     403  page email=$new@example.com
POST   /signout                             303   303   303    303     403  page
GET    /feed                                200   200   200    200     200  page
POST   /feed                                303   303   303    401     403  page title=Hello&content=Anybody?
GET    /posts/{id}                          200   200   200    200     200  page
POST   /posts/{id}/like                     303   303   303    401     403  page
POST   /posts/{id}/unlike                   303   303   303    401     403  page
POST   /posts/{id}/delete                   303   403   303    401     403  page
POST   /posts/{id}/comments                 303   303   303    401     403  page content=Me
POST   /comments/{id}/like                  303   303   303    401     403  page
POST   /comments/{id}/unlike                303   303   303    401     403  page
POST   /comments/{id}/delete                303   403   303    401     403  page
GET    /people/{id}                         200   200   200    200     200  page
POST   /people/{id}/follow                  422   303   303    401     403  page
POST   /people/{id}/unfollow                422   303   303    401     403  page
GET    /me                                  200   200   200    303     403  page
POST   /me                                  303   303   303    401     403  page multipart
POST   /me/password                         303   303   303    401     403  page currentPassword=$password&newPassword=another+horse
POST   /me/signout-everywhere               303   303   303    401     403  page
POST   /me/withdraw                         303   303   303    401     403  page
GET    /shop/{productId}                    200   200   200    200     200  page
POST   /shop/{productId}/buy                303   303   303    401     403  page key=00112233445566778899aabbccddeeff
POST   /shop/{productId}/enter              303   303   303    401     403  page key=00112233445566778899aabbccddeeff
GET    /orders                              200   200   200    303     403  page
GET    /orders/{orderId}                    200   404   404    303     403  page
POST   /orders/{orderId}/pay                303   404   404    401     403  page
POST   /orders/{orderId}/leave              303   404   404    401     403  page
POST   /orders/{orderId}/refund             303   404   404    401     403  page

GET    /admin                               404   404   200    404     404  page
GET    /admin/live                          404   404   200    404     404  page
GET    /admin/products                      404   404   200    404     404  page
GET    /admin/new-product                   404   404   200    404     404  page
POST   /admin/new-product                   404   404   303    404     404  page id=$new&name=Mug&type=general&price=100
GET    /admin/products/{id}                 404   404   200    404     404  page
POST   /admin/products/{id}                 404   404   303    404     404  page name=Mug&price=100&holdSeconds=60
POST   /admin/products/{id}/stock           404   404   303    404     404  page delta=1
POST   /admin/products/{id}/open            404   404   303    404     404  page
POST   /admin/products/{id}/close           404   404   303    404     404  page
GET    /admin/products/{id}/delete          404   404   200    404     404  page
POST   /admin/products/{id}/delete          404   404   303    404     404  page
GET    /admin/products/{id}/movements       404   404   200    404     404  page
GET    /admin/orders                        404   404   200    404     404  page
GET    /admin/orders.csv                    404   404   200    404     404  page
GET    /admin/orders/{orderId}              404   404   200    404     404  page
POST   /admin/orders/{orderId}/cancel       404   404   303    404     404  page
GET    /admin/orders/{orderId}/refund       404   404   200    404     404  page
POST   /admin/orders/{orderId}/refund       404   404   303    404     404  page
GET    /admin/users                         404   404   200    404     404  page
GET    /admin/users/{id}                    404   404   200    404     404  page
GET    /admin/users/{id}/block              404   404   200    404     404  page
POST   /admin/users/{id}/block              404   404   303    404     404  page
POST   /admin/users/{id}/unblock            404   404   303    404     404  page
GET    /admin/users/{id}/role               404   404   200    404     404  page
POST   /admin/users/{id}/role               404   404   303    404     404  page role=admin
POST   /admin/users/{id}/revoke             404   404   303    404     404  page
GET    /admin/log                           404   404   200    404     404  page
GET    /admin/audit                         404   404   200    404     404  page
POST   /admin/audit                         404   404   303    404     404  page
"#;

/// Makes what a path's `{name}` stands for; gives its id. It is such that an admin's request changes it.
async fn thing(place: &Place<'_>, path: &str, who: Who) -> String {
    let owner = &place.owner;
    match path.split('/').skip(1).take(2).collect::<Vec<_>>()[..] {
        ["assets", _] => {
            let html = place.app.browser().open("/").await.html;
            html.split("/assets/").nth(1).unwrap().split('"').next().unwrap().to_owned()
        }
        ["docs", _] => "docs.js".to_owned(),
        ["media", _] => upload(owner, &drawn(ImageFormat::Png)).await.rsplit('/').next().unwrap().to_owned(),
        ["admin", "products"] if path.ends_with("/open") => {
            let product = place.product().await;
            place.app.app.products.close_now(&product.parse().unwrap(), By::Console).await.unwrap();
            product
        }
        ["products" | "stocks" | "shop", _] | ["admin", "products"] => place.product().await,
        ["orders" | "admin", _] if path.ends_with("/refund") => id(&owner.buy(&place.product().await).await.ok(201)),
        ["payments" | "orders", _] | ["admin", "orders"] => owner.hold(&place.product().await).await,
        ["purchases", _] => id(&owner.buy(&place.product().await).await.ok(201)),
        ["activity", "posts"] | ["posts", _] => place.post().await,
        ["activity", "comments"] | ["comments", _] => place.comment().await,
        ["admin", "users"] if path.ends_with("/unblock") && who == Who::Admin => {
            place.app.app.users.block(place.account.id).await.unwrap().id.to_string()
        }
        // The owner, whom the others follow.
        ["users" | "people", _] | ["activity", "follows"] | ["admin", "users"] => place.account.id.to_string(),
        _ => panic!("nothing is known that {path} could name; add it to 'thing'"),
    }
}

/// Where one request is sent: nothing here has been used before.
struct Place<'a> {
    app: &'a TestApp,
    /// A word that no other place has.
    word: String,
    account: User,
    owner: Asker,
}

impl<'a> Place<'a> {
    async fn new(app: &'a TestApp) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let word = format!("n{}", COUNT.fetch_add(1, Ordering::Relaxed));
        let account = app.account(&format!("owner-{word}"), Role::User).await;
        let owner = app.signed_in(&account).await;
        Self { app, word, account, owner }
    }

    async fn product(&self) -> String {
        self.app.sell(reservation(&self.word, 10)).await;
        self.word.clone()
    }

    async fn post(&self) -> String {
        let post = json!({"title": "A post", "content": "of the owner"});
        self.owner.post("/activity/posts", &post).await.ok(201)["id"].to_string()
    }

    async fn comment(&self) -> String {
        let path = format!("/activity/posts/{}/comments", self.post().await);
        self.owner.post(&path, &json!({"content": "Me first"})).await.ok(201)["id"].to_string()
    }

    /// The asker, their address, and their refresh cookie if they want to send it.
    async fn asker(&self, who: Who, with_cookie: bool) -> (Asker, String, Option<String>) {
        let role = if who == Who::Admin { Role::Admin } else { Role::User };
        let account = match who {
            Who::Other | Who::Admin => self.app.account(&format!("asker-{}", self.word), role).await,
            Who::Owner | Who::Nobody | Who::Blocked => self.account.clone(),
        };
        let asker = match who {
            Who::Nobody => self.app.anonymous(),
            _ => self.app.signed_in(&account).await,
        };
        let email = account.email.unwrap().to_string();
        let mut cookie = None;
        if with_cookie && who != Who::Nobody {
            let login = asker.post("/users/login", &json!({"email": email, "password": PASSWORD})).await;
            cookie = Some(login.header("set-cookie").split(';').next().unwrap().to_owned());
        }
        if who == Who::Blocked {
            self.app.app.users.block(account.id).await.unwrap();
        }
        (asker, email, cookie)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Who {
    Owner,
    Other,
    Admin,
    Nobody,
    Blocked,
}

/// In the order of the columns.
const WHO: [Who; 5] = [Who::Owner, Who::Other, Who::Admin, Who::Nobody, Who::Blocked];

/// One line of the table.
struct Access {
    method: Method,
    path: &'static str,
    statuses: [u16; 5],
    cookie: bool,
    is_page: bool,
    body: &'static str,
}

impl Access {
    fn read(line: &'static str) -> Self {
        let (line, form) = line.split_once(" page").map_or((line, None), |(line, form)| (line, Some(form.trim())));
        // A path has braces as well, but no blank before them.
        let (fields, body) = line.split_at(line.find(" {").unwrap_or(line.len()));
        let mut words: Vec<_> = fields.split_whitespace().collect();
        let cookie = words.pop_if(|word| *word == "cookie").is_some();
        let [method, path, statuses @ ..] = &words[..] else { panic!("no route in '{line}'") };
        let statuses: Vec<_> = statuses.iter().map(|status| status.parse().unwrap()).collect();
        Self {
            method: method.parse().unwrap(),
            path,
            statuses: statuses.try_into().unwrap_or_else(|_| panic!("not five statuses in '{line}'")),
            cookie,
            is_page: form.is_some(),
            body: form.unwrap_or(body.trim()),
        }
    }

    fn route(&self) -> String {
        Route { method: self.method.clone(), path: self.path }.to_string()
    }

    /// Sends the request; gives the status of the answer.
    async fn ask(&self, app: &TestApp, who: Who) -> u16 {
        let place = Place::new(app).await;
        let mut path = self.path.to_owned();
        if let (Some(from), Some(to)) = (path.find('{'), path.find('}')) {
            let thing = thing(&place, self.path, who).await;
            path.replace_range(from..=to, &thing);
        }
        let mut body = self.body.replace("$new", &place.word).replace("$password", PASSWORD);
        if body.contains("$product") {
            body = body.replace("$product", &place.product().await);
        }
        if self.is_page {
            return self.ask_page(&place, who, &path, &body).await;
        }
        let (asker, email, cookie) = place.asker(who, self.cookie).await;
        let mut request = asker.request(self.method.clone(), &path);
        if let Some(cookie) = cookie {
            request = request.header("cookie", cookie);
        }
        if !body.is_empty() {
            request = request.header("content-type", "application/json").body(body.replace("$email", &email));
        }
        // Only the head is read: a stream of events has no end.
        let response = request.send().await.unwrap();
        let status = response.status();
        if !status.is_success() {
            assert_eq!(response.headers()["content-type"], "application/problem+json", "{}", self.route());
        }
        status.as_u16()
    }
}

impl Access {
    /// Sends a page's request, from a browser.
    async fn ask_page(&self, place: &Place<'_>, who: Who, path: &str, body: &str) -> u16 {
        let users = &place.app.app.users;
        let (_, email, _) = place.asker(if who == Who::Blocked { Who::Owner } else { who }, false).await;
        let mut cookie = format!("visit={}", "0".repeat(32));
        let mut name = format!("visit:{}", "0".repeat(32));
        if who != Who::Nobody {
            let token = users.sign_in(&email, PASSWORD.to_owned()).await.unwrap().token;
            name = format!("session:{}", users.authenticate_page(&token).unwrap().session);
            cookie = format!("session={token}");
        }
        if who == Who::Blocked {
            users.block(place.account.id).await.unwrap();
        }
        let browser = place.app.browser();
        let mut request = browser.request(self.method.clone(), path).header("cookie", cookie);
        if self.method == Method::POST {
            let seal = users.seal_form(&name);
            request = if body == "multipart" {
                let field = format!("--b\r\ncontent-disposition: form-data; name=\"seal\"\r\n\r\n{seal}\r\n--b--\r\n");
                request.header("content-type", "multipart/form-data; boundary=b").body(field)
            } else {
                let body = format!("{}&seal={seal}", body.replace("$email", &email));
                request.header("content-type", "application/x-www-form-urlencoded").body(body)
            };
        }
        // Only the head is read: a stream of events has no end.
        let response = request.send().await.unwrap();
        let status = response.status();
        if !status.is_success() && !status.is_redirection() {
            assert_eq!(response.headers()["content-type"], "text/html; charset=utf-8", "{}", self.route());
        }
        status.as_u16()
    }
}

fn table() -> Vec<Access> {
    ACCESS.lines().filter(|line| !line.is_empty()).skip(1).map(Access::read).collect()
}

#[tokio::test]
async fn every_route_has_its_line_and_every_line_its_route() {
    let app = TestApp::start().await;
    let rooms = server::rooms(&app.app, &Targets::all());
    let served: BTreeSet<_> = rooms.list().iter().map(Route::to_string).collect();
    let lines: Vec<_> = table().iter().map(Access::route).collect();
    let tested: BTreeSet<_> = lines.iter().cloned().collect();
    assert_eq!(lines.len(), tested.len(), "a route has two lines");
    let untested: Vec<_> = served.difference(&tested).collect();
    let unknown: Vec<_> = tested.difference(&served).collect();
    assert!(untested.is_empty(), "these routes have no access test: {untested:#?}");
    assert!(unknown.is_empty(), "there are no such routes: {unknown:#?}");
}

#[tokio::test]
async fn everybody_gets_what_the_table_says() {
    let app = TestApp::with(all_pay).await;
    let mut wrong = Vec::new();
    for access in table() {
        let answers = join_all(WHO.map(|who| access.ask(&app, who))).await;
        for ((who, expected), status) in WHO.into_iter().zip(access.statuses).zip(answers) {
            if status != expected {
                wrong.push(format!("{}: {who:?} gets {status}, not {expected}", access.route()));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// Whether an admin who is let in has changed something that no other user could have.
fn is_noted(access: &Access) -> bool {
    let [_, other, admin, ..] = access.statuses;
    let reads = access.method == Method::GET || access.route() == "POST /admin/audit";
    !reads && matches!(other, 403 | 404) && admin < 400
}

#[tokio::test]
async fn what_only_an_admin_can_change_leaves_one_entry_in_the_audit_log_and_nothing_else_does() {
    async fn entries(app: &TestApp) -> Vec<Entry> {
        let all = PageRequest { limit: 100_000, after: None };
        let found = app.app.trail.list(Filter::default(), all).await.unwrap().items;
        found.into_iter().filter(|entry| matches!(entry.by, Writer::Admin(_))).collect()
    }
    let app = TestApp::with(all_pay).await;
    let (mut wrong, mut noted) = (Vec::new(), 0);
    for access in table() {
        let status = access.ask(&app, Who::Admin).await;
        assert_eq!(status, access.statuses[2], "{}", access.route());
        let all = entries(&app).await;
        let (expected, left) = (usize::from(is_noted(&access)), all.len() - noted);
        if left != expected {
            wrong.push(format!("{} leaves {left} entries, not {expected}", access.route()));
        }
        for entry in &all[..left] {
            assert!(entry.request.as_ref().is_some_and(|id| !id.is_empty()), "{}: {entry:?}", access.route());
        }
        noted = all.len();
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(noted > 10);
}

#[tokio::test]
async fn a_path_names_the_methods_that_it_takes() {
    let app = TestApp::start().await;
    let rooms = server::rooms(&app.app, &Targets::all());
    let paths: BTreeSet<_> = rooms.list().iter().map(|route| route.path).collect();
    for path in paths {
        let mut taken: BTreeSet<_> =
            rooms.list().iter().filter(|route| route.path == path).map(|route| route.method.as_str()).collect();
        if taken.contains("GET") {
            taken.insert("HEAD");
        }
        let refused = ["GET", "POST", "PUT", "PATCH", "DELETE"].into_iter().filter(|method| !taken.contains(method));
        let is_page = table().iter().any(|line| line.path == path && line.is_page);
        for method in refused {
            if is_page {
                let answer = app.browser().ask(method.parse().unwrap(), path).await.is(405);
                assert_eq!(answer.header("allow").split(',').collect::<BTreeSet<_>>(), taken, "{method} {path}");
                continue;
            }
            let asker = app.anonymous();
            let answer = asker.send(asker.request(method.parse().unwrap(), path)).await;
            let answer = answer.refused(405, "method_not_allowed");
            assert_eq!(answer.header("allow").split(',').collect::<BTreeSet<_>>(), taken, "{method} {path}");
        }
    }
}
