//! Crowds: nothing is oversold while they buy, leave and are declined, and nothing is lost afterwards.

use std::collections::HashMap;

use futures_util::future::join_all;
use preorder::kernel::actor::Role;
use preorder::ledger::Ledger;
use preorder::users::SeedUser;
use reqwest::Method;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde_json::{Value, json};

use crate::support::{Answer, Asker, PASSWORD, TestApp, all_pay, eventually, id, reservation};

const UNITS: i64 = 100;
const BUYERS: usize = 1_000;

/// Many buyers with tokens, made in bulk.
async fn crowd(app: &TestApp, count: usize) -> Vec<Asker> {
    // A connection has two ends, and both are in this process.
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit }).unwrap();
    let users = &app.app.users;
    let hash = users.hash_password(PASSWORD.to_owned()).await.unwrap();
    let seeds = (0..count).map(|n| SeedUser {
        email: format!("buyer{n}@example.com").parse().unwrap(),
        name: format!("Buyer {n}"),
        greeting: String::new(),
        role: Role::User,
    });
    users.add_many(seeds.collect(), &hash).await.unwrap();
    let mut crowd = Vec::new();
    users
        .tokens_for_all(None, |_, token| {
            crowd.push(app.bearer(token));
            Ok(())
        })
        .await
        .unwrap();
    assert_eq!(crowd.len(), count);
    crowd
}

/// What one buyer was told.
#[derive(Default)]
struct Told {
    completed: Vec<String>,
    held: Vec<String>,
    refusals: Vec<String>,
}

impl Told {
    /// Notes an answer; gives the order of a success.
    fn note(&mut self, answer: &Answer) -> Option<String> {
        if !answer.status.is_success() {
            let code = answer.body["code"].as_str().unwrap_or_else(|| panic!("{answer:?}"));
            self.refusals.push(code.to_owned());
            return None;
        }
        let order = id(&answer.body);
        match answer.body["state"].as_str().unwrap() {
            "completed" => self.completed.push(order.clone()),
            "held" => self.held.push(order.clone()),
            _ => {}
        }
        Some(order)
    }
}

/// Every fourth enters and leaves, every fourth enters and pays, every eighth only enters; the others buy in one call.
async fn shop(buyer: Asker, number: usize) -> Told {
    let mut told = Told::default();
    if number % 4 > 1 && number % 8 != 7 {
        told.note(&buyer.buy("100").await);
        return told;
    }
    let Some(order) = told.note(&buyer.enter("100", 1).await) else { return told };
    match number % 4 {
        0 => {
            told.held.clear();
            assert_eq!(buyer.leave(&order).await.ok(200)["state"], "cancelled");
        }
        1 => {
            told.held.clear();
            told.note(&buyer.confirm(&order).await);
        }
        _ => {}
    }
    told
}

/// Looks at the stock page again and again; every look must add up.
async fn watch(anyone: Asker) {
    loop {
        let stock = anyone.get("/stocks/100").await.ok(200);
        let count = |name: &str| stock[name].as_i64().unwrap();
        assert!(count("available") >= 0 && count("sold") + count("held") <= UNITS, "{stock}");
        assert_eq!((count("total"), count("available") + count("held") + count("sold")), (UNITS, UNITS), "{stock}");
    }
}

/// Runs `crowd` while somebody watches the stock page.
async fn watched<T>(app: &TestApp, crowd: impl Future<Output = T>) -> T {
    tokio::select! {
        told = crowd => told,
        () = watch(app.anonymous()) => unreachable!("the watcher never stops looking"),
    }
}

/// The history, step by step: at no moment was there more or less than there is.
fn replay_history(newest_first: &[Value]) -> [i64; 3] {
    let mut counts = [0; 3];
    for (n, movement) in newest_first.iter().rev().enumerate() {
        assert_eq!(movement["number"], n + 1);
        for (count, name) in counts.iter_mut().zip(["available", "held", "sold"]) {
            *count += movement[name].as_i64().unwrap();
            assert!((0..=UNITS).contains(count), "after {movement}");
        }
        assert_eq!(counts.iter().sum::<i64>(), UNITS, "after {movement}");
    }
    counts
}

fn states(orders: &[Value]) -> HashMap<&str, usize> {
    orders.iter().fold(HashMap::new(), |mut states, order| {
        *states.entry(order["state"].as_str().unwrap()).or_default() += 1;
        states
    })
}

/// Buys until the simulated bank and the buyer's own mood let it happen.
async fn buy_for_sure(buyer: &Asker) -> String {
    loop {
        let answer = buyer.buy("100").await;
        match answer.body["code"].as_str() {
            Some("payment_declined" | "payment_abandoned") => {}
            _ => return id(&answer.ok(201)),
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_buyers_at_once_buy_a_hundred_units_and_every_unit_can_be_sold_again() {
    let app = TestApp::with(|config| {
        config.payment.simulated.abandon_rate = 0.2;
        config.payment.simulated.decline_rate = 0.2;
    })
    .await;
    let buyers = crowd(&app, BUYERS).await;
    let admin = app.admin().await;
    let mut draft = reservation("100", UNITS);
    draft.per_buyer_limit = Some(1);
    draft.hold_seconds = Some(3_600);
    app.sell(draft).await;

    let calls = buyers.iter().cloned().enumerate().map(|(number, buyer)| tokio::spawn(shop(buyer, number)));
    let told = watched(&app, join_all(calls)).await;
    let told: Vec<Told> = told.into_iter().map(Result::unwrap).collect();

    // What the buyers were told is what the rows say.
    let (mut completed, mut held) = (0, 0);
    for (buyer, told) in buyers.iter().zip(&told) {
        let of_class = ["sold_out", "payment_declined", "payment_abandoned"];
        assert!(told.refusals.iter().all(|code| of_class.contains(&code.as_str())), "{:?}", told.refusals);
        let orders = buyer.pages("/purchases", 100).await;
        let states = states(&orders);
        assert_eq!(states.get("completed").copied().unwrap_or(0), told.completed.len());
        assert_eq!(states.get("held").copied().unwrap_or(0), told.held.len());
        completed += i64::try_from(told.completed.len()).unwrap();
        held += i64::try_from(told.held.len()).unwrap();
    }
    assert!(completed > 0 && completed + held <= UNITS, "{completed} sold and {held} held");
    assert_eq!(app.units("100").await, [UNITS - completed - held, held, completed]);
    let audit = Ledger::audit(&app.app.db).await.unwrap();
    assert_eq!((audit.orders.completed, audit.orders.held), (completed, held));
    app.audit().await;
    let history = admin.pages("/stocks/100/movements", 100).await;
    assert_eq!(replay_history(&history), [UNITS - completed - held, held, completed]);

    // Everybody gives back what they have, all at once and some of them twice.
    let returns = buyers.iter().zip(told).flat_map(|(buyer, told)| {
        let again = told.completed.clone();
        let refunds = told.completed.into_iter().chain(again).map(|order| (order, true));
        refunds.chain(told.held.into_iter().map(|order| (order, false))).map(move |(order, paid)| {
            let buyer = buyer.clone();
            tokio::spawn(
                async move { if paid { buyer.refund(&order).await } else { buyer.leave(&order).await }.ok(200) },
            )
        })
    });
    for given_back in watched(&app, join_all(returns)).await {
        given_back.unwrap();
    }
    assert_eq!(app.units("100").await, [UNITS, 0, 0]);

    // And every unit is there to be sold to somebody else, to exactly as many.
    let (lucky, late) = (buyers.len() - 100, buyers.len() - 101);
    let sales = buyers[lucky..].iter().map(buy_for_sure);
    assert_eq!(watched(&app, join_all(sales)).await.len(), 100);
    buyers[late].buy("100").await.refused(409, "sold_out");
    assert_eq!(app.units("100").await, [0, 0, UNITS]);
    app.audit().await;
    assert_eq!(replay_history(&admin.pages("/stocks/100/movements", 100).await), [0, 0, UNITS]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn holds_that_run_out_during_the_rush_are_sold_to_others() {
    let (app, clock) = TestApp::with_clock(all_pay).await;
    let buyers = crowd(&app, 300).await;
    let mut draft = reservation("100", UNITS);
    draft.per_buyer_limit = Some(1);
    app.sell(draft).await;
    let sleepers = join_all(buyers[..100].iter().map(|buyer| buyer.hold("100"))).await;
    buyers[100].buy("100").await.refused(409, "sold_out");
    clock.advance_seconds(60);
    // Those who come late to their hold, and those who wait for its units.
    let confirm = async |n: usize| buyers[n].confirm(&sleepers[n]).await.refused(410, "hold_expired");
    let buy = async |n: usize| buyers[n].buy("100").await;
    let (_, bought) =
        watched(&app, async { tokio::join!(join_all((0..100).map(confirm)), join_all((100..300).map(buy))) }).await;
    let (sold, refused): (Vec<_>, Vec<_>) = bought.into_iter().partition(|answer| answer.status == 201);
    assert_eq!(sold.len(), 100);
    for answer in refused {
        answer.refused(409, "sold_out");
    }
    assert_eq!(app.units("100").await, [0, 0, UNITS]);
    app.audit().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_servers_on_one_database_never_oversell() {
    let one = TestApp::start().await;
    let buyers = crowd(&one, 200).await;
    one.sell(reservation("100", UNITS)).await;
    let two = one.beside().await;
    let calls = buyers.iter().enumerate().map(|(n, buyer)| {
        let buyer = if n % 2 == 0 { buyer.clone() } else { buyer.over_at(&two) };
        tokio::spawn(async move {
            let mut orders = Vec::new();
            // Busy is not gone: the other server may just have had the database for itself.
            while orders.len() < 2 {
                let answer = buyer.buy("100").await;
                match answer.body["code"].as_str() {
                    None => orders.push(id(&answer.ok(201))),
                    Some("sold_out") => break,
                    Some("busy" | "payment_declined" | "payment_abandoned") => {}
                    Some(_) => panic!("{answer:?}"),
                }
            }
            orders
        })
    });
    let told = watched(&one, watched(&two, join_all(calls))).await;
    let mut sold: Vec<String> = told.into_iter().flat_map(Result::unwrap).collect();
    sold.sort_unstable();
    sold.dedup();
    let sold = i64::try_from(sold.len()).unwrap();
    one.audit().await;
    let audit = Ledger::audit(&one.app.db).await.unwrap();
    assert_eq!((audit.orders.completed, audit.orders.held), (sold, 0));
    let counts = &audit.products[0];
    assert_eq!((counts.total, counts.available, counts.sold), (UNITS, UNITS - sold, sold));
    assert_eq!(sold, UNITS, "whoever was told that it was sold out was told the truth");
    for (server, buyer) in [(&one, &buyers[0]), (&two, &buyers[0].over_at(&two))] {
        eventually(buyer, "/stocks/100", |answer| answer.body["sold"] == UNITS).await;
        assert_eq!(server.units("100").await, [0, 0, UNITS]);
    }
    let history = one.admin().await.pages("/stocks/100/movements", 100).await;
    assert_eq!(replay_history(&history), [0, 0, UNITS]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_limit_that_is_set_during_the_rush_is_kept() {
    let app = TestApp::with(all_pay).await;
    let (admin, ann) = (app.admin().await, app.user("ann").await);
    for round in 0..20 {
        let product = format!("{round}");
        app.sell(reservation(&product, UNITS)).await;
        ann.buy(&product).await.ok(201);
        let path = format!("/products/{product}");
        let change = admin.request(Method::PATCH, &path).json(&json!({"perBuyerLimit": 1}));
        let (limited, bought) = tokio::join!(admin.send(change), join_all((0..8).map(|_| ann.buy(&product))));
        let more = bought.iter().filter(|answer| answer.status == 201).count();
        if limited.status == 200 {
            assert_eq!(more, 0, "bought beyond the limit that was set");
        } else {
            limited.refused(409, "limit_below_orders");
        }
    }
    app.audit().await;
}
