CREATE TABLE orders(id INTEGER PRIMARY KEY, customer INTEGER, item TEXT, price REAL);
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i < 120000)
INSERT INTO orders SELECT i, (i*7919) % 9973, 'item number ' || ((i*104729) % 65537) || ' of the catalogue', (i % 1000) / 7.0 FROM n;
CREATE INDEX by_customer ON orders(customer, price);
SELECT customer, count(*), sum(price) FROM orders WHERE customer % 5 = 0 GROUP BY customer ORDER BY 3 DESC LIMIT 5;
SELECT count(*) FROM orders a JOIN orders b ON b.customer = a.customer + 1 WHERE a.id < 5000;
UPDATE orders SET price = price * 1.1 WHERE id % 3 = 0;
DELETE FROM orders WHERE id % 11 = 0;
SELECT item, count(*) FROM orders GROUP BY item ORDER BY 2 DESC LIMIT 3;
