-- A key's place in its table is random, as an order's among its buyer's was (0002): each keyed purchase dirtied a page of
-- its own. So a key, too, is noted at the end of a short list, and the list is filed in bulk. And of a key only its digest is
-- kept: three times as many fit on a page.

ALTER TABLE idempotency_keys RENAME TO idempotency_keys_in_full;
DROP INDEX idempotency_keys_refused;

CREATE TABLE idempotency_keys (
    digest     BLOB PRIMARY KEY,              -- 16 bytes of SHA-256 over buyer, path and key
    buyer_id   INTEGER NOT NULL,
    body_hash  BLOB NOT NULL,                 -- 16 bytes of SHA-256 over the request's meaning
    order_id   BLOB,                          -- the order that it gave …
    refusal    TEXT,                          -- … or the word of the refusal …
    refused_at INTEGER,                       -- … and when it was refused
    entered    INTEGER NOT NULL,              -- 1 when the key made the order, 0 when it did something with it
    CHECK ((order_id IS NULL) = (refusal IS NOT NULL)),
    CHECK ((order_id IS NULL) = (refused_at IS NOT NULL))
) WITHOUT ROWID;
-- A key that made an order stays as long as the order; one that only met a refusal is forgotten after a day.
CREATE INDEX idempotency_keys_refused ON idempotency_keys (refused_at) WHERE refused_at IS NOT NULL;

-- What is not filed yet.
CREATE TABLE idempotency_keys_unfiled (
    number     INTEGER PRIMARY KEY,           -- in the order in which they were used
    digest     BLOB NOT NULL,
    buyer_id   INTEGER NOT NULL,
    body_hash  BLOB NOT NULL,
    order_id   BLOB,
    refusal    TEXT,
    refused_at INTEGER,
    entered    INTEGER NOT NULL
);

INSERT INTO idempotency_keys (digest, buyer_id, body_hash, order_id, refusal, refused_at, entered)
    SELECT sha256_16(buyer_id || char(0) || path || char(0) || key), buyer_id, substr(body_hash, 1, 16), order_id,
        CASE WHEN order_id IS NULL THEN refusal END, CASE WHEN order_id IS NULL THEN created_at END,
        path IN ('/payments', '/payments/pre-order')
    FROM idempotency_keys_in_full;
DROP TABLE idempotency_keys_in_full;
