\set buyer random(1, 1000)
BEGIN;
UPDATE offers SET available = available - 1, sold = sold + 1 WHERE id = 1 AND available > 0;
INSERT INTO orders (buyer_id, product_id, amount, state) VALUES (:buyer, 1, 1000, 'completed');
INSERT INTO movements (product_id, order_id, sold) VALUES (1, currval('orders_id_seq'), 1);
INSERT INTO idempotency_keys (buyer_id, key, order_id) VALUES (:buyer, gen_random_uuid()::text, currval('orders_id_seq'));
COMMIT;
