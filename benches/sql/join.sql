-- Bids: low bids with high bids of the same bidder for the same auction, ever; few have one.
CREATE TABLE bids (
  auction BIGINT, bidder BIGINT, price BIGINT, channel STRING, url STRING, event_time TIMESTAMP(3), extra STRING,
  WATERMARK FOR event_time AS event_time - INTERVAL '1' SECOND
) WITH ('connector' = 'filesystem', 'path' = '${INPUT}', 'format' = 'json');

CREATE TABLE answers (auction BIGINT, bidder BIGINT, low BIGINT, high BIGINT) WITH ('connector' = 'blackhole');

INSERT INTO answers
SELECT a.auction, a.bidder, a.price, b.price
FROM (SELECT * FROM bids WHERE price < 5000) a
JOIN (SELECT * FROM bids WHERE price >= 5000) b ON a.auction = b.auction AND a.bidder = b.bidder;
