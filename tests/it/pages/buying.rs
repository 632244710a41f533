//! A buyer's whole way, and every way in which it can go wrong.

use preorder::kernel::actor::Role;
use reqwest::Method;

use crate::support::{Browser, PASSWORD, Seen, TestApp, all_pay, general, id, reservation};

const BUY: &str = "/shop/100/buy";

/// The units of product 100: available, held, sold.
async fn units(app: &TestApp) -> [i64; 3] {
    let stock = app.anonymous().get("/products/100/stock").await.ok(200);
    ["available", "held", "sold"].map(|name| stock[name].as_i64().unwrap())
}

/// A browser in which `name` is signed in, who has an account now.
async fn buyer(app: &TestApp, name: &str) -> Browser {
    app.account(name, Role::User).await;
    app.signed_in_browser(name).await
}

/// How many orders a buyer's list shows.
async fn orders(browser: &Browser) -> usize {
    browser.open("/orders").await.is(200).html.matches("href=\"/orders/").count()
}

fn is_order(page: &Seen) -> bool {
    page.path.starts_with("/orders/") && page.status == 200
}

#[tokio::test]
async fn a_newcomer_buys_in_one_call_and_sees_what_happened() {
    let app = TestApp::with(all_pay).await;
    app.sell(reservation("100", 10)).await;
    let browser = app.browser();
    let product = browser.open("/shop/100").await.is(200).says(&["Product 100", "₩1,500", "Sign in to buy"]);
    assert!(!product.has_form(BUY) && product.html.contains("/signin?next=/shop/100"));
    let sign_in = browser.open("/signin?next=/shop/100").await;
    let link = sign_in.html.split("href=\"/signup").nth(1).unwrap().split('"').next().unwrap();
    let sign_up = browser.open(&format!("/signup{link}")).await;
    let typed = [("name", "Ann"), ("email", "ann@example.com"), ("password", PASSWORD)];
    let product = browser.submit(&sign_up, "/signup", &typed).await.is(200);
    assert_eq!(product.path, "/shop/100");

    let order = browser.submit(&product, BUY, &[("quantity", "2")]).await.is(200);
    assert!(is_order(&order));
    let order =
        order.says(&["It is yours", "₩3,000", "Ordered and paid in one step", "order number 1 for this product"]);
    assert_eq!(units(&app).await, [8, 0, 2]);
    browser.open("/orders").await.is(200).says(&["Product 100", "Completed", "2 pcs"]);

    let refund = format!("{}/refund", order.path);
    browser.submit(&order, &refund, &[]).await.is(200).says(&["This order was refunded", "Paid back"]);
    assert_eq!(units(&app).await, [10, 0, 0]);
}

#[tokio::test]
async fn a_buyer_enters_and_pays_or_leaves() {
    let app = TestApp::with(all_pay).await;
    app.sell(general("100", 10)).await;
    let browser = buyer(&app, "ann").await;
    for (step, title, expected) in [("pay", "It is yours", [9, 0, 1]), ("leave", "This order is cancelled", [9, 0, 1])]
    {
        let product = browser.open("/shop/100").await;
        let held = browser.submit(&product, "/shop/100/enter", &[]).await.is(200);
        let held = held.says(&["It is held for you", "Held for you", "The hold ends", "Waits for payment"]);
        assert_eq!(units(&app).await[1], 1);
        let done = browser.submit(&held, &format!("{}/{step}", held.path), &[]).await.is(200).says(&[title]);
        assert_eq!(done.path, held.path);
        assert_eq!(units(&app).await, expected);
    }
}

#[tokio::test]
async fn sending_a_form_again_gives_the_same_order() {
    let app = TestApp::with(all_pay).await;
    app.sell(reservation("100", 10)).await;
    let browser = buyer(&app, "ann").await;
    let form = browser.open("/shop/100").await.form(BUY, &[]);
    // A double click: both on their way at the same time.
    let (one, two) = tokio::join!(browser.post(BUY, &form), browser.post(BUY, &form));
    let again = browser.post(BUY, &form).await;
    let place = one.header("location").to_owned();
    assert!(place.starts_with("/orders/"));
    for answer in [&two, &again] {
        assert_eq!((answer.status.as_u16(), answer.header("location")), (303, &*place));
    }
    assert_eq!((units(&app).await, orders(&browser).await), ([9, 0, 1], 1));
    // Held and paid, sent again and again.
    let enter = browser.open("/shop/100").await.form(BUY, &[]);
    let held = browser.post("/shop/100/enter", &enter).await.header("location").to_owned();
    assert_eq!(browser.post("/shop/100/enter", &enter).await.header("location"), held);
    let page = browser.open(&held).await;
    let pay = format!("{held}/pay");
    for _ in 0..2 {
        browser.submit(&page, &pay, &[]).await.is(200).says(&["It is yours"]);
    }
    assert_eq!((units(&app).await, orders(&browser).await), ([8, 0, 2], 2));
    // A form from before, with another wish in it.
    let other = form.iter().map(|(name, value)| match name.as_str() {
        "quantity" => (name.clone(), "3".to_owned()),
        _ => (name.clone(), value.clone()),
    });
    let other = other.collect::<Vec<_>>();
    let page = browser.post(BUY, &other).await;
    browser.open(page.header("location")).await.is(200).says(&["used for another order"]);
    assert_eq!(units(&app).await, [8, 0, 2]);
}

#[tokio::test]
async fn every_refusal_is_told_on_the_product_and_orders_nothing() {
    let (app, clock) = TestApp::with_clock(all_pay).await;
    app.sell(reservation("100", 1)).await;
    let ann = buyer(&app, "ann").await;
    let bob = buyer(&app, "bob").await;
    let form = bob.open("/shop/100").await.form(BUY, &[]);
    for quantity in ["0", "-1", "1001", "many", "1.5", "99999999999999999999"] {
        let page = ann.open("/shop/100").await;
        ann.submit(&page, BUY, &[("quantity", quantity)]).await.is(200).says(&["That quantity can't be ordered"]);
    }
    let page = ann.open("/shop/100").await;
    ann.submit(&page, BUY, &[]).await.is(200).says(&["It is yours"]);
    let refused = bob.post(BUY, &form).await;
    assert_eq!(refused.header("location"), "/shop/100?said=sold_out");
    let page = bob.open("/shop/100?said=sold_out").await.is(200).says(&["Too late", "Sold out"]);
    assert!(!page.has_form(BUY));
    // The same form once more, when there would be some: what was told stays.
    let admin = app.admin().await;
    admin.post("/stocks/100/adjustments", &serde_json::json!({"delta": 1})).await.ok(201);
    assert_eq!(bob.post(BUY, &form).await.header("location"), "/shop/100?said=sold_out");
    assert_eq!(orders(&bob).await, 0);

    let mut later = reservation("later", 1);
    later.opens_at = Some("2030-01-01T00:10:00Z".to_owned());
    later.closes_at = Some("2030-01-01T00:20:00Z".to_owned());
    later.per_buyer_limit = Some(1);
    app.sell(later).await;
    let page = bob.open("/shop/later").await.is(200).says(&["Soon", "Opens in", "10m 0s"]);
    assert!(page.html.contains("disabled data-opens"));
    bob.submit(&page, "/shop/later/buy", &[]).await.says(&["has not opened yet"]);
    clock.advance_seconds(600);
    let open = bob.open("/shop/later").await.says(&["On sale", "Closes in", "10m 0s"]);
    bob.submit(&open, "/shop/later/buy", &[]).await.says(&["It is yours"]);
    admin.post("/stocks/later/adjustments", &serde_json::json!({"delta": 5})).await.ok(201);
    let page = bob.open("/shop/later").await;
    bob.submit(&page, "/shop/later/buy", &[]).await.says(&["more than one buyer may have"]);
    clock.advance_seconds(600);
    let answer = bob.post("/shop/later/enter", &page.form("/shop/later/buy", &[])).await;
    bob.open(answer.header("location")).await.says(&["The sale is over. Nothing was ordered."]);
}

#[tokio::test]
async fn a_hold_that_has_run_out_says_so() {
    let (app, clock) = TestApp::with_clock(all_pay).await;
    app.sell(reservation("100", 1)).await;
    let ann = buyer(&app, "ann").await;
    let product = ann.open("/shop/100").await;
    let form = product.form(BUY, &[]);
    let held = ann.post("/shop/100/enter", &form).await.header("location").to_owned();
    let page = ann.open(&held).await.says(&["1m 0s"]);
    clock.advance_seconds(61);
    let over = ann.submit(&page, &format!("{held}/pay"), &[]).await.is(200);
    over.says(&["This order is cancelled", "time to pay ran out"]).does_not_say("It is held for you");
    assert_eq!(units(&app).await, [1, 0, 0]);
    ann.submit(&page, &format!("{held}/leave"), &[]).await.is(200).says(&["This order is cancelled"]);
}

#[tokio::test]
async fn a_payment_that_fails_leads_to_the_cancelled_order() {
    let app = TestApp::with(|config| {
        config.payment.simulated.abandon_rate = 0.0;
        config.payment.simulated.decline_rate = 1.0;
    })
    .await;
    app.sell(reservation("100", 5)).await;
    let ann = buyer(&app, "ann").await;
    let product = ann.open("/shop/100").await;
    let order = ann.submit(&product, BUY, &[]).await.is(200);
    assert!(is_order(&order));
    order.says(&["This order is cancelled", "The payment was declined", "Back to the product"]);
    assert_eq!(units(&app).await, [5, 0, 0]);
}

#[tokio::test]
async fn a_payment_under_way_can_only_be_waited_for() {
    let (app, _, provider) = TestApp::with_provider().await;
    app.sell(reservation("100", 5)).await;
    let ann = buyer(&app, "ann").await;
    let form = ann.open("/shop/100").await.form(BUY, &[]);
    let (tab, sent) = (ann.clone(), form.clone());
    let buying = tokio::spawn(async move { tab.post(BUY, &sent).await });
    provider.asked().await;
    let again = ann.post(BUY, &form).await;
    let place = again.header("location").split('?').next().unwrap().to_owned();
    let page = ann.open(&place).await.is(200).says(&["Your payment is under way", "Look again"]);
    assert!(!page.has_form(&format!("{place}/pay")) && !page.has_form(&format!("{place}/leave")));
    provider.answer();
    assert_eq!(buying.await.unwrap().header("location"), place);
    ann.open(&place).await.is(200).says(&["It is yours"]);
    assert_eq!(units(&app).await, [4, 0, 1]);
}

#[tokio::test]
async fn nobody_sees_anothers_order_or_buys_without_signing_in() {
    let app = TestApp::with(all_pay).await;
    app.sell(reservation("100", 5)).await;
    let ann = buyer(&app, "ann").await;
    let product = ann.open("/shop/100").await;
    let order = ann.submit(&product, BUY, &[]).await;
    let bob = buyer(&app, "bob").await;
    bob.open(&order.path).await.is(404);
    let form = bob.open("/shop/100").await.form(BUY, &[]);
    bob.post(&format!("{}/refund", order.path), &form).await.is(404);
    let nobody = app.browser();
    let sign_in = nobody.open(&order.path).await.is(200);
    assert_eq!(sign_in.path, format!("/signin?next={}", order.path.replace('/', "%2F")));
    app.account("cid", Role::User).await;
    let typed = [("email", "ann@example.com"), ("password", PASSWORD)];
    let back = nobody.submit(&sign_in, "/signin", &typed).await.is(200);
    assert_eq!(back.path, order.path);
}

#[tokio::test]
async fn a_lost_session_orders_nothing_and_leads_back() {
    let app = TestApp::with(all_pay).await;
    app.sell(reservation("100", 5)).await;
    let ann = buyer(&app, "ann").await;
    let form = ann.open("/shop/100").await.form(BUY, &[]);
    let user = app.app.users.find("ann@example.com").await.unwrap();
    app.app.users.logout_all(user.id).await.unwrap();
    let request = ann
        .request(Method::POST, BUY)
        .header("content-type", "application/x-www-form-urlencoded")
        .header("referer", format!("http://{}/shop/100?said=sold_out", app.address))
        .body(form_urlencoded::Serializer::new(String::new()).extend_pairs(&form).finish());
    let lost = ann.send(BUY, request).await.is(401).says(&["You have been signed out", "Nothing was done"]);
    let way = lost.html.split("href=\"/signin?next=").nth(1).unwrap().split('&').next().unwrap();
    assert_eq!(way, "%2Fshop%2F100%3Fsaid%3Dsold_out");
    assert_eq!(units(&app).await, [5, 0, 0]);
    // A form without its number would be a new order with each click.
    ann.sign_in("ann").await;
    let bare: Vec<_> = ann.open("/shop/100").await.form(BUY, &[]).into_iter().filter(|(it, _)| it != "key").collect();
    ann.post(BUY, &bare).await.is(422).says(&["lacks its number"]);
    assert_eq!(units(&app).await, [5, 0, 0]);
}

#[tokio::test]
async fn an_order_tells_its_place_and_when_it_was_sold_out() {
    let app = TestApp::with(all_pay).await;
    app.sell(reservation("100", 2)).await;
    let ann = buyer(&app, "ann").await;
    let first = app.user("first").await;
    let given_back = id(&first.buy("100").await.ok(201));
    let product = ann.open("/shop/100").await;
    let order = ann.submit(&product, BUY, &[]).await.is(200);
    let order = order.says(&["order number 2 for this product", "sold out after order number 2"]);
    first.post(&format!("/purchases/{given_back}/cancel"), &serde_json::json!({})).await.ok(200);
    app.user("third").await.buy("100").await.ok(201);
    ann.open(&order.path).await.says(&["order number 2 for this product", "sold out after order number 2"]);
}

#[tokio::test]
async fn what_people_typed_is_shown_as_text() {
    let app = TestApp::start().await;
    let mut product = reservation("100", 5);
    product.name = Some("<script>alert(1)</script> & \"quotes\" 'n'".to_owned());
    product.description = Some("<img src=x onerror=alert(1)>\nline two".to_owned());
    app.sell(product).await;
    for path in ["/", "/shop/100"] {
        let page = app.browser().open(path).await.is(200);
        assert!(
            page.html.contains("&#60;script&#62;alert(1)&#60;/script&#62; &#38; &#34;quotes&#34; &#39;n&#39;"),
            "{path}"
        );
        assert!(!page.html.contains("<script>") && !page.html.contains("<img"), "{path}");
    }
    let page = app.browser().open("/signin?next=/%22%3E%3Cscript%3Ealert(1)%3C/script%3E").await.is(200);
    assert!(!page.html.contains("<script>alert"));
}
