-- Times are microseconds since 1970 UTC; money is in the currency's minor unit.

CREATE TABLE users (
    id            INTEGER PRIMARY KEY AUTOINCREMENT,
    email         TEXT UNIQUE,                -- in lower case; NULL once the user has withdrawn
    name          TEXT NOT NULL,
    greeting      TEXT NOT NULL DEFAULT '',
    password_hash TEXT NOT NULL,              -- PHC string, argon2id
    role          TEXT NOT NULL CHECK (role IN ('user', 'admin')),
    state         TEXT NOT NULL CHECK (state IN ('active', 'inactive', 'blocked', 'deleted')),
    created_at    INTEGER NOT NULL
);
CREATE INDEX users_locked_out ON users (id) WHERE state <> 'active';
CREATE INDEX users_admins ON users (id) WHERE role = 'admin';

CREATE TABLE sessions (
    id            BLOB PRIMARY KEY,           -- UUID, the 'sid' of access tokens
    user_id       INTEGER NOT NULL REFERENCES users (id),
    refresh_hash  BLOB,                       -- SHA-256 of the refresh token; NULL for a token made on the command line
    created_at    INTEGER NOT NULL,
    expires_at    INTEGER NOT NULL,
    revoked_at    INTEGER
) WITHOUT ROWID;
CREATE INDEX sessions_by_user ON sessions (user_id, id);
CREATE INDEX sessions_revoked ON sessions (revoked_at) WHERE revoked_at IS NOT NULL;

-- The catalogue: what a product is. On which terms it is sold, and how many there are, is the ledger's (offers).
CREATE TABLE products (
    id            TEXT PRIMARY KEY,
    name          TEXT NOT NULL,
    description   TEXT NOT NULL DEFAULT '',
    created_at    INTEGER NOT NULL,
    deleted_at    INTEGER
) WITHOUT ROWID;

CREATE TABLE offers (
    product_id      TEXT PRIMARY KEY,
    kind            TEXT NOT NULL CHECK (kind IN ('reservation', 'general')),
    price           INTEGER NOT NULL CHECK (price >= 0),
    currency        TEXT NOT NULL,
    opens_at        INTEGER,
    closes_at       INTEGER,
    per_buyer_limit INTEGER CHECK (per_buyer_limit >= 1),
    hold_seconds    INTEGER NOT NULL CHECK (hold_seconds >= 1),
    retired         INTEGER NOT NULL DEFAULT 0 CHECK (retired IN (0, 1)),
    total           INTEGER NOT NULL,
    available       INTEGER NOT NULL CHECK (available >= 0),
    held            INTEGER NOT NULL CHECK (held >= 0),
    sold            INTEGER NOT NULL CHECK (sold >= 0),
    movement_count  INTEGER NOT NULL DEFAULT 0,
    CHECK (total = available + held + sold),
    CHECK (kind = 'reservation' OR (opens_at IS NULL AND closes_at IS NULL))
) WITHOUT ROWID;

CREATE TABLE orders (
    id                BLOB PRIMARY KEY,       -- UUID version 7: new orders land on the last page
    buyer_id          INTEGER NOT NULL,
    product_id        TEXT NOT NULL REFERENCES offers (product_id),
    quantity          INTEGER NOT NULL CHECK (quantity >= 1),
    amount            INTEGER NOT NULL CHECK (amount >= 0),
    currency          TEXT NOT NULL,
    state             TEXT NOT NULL CHECK (state IN ('held', 'completed', 'cancelled', 'refunded')),
    reason            TEXT CHECK (reason IN ('abandoned', 'payment_declined', 'expired', 'by_buyer', 'by_admin')),
    created_at        INTEGER NOT NULL,
    expires_at        INTEGER NOT NULL,
    settled_at        INTEGER,                -- when it was completed
    closed_at         INTEGER,                -- when it was cancelled or refunded
    payment_provider  TEXT NOT NULL,
    payment_reference TEXT,
    payment_status    TEXT NOT NULL
        CHECK (payment_status IN ('unpaid', 'pending', 'paid', 'declined', 'abandoned', 'refunded')),
    CHECK ((state = 'cancelled') = (reason IS NOT NULL)),
    CHECK ((state IN ('completed', 'refunded')) = (settled_at IS NOT NULL)),
    CHECK ((state IN ('cancelled', 'refunded')) = (closed_at IS NOT NULL))
) WITHOUT ROWID;
CREATE INDEX orders_by_buyer ON orders (buyer_id, id);
CREATE INDEX orders_live ON orders (product_id, buyer_id, quantity) WHERE state IN ('held', 'completed');
CREATE INDEX orders_due ON orders (expires_at) WHERE state = 'held';
CREATE INDEX orders_charging ON orders (id) WHERE payment_status = 'pending';

-- Append-only. A row's three amounts are what it adds to the product's counts.
CREATE TABLE movements (
    product_id TEXT NOT NULL REFERENCES offers (product_id),
    number     INTEGER NOT NULL,              -- 1, 2, 3, … for each product
    kind       TEXT NOT NULL CHECK (kind IN ('hold', 'sell', 'release', 'refund', 'restock', 'withdraw')),
    available  INTEGER NOT NULL,
    held       INTEGER NOT NULL,
    sold       INTEGER NOT NULL,
    order_id   BLOB,
    actor      TEXT NOT NULL,                 -- 'user:7', 'admin:1', 'console' or 'system'
    reason     TEXT,
    at         INTEGER NOT NULL,
    PRIMARY KEY (product_id, number),
    CHECK ((order_id IS NULL) = (kind IN ('restock', 'withdraw')))
) WITHOUT ROWID;
CREATE TRIGGER movements_stay BEFORE UPDATE ON movements BEGIN SELECT RAISE(ABORT, 'movements are append-only'); END;
CREATE TRIGGER movements_last BEFORE DELETE ON movements BEGIN SELECT RAISE(ABORT, 'movements are append-only'); END;

CREATE TABLE idempotency_keys (
    buyer_id   INTEGER NOT NULL,
    path       TEXT NOT NULL,
    key        TEXT NOT NULL,
    body_hash  BLOB NOT NULL,                 -- SHA-256 of the request's meaning
    order_id   BLOB,                          -- the order that it gave …
    refusal    TEXT,                          -- … or the word of the refusal
    created_at INTEGER NOT NULL,
    PRIMARY KEY (buyer_id, path, key),
    CHECK (order_id IS NOT NULL OR refusal IS NOT NULL)
) WITHOUT ROWID;
