//! Impatient hands: what buyers do twice, or again.

use std::sync::Mutex;
use std::sync::atomic::AtomicUsize;

use axum::http::HeaderValue;

use super::*;

/// The requests that a server got, one line each: the path, and what the request proves itself with.
type Asked = Arc<Mutex<Vec<String>>>;

fn header(headers: &HeaderMap, name: &str) -> String {
    headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or("-").to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_asked_to_come_back_does_so_under_the_same_key() {
    let (sender, keys) = flume::unbounded();
    let buy = async |State(sender): State<flume::Sender<String>>, headers: HeaderMap| {
        let earlier = sender.len();
        sender.send(header(&headers, "idempotency-key")).unwrap();
        if earlier > 0 {
            return completed();
        }
        let mut answer = problem(429, "rate_limited");
        answer.headers_mut().insert("retry-after", HeaderValue::from_static("0"));
        answer
    };
    let url = serve(Router::new().route("/payments/pre-order", post(buy)).with_state(sender)).await;
    let log = send(&scenario("buyers = 1\nconnections = 1", "'buy-retry'"), &url, 1).await;
    assert_eq!((log.requests, log.refusals["rate_limited"], log.completed.len()), (2, 1, 1));
    let keys: Vec<_> = keys.drain().collect();
    assert!(keys.len() == 2 && keys[0] == keys[1] && keys[0] != "-", "{keys:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_refused_for_good_does_not_come_back() {
    let url = serve(Router::new().route("/payments/pre-order", post(async || problem(409, "sold_out")))).await;
    let log = send(&scenario("buyers = 1\nconnections = 1", "'buy-retry'"), &url, 1).await;
    assert_eq!(log.requests, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_double_click_is_told_once() {
    let order = OrderId::fresh().to_string();
    let buy = async |State(order): State<String>| {
        (StatusCode::CREATED, Json(json!({"id": order, "state": "completed"}))).into_response()
    };
    let url = serve(Router::new().route("/payments/pre-order", post(buy)).with_state(order.clone())).await;
    let crowd = sent(&scenario("buyers = 1\nconnections = 1", "'double-click'"), &url, 1).await;
    let log = crowd.tally.log();
    assert_eq!(log.completed.iter().map(ToString::to_string).collect::<Vec<_>>(), [order]);
    assert_eq!((log.requests, crowd.broken.failures()), (2, Vec::new()));
}

#[tokio::test(flavor = "multi_thread")]
async fn two_orders_under_one_key_are_a_broken_promise_and_under_two_keys_they_are_not() {
    let url = serve(Router::new().route("/payments/pre-order", post(async || completed()))).await;
    let crowd = |steps| scenario("buyers = 3\nconnections = 1", steps);
    let double = sent(&crowd("'double-click'"), &url, 3).await;
    let broken = "two requests under one idempotency key got answers that can't both be true (3 times)";
    assert_eq!(double.broken.failures(), [broken]);
    let two_keys = sent(&crowd("'double-click-two-keys'"), &url, 3).await;
    assert_eq!((two_keys.broken.failures(), two_keys.tally.log().completed.len()), (Vec::new(), 6));
}

/// A server with passwords; each login gives the next number as a token, and of a refresh token's uses so many win.
struct Accounts {
    asked: Asked,
    logins: AtomicUsize,
    reissues: AtomicUsize,
    winners: usize,
}

impl Accounts {
    async fn open(winners: usize) -> (String, Asked) {
        let asked = Asked::default();
        let (logins, reissues) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let accounts = Arc::new(Self { asked: Arc::clone(&asked), logins, reissues, winners });
        (serve(Router::new().fallback(Self::answer).with_state(accounts)).await, asked)
    }

    async fn answer(State(accounts): State<Arc<Self>>, request: Request) -> Response {
        let (path, headers) = (request.uri().path().to_owned(), request.headers().clone());
        let proofs = ["authorization", "cookie"].map(|name| header(&headers, name));
        let body = String::from_utf8(to_bytes(request.into_body(), 1_000).await.unwrap().to_vec()).unwrap();
        accounts.asked.lock().unwrap().push(format!("{path} {}", proofs.join(" ")));
        let session = |number: usize| {
            let cookie = format!("refresh=r{number}; Path=/users; HttpOnly");
            ([("set-cookie", cookie)], Json(json!({"accessToken": format!("t{number}")}))).into_response()
        };
        match path.as_str() {
            "/users/login" if body == r#"{"email":"0@test","password":"secret"}"# => {
                session(accounts.logins.fetch_add(1, Ordering::SeqCst) + 1)
            }
            "/users/login" => problem(401, "invalid_credentials"),
            "/users/reissue" if accounts.reissues.fetch_add(1, Ordering::SeqCst) < accounts.winners => session(9),
            "/users/reissue" => problem(401, "refresh_reused"),
            _ => completed(),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_signed_in_asks_with_that_sessions_token() {
    let (url, asked) = Accounts::open(1).await;
    let steps = "'buy', 'sign-in', 'buy', 'refresh-storm', 'buy'";
    let crowd = sent(&scenario("buyers = 1\nconnections = 1", steps), &url, 1).await;
    let asked = asked.lock().unwrap();
    let mut expected = vec!["/payments/pre-order Bearer 0 -", "/users/login - -", "/payments/pre-order Bearer t1 -"];
    expected.extend(["/users/reissue - refresh=r1"; 5]);
    // The storm has ended the session, so there is another one.
    expected.extend(["/users/login - -", "/payments/pre-order Bearer t2 -"]);
    assert_eq!(*asked, expected);
    let log = crowd.tally.log();
    assert_eq!((log.refusals["refresh_reused"], log.errors_total()), (4, 0));
    assert_eq!(crowd.broken.failures(), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refresh_token_that_is_exchanged_twice_is_a_broken_promise() {
    let (url, _) = Accounts::open(2).await;
    let crowd = sent(&scenario("buyers = 1\nconnections = 1", "'refresh-storm'"), &url, 1).await;
    assert_eq!(crowd.broken.failures(), ["a refresh token was exchanged more than once (1 times)"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_not_let_in_leaves() {
    let (url, asked) = Accounts::open(1).await;
    // The second buyer's address is not known there.
    let log = send(&scenario("buyers = 2\nconnections = 1", "'sign-in', 'buy'"), &url, 2).await;
    assert_eq!(*asked.lock().unwrap(), ["/users/login - -", "/payments/pre-order Bearer t1 -", "/users/login - -"]);
    assert_eq!(log.errors["401 invalid_credentials"], 1);
}
