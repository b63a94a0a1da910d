-- Readings of sensors, minute by minute, in the time of the readings rather than of their arrival.
--
--   tidemill run examples/sensors/pipeline.sql --bad-records keep
--
-- Variables (--var INPUT=...): INPUT is a file, a folder, or '-' for standard input; OUT is a folder for the results.

CREATE TABLE readings (
  sensor_id   STRING,
  temperature DOUBLE,       -- degrees Celsius
  humidity    DOUBLE,       -- percent
  event_time  TIMESTAMP(3),
  -- Gateways deliver readings up to five seconds out of order.
  WATERMARK FOR event_time AS event_time - INTERVAL '5' SECOND
) WITH (
  'connector' = 'filesystem',
  'path' = '${INPUT:-examples/sensors/input/readings.jsonl}',
  'format' = 'json'
);

CREATE TABLE sensor_minutes (
  sensor_id STRING, window_start TIMESTAMP(3), window_end TIMESTAMP(3),
  avg_temperature DOUBLE, min_temperature DOUBLE, max_temperature DOUBLE, readings BIGINT
) WITH (
  'connector' = 'filesystem', 'path' = '${OUT:-target/examples/sensors}/sensor_minutes', 'format' = 'json'
);

CREATE TABLE plant_minutes (
  window_start TIMESTAMP(3), window_end TIMESTAMP(3), sensors BIGINT, spread DOUBLE, humid_readings BIGINT
) WITH (
  'connector' = 'filesystem', 'path' = '${OUT:-target/examples/sensors}/plant_minutes', 'format' = 'json'
);

EXECUTE STATEMENT SET BEGIN

-- Each sensor's minute.
INSERT INTO sensor_minutes
SELECT
  sensor_id, window_start, window_end,
  ROUND(AVG(temperature), 2), MIN(temperature), MAX(temperature), COUNT(*)
FROM TABLE(TUMBLE(TABLE readings, DESCRIPTOR(event_time), INTERVAL '1' MINUTE))
GROUP BY sensor_id, window_start, window_end;

-- The whole plant's minute: how many sensors reported, how far apart the temperatures lay, and how
-- many readings were humid.
INSERT INTO plant_minutes
SELECT
  window_start, window_end,
  COUNT(DISTINCT sensor_id),
  ROUND(MAX(temperature) - MIN(temperature), 2),
  COUNT(*) FILTER (WHERE humidity > 60)
FROM TABLE(TUMBLE(TABLE readings, DESCRIPTOR(event_time), INTERVAL '1' MINUTE))
GROUP BY window_start, window_end;

END;
