-- Bids: the sum of the last ten seconds for each auction, at each bid.
CREATE TABLE bids (
  auction BIGINT, bidder BIGINT, price BIGINT, channel STRING, url STRING, event_time TIMESTAMP(3), extra STRING,
  WATERMARK FOR event_time AS event_time - INTERVAL '1' SECOND
) WITH ('connector' = 'filesystem', 'path' = '${INPUT}', 'format' = 'json');

CREATE TABLE answers (auction BIGINT, event_time TIMESTAMP(3), total BIGINT) WITH ('connector' = 'blackhole');

INSERT INTO answers
SELECT auction, event_time, SUM(price) OVER (
  PARTITION BY auction ORDER BY event_time RANGE BETWEEN INTERVAL '10' SECOND PRECEDING AND CURRENT ROW)
FROM bids;
