-- Makes a file of bids: 10,000 auctions, 50,000 bidders, 10,000 bids per second of event time.
CREATE TABLE made (
  auction BIGINT, bidder BIGINT, price BIGINT, channel STRING, url STRING, extra STRING, n BIGINT
) WITH (
  'connector' = 'datagen', 'number-of-rows' = '${EVENTS}',
  'fields.auction.min' = '0', 'fields.auction.max' = '9999',
  'fields.bidder.min' = '0', 'fields.bidder.max' = '49999',
  'fields.price.min' = '0', 'fields.price.max' = '9999',
  'fields.channel.length' = '8', 'fields.url.length' = '40', 'fields.extra.length' = '20',
  'fields.n.kind' = 'sequence', 'fields.n.start' = '0', 'fields.n.end' = '${LAST}'
);

CREATE TABLE lines (
  auction BIGINT, bidder BIGINT, price BIGINT, channel STRING, url STRING, event_time TIMESTAMP(3), extra STRING
) WITH ('connector' = 'filesystem', 'path' = '${OUT}', 'format' = 'json');

INSERT INTO lines
SELECT auction, bidder, price, channel, url,
  CAST(TO_TIMESTAMP_LTZ(1709251200000 + n / 10, 3) AS TIMESTAMP(3)), extra
FROM made;
