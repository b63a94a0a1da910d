-- A web server's log as it arrives over TCP: requests per minute and status, on the terminal.
--
--   tidemill run examples/weblog/pipeline-socket.sql
--   tidemill generate weblog --rate 200 --to tcp://localhost:9999      (in another terminal)
--
-- Tidemill listens on HOST and PORT; any number of clients may send lines.

CREATE TABLE log_lines (
  line STRING,
  -- The time that the log itself gives, in UTC. A line without one is put at the beginning of time,
  -- where it holds nothing up and enters no window that matters.
  event_time AS COALESCE(
    TO_TIMESTAMP(
      REGEXP_EXTRACT(line, '\[(\d+/\w+/\d+:\d+:\d+:\d+) [^\]]+\] "', 1), 'dd/MMM/yyyy:HH:mm:ss'),
    TIMESTAMP '1970-01-01 00:00:00.000'),
  WATERMARK FOR event_time AS event_time - INTERVAL '5' SECOND
) WITH (
  'connector' = 'socket',
  'hostname' = '${HOST:-localhost}',
  'port' = '${PORT:-9999}',
  'format' = 'raw'
);

-- A request's parts. NULL in a line that is no request.
CREATE VIEW requests AS
SELECT
  line,
  event_time,
  REGEXP_EXTRACT(line, '^(\S+) ', 1) AS ip,
  REGEXP_EXTRACT(line, '"(\S+) (\S+) [^"]*" (\d+) (\d+|-)', 1) AS `method`,
  REGEXP_EXTRACT(line, '"(\S+) (\S+) [^"]*" (\d+) (\d+|-)', 2) AS path,
  -- The whole shape is checked here, so a line with a status is a request.
  TRY_CAST(REGEXP_EXTRACT(line, '^\S+ \S+ \S+ \[\d+/\w+/\d+:\d+:\d+:\d+ [^\]]+\] "\S+ \S+ [^"]*" (\d+) (\d+|-)', 1) AS INT) AS status,
  TRY_CAST(REGEXP_EXTRACT(line, '"(\S+) (\S+) [^"]*" (\d+) (\d+|-)', 4) AS BIGINT) AS sent_bytes
FROM log_lines;

CREATE TABLE status_counts (
  window_start TIMESTAMP(3), window_end TIMESTAMP(3), status INT, requests BIGINT, clients BIGINT
) WITH (
  'connector' = 'print'
);

INSERT INTO status_counts
SELECT window_start, window_end, status, COUNT(*), COUNT(DISTINCT ip)
FROM TABLE(TUMBLE(TABLE requests, DESCRIPTOR(event_time), INTERVAL '1' MINUTE))
WHERE status IS NOT NULL
GROUP BY window_start, window_end, status;
