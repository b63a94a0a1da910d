-- Topic to topic: every column of the events is decoded and encoded.
SET 'execution.checkpointing.interval' = '${INTERVAL}';

CREATE TABLE events (
  user_id BIGINT, page STRING, referrer STRING, agent STRING, duration_ms BIGINT, price DOUBLE, country STRING, `at` BIGINT
) WITH (
  'connector' = 'kafka', 'topic' = '${IN}', 'properties.bootstrap.servers' = '${BROKER}',
  'properties.group.id' = '${NAME}', 'scan.startup.mode' = 'earliest-offset', 'scan.bounded.mode' = '${BOUNDED}',
  'format' = 'json'
);

CREATE TABLE copies (
  user_id BIGINT, page STRING, referrer STRING, agent STRING, duration_ms BIGINT, price DOUBLE, country STRING, `at` BIGINT
) WITH (
  'connector' = 'kafka', 'topic' = '${OUT}', 'properties.bootstrap.servers' = '${BROKER}',
  'sink.delivery-guarantee' = '${GUARANTEE}', 'sink.transactional-id-prefix' = '${NAME}',
  'properties.transaction.timeout.ms' = '600000', 'format' = 'json'
);

INSERT INTO copies
SELECT user_id, page, referrer, agent, duration_ms, price, country, `at` FROM events;
