-- Nexmark CEP q2: while the average price of a bidder for an auction stays low; a match may begin at each bid.
CREATE TABLE answers (
  auction BIGINT, bidder BIGINT, first_time TIMESTAMP(3), last_time TIMESTAMP(3), average BIGINT
) WITH (${SINK});

INSERT INTO answers
SELECT auction, bidder, first_time, last_time, average
FROM bid MATCH_RECOGNIZE (
  PARTITION BY auction, bidder
  ORDER BY `dateTime`
  MEASURES FIRST(a.`dateTime`) AS first_time, LAST(a.`dateTime`) AS last_time, AVG(a.price) AS average
  ONE ROW PER MATCH
  AFTER MATCH SKIP TO NEXT ROW
  PATTERN (a+ b)
  DEFINE a AS AVG(a.price) < 10000
);
