//! The admin's view in a real browser: a whole way through it, the live board, pictures of every page.

use preorder::kernel::actor::Role;

use crate::support::chromium::{Looks, Window, tours};
use crate::support::{Member, PASSWORD, TestApp, all_pay, id, reservation};

/// A shop with an admin, whose browser is signed in.
async fn a_shop(looks: Looks) -> Option<(TestApp, Member, Window)> {
    let app = TestApp::with(all_pay).await;
    let boss = app.member_with("boss", Role::Admin).await;
    let window = Window::open(&app, looks).await?;
    window.go("/signin").await;
    window.fill("email", "boss@example.com").await;
    window.fill("password", PASSWORD).await;
    window.click("form[action='/signin'] button.primary").await;
    window.find("button[formaction='/signout']").await;
    Some((app, boss, window))
}

#[tokio::test]
async fn an_admin_runs_a_sale() {
    let Some((app, _, window)) = a_shop(Looks::default()).await else { return };
    // A product is made; its sale is closed and opened again; units come on top.
    window.go("/admin/new-product").await;
    for (name, value) in [("id", "tickets"), ("name", "Concert"), ("price", "50000"), ("stock", "3")] {
        window.fill(name, value).await;
    }
    window.click("form[action='/admin/new-product'] button.primary").await;
    window.sees("Concert").await;
    let ann = app.member("ann").await;
    let held = id(&ann.enter("tickets", 1).await.ok(201));
    let bought = id(&ann.buy("tickets").await.ok(201));
    window.go("/admin/products/tickets").await;
    window.click("form[action='/admin/products/tickets/close'] button").await;
    window.sees("The sale is closed").await;
    ann.buy("tickets").await.refused(403, "sale_closed");
    window.click("form[action='/admin/products/tickets/open'] button").await;
    window.sees("The sale is open.").await;
    window.fill("delta", "5").await;
    window.click("form[action='/admin/products/tickets/stock'] button").await;
    window.sees("The units are changed.").await;
    assert_eq!(app.units("tickets").await, [6, 1, 1]);

    // One order is cancelled, another one refunded.
    window.go(&format!("/admin/orders/{held}")).await;
    window.click(&format!("form[action='/admin/orders/{held}/cancel'] button")).await;
    window.sees("The order is cancelled;").await;
    window.go(&format!("/admin/orders/{bought}")).await;
    window.click(&format!("main a[href*='{bought}/refund']")).await;
    window.click("main form button.danger").await;
    window.sees("The order is refunded;").await;
    assert_eq!(app.units("tickets").await, [8, 0, 0]);

    // A user is blocked.
    window.go("/admin/users?q=ann@example.com").await;
    window.click("main a[href*='block']").await;
    window.click("main form button.danger").await;
    window.sees("The user is blocked.").await;
    ann.get("/users/me").await.refused(403, "account_blocked");

    // Whatever was done stands in the log, and is found there.
    window.go("/admin/log").await;
    window.sees("user.block").await;
    window.fill("on", "product:tickets").await;
    window.click("form[action='/admin/log'] button.primary").await;
    window.sees("stock.adjust").await;
    window.sees("available 1 → 6").await;

    window.go("/admin/audit").await;
    window.click("form[action='/admin/audit'] button").await;
    window.find("main table").await;
    app.audit().await;
}

#[tokio::test]
async fn the_board_moves_as_the_sale_does() {
    let Some((app, _, window)) = a_shop(Looks::default()).await else { return };
    app.sell(reservation("100", 5)).await;
    window.go("/admin").await;
    window.find("[data-live]:not([hidden])").await;
    let ann = app.user("ann").await;
    for _ in 0..5 {
        ann.buy("100").await.ok(201);
    }
    ann.buy("100").await.refused(409, "sold_out");
    window.sees("Available\n0\nHeld\n0\nSold\n5").await;
    window.sees("Sold out").await;
    window.sees("sold_out").await;
}

/// Every page of the admin's, as pictures, without a serious fault for those who can't see them.
async fn tour(looks: Looks) {
    let Some((app, _, window)) = a_shop(looks).await else { return };
    app.sell(reservation("100", 30)).await;
    app.sell(reservation("110", 4)).await;
    let ann = app.member("ann").await;
    let order = id(&ann.buy("100").await.ok(201));
    let held = id(&ann.enter("100", 2).await.ok(201));
    for _ in 0..4 {
        ann.buy("110").await.ok(201);
    }
    ann.buy("110").await.refused(409, "sold_out");
    let user = format!("/admin/users/{}", ann.id);
    for (path, name) in [
        ("/admin", "board"),
        ("/admin/products", "products"),
        ("/admin/new-product", "new-product"),
        ("/admin/products/100", "product"),
        ("/admin/products/100/movements", "movements"),
        ("/admin/orders", "orders"),
        (&*format!("/admin/orders/{order}"), "order-completed"),
        (&*format!("/admin/orders/{held}"), "order-held"),
        ("/admin/users", "users"),
        (&*user, "user"),
        ("/admin/log", "log"),
        ("/admin/audit", "audit"),
    ] {
        window.go(path).await;
        window.find("main h1").await;
        window.is_accessible().await;
        window.picture(&format!("{}/admin-{name}", looks.folder())).await;
    }
}

tours!(tour);
