-- Bids: the first of each bidder for each auction; nearly all are.
CREATE TABLE bids (
  auction BIGINT, bidder BIGINT, price BIGINT, channel STRING, url STRING, event_time TIMESTAMP(3), extra STRING,
  WATERMARK FOR event_time AS event_time - INTERVAL '1' SECOND
) WITH ('connector' = 'filesystem', 'path' = '${INPUT}', 'format' = 'json');

CREATE TABLE answers (auction BIGINT, bidder BIGINT, price BIGINT, event_time TIMESTAMP(3)) WITH ('connector' = 'blackhole');

INSERT INTO answers
SELECT auction, bidder, price, event_time
FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY auction, bidder ORDER BY event_time) AS place FROM bids)
WHERE place = 1;
