\set buyer random(1, 1000)
WITH taken AS (UPDATE offers SET available = available - 1, sold = sold + 1 WHERE id = 1 AND available > 0 RETURNING id),
     placed AS (INSERT INTO orders (buyer_id, product_id, amount, state) SELECT :buyer, id, 1000, 'completed' FROM taken RETURNING id),
     moved AS (INSERT INTO movements (product_id, order_id, sold) SELECT 1, id, 1 FROM placed)
INSERT INTO idempotency_keys (buyer_id, key, order_id) SELECT :buyer, gen_random_uuid()::text, id FROM placed;
