//! The admin's pages, from a browser without a script: products, and who may see any of it.

use preorder::kernel::actor::Role;
use preorder::kernel::ids::UserId;
use reqwest::Method;
use serde_json::json;

use crate::support::{Browser, Seen, TestApp, all_pay, general, reservation};

/// The browser of an admin who is signed in.
pub(crate) async fn boss(app: &TestApp) -> Browser {
    app.account("boss", Role::Admin).await;
    app.signed_in_browser("boss").await
}

/// Presses a page's button that is a form of its own.
pub(crate) async fn press(browser: &Browser, page: &Seen, action: &str) -> Seen {
    browser.submit(page, action, &[]).await
}

#[tokio::test]
async fn for_everybody_else_there_is_nothing() {
    let app = TestApp::start().await;
    app.sell(reservation("100", 10)).await;
    let boss = boss(&app).await;
    app.account("ann", Role::User).await;
    let (ann, nobody) = (app.signed_in_browser("ann").await, app.browser());
    let without_id = |seen: Seen| {
        let text = seen.text();
        text.split("Request ").next().unwrap().to_owned()
    };
    for browser in [&ann, &nobody] {
        let nonsense = without_id(browser.open("/nonsense").await.is(404));
        for path in ["/admin", "/admin/products/100", "/admin/products/none", "/admin/orders.csv", "/admin/live"] {
            assert_eq!(without_id(browser.open(path).await.is(404)), nonsense, "{path}");
        }
        browser.open("/").await.is(200).does_not_say("Admin");
        // Not even that the form is no good is told.
        for path in ["/admin/products/100/close", "/admin/audit", "/admin/new-product"] {
            assert_eq!(without_id(browser.post(path, &[]).await.is(404)), nonsense, "{path}");
        }
    }
    boss.open("/").await.is(200).says(&["Admin"]);
    // A token is for programs; the pages know nobody by it.
    let admin = app.admin().await;
    let answer = admin.send(admin.request(Method::GET, "/admin").header("accept", "text/html")).await;
    assert_eq!(answer.status, 404);
}

#[tokio::test]
async fn rights_that_are_taken_away_end_at_once() {
    let app = TestApp::start().await;
    app.sell(reservation("100", 10)).await;
    let boss = boss(&app).await;
    let page = boss.open("/admin/products/100").await.is(200);
    let id = app.app.users.find("boss@example.com").await.unwrap().id;
    app.app.users.set_role(id, Role::User).await.unwrap();
    boss.open("/admin").await.is(404);
    press(&boss, &page, "/admin/products/100/close").await.is(404);
    assert_eq!(app.anonymous().get("/products/100").await.ok(200)["saleState"], "open");
}

#[tokio::test]
async fn a_form_that_nobody_sealed_does_nothing() {
    let app = TestApp::start().await;
    app.sell(reservation("100", 10)).await;
    let boss = boss(&app).await;
    let page = boss.open("/admin/products/100").await;
    let other = app.browser().open("/signin").await;
    let stolen = other.form("/signin", &[]).into_iter().find(|(name, _)| name == "seal").unwrap();
    for form in [vec![], vec![stolen]] {
        boss.post("/admin/products/100/close", &form).await.is(403).says(&["out of date"]);
    }
    let form = page.form("/admin/products/100/close", &[]);
    let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(&form).finish();
    let foreign = boss
        .request(Method::POST, "/admin/products/100/close")
        .header("origin", "https://evil.example")
        .header("content-type", "application/x-www-form-urlencoded")
        .body(body);
    boss.send("/admin/products/100/close", foreign).await.is(403);
    assert_eq!(app.anonymous().get("/products/100").await.ok(200)["saleState"], "open");
}

#[tokio::test]
async fn a_product_is_made_and_what_is_wrong_stands_beside_its_field() {
    let app = TestApp::start().await;
    let boss = boss(&app).await;
    let page = boss.open("/admin/new-product").await.is(200);
    let typed = [("id", "no spaces"), ("name", ""), ("price", "ten"), ("type", "reservation"), ("stock", "-1")];
    let refused = boss.submit(&page, "/admin/new-product", &typed).await.is(422);
    for field in ["id", "name", "price", "stock"] {
        assert!(refused.html.contains(&format!("id=\"e-{field}\"")), "{field}");
    }
    assert!(!refused.html.contains("id=\"e-description\""));
    refused.clone().says(&["A whole number from"]);
    let korean = boss.clone().korean();
    korean.submit(&page, "/admin/new-product", &typed).await.is(422).says(&["정수여야 합니다"]);

    let typed = [
        ("id", "mug"),
        ("name", "<b>Mug</b>"),
        ("price", "12000"),
        ("type", "reservation"),
        ("currency", "krw"),
        ("stock", "5"),
        ("opensAt", "2030-01-02T09:00"),
        ("closesAt", "2030-01-03T09:00:30"),
        ("perBuyerLimit", "2"),
        ("holdSeconds", "90"),
    ];
    let made = boss.submit(&refused, "/admin/new-product", &typed).await.is(200);
    assert_eq!(made.path, "/admin/products/mug?said=created");
    assert!(!made.html.contains("<b>Mug"));
    made.says(&["The product is there.", "<b>Mug</b>", "₩12,000"]);
    let product = app.anonymous().get("/products/mug").await.ok(200);
    let field = |name: &str| product[name].clone();
    assert_eq!([field("opensAt"), field("closesAt")], [json!("2030-01-02T09:00:00Z"), json!("2030-01-03T09:00:30Z")]);
    assert_eq!([field("perBuyerLimit"), field("holdSeconds")], [json!(2), json!(90)]);
    assert_eq!(app.units("mug").await, [5, 0, 0]);
    boss.submit(&page, "/admin/new-product", &typed).await.is(409).says(&["choose another"]);
    boss.open("/admin/products").await.is(200).says(&["<b>Mug</b>", "Soon"]);
}

#[tokio::test]
async fn a_product_is_changed_and_a_window_that_was_not_touched_stays() {
    let app = TestApp::start().await;
    let mut draft = reservation("100", 10);
    draft.opens_at = Some("2026-01-01T00:00:00.123456Z".to_owned());
    app.sell(draft).await;
    let boss = boss(&app).await;
    let page = boss.open("/admin/products/100").await.is(200);
    let typed = [("name", "Another"), ("price", "1700"), ("perBuyerLimit", ""), ("holdSeconds", "61")];
    boss.submit(&page, "/admin/products/100", &typed).await.is(200).says(&["The changes are saved.", "Another"]);
    let product = app.anonymous().get("/products/100").await.ok(200);
    assert_eq!((&product["price"], &product["holdSeconds"]), (&json!(1700), &json!(61)));
    assert_eq!(product["opensAt"], "2026-01-01T00:00:00.123456Z");
    // In Korean time, for who reads Korean.
    let korean = boss.clone().korean();
    let page = korean.open("/admin/products/100").await.says(&["한국 시간"]);
    let typed = [("closesAt", "2026-01-01T08:00")];
    let refused = korean.submit(&page, "/admin/products/100", &typed).await.is(422);
    assert!(refused.html.contains("id=\"e-closesAt\""));
    let typed = [("closesAt", "2027-01-01T09:00")];
    korean.submit(&page, "/admin/products/100", &typed).await.is(200);
    assert_eq!(app.anonymous().get("/products/100").await.ok(200)["closesAt"], "2027-01-01T00:00:00Z");
    boss.submit(&page, "/admin/products/100", &[("price", "")]).await.is(422).says(&["A whole number from"]);
}

#[tokio::test]
async fn units_come_and_go_with_a_reason() {
    let app = TestApp::with(all_pay).await;
    app.sell(reservation("100", 3)).await;
    let ann = app.user("ann").await;
    ann.buy("100").await.ok(201);
    let boss = boss(&app).await;
    let page = boss.open("/admin/products/100").await;
    let typed = [("delta", "7"), ("reason", "a crate came")];
    let page = boss.submit(&page, "/admin/products/100/stock", &typed).await.is(200).says(&["The units are changed."]);
    assert_eq!(app.units("100").await, [9, 0, 1]);
    let typed = [("delta", "-10"), ("reason", "lost")];
    let refused = boss.submit(&page, "/admin/products/100/stock", &typed).await.is(409);
    refused.says(&["Only 9 units are available (0 held, 1 sold)"]);
    boss.submit(&page, "/admin/products/100/stock", &[("delta", "many")]).await.is(422).says(&["may not be 0"]);
    let history = boss.open("/admin/products/100/movements").await.is(200);
    history.says(&["a crate came", "Admin", "Command line", "User", "−1", "+7", "first stock"]);
    boss.open("/admin/products/none/movements").await.is(404);
    app.audit().await;
}

#[tokio::test]
async fn a_sale_opens_and_closes_at_a_button() {
    let (app, clock) = TestApp::with_clock(all_pay).await;
    let mut draft = reservation("100", 3);
    draft.opens_at = Some("2031-01-01T00:00:00Z".to_owned());
    app.sell(draft).await;
    app.sell(general("200", 3)).await;
    let (boss, ann) = (boss(&app).await, app.user("ann").await);
    let page = boss.open("/admin/products/100").await;
    // One that has not opened can't close.
    press(&boss, &page, "/admin/products/100/close").await.is(422).says(&["must close after it opens"]);
    ann.buy("100").await.refused(403, "sale_not_open");
    press(&boss, &page, "/admin/products/100/open").await.is(200).says(&["The sale is open."]);
    let opens_at = |product: &serde_json::Value| product["opensAt"].clone();
    let open = app.anonymous().get("/products/100").await.ok(200);
    assert_eq!(opens_at(&open), "2030-01-01T00:00:00Z");
    ann.buy("100").await.ok(201);
    clock.advance_seconds(60);
    // Twice does what once does.
    press(&boss, &page, "/admin/products/100/open").await.is(200);
    assert_eq!(opens_at(&app.anonymous().get("/products/100").await.ok(200)), "2030-01-01T00:00:00Z");
    for _ in 0..2 {
        press(&boss, &page, "/admin/products/100/close").await.is(200).says(&["The sale is closed."]);
        let closed = app.anonymous().get("/products/100").await.ok(200);
        assert_eq!((&closed["saleState"], &closed["closesAt"]), (&json!("closed"), &json!("2030-01-01T00:01:00Z")));
        clock.advance_seconds(60);
    }
    ann.buy("100").await.refused(403, "sale_closed");
    press(&boss, &page, "/admin/products/100/open").await.is(200);
    let open = app.anonymous().get("/products/100").await.ok(200);
    assert_eq!((&open["saleState"], &open["closesAt"]), (&json!("open"), &json!(null)));
    // A general product has no window, and so no buttons.
    let page = boss.open("/admin/products/200").await;
    assert!(!page.has_form("/admin/products/200/open"));
    let form = page.form("/admin/products/200/stock", &[]);
    for deed in ["open", "close"] {
        let refused = boss.post(&format!("/admin/products/200/{deed}"), &form).await.is(422);
        refused.says(&["it has no window"]);
    }
}

#[tokio::test]
async fn a_product_goes_only_after_a_question() {
    let app = TestApp::start().await;
    app.sell(reservation("100", 3)).await;
    let boss = boss(&app).await;
    let question = boss.open("/admin/products/100/delete").await.is(200).says(&["Delete this product?", "Product 100"]);
    let list = press(&boss, &question, "/admin/products/100/delete").await.is(200);
    assert_eq!(list.path, "/admin/products?said=deleted");
    list.says(&["The product is deleted.", "There are no products yet"]);
    app.anonymous().get("/products/100").await.refused(404, "product_not_found");
    // The button once more.
    press(&boss, &question, "/admin/products/100/delete").await.is(404);
}

#[tokio::test]
async fn every_page_of_the_admins_keeps_the_policy_and_both_languages() {
    let app = TestApp::with(all_pay).await;
    app.sell(reservation("100", 3)).await;
    let order = app.user("ann").await.hold("100").await;
    let boss = boss(&app).await;
    let korean = boss.clone().korean();
    for path in [
        "/admin".to_owned(),
        "/admin/products".to_owned(),
        "/admin/new-product".to_owned(),
        "/admin/products/100".to_owned(),
        "/admin/products/100/movements".to_owned(),
        "/admin/products/100/delete".to_owned(),
        "/admin/orders".to_owned(),
        format!("/admin/orders/{order}"),
        format!("/admin/orders/{order}/refund"),
        "/admin/users".to_owned(),
        "/admin/users/1".to_owned(),
        "/admin/users/1/block".to_owned(),
        "/admin/users/1/role".to_owned(),
        "/admin/audit".to_owned(),
    ] {
        let page = boss.open(&path).await.is(200).says(&["Board", "Users"]);
        assert!(!page.header("content-security-policy").contains("unsafe"), "{path}");
        for inline in ["<style", "style=", "onclick", "onload", "javascript:"] {
            assert!(!page.html.contains(inline), "{path} has {inline}");
        }
        let mut scripts = page.html.split("<script").skip(1);
        assert!(scripts.all(|it| it.starts_with(" src=\"/assets/")), "{path}");
        let ids: Vec<_> = page.html.split(" id=\"").skip(1).map(|rest| rest.split('"').next().unwrap()).collect();
        assert_eq!(ids.iter().collect::<std::collections::BTreeSet<_>>().len(), ids.len(), "{path}: {ids:?}");
        for label in page.html.split("<label for=\"").skip(1) {
            assert!(ids.contains(&label.split('"').next().unwrap()), "{path} has a label for nothing");
        }
        korean.open(&path).await.is(200).says(&["현황판", "회원"]);
    }
    assert_eq!(app.app.users.get(UserId(1)).await.unwrap().name, "ann");
}
