-- Bids: a low, a middle and a high price in a row within ten seconds, for each auction.
CREATE TABLE bids (
  auction BIGINT, bidder BIGINT, price BIGINT, channel STRING, url STRING, event_time TIMESTAMP(3), extra STRING,
  WATERMARK FOR event_time AS event_time - INTERVAL '1' SECOND
) WITH ('connector' = 'filesystem', 'path' = '${INPUT}', 'format' = 'json');

CREATE TABLE answers (auction BIGINT, low BIGINT, high BIGINT) WITH ('connector' = 'blackhole');

INSERT INTO answers
SELECT auction, low, high
FROM bids MATCH_RECOGNIZE (
  PARTITION BY auction
  ORDER BY event_time
  MEASURES a.price AS low, c.price AS high
  ONE ROW PER MATCH
  AFTER MATCH SKIP PAST LAST ROW
  PATTERN (a b c) WITHIN INTERVAL '10' SECOND
  DEFINE a AS a.price < 3000, b AS b.price >= 3000 AND b.price < 6000, c AS c.price >= 6000
);
