-- Clickstream: events per user and type in each minute.
CREATE TABLE events (
  user_id STRING, event_type STRING, page_id STRING, product_id STRING, session_id STRING,
  event_time TIMESTAMP(3), amount DOUBLE,
  WATERMARK FOR event_time AS event_time - INTERVAL '5' SECOND
) WITH ('connector' = 'filesystem', 'path' = '${INPUT}', 'format' = 'json');

CREATE TABLE counts (
  window_start TIMESTAMP(3), window_end TIMESTAMP(3), user_id STRING, event_type STRING, events BIGINT
) WITH ('connector' = 'filesystem', 'path' = '${OUT}/counts', 'format' = 'json');

INSERT INTO counts
SELECT window_start, window_end, user_id, event_type, COUNT(*)
FROM TABLE(TUMBLE(TABLE events, DESCRIPTOR(event_time), INTERVAL '1' MINUTE))
GROUP BY window_start, window_end, user_id, event_type;
