//! A server that is running already, seen as any client sees it: through its stock page.

use std::time::{Duration, Instant};

use reqwest::{Client, Response, Url};
use serde::Deserialize;

use super::check::Counts;
use super::machine::Cpu;
use super::tally::Tally;
use crate::kernel::error::{Error, Kind, Text};

/// How far a stock page may be behind the last commit; so long a server may also take to notice a new product.
const STALE_MAX: Duration = Duration::from_secs(1);
/// How long to wait for a product that another process has put on sale.
const NOTICE_MAX: Duration = Duration::from_secs(5);
/// How closely the opening of the door is watched: what the processors did before it does not count.
const OPENING_INTERVAL: Duration = Duration::from_millis(5);
/// The pause between two looks at a product that is to appear.
const LOOK_INTERVAL: Duration = Duration::from_millis(100);

/// Reads the address of a server as the command line takes it.
///
/// # Errors
/// What is allowed, for anything else.
pub fn parse_url(text: &str) -> Result<String, &'static str> {
    let good = Url::parse(text).is_ok_and(|url| url.scheme() == "http" && url.has_host());
    if good { Ok(text.to_owned()) } else { Err("allowed: http://ADDRESS:PORT") }
}

/// Makes sure that a preorder server answers at `url`.
///
/// # Errors
/// `server_unreachable`, or `not_preorder` when somebody else answers.
pub(super) async fn greet(client: &Client, url: &str) -> Result<(), Error> {
    #[derive(Deserialize)]
    struct Health {
        status: String,
    }
    let page = format!("{}/healthz", url.trim_end_matches('/'));
    let response = client.get(page).send().await.map_err(|error| unreachable(url, error))?;
    match response.json::<Health>().await {
        Ok(health) if health.status == "ok" => Ok(()),
        _ => {
            let detail = Text::made(
                format!("{url} answers, but not as a preorder server."),
                format!("{url}은(는) preorder 서버가 아닙니다."),
            );
            Err(Error::new(Kind::Conflict, "not_preorder", detail))
        }
    }
}

/// Waits until the server shows the product, new and with all its units.
///
/// # Errors
/// `server_unreachable`, or `other_server` when what it shows is not the sale that was made.
pub(super) async fn wait_for_sale(client: &Client, url: &str, product_id: &str, units: i64) -> Result<(), Error> {
    let started = Instant::now();
    loop {
        match stock(client, url, product_id).await {
            Ok(page) if page.total == units && page.available == units => return Ok(()),
            Ok(_) => return Err(other_server(url)),
            Err(error) if started.elapsed() >= NOTICE_MAX => {
                return Err(if error.is_status() { other_server(url) } else { unreachable(url, error) });
            }
            Err(_) => {}
        }
        tokio::time::sleep(LOOK_INTERVAL).await;
    }
}

/// The counts once the page can't be behind any more.
///
/// # Errors
/// `server_unreachable`.
pub(super) async fn settled_stock(client: &Client, url: &str, product_id: &str) -> Result<Counts, Error> {
    tokio::time::sleep(STALE_MAX).await;
    stock(client, url, product_id).await.map_err(|error| unreachable(url, error))
}

/// Looks at the stock and the processors now and then, from the opening of the door, for as long as it is polled; `server` is the temporary server's
/// process. These looks are none of the crowd's requests.
pub(super) async fn watch(
    client: &Client,
    url: &str,
    product_id: &str,
    server: Option<u32>,
    tally: &Tally,
) -> std::convert::Infallible {
    while tally.open_for().is_none() {
        tally.look(None, Cpu::now(server));
        tokio::time::sleep(OPENING_INTERVAL).await;
    }
    loop {
        let units = tokio::time::timeout(STALE_MAX, stock(client, url, product_id)).await;
        let pause = tally.look(units.ok().and_then(Result::ok), Cpu::now(server));
        tokio::time::sleep(pause).await;
    }
}

#[derive(Deserialize)]
struct StockPage {
    total: i64,
    available: i64,
    held: i64,
    sold: i64,
}

async fn stock(client: &Client, url: &str, product_id: &str) -> Result<Counts, reqwest::Error> {
    let page = format!("{}/products/{product_id}/stock", url.trim_end_matches('/'));
    let response = client.get(page).send().await.and_then(Response::error_for_status)?;
    let StockPage { total, available, held, sold } = response.json().await?;
    Ok(Counts { total, available, held, sold })
}

fn unreachable(url: &str, error: reqwest::Error) -> Error {
    let detail = if error.is_connect() {
        Text::made(format!("There is no server at {url}."), format!("{url}에서 실행 중인 서버가 없습니다."))
    } else {
        let why = error.without_url();
        Text::made(
            format!("The server at {url} does not answer as it should: {why}."),
            format!("서버 {url}의 응답이 올바르지 않습니다: {why}"),
        )
    };
    Error::new(Kind::Conflict, "server_unreachable", detail)
}

fn other_server(url: &str) -> Error {
    let detail = Text::made(
        format!(
            "The server at {url} does not show the product that was made for this run: it sells from another database."
        ),
        format!("{url}에서 이번 시험의 상품을 확인할 수 없습니다."),
    );
    Error::new(Kind::Conflict, "other_server", detail)
}
