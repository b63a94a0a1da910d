-- Nexmark q4: the average of the highest bids for the auctions of each category.
CREATE TABLE answers (category BIGINT, average BIGINT) WITH (${SINK});

INSERT INTO answers
SELECT category, AVG(highest)
FROM (
  SELECT a.category, MAX(b.price) AS highest
  FROM auction a, bid b
  WHERE a.id = b.auction AND b.`dateTime` BETWEEN a.`dateTime` AND a.expires
  GROUP BY a.id, a.category
)
GROUP BY category;
