-- Nothing: an SQLite file has one writer at a time, so the numbers of its commits are an order already,
-- and the feed goes by them. The number is taken so that both databases count alike.
SELECT 1;
