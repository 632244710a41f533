-- Webhooks: who is told of orders and of products that are sold out, what there is to tell, and how telling it went.

CREATE TABLE webhooks (
    id            INTEGER PRIMARY KEY AUTOINCREMENT,  -- a deleted one's number is not given again
    url           TEXT NOT NULL,
    events        INTEGER NOT NULL CHECK (events >= 1), -- a bit for each kind of event: 1 << webhook_events.kind
    description   TEXT NOT NULL,
    secret        TEXT NOT NULL,              -- signs what is sent
    created_at    INTEGER NOT NULL,
    revision      INTEGER NOT NULL,           -- moves when somebody changes it; its deliveries begin anew then
    cursor        INTEGER NOT NULL,           -- events up to this one are told, or stand in webhook_retries
    failures      INTEGER NOT NULL,           -- new events in a row that could not be told
    failing_since INTEGER,                    -- since when none could
    probe_at      INTEGER,                    -- when the next new event is tried, once too many have failed
    off_reason    TEXT CHECK (off_reason = 'gone' OR off_reason = 'failed'),
    off_at        INTEGER,
    CHECK ((off_reason IS NULL) = (off_at IS NULL))
);

-- The outbox: written in the transaction of the change that it tells of, once, however many are told of it, and only while
-- there is somebody. It tells by itself what an order's row does not tell for ever. What every target is done with is deleted, but
-- never the last one: the ledger numbers the next one after it.
CREATE TABLE webhook_events (
    number     INTEGER PRIMARY KEY,
    kind       INTEGER NOT NULL
        CHECK (kind >= 0 AND kind <= 3),      -- 0 order.completed, 1 order.cancelled, 2 order.refunded, 3 product.sold_out
    at         INTEGER NOT NULL,
    order_id   BLOB,
    reason     TEXT,                          -- why an order was cancelled
    product_id TEXT,                          -- what was sold out
    held       INTEGER,                       -- that product's units
    sold       INTEGER,
    CHECK ((kind = 3) = (product_id IS NOT NULL)),
    CHECK ((kind = 3) = (order_id IS NULL))
);

-- Events that could not be told yet and do not hold up those behind them; a few for each target.
CREATE TABLE webhook_retries (
    webhook_id INTEGER NOT NULL REFERENCES webhooks (id),
    event      INTEGER NOT NULL,              -- its number
    attempts   INTEGER NOT NULL,
    since      INTEGER NOT NULL,              -- when it came here
    next_at    INTEGER NOT NULL,
    PRIMARY KEY (webhook_id, event)
) WITHOUT ROWID;
CREATE INDEX webhook_retries_by_event ON webhook_retries (event);

-- The last attempts of each target.
CREATE TABLE webhook_deliveries (
    number     INTEGER PRIMARY KEY,
    webhook_id INTEGER NOT NULL REFERENCES webhooks (id),
    event_id   TEXT NOT NULL,
    type       TEXT NOT NULL,
    subject    TEXT NOT NULL,                 -- the order's or the product's id
    attempt    INTEGER NOT NULL,
    at         INTEGER NOT NULL,
    took_ms    INTEGER NOT NULL,
    outcome    TEXT NOT NULL CHECK (outcome = 'delivered' OR outcome = 'failed' OR outcome = 'given_up'),
    status     INTEGER,                       -- what the target answered
    error      TEXT                           -- why there is no such answer
);
CREATE INDEX webhook_deliveries_by_webhook ON webhook_deliveries (webhook_id, number);
