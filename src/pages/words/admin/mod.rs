//! What the admin's pages say.

pub(in crate::pages::words) mod en;
pub(in crate::pages::words) mod ko;

words! {
    /// What stands around every page, and what many say.
    Frame {
        admin, board, products, orders, users, log, audit, menu, cancel, search, save, reload,
        reason, state, created, actions, product, buyer, units, time, who,
    }
    /// The board.
    Board {
        title, live, still, over_time, orders_s, requests_s, waiting, waiting_hint, latency, latency_hint, p50, p90, p99, ms, refusals,
        refusals_none, kind, last_minute, since_start, stock, no_products, available, held, sold, summary, lost, peak,
    }
    /// What refusals are called.
    Refusals {
        sold_out, limit_reached, sale_not_open, sale_closed, payment_declined, payment_abandoned, hold_expired, rate_limited,
        busy, in_progress, unauthenticated, validation_failed, not_found, product_not_found, form_stale,
    }
    /// Products.
    Products {
        title, new, none, id, id_hint, name, description, kind, reservation, general, price, price_hint, currency, stock, opens,
        opens_hint, closes, closes_hint, limit, limit_hint, hold, hold_hint, create, terms, units, total, delta, delta_hint,
        adjust, reason_hint, open_now, close_now, see_shop, history, delete, delete_title, delete_ask,
        delete_do, zone, said_created, said_saved, said_adjusted, said_opened, said_closed, said_deleted,
    }
    /// A product's movements.
    Movements {
        title, number, kind, hold, sell, release, refund, restock, withdraw, by_user, by_admin, console, system, order, none,
    }
    /// Orders.
    Orders {
        title, export, find, find_hint, product_hint, any_state, held, completed, cancelled, refunded, none, none_here, order,
        amount, bought_at, timeline, made, expires, expired, settled, cancelled_at, refunded_at, abandoned, payment_declined, by_buyer,
        by_admin, provider, reference, status, unpaid, pending, paid, declined, abandoned_payment, paid_back, cancel, refund,
        refund_title, refund_ask, said_cancelled, said_refunded, unknown,
    }
    /// Users.
    Users {
        title, find, find_hint, none, name, email, role, user, admin, active, inactive, blocked, deleted, any_state, any_role,
        their_orders, number, greeting, block, unblock, block_title, block_ask, make_admin, make_user, role_title, role_up_ask,
        role_down_ask, self_ask, sessions, sessions_none, session, this_session, live, over, revoked, begun, ends, revoke, revoke_all,
        said_blocked, said_unblocked, said_role, said_revoked, withdrawn,
    }
    /// The audit log.
    Log {
        title, lead, by, by_hint, action, any_action, on, on_hint, since, until, changes, request, none, nothing,
        product_add, product_edit, product_open, product_close, product_delete, stock_adjust, order_cancel, order_refund,
        user_add, user_set_role, user_set_password, user_block, user_unblock, user_delete, user_revoke, user_token,
        user_export, user_erase, post_edit, post_delete, comment_edit, comment_delete, webhook_add, webhook_enable, webhook_delete, db_seed, db_backup, db_restore,
    }
    /// The audit.
    Audit {
        title, lead, run, busy, never, good, bad, failed, began, took, check, holds, broken, detail, counts, orders_line,
    }
}

/// All of them.
#[derive(Debug)]
pub(in crate::pages) struct Words {
    pub(in crate::pages) frame: Frame,
    pub(in crate::pages) board: Board,
    pub(in crate::pages) refusals: Refusals,
    pub(in crate::pages) products: Products,
    pub(in crate::pages) movements: Movements,
    pub(in crate::pages) orders: Orders,
    pub(in crate::pages) users: Users,
    pub(in crate::pages) log: Log,
    pub(in crate::pages) audit: Audit,
}

#[cfg(test)]
impl Words {
    pub(in crate::pages::words) fn each(&self) -> Vec<(&'static str, &'static str)> {
        let first = [self.frame.each(), self.board.each(), self.refusals.each(), self.products.each()];
        let rest = [self.movements.each(), self.orders.each(), self.users.each(), self.log.each()];
        [first.concat(), rest.concat(), self.audit.each()].concat()
    }
}
