-- Bids: bids of each bidder until two seconds pass without one; mostly a single bid.
CREATE TABLE bids (
  auction BIGINT, bidder BIGINT, price BIGINT, channel STRING, url STRING, event_time TIMESTAMP(3), extra STRING,
  WATERMARK FOR event_time AS event_time - INTERVAL '1' SECOND
) WITH ('connector' = 'filesystem', 'path' = '${INPUT}', 'format' = 'json');

CREATE TABLE answers (bidder BIGINT, s TIMESTAMP(3), e TIMESTAMP(3), bids BIGINT) WITH ('connector' = 'blackhole');

INSERT INTO answers
SELECT bidder, window_start, window_end, COUNT(*)
FROM TABLE(SESSION(TABLE bids PARTITION BY bidder, DESCRIPTOR(event_time), INTERVAL '2' SECOND))
GROUP BY bidder, window_start, window_end;
