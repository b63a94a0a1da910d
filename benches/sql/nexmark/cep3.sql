-- Nexmark CEP q3: a price that falls by more than 50 within five seconds.
CREATE TABLE answers (auction BIGINT, bidder BIGINT, drop_time TIMESTAMP(3), drop_by BIGINT) WITH (${SINK});

INSERT INTO answers
SELECT auction, bidder, drop_time, drop_by
FROM bid MATCH_RECOGNIZE (
  PARTITION BY auction, bidder
  ORDER BY `dateTime`
  MEASURES c.`dateTime` AS drop_time, a.price - c.price AS drop_by
  ONE ROW PER MATCH
  AFTER MATCH SKIP PAST LAST ROW
  PATTERN (a b* c) WITHIN INTERVAL '5' SECOND
  DEFINE
    b AS b.price > a.price - 50,
    c AS c.price < a.price - 50
);
