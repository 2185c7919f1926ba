-- Who handed a line in, such as `token:oslo`: all that one says is one voice. NULL: of an earlier version, or read
-- by a configured source, which is a voice by its vantage.
ALTER TABLE observations ADD COLUMN told_by TEXT;
-- For how many events each counted one stands, where only a sample was read. NULL: 1.
ALTER TABLE observations ADD COLUMN stands_for REAL;
