-- A key's place in its table is random, as an order's among its buyer's was (0002): each keyed purchase dirtied a page of
-- its own. So a key, too, is noted at the end of a short list, and the list is filed in bulk.

CREATE TABLE idempotency_keys_unfiled (
    number     INTEGER PRIMARY KEY,           -- in the order in which they were used
    buyer_id   INTEGER NOT NULL,
    path       TEXT NOT NULL,
    key        TEXT NOT NULL,
    body_hash  BLOB NOT NULL,
    order_id   BLOB,
    refusal    TEXT,
    created_at INTEGER NOT NULL,
    CHECK (order_id IS NOT NULL OR refusal IS NOT NULL)
);
