-- Bids: the ten highest for each auction so far, with their places.
CREATE TABLE bids (
  auction BIGINT, bidder BIGINT, price BIGINT, channel STRING, url STRING, event_time TIMESTAMP(3), extra STRING,
  WATERMARK FOR event_time AS event_time - INTERVAL '1' SECOND
) WITH ('connector' = 'filesystem', 'path' = '${INPUT}', 'format' = 'json');

CREATE TABLE answers (auction BIGINT, bidder BIGINT, price BIGINT, place BIGINT) WITH ('connector' = 'blackhole');

INSERT INTO answers
SELECT auction, bidder, price, place
FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY auction ORDER BY price DESC) AS place FROM bids)
WHERE place <= 10;
