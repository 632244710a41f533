CREATE TABLE offers (id int PRIMARY KEY, available bigint NOT NULL CHECK (available >= 0), sold bigint NOT NULL);
CREATE TABLE orders (id bigserial PRIMARY KEY, buyer_id int NOT NULL, product_id int NOT NULL, amount bigint NOT NULL,
                     state text NOT NULL, created_at timestamptz NOT NULL DEFAULT now());
CREATE INDEX orders_by_buyer ON orders (buyer_id, product_id);
CREATE TABLE movements (id bigserial PRIMARY KEY, product_id int NOT NULL, order_id bigint NOT NULL, sold int NOT NULL);
CREATE TABLE idempotency_keys (buyer_id int NOT NULL, key text NOT NULL, order_id bigint NOT NULL, PRIMARY KEY (buyer_id, key));
INSERT INTO offers VALUES (1, 1000000000, 0);
