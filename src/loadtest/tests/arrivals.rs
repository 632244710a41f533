//! Who is let in, when, and from where.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};
use std::sync::Mutex;

use axum::extract::ConnectInfo;

use super::*;

/// A scenario with phases in the place of a crowd.
fn phased(phases: &str, rest: &str) -> Scenario {
    let text = format!(
        "name = 'test'\n[product]\nstock = 3\nprice = 1\n{phases}\n[[journeys]]\nsteps = ['buy']\n\
         [verdict]\nerror_rate_max = 1.0\n{rest}"
    );
    Scenario::parse("test.toml", &text).unwrap()
}

fn open(name: &str, keys: &str) -> String {
    format!("[[phases]]\nname = '{name}'\narrivals = 'open'\nconnections = 1\n{keys}\n")
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_waits_for_a_busy_connection_waits_from_when_they_came() {
    let url = serve(Router::new().route("/payments/pre-order", post(async || completed()))).await;
    let log = send(&phased(&open("all", "burst = 100"), ""), &url, 100).await;
    assert_eq!(log.requests, 100);
    #[expect(clippy::cast_precision_loss, reason = "the run is short")]
    let runs = log.latency_us.mean() * 100.0 / log.elapsed.as_micros() as f64;
    // One connection serves them all. Counted from sending, their times add up to the run at most; counted from when they
    // came, which is its start, to that many times more that nothing else explains it.
    assert!(runs > 5.0, "{runs} times the run");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_phase_follows_the_other() {
    let (sender, tokens) = flume::unbounded();
    let buy = async |State(sender): State<flume::Sender<usize>>, headers: HeaderMap| {
        let token = headers["authorization"].to_str().unwrap().strip_prefix("Bearer ").unwrap();
        sender.send(token.parse().unwrap()).unwrap();
        completed()
    };
    let url = serve(Router::new().route("/payments/pre-order", post(buy)).with_state(sender)).await;
    let closed = |name| format!("[[phases]]\nname = '{name}'\narrivals = 'closed'\nconnections = 4\nbuyers = 20\n");
    let phases = [closed("first"), open("second", "burst = 20"), closed("third")].concat();
    let log = send(&phased(&phases, ""), &url, 60).await;
    assert_eq!(log.completed.len(), 60);
    let order: Vec<_> = tokens.drain().collect();
    assert!(
        order[..20].iter().all(|buyer| *buyer < 20),
        "nobody else before the last of the first phase left: {order:?}"
    );
    assert_eq!(order.iter().collect::<BTreeSet<_>>().len(), 60, "each comes once");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_door_closes_for_those_who_were_to_come_later() {
    let url = serve(Router::new().route("/payments/pre-order", post(async || completed()))).await;
    let phases = open("all", "burst = 2\nper_second = 0.001\nseconds = 3000");
    let overrides = Overrides { duration: Some(Duration::from_secs(1)), ..Overrides::default() };
    let log = send(&phased(&phases, "").with(overrides).unwrap(), &url, 6).await;
    assert_eq!(log.requests, 3, "the burst and the first of the others");
}

#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread")]
async fn bots_share_an_address_and_people_do_not() {
    type Seen = Arc<Mutex<Vec<(IpAddr, usize)>>>;
    let buy = async |State(seen): State<Seen>, ConnectInfo(from): ConnectInfo<SocketAddr>, headers: HeaderMap| {
        let token = headers["authorization"].to_str().unwrap().strip_prefix("Bearer ").unwrap();
        seen.lock().unwrap().push((from.ip(), token.parse().unwrap()));
        problem(429, "rate_limited")
    };
    let seen = Seen::default();
    let router = Router::new().route("/payments/pre-order", post(buy)).with_state(Arc::clone(&seen));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let service = router.into_make_service_with_connect_info::<SocketAddr>();
    tokio::spawn(async move { axum::serve(listener, service).await });
    let bots = "[bots]\nshare = 0.5\naddresses = 7\nsteps = ['buy', 'buy']\n";
    let scenario = phased("[crowd]\nbuyers = 100\nconnections = 5", bots);
    let crowd = sent(&scenario, &url, 100).await;

    let seen = seen.lock().unwrap();
    let from = |bots: bool| {
        let of_side = seen.iter().filter(|(_, buyer)| crowd.plan.is_bot(*buyer) == bots);
        of_side.map(|(address, _)| address.to_string()).collect::<Vec<_>>()
    };
    let (bots, people) = (from(true), from(false));
    assert!(bots.iter().all(|address| address == "127.0.0.2"), "{bots:?}");
    assert_eq!(people.iter().collect::<BTreeSet<_>>().len(), 7, "{people:?}");
    assert!(!people.iter().any(|address| address == "127.0.0.2"));
    let sides = crowd.bots.as_ref().unwrap().sides();
    assert_eq!((sides.bots.requests, sides.people.requests), (bots.len() as u64, people.len() as u64));
    assert_eq!((sides.bots.rate_limited, sides.people.rate_limited), (bots.len() as u64, people.len() as u64));
}

#[test]
fn bots_need_a_server_on_this_machine() {
    let bots = phased("[crowd]\nbuyers = 1\nconnections = 1", "[bots]\nshare = 0.5\nsteps = ['buy']\n").bots;
    let error = Clients::new("http://192.0.2.1:80", bots.as_ref()).err().unwrap();
    assert_eq!(error.code(), "no_addresses");
    assert!(error.to_string().contains("the server must be at 127.0.0.1"), "{error}");
}
