//! The decision core: a [`Book`] of loaded rows, and one pure function that carries a command out on it.
//!
//! Same book, same command, same `now`: same outcome. What changes is noted in [`Changes`] and saved by the adapters.
//! A command is refused before it changes anything; only a fault of our own ([`Imbalance`]) stops a batch midway, and
//! then nothing of the batch is saved.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::command::{
    Answered, Charge, Command, Done, Enter, FinalRefusal, Key, KeyRecord, KeyedRequest, Outcome, Refusal, Then,
};
use super::model::{
    Kind, Movement, MovementKind, Mover, Offer, Order, Payment, PaymentStatus, Reason, State, Stock, Units,
};
use super::rules::{self, Imbalance};
use crate::kernel::clock::Timestamp;
use crate::kernel::ids::{OrderId, ProductId, UserId};

/// The rows that a batch of commands needs, and what became of them.
#[derive(Debug, Default)]
pub(crate) struct Book {
    /// By product.
    pub offers: HashMap<ProductId, Offer>,
    /// Every order that a command names or a key stands for.
    pub orders: HashMap<OrderId, Order>,
    /// Units in live orders, for buyers of limited products.
    pub live: HashMap<(UserId, ProductId), Units>,
    /// Every key that a command carries and that was used before.
    pub keys: HashMap<Key, KeyRecord>,
    /// More holds have run out than were loaded, so units may be free that still count as held.
    pub behind: bool,
    /// What is to be saved.
    pub changes: Changes,
}

/// What a batch changed.
#[derive(Debug, Default)]
pub(crate) struct Changes {
    /// Products whose counts moved.
    pub offers: BTreeSet<ProductId>,
    /// Orders, and whether they are new.
    pub orders: BTreeMap<OrderId, bool>,
    /// New rows of the history, in order.
    pub movements: Vec<Movement>,
    /// Keys that were used for the first time.
    pub keys: Vec<Key>,
}

impl Changes {
    /// Whether there is nothing to save.
    pub(crate) fn is_empty(&self) -> bool {
        self.offers.is_empty() && self.orders.is_empty() && self.keys.is_empty()
    }
}

type Decided = Result<Result<Done, Refusal>, Imbalance>;

/// Carries `command` out on `book`.
///
/// # Errors
/// [`Imbalance`], a fault of our own: the batch must be thrown away.
pub(crate) fn decide(book: &mut Book, command: &Command, now: Timestamp) -> Result<Outcome, Imbalance> {
    let keyed = keyed_request(command);
    if let Some(result) = keyed.and_then(|request| replay(book, request, command, now)) {
        let replayed = !matches!(result, Err(Refusal::KeyMismatch | Refusal::InProgress(_)));
        return Ok(Outcome { result, replayed });
    }
    let result = match command {
        Command::Enter(enter) => self::enter(book, enter, now),
        Command::Confirm { order, buyer, charge, .. } => confirm(book, *order, *buyer, charge.as_ref(), now),
        Command::Settle { order, charge } => answer_charge(book, *order, charge, now),
        Command::Cancel { order, by, .. } => cancel(book, *order, *by, now),
        Command::Refund { order, by, .. } => refund(book, *order, *by, now),
        Command::Expire { order } => expire(book, *order, now),
        Command::Adjust { product, delta, by, reason } => adjust(book, product, *delta, *by, reason.as_deref(), now),
    }?;
    let result = match result {
        // "Gone" is final, and this may not be; "busy" is true.
        Err(Refusal::SoldOut | Refusal::LimitReached) if book.behind => Err(Refusal::Busy),
        result => result,
    };
    if let Some((request, answer)) = keyed.zip(final_answer(&result)) {
        let entered = matches!(command, Command::Enter(_));
        book.changes.keys.push(request.key);
        book.keys.insert(request.key, KeyRecord { body_hash: request.body_hash, answer, entered });
    }
    Ok(Outcome { result, replayed: false })
}

/// The key that a command carries.
pub(crate) fn keyed_request(command: &Command) -> Option<&KeyedRequest> {
    match command {
        Command::Enter(Enter { key, .. })
        | Command::Confirm { key, .. }
        | Command::Cancel { key, .. }
        | Command::Refund { key, .. } => key.as_ref(),
        Command::Settle { .. } | Command::Expire { .. } | Command::Adjust { .. } => None,
    }
}

/// What a key that was used before answers: the first answer again, told from the order that it gave.
fn replay(book: &Book, request: &KeyedRequest, command: &Command, now: Timestamp) -> Option<Result<Done, Refusal>> {
    let record = book.keys.get(&request.key)?;
    if record.body_hash != request.body_hash {
        return Some(Err(Refusal::KeyMismatch));
    }
    let order = match &record.answer {
        Answered::Refused(FinalRefusal::SoldOut) => return Some(Err(Refusal::SoldOut)),
        Answered::Refused(FinalRefusal::LimitReached) => return Some(Err(Refusal::LimitReached)),
        Answered::Refused(FinalRefusal::SaleClosed) => return Some(Err(Refusal::SaleClosed)),
        Answered::Order(id) => rules::as_seen(book.orders.get(id)?.clone(), now),
    };
    let told = match command {
        Command::Enter(Enter { then: Then::Wait, .. }) => Ok(rules::as_held(&order)),
        Command::Cancel { .. } => rules::first_resolution(&order, State::Cancelled),
        Command::Refund { .. } => rules::first_resolution(&order, State::Refunded),
        _ if order.state == State::Held => Err(Refusal::InProgress(order.id)),
        _ => rules::first_resolution(&order, State::Completed),
    };
    Some(told.map(Done::Order))
}

/// What a key stands for from now on; `None` when the same request may end differently later.
fn final_answer(result: &Result<Done, Refusal>) -> Option<Answered> {
    match result {
        Ok(Done::Order(order)) => Some(Answered::Order(order.id)),
        // A held order may still be paid, a completed one refunded: a step that came too early may be repeated.
        Err(Refusal::Resolved(_, State::Held | State::Completed)) => None,
        Err(Refusal::HoldExpired(id) | Refusal::Unpaid(id, _) | Refusal::Resolved(id, _)) => Some(Answered::Order(*id)),
        Err(Refusal::SoldOut) => Some(Answered::Refused(FinalRefusal::SoldOut)),
        Err(Refusal::LimitReached) => Some(Answered::Refused(FinalRefusal::LimitReached)),
        Err(Refusal::SaleClosed) => Some(Answered::Refused(FinalRefusal::SaleClosed)),
        _ => None,
    }
}

fn enter(book: &mut Book, enter: &Enter, now: Timestamp) -> Decided {
    let amount = match may_enter(book, enter, now) {
        Ok(amount) => amount,
        Err(refusal) => return Ok(Err(refusal)),
    };
    let terms = &book.offers[&enter.product].terms;
    let status = if enter.then == Then::Charge { PaymentStatus::Pending } else { PaymentStatus::Unpaid };
    let held = Order {
        id: enter.order,
        buyer: enter.buyer,
        product: enter.product.clone(),
        quantity: enter.quantity,
        amount,
        currency: terms.currency,
        state: State::Held,
        reason: None,
        created_at: now,
        expires_at: now.plus_seconds(terms.hold_seconds),
        settled_at: None,
        closed_at: None,
        payment: Payment { provider: Cow::Borrowed(enter.provider), reference: None, status },
    };
    book.changes.orders.insert(held.id, true);
    let buyer = Mover::User(enter.buyer);
    if let Then::Settle(Charge::Paid(reference)) = &enter.then {
        book.sell_at_once(&held, buyer, now)?;
        let order = rules::completed(&held, reference.clone(), now);
        book.put(order.clone());
        return Ok(Ok(Done::Order(order)));
    }
    book.move_units(&held, MovementKind::Hold, buyer, now)?;
    book.put(held.clone());
    match &enter.then {
        Then::Wait | Then::Charge => Ok(Ok(Done::Order(held))),
        Then::Settle(charge) => settle(book, &held, charge, now),
    }
}

/// Whether the units may be taken, and what they cost.
fn may_enter(book: &Book, enter: &Enter, now: Timestamp) -> Result<i64, Refusal> {
    let offer = book.offers.get(&enter.product).ok_or(Refusal::ProductNotFound)?;
    if enter.then != Then::Wait && offer.terms.kind == Kind::General {
        return Err(Refusal::NotAReservation);
    }
    rules::on_sale(offer, enter.quantity, now)?;
    rules::within_limit(&offer.terms, book.live_units(enter.buyer, &enter.product), enter.quantity)?;
    rules::amount(&offer.terms, enter.quantity)
}

fn confirm(book: &mut Book, id: OrderId, buyer: UserId, charge: Option<&Charge>, now: Timestamp) -> Decided {
    let Some(order) = book.order_of(id, Mover::User(buyer)) else { return Ok(Err(Refusal::OrderNotFound)) };
    if rules::has_expired(&order, now) {
        book.release(&order, Reason::Expired, Mover::System, now)?;
        return Ok(Err(Refusal::HoldExpired(id)));
    }
    if order.state != State::Held {
        return Ok(rules::first_resolution(&order, State::Completed).map(Done::Order));
    }
    if order.payment.status == PaymentStatus::Pending {
        return Ok(Err(Refusal::InProgress(id)));
    }
    if let Some(charge) = charge {
        return settle(book, &order, charge, now);
    }
    let order = rules::with_payment(&order, PaymentStatus::Pending, None);
    book.put(order.clone());
    Ok(Ok(Done::Order(order)))
}

/// Resolves a live hold by its charge.
fn settle(book: &mut Book, order: &Order, charge: &Charge, now: Timestamp) -> Decided {
    let buyer = Mover::User(order.buyer);
    let reference = match charge {
        Charge::Paid(reference) => reference,
        Charge::Failed(failure) => {
            let (status, reason) = rules::unpaid(*failure);
            book.release(&rules::with_payment(order, status, None), reason, buyer, now)?;
            return Ok(Err(Refusal::Unpaid(order.id, *failure)));
        }
    };
    book.move_units(order, MovementKind::Sell, buyer, now)?;
    let order = rules::completed(order, reference.clone(), now);
    book.put(order.clone());
    Ok(Ok(Done::Order(order)))
}

/// Takes the answer to a charge that was begun in time; the hold may have ended meanwhile.
fn answer_charge(book: &mut Book, id: OrderId, charge: &Charge, now: Timestamp) -> Decided {
    let Some(mut order) = book.orders.get(&id).cloned() else { return Ok(Err(Refusal::OrderNotFound)) };
    if rules::has_expired(&order, now) {
        book.release(&order, Reason::Expired, Mover::System, now)?;
        order = book.orders[&id].clone();
    }
    if order.state == State::Held {
        return settle(book, &order, charge, now);
    }
    // Only a charge that is still waited for can say something new; a repeat gets the first resolution.
    if order.payment.status == PaymentStatus::Pending {
        match charge {
            Charge::Paid(reference) => return paid_late(book, &order, reference, now),
            Charge::Failed(failure) => {
                let (status, _) = rules::unpaid(*failure);
                book.put(rules::with_payment(&order, status, None));
            }
        }
    }
    Ok(rules::first_resolution(&order, State::Completed).map(Done::Order))
}

/// Money came in after the hold had ended: the units are taken again if every rule still allows it and it was only the
/// time that ran out; else the money goes back, and that is recorded.
fn paid_late(book: &mut Book, order: &Order, reference: &str, now: Timestamp) -> Decided {
    let offer = &book.offers[&order.product];
    let again = order.reason == Some(Reason::Expired)
        && rules::on_sale(offer, order.quantity, now).is_ok()
        && rules::within_limit(&offer.terms, book.live_units(order.buyer, &order.product), order.quantity).is_ok();
    if again {
        book.move_units(order, MovementKind::Hold, Mover::System, now)?;
        return settle(book, order, &Charge::Paid(reference.to_owned()), now);
    }
    let refunded = rules::with_payment(order, PaymentStatus::Refunded, Some(reference.to_owned()));
    book.put(refunded.clone());
    Ok(rules::first_resolution(&refunded, State::Completed).map(Done::Order))
}

fn cancel(book: &mut Book, id: OrderId, by: Mover, now: Timestamp) -> Decided {
    let Some(order) = book.order_of(id, by) else { return Ok(Err(Refusal::OrderNotFound)) };
    if order.state != State::Held {
        return Ok(rules::first_resolution(&order, State::Cancelled).map(Done::Order));
    }
    let (reason, by) = match by {
        _ if rules::has_expired(&order, now) => (Reason::Expired, Mover::System),
        Mover::User(_) => (Reason::ByBuyer, by),
        Mover::Admin(..) | Mover::Console | Mover::System => (Reason::ByAdmin, by),
    };
    let order = book.release(&order, reason, by, now)?;
    Ok(Ok(Done::Order(order)))
}

fn refund(book: &mut Book, id: OrderId, by: Mover, now: Timestamp) -> Decided {
    let Some(order) = book.order_of(id, by) else { return Ok(Err(Refusal::OrderNotFound)) };
    if order.state != State::Completed {
        return Ok(rules::first_resolution(&order, State::Refunded).map(Done::Order));
    }
    book.move_units(&order, MovementKind::Refund, by, now)?;
    let order = rules::refunded(&order, now);
    book.put(order.clone());
    Ok(Ok(Done::Order(order)))
}

fn expire(book: &mut Book, id: OrderId, now: Timestamp) -> Decided {
    let due = book.orders.get(&id).filter(|order| rules::has_expired(order, now)).cloned();
    let Some(order) = due else { return Ok(Ok(Done::Nothing)) };
    let order = book.release(&order, Reason::Expired, Mover::System, now)?;
    Ok(Ok(Done::Order(order)))
}

fn adjust(
    book: &mut Book,
    product: &ProductId,
    delta: Units,
    by: Mover,
    reason: Option<&str>,
    now: Timestamp,
) -> Decided {
    let Some(offer) = book.offers.get(product).filter(|offer| !offer.retired) else {
        return Ok(Err(Refusal::ProductNotFound));
    };
    let (kind, quantity) = match rules::adjustment(offer.stock, delta) {
        Ok(adjustment) => adjustment,
        Err(refusal) => return Ok(Err(refusal)),
    };
    let movement = book.append(product, kind, rules::change(kind, quantity), None, by, reason, now)?;
    Ok(Ok(Done::Movement(movement.clone())))
}

impl Book {
    fn live_units(&self, buyer: UserId, product: &ProductId) -> Units {
        self.live.get(&(buyer, product.clone())).copied().unwrap_or(0)
    }

    /// The order, if `by` may reach it: a buyer only their own.
    fn order_of(&self, id: OrderId, by: Mover) -> Option<Order> {
        let order = self.orders.get(&id)?;
        let reachable = match by {
            Mover::User(buyer) => order.buyer == buyer,
            Mover::Admin(..) | Mover::Console | Mover::System => true,
        };
        reachable.then(|| order.clone())
    }

    fn put(&mut self, order: Order) {
        self.changes.orders.entry(order.id).or_insert(false);
        self.orders.insert(order.id, order);
    }

    /// Gives a hold's units back, and the buyer's share of the limit with them.
    fn release(&mut self, order: &Order, reason: Reason, by: Mover, now: Timestamp) -> Result<Order, Imbalance> {
        self.move_units(order, MovementKind::Release, by, now)?;
        let order = rules::cancelled(order, reason, now);
        self.put(order.clone());
        Ok(order)
    }

    /// Moves an order's units and keeps the buyer's live units in step.
    fn move_units(&mut self, order: &Order, kind: MovementKind, by: Mover, now: Timestamp) -> Result<(), Imbalance> {
        self.move_by(order, kind, rules::change(kind, order.quantity), by, now)
    }

    /// Moves units that were not held before into `sold`: a one-call purchase is one movement.
    fn sell_at_once(&mut self, order: &Order, by: Mover, now: Timestamp) -> Result<(), Imbalance> {
        self.move_by(order, MovementKind::Sell, rules::sale_at_once(order.quantity), by, now)
    }

    fn move_by(
        &mut self,
        order: &Order,
        kind: MovementKind,
        change: Stock,
        by: Mover,
        now: Timestamp,
    ) -> Result<(), Imbalance> {
        self.append(&order.product, kind, change, Some(order.id), by, None, now)?;
        if let Some(live) = self.live.get_mut(&(order.buyer, order.product.clone())) {
            *live += change.held + change.sold;
        }
        Ok(())
    }

    /// Appends a movement and applies it to the product's counts: the one place where units move.
    #[expect(clippy::too_many_arguments, reason = "a movement's columns, each once")]
    fn append(
        &mut self,
        product: &ProductId,
        kind: MovementKind,
        change: Stock,
        order: Option<OrderId>,
        by: Mover,
        reason: Option<&str>,
        now: Timestamp,
    ) -> Result<&Movement, Imbalance> {
        let Some(offer) = self.offers.get_mut(product) else {
            return Err(Imbalance { stock: Stock::default(), change });
        };
        offer.stock = rules::moved(offer.stock, change)?;
        offer.movement_count += 1;
        let movement = Movement {
            product: product.clone(),
            number: offer.movement_count,
            kind,
            change,
            order,
            actor: by.to_string(),
            reason: reason.map(str::to_owned),
            at: now,
        };
        if !self.changes.offers.contains(product) {
            self.changes.offers.insert(product.clone());
        }
        Ok(self.changes.movements.push_mut(movement))
    }
}
