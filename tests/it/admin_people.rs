//! The admin's pages about orders, users and the audit, from a browser without a script.

use preorder::kernel::actor::{By, Role};
use preorder::kernel::ids::UserId;
use preorder::store::Location;
use preorder::trail::{Action, Deed};
use reqwest::Method;
use serde_json::json;

use crate::admin::{boss, press};
use crate::support::{PASSWORD, Seen, Shell, TestApp, all_pay, general, id, reservation};

/// The ids of the orders that a list shows, in its order.
fn listed(page: &Seen) -> Vec<String> {
    let links = page.html.split("<a href=\"/admin/orders/").skip(1);
    links.map(|rest| rest.split('"').next().unwrap().to_owned()).collect()
}

/// Where the next page is.
fn next(page: &Seen) -> Option<String> {
    let before = page.html.split(r#" rel="next""#).next().filter(|it| it.len() < page.html.len())?;
    let link = before.rsplit("href=\"").next().unwrap().split('"').next().unwrap();
    Some(link.replace("&#38;", "&"))
}

#[tokio::test]
async fn orders_are_found_by_id_buyer_product_and_state() {
    let app = TestApp::with(all_pay).await;
    app.sell(reservation("100", 50)).await;
    app.sell(general("200", 50)).await;
    let (ann, bob) = (app.user("ann").await, app.user("bob").await);
    let first = id(&ann.buy("100").await.ok(201));
    let held = ann.hold("200").await;
    let bobs = id(&bob.buy("100").await.ok(201));
    let boss = boss(&app).await;
    let find = async |query: &str| listed(&boss.open(&format!("/admin/orders?{query}")).await.is(200));
    assert_eq!(find("").await, [&*bobs, &*held, &*first]);
    assert_eq!(find("q=ann@example.com").await, [&*held, &*first]);
    assert_eq!(find("q=ann%40example.com&product=100").await, [&*first]);
    assert_eq!(find("product=100&state=completed").await, [&*bobs, &*first]);
    assert_eq!(find("state=held&q=").await, [&*held]);
    assert!(find("state=refunded").await.is_empty());
    let number = app.app.users.find("bob@example.com").await.unwrap().id;
    assert_eq!(find(&format!("q={number}")).await, [&*bobs]);
    let found = boss.open(&format!("/admin/orders?q={held}")).await.is(200);
    assert_eq!(found.path, format!("/admin/orders/{held}"));
    found.says(&["Held", "ann@example.com", "The time to pay ends."]);
    for nobody in ["q=nobody@example.com", "q=%3Cscript%3E", "product=%20%2F", "q=01a21075-8273-74ed-a843-b4b27d32703b"]
    {
        let page = boss.open(&format!("/admin/orders?{nobody}")).await.is(200).says(&["no such order or buyer"]);
        assert!(!page.html.contains("value=\"<script"));
    }
    boss.open("/admin/orders/nonsense").await.is(404);
    boss.open("/admin/orders?cursor=nonsense").await.is(422);
}

#[tokio::test]
async fn orders_come_page_by_page() {
    let app = TestApp::with(all_pay).await;
    app.sell(general("200", 100)).await;
    let ann = app.user("ann").await;
    let mut held = Vec::new();
    for _ in 0..30 {
        held.push(ann.hold("200").await);
    }
    held.reverse();
    let boss = boss(&app).await;
    for query in ["", "q=ann@example.com&state=held"] {
        let first = boss.open(&format!("/admin/orders?{query}")).await;
        let second = boss.open(&next(&first).expect("there are more")).await.is(200);
        assert_eq!([listed(&first), listed(&second)].concat(), held, "{query}");
        assert_eq!((listed(&first).len(), next(&second)), (25, None));
    }
}

#[tokio::test]
async fn an_admin_cancels_a_hold_and_pays_an_order_back() {
    let app = TestApp::with(all_pay).await;
    app.sell(reservation("100", 5)).await;
    let ann = app.user("ann").await;
    let (held, bought) = (ann.hold("100").await, id(&ann.buy("100").await.ok(201)));
    let boss = boss(&app).await;
    let page = boss.open(&format!("/admin/orders/{held}")).await;
    let cancel = format!("/admin/orders/{held}/cancel");
    press(&boss, &page, &cancel).await.is(200).says(&["The order is cancelled", "An admin cancelled"]);
    assert_eq!(ann.order(&held).await["reason"], "by_admin");
    // A double click, and the button of a page from before.
    press(&boss, &page, &cancel).await.is(200);
    assert!(!boss.open(&format!("/admin/orders/{held}")).await.has_form(&cancel));

    let page = boss.open(&format!("/admin/orders/{bought}")).await.says(&["Completed", "Paid; the units are sold."]);
    assert!(page.html.contains(&format!("/admin/orders/{bought}/refund")));
    // What was paid meanwhile is not paid back by who wanted to cancel.
    let form = page.form("/settings", &[]);
    boss.post(&format!("/admin/orders/{bought}/cancel"), &form).await.is(409).says(&["completed"]);
    assert_eq!(app.units("100").await, [4, 0, 1]);
    let refund = format!("/admin/orders/{bought}/refund");
    let question = boss.open(&refund).await.is(200).says(&["Refund this order?", "₩1,500"]);
    press(&boss, &question, &refund).await.is(200).says(&["The order is refunded", "Refunded"]);
    assert_eq!(app.units("100").await, [5, 0, 0]);
    let again = press(&boss, &question, &refund).await;
    assert_eq!(app.units("100").await, [5, 0, 0], "{}", again.text());
    app.audit().await;
}

#[tokio::test]
async fn orders_leave_as_a_sheet_in_which_nothing_is_a_formula() {
    let app = TestApp::with(all_pay).await;
    app.sell(reservation("100", 5)).await;
    app.sell(general("-1", 5)).await;
    let (ann, bob) = (app.user("ann").await, app.user("bob").await);
    let bought = id(&ann.buy("100").await.ok(201));
    let risky = bob.hold("-1").await;
    let boss = boss(&app).await;
    let sheet = boss.ask(Method::GET, "/admin/orders.csv").await;
    assert_eq!((sheet.status.as_u16(), sheet.header("content-type")), (200, "text/csv; charset=utf-8"));
    assert_eq!(sheet.header("content-disposition"), "attachment; filename=\"orders.csv\"");
    let lines: Vec<_> = sheet.html.lines().collect();
    assert!(lines[0].starts_with("id,buyer,product,"));
    assert!(lines[1].starts_with(&risky) && lines[1].contains(",'-1,"), "{}", lines[1]);
    assert!(lines[2].starts_with(&bought) && lines[2].contains(",100,1,1500,KRW,completed,"), "{}", lines[2]);
    assert_eq!(lines.len(), 3);
    for (query, expected) in
        [("state=completed", 1), ("q=bob@example.com", 1), ("q=nobody@example.com", 0), ("product=100", 1)]
    {
        let sheet = boss.ask(Method::GET, &format!("/admin/orders.csv?{query}")).await;
        assert_eq!(sheet.html.lines().count(), 1 + expected, "{query}");
    }
    let one = boss.ask(Method::GET, &format!("/admin/orders.csv?q={risky}")).await;
    assert_eq!(one.html.lines().nth(1), Some(lines[1]));
    // The command line prints the same.
    let shell = Shell::new();
    let Location::Sqlite(path) = &app.app.config.db;
    let printed = shell.ok(&format!("order export --format csv --db sqlite:{}", path.display()));
    assert_eq!(printed, sheet.html);
}

#[tokio::test]
async fn users_are_found_by_name_address_number_and_state() {
    let app = TestApp::start().await;
    for name in ["anna", "Ann", "bob"] {
        app.account(name, Role::User).await;
    }
    let boss = boss(&app).await;
    let find = async |query: &str| boss.open(&format!("/admin/users?{query}")).await.is(200);
    find("").await.says(&["anna", "Ann", "bob", "boss"]);
    find("q=AN").await.says(&["anna@example.com", "ann@example.com"]).does_not_say("bob@example.com");
    find("q=bo&role=admin").await.says(&["boss@example.com"]).does_not_say("bob@example.com");
    find("q=zoe").await.says(&["No users match."]);
    find("q=%25").await.says(&["No users match."]);
    find("state=blocked").await.says(&["No users match."]);
    assert_eq!(find("q=bob@example.com").await.path, "/admin/users/3");
    assert_eq!(find("q=2").await.path, "/admin/users/2");
    for number in 0..30 {
        app.account(&format!("crowd{number:02}"), Role::User).await;
    }
    let first = find("q=crowd").await.says(&["crowd00@", "crowd24@"]).does_not_say("crowd25@");
    boss.open(&next(&first).unwrap()).await.is(200).says(&["crowd25@", "crowd29@"]).does_not_say("crowd24@");
}

#[tokio::test]
async fn a_user_is_blocked_and_let_in_again() {
    let app = TestApp::start().await;
    let ann = app.account("ann", Role::User).await;
    let (boss, browser) = (boss(&app).await, app.signed_in_browser("ann").await);
    let path = format!("/admin/users/{}", ann.id);
    let block = format!("{path}/block");
    let question = boss.open(&block).await.is(200).says(&["Block ann?"]).does_not_say("This is you.");
    press(&boss, &question, &block).await.is(200).says(&["The user is blocked.", "Blocked"]);
    let page = browser.open("/signin").await;
    let typed = [("email", "ann@example.com"), ("password", PASSWORD)];
    browser.submit(&page, "/signin", &typed).await.is(403).says(&["blocked"]);
    let page = boss.open(&path).await;
    press(&boss, &page, &format!("{path}/unblock")).await.is(200).says(&["The user may come in again.", "Active"]);
    browser.sign_in("ann").await.is(200).says(&["Sign out"]);
    boss.open("/admin/users/99").await.is(404);
}

#[tokio::test]
async fn the_last_admin_keeps_their_rights() {
    let app = TestApp::start().await;
    let ann = app.account("ann", Role::User).await;
    let boss = boss(&app).await;
    let own = app.app.users.find("boss@example.com").await.unwrap().id;
    for deed in ["block", "role"] {
        let path = format!("/admin/users/{own}/{deed}");
        let question = boss.open(&path).await.is(200).says(&["This is you."]);
        press(&boss, &question, &path).await.is(409).says(&["the last admin who can act"]);
    }
    let path = format!("/admin/users/{}/role", ann.id);
    let question = boss.open(&path).await.is(200).says(&["Change the role of ann?", "Make admin"]);
    press(&boss, &question, &path).await.is(200).says(&["The role is changed.", "Admin"]);
    boss.submit(&question, &path, &[("role", "king")]).await.is(422).says(&["Allowed"]);
    // An admin who is locked out does not count as one who can act.
    app.app.users.block(ann.id).await.unwrap();
    let path = format!("/admin/users/{own}/role");
    let question = boss.open(&path).await;
    press(&boss, &question, &path).await.is(409);
    app.app.users.unblock(ann.id).await.unwrap();
    // Now there is another one. Who has given the rights up is shown the shop.
    assert_eq!(press(&boss, &question, &path).await.is(200).path, "/");
    boss.open("/admin").await.is(404);
    assert_eq!(app.app.users.get(ann.id).await.unwrap().role, Role::Admin);
}

#[tokio::test]
async fn sessions_end_one_by_one_and_all_at_once() {
    let app = TestApp::start().await;
    let ann = app.account("ann", Role::User).await;
    let (boss, phone, laptop) =
        (boss(&app).await, app.signed_in_browser("ann").await, app.signed_in_browser("ann").await);
    let (path, revoke) = (format!("/admin/users/{}", ann.id), format!("/admin/users/{}/revoke", ann.id));
    let page = boss.open(&path).await.is(200).says(&["Live"]);
    // The newest comes first.
    let laptops = page.html.split("name=\"session\" value=\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
    boss.submit(&page, &revoke, &[("session", &laptops)]).await.is(200).says(&["Ended."]);
    laptop.open("/").await.does_not_say("Sign out");
    phone.open("/").await.says(&["Sign out"]);
    for unknown in ["01a21075-8273-74ed-a843-b4b27d32703b", "nonsense"] {
        boss.submit(&page, &revoke, &[("session", unknown)]).await.is(404).says(&["no such session"]);
    }
    press(&boss, &page, &revoke).await.is(200);
    phone.open("/").await.does_not_say("Sign out");
    // One's own.
    let own = app.app.users.find("boss@example.com").await.unwrap().id;
    let page = boss.open(&format!("/admin/users/{own}")).await.says(&["this one"]);
    let end = press(&boss, &page, &format!("/admin/users/{own}/revoke")).await.is(200);
    end.says(&["You have been signed out."]);
}

#[tokio::test]
async fn the_audit_tells_of_each_check() {
    let app = TestApp::with(all_pay).await;
    app.sell(reservation("100", 5)).await;
    app.user("ann").await.buy("100").await.ok(201);
    let boss = boss(&app).await;
    let page = boss.open("/admin/audit").await.is(200).says(&["No audit has been run"]);
    let done = press(&boss, &page, "/admin/audit").await.is(200);
    done.says(&["The books are right", "counts_not_negative", "likes_give_the_counts", "holds", "0 held, 1 completed"]);
    app.app
        .db
        .write(|conn| {
            conn.execute("UPDATE offers SET available = available + 1, total = total + 1", &[])?;
            Ok(())
        })
        .await
        .unwrap();
    let page = press(&boss, &page, "/admin/audit").await.is(200);
    page.says(&["The books are wrong", "BROKEN", "broken by 100"]);
}

#[tokio::test]
async fn what_was_done_is_found_by_who_and_what_and_when() {
    let app = TestApp::with(all_pay).await;
    app.sell(reservation("100", 10)).await;
    let ann = app.account("ann", Role::User).await;
    let boss = boss(&app).await;
    let admin = app.app.users.find("boss@example.com").await.unwrap().id;
    let page = boss.open("/admin/products/100").await;
    let typed = [("delta", "-3"), ("reason", "<b>broken</b>")];
    boss.submit(&page, "/admin/products/100/stock", &typed).await.is(200);
    let page = boss.open(&format!("/admin/users/{}/block", ann.id)).await;
    press(&boss, &page, &format!("/admin/users/{}/block", ann.id)).await.is(200);

    let all = boss.open("/admin/log").await.is(200);
    all.says(&["stock.adjust", "available 10 → 7", "<b>broken</b>", "user.block", "state active → blocked"]);
    let here = format!("/admin/log?by={admin}");
    let log = boss.open(&here).await.is(200).says(&["user.block", &format!("Admin {admin}")]);
    log.does_not_say("Command line (");
    boss.open("/admin/log?by=boss%40example.com&action=stock.adjust").await.is(200).says(&["stock.adjust"]);
    boss.open("/admin/log?by=console")
        .await
        .is(200)
        .says(&["Command line (", "product.add"])
        .does_not_say("stock.adjust");
    boss.open(&format!("/admin/log?on=user:{}", ann.id)).await.is(200).says(&["user.block", "user.add"]);
    boss.open("/admin/log?since=2100-01-01T00:00").await.is(200).says(&["Nothing was done that matches."]);
    boss.open("/admin/log?until=2100-01-01T00:00&action=user.block").await.is(200).says(&["user.block"]);
    boss.open("/admin/log?by=nobody%40example.com").await.is(404).says(&["There is no such user."]);
    boss.open("/admin/log").await.says(&["Units changed"]);
    boss.open("/admin/log?on=nothing&since=soon").await.is(422).says(&["Allowed: a kind", "Allowed: an RFC 3339 time"]);
    boss.open("/admin/log?action=eat").await.is(422).says(&["Allowed: one of"]);

    for number in 0..60 {
        let deed = Deed::new(Action::UserExport, UserId(number), json!(null));
        app.app.trail.note(By::Console, deed).await.unwrap();
    }
    let first = boss.open("/admin/log?action=user.export").await.is(200);
    let second = boss.open(&next(&first).unwrap()).await.is(200);
    assert!(next(&second).is_none());
    second.says(&["user:0"]).does_not_say("user:59");
    boss.korean().open("/admin/log").await.is(200).says(&["감사 기록", "user.export", "한국 시간"]);
}
