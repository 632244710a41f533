//! A server that is running already, seen as any client sees it: through its stock page.

use std::time::{Duration, Instant};

use reqwest::{Client, Response};
use serde::Deserialize;

use super::check::Counts;
use crate::kernel::error::{Error, Kind, Text};

/// How far a stock page may be behind the last commit; so long a server may also take to notice a new product.
const STALE_MAX: Duration = Duration::from_secs(1);
/// How long to wait for a product that another process has put on sale.
const NOTICE_MAX: Duration = Duration::from_secs(5);
/// The pause between two looks.
const LOOK_INTERVAL: Duration = Duration::from_millis(100);

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
            Err(error) if started.elapsed() >= NOTICE_MAX => return Err(error),
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
    stock(client, url, product_id).await
}

#[derive(Deserialize)]
struct StockPage {
    total: i64,
    available: i64,
    held: i64,
    sold: i64,
}

async fn stock(client: &Client, url: &str, product_id: &str) -> Result<Counts, Error> {
    let page = format!("{}/products/{product_id}/stock", url.trim_end_matches('/'));
    let response = client.get(page).send().await.and_then(Response::error_for_status);
    let page = match response {
        Ok(response) => response.json().await,
        Err(error) => Err(error),
    };
    let StockPage { total, available, held, sold } = page.map_err(|error| unreachable(url, &error))?;
    Ok(Counts { total, available, held, sold })
}

fn unreachable(url: &str, error: &reqwest::Error) -> Error {
    let detail = Text::made(
        format!("The server at {url} does not show the product's stock: {error}. Is it running, on the same database?"),
        format!("서버 {url}에서 재고를 읽을 수 없습니다: {error}"),
    );
    Error::new(Kind::Conflict, "server_unreachable", detail)
}

fn other_server(url: &str) -> Error {
    let detail = Text::made(
        format!("{url} does not show the product that was made for this run as new; is it another database's server?"),
        format!("{url}에서 이번 시험의 상품을 확인할 수 없습니다."),
    );
    Error::new(Kind::Conflict, "other_server", detail)
}
