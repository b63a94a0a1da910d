-- What the users of a shop do, as six live tables from one stream of events.
--
--   tidemill run examples/clickstream/pipeline.sql --bad-records keep
--
-- Variables (--var INPUT=...): INPUT is a file, a folder, or '-' for standard input; OUT is a folder for the results.

-- Running counts may be written as net changes of many events at once, which keeps their logs small.
SET 'table.exec.mini-batch.enabled' = 'true';
SET 'table.exec.mini-batch.allow-latency' = '1 s';
SET 'table.exec.mini-batch.size' = '50000';

CREATE TABLE events (
  user_id    STRING,
  event_type STRING,        -- view, click, search, add_to_cart or purchase
  page_id    STRING,
  product_id STRING,
  session_id STRING,
  event_time TIMESTAMP(3),
  amount     DOUBLE,        -- the price of the product; of a purchase what was paid
  -- Events may arrive up to five seconds out of order. A window closes when an event five seconds
  -- younger than its end has been seen; an event that comes later still is counted as late.
  WATERMARK FOR event_time AS event_time - INTERVAL '5' SECOND
) WITH (
  'connector' = 'filesystem',
  'path' = '${INPUT:-examples/clickstream/input/events.jsonl}',
  -- To follow a folder as it grows, add: 'source.monitor-interval' = '1s',
  'format' = 'json'
);

-- Running counts. They change with every event, so the file is a changelog: debezium-json writes
-- "op":"c" for a row that is true from now on, and "op":"d" for one that no longer is.
CREATE TABLE user_counts (user_id STRING, event_type STRING, events BIGINT) WITH (
  'connector' = 'filesystem', 'path' = '${OUT:-target/examples/clickstream}/user_counts', 'format' = 'debezium-json'
);

CREATE TABLE page_counts (page_id STRING, event_type STRING, events BIGINT) WITH (
  'connector' = 'filesystem', 'path' = '${OUT:-target/examples/clickstream}/page_counts', 'format' = 'debezium-json'
);

CREATE TABLE product_counts (product_id STRING, event_type STRING, events BIGINT) WITH (
  'connector' = 'filesystem', 'path' = '${OUT:-target/examples/clickstream}/product_counts', 'format' = 'debezium-json'
);

-- Results of windows. Each row is written once, when its window closes.
CREATE TABLE sliding_counts (
  window_start TIMESTAMP(3), window_end TIMESTAMP(3), event_type STRING, events BIGINT
) WITH (
  'connector' = 'filesystem', 'path' = '${OUT:-target/examples/clickstream}/sliding_counts', 'format' = 'json'
);

CREATE TABLE busy_users (
  window_start TIMESTAMP(3), window_end TIMESTAMP(3), user_id STRING, events BIGINT
) WITH (
  'connector' = 'filesystem', 'path' = '${OUT:-target/examples/clickstream}/busy_users', 'format' = 'json'
);

CREATE TABLE five_minute_metrics (
  window_start TIMESTAMP(3), window_end TIMESTAMP(3),
  events BIGINT, users BIGINT, purchases BIGINT, revenue DOUBLE
) WITH (
  'connector' = 'filesystem', 'path' = '${OUT:-target/examples/clickstream}/five_minute_metrics', 'format' = 'json'
);

-- One job: the input is read and decoded once for all six results.
EXECUTE STATEMENT SET BEGIN

INSERT INTO user_counts
SELECT user_id, event_type, COUNT(*) FROM events GROUP BY user_id, event_type;

INSERT INTO page_counts
SELECT page_id, event_type, COUNT(*) FROM events GROUP BY page_id, event_type;

INSERT INTO product_counts
SELECT product_id, event_type, COUNT(*) FROM events GROUP BY product_id, event_type;

-- How much of what happened in the last minute, every ten seconds.
INSERT INTO sliding_counts
SELECT window_start, window_end, event_type, COUNT(*)
FROM TABLE(HOP(TABLE events, DESCRIPTOR(event_time), INTERVAL '10' SECOND, INTERVAL '60' SECOND))
GROUP BY window_start, window_end, event_type;

-- Who did more than a hundred things within a minute: most likely a script.
INSERT INTO busy_users
SELECT window_start, window_end, user_id, COUNT(*)
FROM TABLE(TUMBLE(TABLE events, DESCRIPTOR(event_time), INTERVAL '1' MINUTE))
GROUP BY window_start, window_end, user_id
HAVING COUNT(*) > 100;

-- The shop's key figures of the last five minutes, every ten seconds.
INSERT INTO five_minute_metrics
SELECT
  window_start,
  window_end,
  COUNT(*),
  COUNT(DISTINCT user_id),
  COUNT(*) FILTER (WHERE event_type = 'purchase'),
  SUM(amount) FILTER (WHERE event_type = 'purchase')
FROM TABLE(HOP(TABLE events, DESCRIPTOR(event_time), INTERVAL '10' SECOND, INTERVAL '5' MINUTE))
GROUP BY window_start, window_end;

END;
