-- An index by buyer takes its entries at random places: every purchase of a large sale dirtied a page of its own, and
-- writing that page was half of what a purchase cost. So an order is noted at the end of a short list, and the list is
-- filed under its buyers in bulk: thousands of orders at a time share the pages that they land on.

DROP INDEX orders_by_buyer;
CREATE TABLE orders_by_buyer (
    buyer_id   INTEGER NOT NULL,
    order_id   BLOB NOT NULL,
    product_id TEXT NOT NULL,
    PRIMARY KEY (buyer_id, order_id)
) WITHOUT ROWID;

-- What is not filed yet. Whoever asks for a buyer's orders asks both tables.
CREATE TABLE orders_unfiled (
    number     INTEGER PRIMARY KEY,           -- in the order of the purchases
    buyer_id   INTEGER NOT NULL,
    order_id   BLOB NOT NULL,
    product_id TEXT NOT NULL
);

INSERT INTO orders_by_buyer (buyer_id, order_id, product_id)
    SELECT buyer_id, id, product_id FROM orders ORDER BY buyer_id, id;
