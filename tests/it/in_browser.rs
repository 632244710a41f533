//! The shop in a real browser: whole ways through it, with and without scripts, by keyboard, live, in pictures.

use preorder::kernel::actor::Role;
use preorder::products::ProductDraft;
use thirtyfour::Key;

use crate::support::chromium::{Looks, Window, tours};
use crate::support::{PASSWORD, TestApp, all_pay, general, id, reservation};

/// Somebody comes for the first time, buys at once, orders and pays in two steps, gives one order back.
async fn buys(window: &Window) {
    window.go("/").await;
    window.sees("Product 100").await;
    window.click("a[href='/shop/100']").await;
    window.click("main a[href^='/signin']").await;
    window.click("main a[href^='/signup']").await;
    for (name, value) in [("name", "Ann"), ("email", "ann@example.com"), ("password", PASSWORD)] {
        window.fill(name, value).await;
    }
    window.click("form[action='/signup'] button.primary").await;
    // Back where the way began.
    window.click("form[action='/shop/100/buy'] button.primary").await;
    window.sees("It is yours").await;
    window.sees("Ordered and paid in one step").await;
    let order = window.path().await;

    // Neither going back nor sending the form again orders a second time.
    window.back().await;
    window.click("form[action='/shop/100/buy'] button.primary").await;
    window.find("ol.timeline").await;
    assert_eq!(window.path().await, order);

    window.go("/shop/120").await;
    window.fill("quantity", "2").await;
    window.click("form[action='/shop/120/enter'] button.primary").await;
    window.sees("It is held for you").await;
    window.click("form[action$='/pay'] button").await;
    window.sees("It is yours").await;

    window.go("/orders").await;
    window.click(&format!("a[href='{order}']")).await;
    window.click("summary").await;
    window.click("form[action$='/refund'] button").await;
    window.sees("This order was refunded").await;

    talks(window).await;
    window.click("button[formaction='/signout']").await;
    window.find("nav a[href='/signin']").await;
}

/// Writes a post, likes it, comments, follows somebody, changes the profile.
async fn talks(window: &Window) {
    window.go("/feed").await;
    window.click("details summary").await;
    window.fill("title", "<b>I got one</b>").await;
    window.fill("content", "드디어 성공! <script>alert(1)</script>").await;
    window.click("form[action='/feed'] button").await;
    window.sees("<b>I got one</b>").await;
    window.go("/feed").await;
    window.click("a[href^='/posts/']").await;
    window.sees("<script>alert(1)</script>").await;
    window.click("form[action$='/like'] button").await;
    window.find("form[action$='/unlike']").await;
    window.fill("content", "축하해요").await;
    window.click("form[action$='/comments'] button").await;
    window.sees("축하해요").await;
    window.go("/people/1").await;
    window.click("form[action$='/follow'] button").await;
    window.find("form[action$='/unfollow']").await;
    window.go("/me").await;
    window.fill("name", "앤").await;
    window.click("form[action='/me'] button").await;
    window.go("/feed").await;
    window.sees("앤").await;
}

async fn a_shop() -> TestApp {
    let app = TestApp::with(all_pay).await;
    app.account("somebody", Role::User).await;
    app.sell(reservation("100", 10)).await;
    app.sell(general("120", 10)).await;
    app
}

#[tokio::test]
async fn a_buyer_comes_and_buys() {
    let app = a_shop().await;
    let Some(window) = Window::open(&app, Looks::default()).await else { return };
    buys(&window).await;
    assert_eq!((app.units("100").await, app.units("120").await), ([10, 0, 0], [8, 0, 2]));
    app.audit().await;
}

#[tokio::test]
async fn a_buyer_comes_and_buys_without_scripts() {
    let app = a_shop().await;
    let Some(window) = Window::open(&app, Looks { scripts: false, ..Looks::default() }).await else { return };
    buys(&window).await;
    assert_eq!((app.units("100").await, app.units("120").await), ([10, 0, 0], [8, 0, 2]));
}

#[tokio::test]
async fn everybody_sees_the_stock_fall() {
    let app = a_shop().await;
    let Some(first) = Window::open(&app, Looks::default()).await else { return };
    let Some(second) = Window::open(&app, Looks { width: 360, ..Looks::default() }).await else { return };
    first.go("/shop/100").await;
    second.go("/").await;
    second.sees("10 left").await;
    let ann = app.user("ann").await;
    ann.buy("100").await.ok(201);
    second.sees("9 left").await;
    first.sees("available\n9").await;
    for _ in 0..9 {
        ann.buy("100").await.ok(201);
    }
    for window in [&first, &second] {
        window.sees("Sold out").await;
    }
}

#[tokio::test]
async fn a_keyboard_is_enough() {
    let app = a_shop().await;
    app.account("ann", Role::User).await;
    let Some(window) = Window::open(&app, Looks::default()).await else { return };
    window.go("/").await;
    window.tab_to(".skip").await;
    window.keys(Key::Enter + "").await;
    window.tab_to("a[href='/shop/100']").await;
    window.keys(Key::Enter + "").await;
    window.sees("being paid").await;
    window.tab_to("main a[href^='/signin']").await;
    window.keys(Key::Enter + "").await;
    window.find("form[action='/signin']").await;
    window.tab_to("[name='email']").await;
    window.keys("ann@example.com").await;
    window.tab_to("[name='password']").await;
    window.keys(PASSWORD + Key::Enter).await;
    window.find("form[action='/shop/100/buy']").await;
    window.tab_to("form[action='/shop/100/buy'] button.primary").await;
    window.keys(Key::Enter + "").await;
    window.sees("It is yours").await;
    assert_eq!(app.units("100").await, [9, 0, 1]);
}

/// Every page, as a picture that people can look at, without a serious fault for those who can't.
async fn tour(looks: Looks) {
    let app = a_shop().await;
    let sold_out = ProductDraft { name: Some("첫 번째 한정판".to_owned()), ..reservation("gone", 1) };
    let soon = app.app.clock.now().plus_seconds(5_000);
    let upcoming = ProductDraft { opens_at: Some(soon.to_string()), ..reservation("soon", 500) };
    for draft in [sold_out, upcoming] {
        app.sell(draft).await;
    }
    let eve = app.member("eve").await;
    eve.buy("gone").await.ok(201);
    let ann = app.member("ann").await;
    let order = id(&ann.buy("100").await.ok(201));
    let held = id(&ann.enter("120", 2).await.ok(201));
    let post = ann.write("예약 구매 성공! I got one").await;
    ann.comment(post, "축하해요 🎉").await;
    let Some(window) = Window::open(&app, looks).await else { return };
    let folder = looks.folder();
    let look = async |path: &str, name: &str| {
        window.go(path).await;
        window.find("main h1").await;
        window.is_accessible().await;
        window.picture(&format!("{folder}/{name}")).await;
    };
    for (path, name) in [
        ("/", "products"),
        ("/shop/100", "product"),
        ("/shop/soon", "product-upcoming"),
        ("/shop/gone", "product-sold-out"),
        ("/signin", "sign-in"),
        ("/signup", "sign-up"),
        ("/feed", "feed"),
        (&*format!("/posts/{post}"), "post"),
        ("/nothing-here", "not-found"),
    ] {
        look(path, name).await;
    }
    window.go("/signin").await;
    window.fill("email", "ann@example.com").await;
    window.fill("password", PASSWORD).await;
    window.click("form[action='/signin'] button.primary").await;
    window.find("button[formaction='/signout']").await;
    for (path, name) in [
        ("/shop/100", "product-signed-in"),
        ("/orders", "orders"),
        (&*format!("/orders/{order}"), "order-completed"),
        (&*format!("/orders/{held}"), "order-held"),
        ("/feed", "feed-signed-in"),
        ("/feed?type=follow&sort=like", "feed-followed"),
        (&*format!("/posts/{post}"), "post-signed-in"),
        (&*format!("/people/{}", ann.id), "person-oneself"),
        (&*format!("/people/{}", eve.id), "person"),
        ("/me", "me"),
    ] {
        look(path, name).await;
    }
}

tours!(tour);
