-- Bids: different bidders of each auction in each ten seconds.
CREATE TABLE bids (
  auction BIGINT, bidder BIGINT, price BIGINT, channel STRING, url STRING, event_time TIMESTAMP(3), extra STRING,
  WATERMARK FOR event_time AS event_time - INTERVAL '1' SECOND
) WITH ('connector' = 'filesystem', 'path' = '${INPUT}', 'format' = 'json');

CREATE TABLE answers (auction BIGINT, s TIMESTAMP(3), bidders BIGINT) WITH ('connector' = 'blackhole');

INSERT INTO answers
SELECT auction, window_start, COUNT(DISTINCT bidder)
FROM TABLE(TUMBLE(TABLE bids, DESCRIPTOR(event_time), INTERVAL '10' SECOND))
GROUP BY auction, window_start, window_end;
