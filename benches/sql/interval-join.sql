-- Bids: each bid with those of the next five seconds for the same auction, about five.
CREATE TABLE bids (
  auction BIGINT, bidder BIGINT, price BIGINT, channel STRING, url STRING, event_time TIMESTAMP(3), extra STRING,
  WATERMARK FOR event_time AS event_time - INTERVAL '1' SECOND
) WITH ('connector' = 'filesystem', 'path' = '${INPUT}', 'format' = 'json');

CREATE TABLE answers (auction BIGINT, price BIGINT, later_price BIGINT) WITH ('connector' = 'blackhole');

INSERT INTO answers
SELECT a.auction, a.price, b.price
FROM bids a JOIN bids b
ON a.auction = b.auction AND b.event_time BETWEEN a.event_time AND a.event_time + INTERVAL '5' SECOND;
