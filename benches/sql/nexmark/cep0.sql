-- Nexmark CEP q0: prices of a bidder for an auction that fall and rise again.
CREATE TABLE answers (
  auction BIGINT, bidder BIGINT, first_time TIMESTAMP(3), bottom_time TIMESTAMP(3), last_time TIMESTAMP(3)
) WITH (${SINK});

INSERT INTO answers
SELECT auction, bidder, first_time, bottom_time, last_time
FROM bid MATCH_RECOGNIZE (
  PARTITION BY auction, bidder
  ORDER BY `dateTime`
  MEASURES
    first_bid.`dateTime` AS first_time, LAST(down.`dateTime`) AS bottom_time, LAST(up.`dateTime`) AS last_time
  ONE ROW PER MATCH
  AFTER MATCH SKIP TO LAST up
  PATTERN (first_bid down+ up)
  DEFINE
    down AS (LAST(down.price, 1) IS NULL AND down.price < first_bid.price) OR down.price < LAST(down.price, 1),
    up AS up.price > LAST(down.price, 1)
);
