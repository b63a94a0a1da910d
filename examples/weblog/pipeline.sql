-- A web server's log (the combined log format): lines in, requests per minute and status out.
--
--   tidemill run examples/weblog/pipeline.sql
--
-- Variables (--var INPUT=...): INPUT is a file, a folder, or '-' for standard input; OUT is a folder for the results. A line
-- is taken as it is (the raw format), so nothing is malformed to the reader: the regular expressions
-- decide what is a request, and what is none becomes a result of its own. pipeline-socket.sql is the
-- same for lines that arrive over TCP.

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
  'connector' = 'filesystem',
  'path' = '${INPUT:-examples/weblog/input/access.log}',
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
  'connector' = 'filesystem', 'path' = '${OUT:-target/examples/weblog}/status_counts', 'format' = 'json'
);

CREATE TABLE path_bytes (
  window_start TIMESTAMP(3), window_end TIMESTAMP(3), path STRING, requests BIGINT, sent_bytes BIGINT
) WITH (
  'connector' = 'filesystem', 'path' = '${OUT:-target/examples/weblog}/path_bytes', 'format' = 'json'
);

CREATE TABLE unparsed_lines (
  line STRING
) WITH (
  'connector' = 'filesystem', 'path' = '${OUT:-target/examples/weblog}/unparsed_lines', 'format' = 'json'
);

EXECUTE STATEMENT SET BEGIN

-- How many requests ended how, and from how many addresses, each minute.
INSERT INTO status_counts
SELECT window_start, window_end, status, COUNT(*), COUNT(DISTINCT ip)
FROM TABLE(TUMBLE(TABLE requests, DESCRIPTOR(event_time), INTERVAL '1' MINUTE))
WHERE status IS NOT NULL
GROUP BY window_start, window_end, status;

-- What each path cost, each minute. A '-' in the log counts as no bytes.
INSERT INTO path_bytes
SELECT window_start, window_end, path, COUNT(*), SUM(COALESCE(sent_bytes, 0))
FROM TABLE(TUMBLE(TABLE requests, DESCRIPTOR(event_time), INTERVAL '1' MINUTE))
WHERE status IS NOT NULL
GROUP BY window_start, window_end, path;

-- Lines that are no request, to be looked at.
INSERT INTO unparsed_lines
SELECT line FROM requests WHERE status IS NULL;

END;
