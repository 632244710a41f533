//! The web pages, from a browser without a script: what all of them have, and who is signed in. What a buyer does is in
//! `buying`, what people do with each other in `community`.

mod buying;
mod community;

use reqwest::Method;
use reqwest::header::SET_COOKIE;

use crate::support::{PASSWORD, Seen, TestApp, general, reservation};

#[tokio::test]
async fn somebody_signs_up_and_out_and_in() {
    let app = TestApp::start().await;
    let browser = app.browser();
    let page = browser.open("/signup").await.is(200);
    let typed = [("name", "Ann"), ("email", "ann@example.com"), ("password", PASSWORD)];
    let home = browser.submit(&page, "/signup", &typed).await.is(200).says(&["My orders", "Sign out"]);
    assert_eq!(home.path, "/");
    let home = browser.post("/signout", &home.form("/settings", &[])).await;
    assert_eq!((home.status.as_u16(), home.header("location")), (303, "/"));
    assert!(browser.cookie("session").is_none());
    browser.open("/").await.is(200).does_not_say("Sign out");
    browser.sign_in("ann").await.is(200).says(&["Sign out"]);
}

#[tokio::test]
async fn what_is_wrong_with_a_form_stands_beside_its_fields() {
    let app = TestApp::start().await;
    let browser = app.browser();
    let page = browser.open("/signup").await;
    let typed = [("name", "Ann"), ("email", "nonsense"), ("password", "short")];
    let refused = browser.submit(&page, "/signup", &typed).await.is(422);
    assert!(refused.html.contains(r#"id="e-email""#) && refused.html.contains(r#"id="e-password""#));
    assert!(!refused.html.contains(r#"id="e-name""#));
    let kept: Vec<_> = refused.form("/signup", &[]).into_iter().filter(|(name, _)| name != "seal").collect();
    let value = |name: &str| kept.iter().find(|(it, _)| it == name).map(|(_, value)| value.as_str());
    assert_eq!((value("name"), value("email"), value("password")), (Some("Ann"), Some("nonsense"), Some("")));

    let page = browser.open("/signin").await;
    let typed = [("email", "nobody@example.com"), ("password", PASSWORD)];
    browser.submit(&page, "/signin", &typed).await.is(401).says(&["e-mail or the password"]);
}

#[tokio::test]
async fn nobody_is_sent_to_another_site() {
    let app = TestApp::start().await;
    app.account("ann", preorder::kernel::actor::Role::User).await;
    for next in ["//evil.example/", "https://evil.example/", "/\\evil.example", "javascript:alert(1)"] {
        let browser = app.browser();
        let page = browser.open("/signin").await;
        let form = page.form("/signin", &[("email", "ann@example.com"), ("password", PASSWORD), ("next", next)]);
        assert_eq!(browser.post("/signin", &form).await.header("location"), "/", "{next}");
        let form = page.form("/settings", &[("back", next), ("lang", "ko")]);
        let answer = browser.open("/").await.form("/settings", &[]);
        let seal = answer.into_iter().find(|(name, _)| name == "seal").unwrap();
        let form: Vec<_> = form.into_iter().filter(|(name, _)| name != "seal").chain([seal]).collect();
        assert_eq!(browser.post("/settings", &form).await.header("location"), "/", "{next}");
    }
}

#[tokio::test]
async fn a_form_without_its_seal_does_nothing_and_says_what_to_do() {
    let app = TestApp::start().await;
    app.account("ann", preorder::kernel::actor::Role::User).await;
    let (browser, other) = (app.browser(), app.browser());
    let theirs = other.open("/signin").await;
    browser.open("/").await;
    let typed = [("email", "ann@example.com"), ("password", PASSWORD)];
    for form in [theirs.form("/signin", &typed), theirs.form("/signin", &[("seal", ""), typed[0], typed[1]])] {
        browser.post("/signin", &form).await.is(403).says(&["out of date"]);
        assert!(browser.cookie("session").is_none());
    }
    let own = browser.open("/signin").await.form("/signin", &typed);
    let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(&own).finish();
    let request = browser
        .request(Method::POST, "/signin")
        .header("origin", "https://evil.example")
        .header("content-type", "application/x-www-form-urlencoded")
        .body(body);
    browser.send("/signin", request).await.is(403);
    // A form from before somebody signed in is not theirs any more.
    browser.sign_in("ann").await.is(200);
    browser.post("/settings", &own).await.is(403).says(&["out of date"]);
}

#[tokio::test]
async fn a_page_is_known_by_its_cookie_and_the_api_by_its_token() {
    let app = TestApp::start().await;
    let ann = app.member("ann").await;
    let browser = app.signed_in_browser("ann").await;
    let cookie = browser.cookie("session").unwrap();
    app.bearer(&*cookie).get("/users/me").await.refused(401, "token_invalid");
    browser.ask(Method::GET, "/users/me").await.does_not_say("ann@example.com");
    let token = app.app.users.token(preorder::kernel::ids::UserId(ann.id), None).await.unwrap();
    let intruder = app.browser();
    intruder.set_cookie("session", &token);
    intruder.open("/").await.is(200).does_not_say("Sign out");
}

#[tokio::test]
async fn a_session_that_was_ended_elsewhere_is_over_on_the_next_page() {
    let app = TestApp::start().await;
    let ann = app.member("ann").await;
    let browser = app.signed_in_browser("ann").await;
    let page = browser.open("/").await.says(&["Sign out"]);
    ann.post("/users/logout-all", &serde_json::json!({})).await.ok(200);
    browser.open("/").await.is(200).does_not_say("Sign out");
    let lost = browser.post("/settings", &page.form("/settings", &[("lang", "ko")])).await.is(401);
    lost.says(&["signed out", "Sign in"]);
}

#[tokio::test]
async fn every_page_forbids_what_it_does_not_need() {
    let app = TestApp::start().await;
    app.sell(reservation("100", 10)).await;
    for path in ["/", "/signin", "/signup", "/nonsense"] {
        let page = app.browser().ask(Method::GET, path).await;
        let policy = page.header("content-security-policy");
        assert!(policy.contains("default-src 'none'") && policy.contains("frame-ancestors 'none'"), "{path}: {policy}");
        assert!(!policy.contains("unsafe"), "{path}: {policy}");
        assert_eq!(page.header("x-content-type-options"), "nosniff", "{path}");
        assert_eq!(page.header("referrer-policy"), "same-origin", "{path}");
        assert_eq!(page.header("cache-control"), "no-store", "{path}");
        for inline in ["<style", "style=", "onclick", "onload", "javascript:"] {
            assert!(!page.html.contains(inline), "{path} has {inline}");
        }
        let scripts: Vec<_> = page.html.split("<script").skip(1).collect();
        assert!(scripts.iter().all(|it| it.starts_with(" src=\"/assets/")), "{path}");
        for cookie in page.headers.get_all(SET_COOKIE) {
            let cookie = cookie.to_str().unwrap();
            assert!(cookie.contains("HttpOnly; SameSite=Lax"), "{cookie}");
        }
    }
}

#[tokio::test]
async fn assets_are_kept_for_ever_under_names_of_their_own() {
    let app = TestApp::start().await;
    let browser = app.browser();
    let page = browser.open("/").await.html;
    let names: Vec<_> = page.split("\"/assets/").skip(1).map(|rest| rest.split('"').next().unwrap()).collect();
    assert_eq!(names.len(), 3);
    for name in &names {
        let asset = browser.ask(Method::GET, &format!("/assets/{name}")).await;
        assert_eq!(asset.status, 200);
        assert_eq!(asset.header("cache-control"), "public, max-age=31536000, immutable");
        assert_eq!(asset.header("x-content-type-options"), "nosniff");
    }
    let old = names[0].replacen('.', ".0", 1);
    for name in [&*old, "shop.css", "..%2Fshop.css"] {
        browser.ask(Method::GET, &format!("/assets/{name}")).await.is(404);
    }
}

#[tokio::test]
async fn the_front_page_weighs_little() {
    const BYTES_MAX: usize = 60 * 1024;
    let app = TestApp::start().await;
    for number in 0..12 {
        let mut product = reservation(&format!("p{number:02}"), 1_000_000);
        product.name = Some("상".repeat(100));
        product.closes_at = Some("2099-01-01T00:00:00Z".to_owned());
        app.sell(product).await;
    }
    let browser = app.browser().korean();
    let page = browser.open("/").await.is(200);
    let weight = |seen: &Seen| {
        let headers: usize = seen.headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 4).sum();
        seen.html.len() + headers
    };
    let mut bytes = weight(&page);
    for name in page.html.split("\"/assets/").skip(1).map(|rest| rest.split('"').next().unwrap()) {
        bytes += weight(&browser.ask(Method::GET, &format!("/assets/{name}")).await);
    }
    assert!(bytes < BYTES_MAX, "{bytes} bytes");
}

#[tokio::test]
async fn a_first_visit_is_shown_after_one_round_trip() {
    // What TCP sends before it waits for the first acknowledgement: ten segments (RFC 6928).
    const FIRST_FLIGHT_BYTES: usize = 10 * 1_460;
    let app = TestApp::start().await;
    for number in 0..12 {
        app.sell(reservation(&format!("p{number:02}"), 100)).await;
    }
    let browser = app.browser();
    let ask = || browser.request(Method::GET, "/").header("accept-encoding", "gzip, deflate");
    let answer = ask().send().await.unwrap();
    let header = |name: &str| answer.headers()[name].to_str().unwrap().to_owned();
    assert_eq!(header("content-encoding"), "gzip");
    let policy = header("content-security-policy");
    let body = answer.bytes().await.unwrap();
    assert!(body.len() < FIRST_FLIGHT_BYTES - 2_000, "{} bytes", body.len());
    let mut page = String::new();
    std::io::Read::read_to_string(&mut flate2::read::GzDecoder::new(&*body), &mut page).unwrap();
    let (mark, style) = page.split("<style nonce=\"").nth(1).unwrap().split_once("\">").unwrap();
    assert!(policy.ends_with(&format!("style-src 'self' 'nonce-{mark}'")) && !policy.contains("unsafe"), "{policy}");
    assert!(style.len() > 10_000 && !page.contains("rel=\"stylesheet\"") && !page.contains("style="));
    // Whoever has been here has the style, and a seal that is not to be guessed from how long a page is.
    browser.open("/").await;
    let again = browser.send("/", ask()).await.is(200);
    assert!(again.header("content-encoding").is_empty() && !again.html.contains("<style"));
    let name = again.html.split("\"/assets/").nth(1).unwrap().split('"').next().unwrap();
    let asset = app.browser().request(Method::GET, &format!("/assets/{name}")).header("accept-encoding", "gzip");
    let asset = asset.send().await.unwrap();
    let headers = asset.headers();
    assert_eq!(["content-encoding", "vary"].map(|name| headers[name].to_str().unwrap()), ["gzip", "accept-encoding"]);
}

#[tokio::test]
async fn the_reader_chooses_language_and_colours() {
    let app = TestApp::start().await;
    let browser = app.browser().korean();
    let page = browser.open("/").await.says(&["상품", "로그인"]);
    assert!(page.html.contains(r#"<html lang="ko" data-theme="auto""#));
    let page = browser.submit(&page, "/settings", &[("lang", "en")]).await.says(&["Products", "Sign in"]);
    let page = browser.submit(&page, "/settings", &[("theme", "dark")]).await;
    assert!(page.html.contains(r#"<html lang="en" data-theme="dark""#));
    browser.submit(&page, "/settings", &[("theme", "purple")]).await.is(422);
}

#[tokio::test]
async fn what_leads_nowhere_is_a_page_for_people_and_a_problem_for_programs() {
    let app = TestApp::start().await;
    app.browser().open("/nonsense").await.is(404).says(&["There is nothing here", "See the products"]);
    app.browser().korean().open("/nonsense").await.is(404).says(&["찾으시는 것이 없습니다"]);
    app.anonymous().get("/nonsense").await.refused(404, "not_found");
    // A program's path tells of errors in its own way, whoever asks.
    let answer = app.browser().ask(Method::GET, "/products/none").await;
    assert_eq!((answer.status.as_u16(), answer.header("content-type")), (404, "application/problem+json"));
}

#[tokio::test]
async fn pages_keep_to_the_limits() {
    let app = TestApp::with(|config| {
        config.limits.address_per_second = 1;
        config.limits.address_burst = 1;
    })
    .await;
    let browser = app.browser();
    let first = browser.open("/").await.is(200);
    assert!(!first.header("x-request-id").is_empty());
    let second = browser.open("/").await.is(429).says(&["One moment, please"]);
    assert_eq!(second.header("retry-after"), "1");
}

#[tokio::test]
async fn products_stand_on_the_front_page_by_kind_and_page_by_page() {
    let app = TestApp::start().await;
    for number in 0..13 {
        app.sell(reservation(&format!("r{number:02}"), 10)).await;
    }
    app.sell(general("g", 1_234)).await;
    let browser = app.browser();
    let first = browser.open("/?type=reservation").await.is(200).says(&["Product r00", "₩1,500", "10 left"]);
    assert!(!first.html.contains("Product g") && !first.html.contains("Product r12"));
    let next = first.html.split(r#"rel="next""#).next().unwrap().rsplit("href=\"").next().unwrap();
    let next = next.split('"').next().unwrap().replace("&#38;", "&");
    browser.open(&next).await.is(200).says(&["Product r12"]).does_not_say("Product r00");
    browser.open("/?type=general").await.is(200).says(&["Product g", "1,234 left"]).does_not_say("Product r00");
    browser.open("/?cursor=nonsense").await.is(422);
}
