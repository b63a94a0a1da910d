-- Nexmark q7: the highest bids of each ten seconds.
CREATE TABLE answers (auction BIGINT, price BIGINT, bidder BIGINT, `dateTime` TIMESTAMP(3), extra STRING)
WITH (${SINK});

INSERT INTO answers
SELECT b.auction, b.price, b.bidder, b.`dateTime`, b.extra
FROM bid b
JOIN (
  SELECT MAX(price) AS highest, window_end AS e
  FROM TABLE(TUMBLE(TABLE bid, DESCRIPTOR(`dateTime`), INTERVAL '10' SECOND))
  GROUP BY window_start, window_end
) top
ON b.price = top.highest
WHERE b.`dateTime` BETWEEN top.e - INTERVAL '10' SECOND AND top.e;
