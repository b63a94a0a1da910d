-- Nexmark q14: bids within a range of prices, the time of day, how often a letter comes in them.
CREATE TABLE answers (
  auction BIGINT, bidder BIGINT, price DECIMAL(23, 3), part STRING, `dateTime` TIMESTAMP(3), extra STRING, letters INT
) WITH (${SINK});

INSERT INTO answers
SELECT auction, bidder, 0.908 * price,
  CASE
    WHEN HOUR(`dateTime`) >= 8 AND HOUR(`dateTime`) <= 18 THEN 'day'
    WHEN HOUR(`dateTime`) <= 6 OR HOUR(`dateTime`) >= 20 THEN 'night'
    ELSE 'between'
  END,
  `dateTime`, extra, CHAR_LENGTH(extra) - CHAR_LENGTH(REPLACE(extra, 'c', ''))
FROM bid
WHERE 0.908 * price > 1000000 AND 0.908 * price < 50000000;
