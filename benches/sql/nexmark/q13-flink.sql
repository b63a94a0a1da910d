-- Nexmark q13 for Flink, whose files can't be looked up: a join of the two tables, which has the same answer.
CREATE TABLE notes (k BIGINT, note STRING) WITH ('connector' = 'filesystem', 'path' = '${SIDE}', 'format' = 'csv');

CREATE TABLE answers (auction BIGINT, bidder BIGINT, price BIGINT, `dateTime` TIMESTAMP(3), note STRING)
WITH (${SINK});

INSERT INTO answers
SELECT b.auction, b.bidder, b.price, b.`dateTime`, n.note
FROM bid b JOIN notes n ON MOD(b.auction, 10000) = n.k;
