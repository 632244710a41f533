//! Orders as lines of CSV, for spreadsheets: what the command line prints and the admin's page sends.

use std::fmt::Display;

use crate::kernel::clock::Timestamp;
use crate::kernel::error::Error;
use crate::ledger::{Order, Reason};

/// The first line.
pub const TITLES: &str = "id,buyer,product,quantity,amount,currency,state,reason,createdAt,expiresAt,settledAt,closedAt,\
     paymentProvider,paymentReference,paymentStatus\n";

/// Adds an order's line to `text`.
///
/// # Errors
/// When the line can't be written.
pub fn write(text: &mut Vec<u8>, order: &Order) -> Result<(), Error> {
    let time = |at: Option<Timestamp>| at.map(|at| at.to_string()).unwrap_or_default();
    let cells = [
        order.id.to_string(),
        order.buyer.to_string(),
        order.product.to_string(),
        order.quantity.to_string(),
        order.amount.to_string(),
        order.currency.to_string(),
        order.state.to_string(),
        order.reason.map_or("", Reason::as_str).to_owned(),
        order.created_at.to_string(),
        order.expires_at.to_string(),
        time(order.settled_at),
        time(order.closed_at),
        order.payment.provider.to_string(),
        order.payment.reference.clone().unwrap_or_default(),
        order.payment.status.to_string(),
    ];
    let mut line = csv::WriterBuilder::new().terminator(csv::Terminator::Any(b'\n')).from_writer(Vec::new());
    line.write_record(cells.iter().map(|cell| harmless(cell))).map_err(|error| cannot_write(&error))?;
    text.extend(line.into_inner().map_err(|error| cannot_write(&error))?);
    Ok(())
}

/// A spreadsheet must not take a cell for a formula (OWASP, "CSV Injection").
fn harmless(cell: &str) -> String {
    if cell.starts_with(['=', '+', '-', '@', '\t', '\r']) { format!("'{cell}") } else { cell.to_owned() }
}

fn cannot_write(error: &dyn Display) -> Error {
    Error::internal(format!("writing orders: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::ids::{OrderId, UserId};
    use crate::ledger::{Payment, PaymentStatus, State};

    #[test]
    fn no_cell_is_a_formula() {
        for (cell, harmless) in [
            ("=1+1", "'=1+1"),
            ("+1", "'+1"),
            ("-x", "'-x"),
            ("@SUM(A1)", "'@SUM(A1)"),
            ("\t=1", "'\t=1"),
            ("\r=1", "'\r=1"),
            ("mac-book", "mac-book"),
            ("", ""),
        ] {
            assert_eq!(super::harmless(cell), harmless);
        }
    }

    #[test]
    fn a_line_keeps_to_its_cells_whatever_is_in_them() {
        let order = Order {
            id: OrderId::fresh(),
            buyer: UserId(7),
            product: "100".parse().unwrap(),
            quantity: 1,
            amount: 1_500,
            currency: "KRW".parse().unwrap(),
            state: State::Completed,
            reason: None,
            created_at: Timestamp(0),
            expires_at: Timestamp(1),
            settled_at: None,
            closed_at: None,
            payment: Payment {
                provider: "=cmd|' /C calc'!A0".into(),
                reference: Some("a,\"b\"\n=c".to_owned()),
                status: PaymentStatus::Paid,
            },
        };
        let mut text = TITLES.as_bytes().to_vec();
        write(&mut text, &order).unwrap();
        let mut reader = csv::Reader::from_reader(&*text);
        let record = reader.records().next().unwrap().unwrap();
        assert_eq!(record.len(), TITLES.split(',').count());
        assert_eq!((&record[12], &record[13]), ("'=cmd|' /C calc'!A0", "a,\"b\"\n=c"));
    }
}
