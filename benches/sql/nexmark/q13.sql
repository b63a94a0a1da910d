-- Nexmark q13: bids with what a file says of their auction.
CREATE TABLE notes (k BIGINT, note STRING) WITH ('connector' = 'filesystem', 'path' = '${SIDE}', 'format' = 'csv');

CREATE TABLE answers (auction BIGINT, bidder BIGINT, price BIGINT, `dateTime` TIMESTAMP(3), note STRING)
WITH (${SINK});

INSERT INTO answers
SELECT b.auction, b.bidder, b.price, b.`dateTime`, n.note
FROM (SELECT *, PROCTIME() AS arrived FROM bid) b
JOIN notes FOR SYSTEM_TIME AS OF b.arrived AS n ON MOD(b.auction, 10000) = n.k;
