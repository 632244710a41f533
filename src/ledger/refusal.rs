//! The words of the refusals: code, class, and a sentence in both languages, each in one place.

use super::command::{Failure, Refusal};
use super::model::{State, Stock};
use crate::kernel::error::{Error, Kind, Text};
use crate::kernel::limits::STOCK_MAX;

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::ProductNotFound => {
                Self::not_found("product_not_found", Text::fixed("There is no such product.", "없는 상품입니다."))
            }
            Refusal::NotAReservation => Self::invalid_field(
                "productId",
                "not_a_reservation",
                Text::fixed(
                    "This is a general product; enter payment with POST /payments.",
                    "일반 상품입니다. POST /payments 로 결제에 진입하세요.",
                ),
            ),
            Refusal::SaleNotOpen(opens_at) => Self::new(
                Kind::Forbidden,
                "sale_not_open",
                Text::made(format!("The sale opens at {opens_at}."), format!("판매는 {opens_at}에 시작합니다.")),
            )
            .with("opensAt", opens_at),
            Refusal::SaleClosed => {
                Self::new(Kind::Forbidden, "sale_closed", Text::fixed("The sale is over.", "판매가 끝났습니다."))
            }
            Refusal::SoldOut => Self::new(
                Kind::Conflict,
                "sold_out",
                Text::fixed("Not enough units are left.", "남은 수량이 부족합니다."),
            ),
            Refusal::LimitReached => Self::new(
                Kind::Conflict,
                "limit_reached",
                Text::fixed("This would exceed what one buyer may have.", "1인당 구매 한도를 넘습니다."),
            ),
            Refusal::AmountTooLarge => Self::invalid_field(
                "quantity",
                "amount_too_large",
                Text::fixed("The sum would be too large; order fewer.", "금액이 너무 큽니다. 수량을 줄이세요."),
            ),
            Refusal::OrderNotFound => {
                Self::not_found("order_not_found", Text::fixed("There is no such order.", "없는 주문입니다."))
            }
            Refusal::KeyMismatch => Self::new(
                Kind::Invalid,
                "idempotency_mismatch",
                Text::fixed(
                    "This Idempotency-Key was used with another request; use a new one.",
                    "다른 요청에 쓰인 Idempotency-Key입니다. 새 키를 쓰세요.",
                ),
            ),
            Refusal::Busy => Self::busy(1),
            Refusal::TooManyUnits => Self::invalid_field(
                "delta",
                "too_many_units",
                Text::made(
                    format!("A product has at most {STOCK_MAX} units."),
                    format!("상품당 최대 {STOCK_MAX}개입니다."),
                ),
            ),
            Refusal::CannotWithdraw { stock, delta } => cannot_withdraw(stock, delta),
            Refusal::HoldExpired(_) | Refusal::Unpaid(..) | Refusal::Resolved(..) | Refusal::InProgress(_) => {
                about_an_order(&refusal)
            }
        }
    }
}

/// Refusals that name the order they are about, as `orderId`.
fn about_an_order(refusal: &Refusal) -> Error {
    let (id, error) = match refusal {
        Refusal::Unpaid(id, Failure::Declined) => (
            id,
            Error::new(
                Kind::Declined,
                "payment_declined",
                Text::fixed(
                    "The payment was declined; the order is cancelled.",
                    "결제가 거절되어 주문이 취소되었습니다.",
                ),
            ),
        ),
        Refusal::Unpaid(id, Failure::Abandoned) => (
            id,
            Error::new(
                Kind::Conflict,
                "payment_abandoned",
                Text::fixed(
                    "The payment was abandoned; the order is cancelled.",
                    "결제를 중단하여 주문이 취소되었습니다.",
                ),
            ),
        ),
        Refusal::Resolved(id, state) => (id, resolved(*state)),
        Refusal::InProgress(id) => (
            id,
            Error::new(
                Kind::Conflict,
                "in_progress",
                Text::fixed(
                    "This order is being paid right now; ask again in a moment.",
                    "결제가 진행 중입니다. 잠시 후 다시 확인하세요.",
                ),
            )
            .retry_after_s(1),
        ),
        Refusal::HoldExpired(id) => (id, hold_expired()),
        other => return Error::internal(format!("{other:?} is not about an order")),
    };
    error.with("orderId", id)
}

fn hold_expired() -> Error {
    Error::new(
        Kind::Gone,
        "hold_expired",
        Text::fixed(
            "The time to pay has run out; the units are back on sale.",
            "결제 시간이 지나 수량이 다시 판매됩니다.",
        ),
    )
}

/// The first resolution of an order, told to somebody who wanted another.
fn resolved(state: State) -> Error {
    let (code, detail) = match state {
        State::Held => ("order_held", Text::fixed("The order is not paid yet.", "아직 결제되지 않은 주문입니다.")),
        State::Completed => ("order_completed", Text::fixed("The order is completed.", "이미 결제 완료된 주문입니다.")),
        State::Cancelled => ("order_cancelled", Text::fixed("The order is cancelled.", "이미 취소된 주문입니다.")),
        State::Refunded => ("order_refunded", Text::fixed("The order was refunded.", "이미 환불된 주문입니다.")),
    };
    Error::new(Kind::Conflict, code, detail)
}

fn cannot_withdraw(stock: Stock, delta: i64) -> Error {
    let Stock { available, held, sold } = stock;
    let detail = Text::made(
        format!("Only {available} units are available ({held} held, {sold} sold); {delta} can't be taken off."),
        format!("판매 가능 {available}개(결제 중 {held}개, 판매 {sold}개)라서 {delta}개를 조정할 수 없습니다."),
    );
    Error::new(Kind::Conflict, "stock_in_use", detail)
}
