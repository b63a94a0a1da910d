-- Nexmark q6: the average price of a seller's last auctions. Refused: OVER takes no updating input.
CREATE TABLE answers (seller BIGINT, average BIGINT) WITH (${SINK});

INSERT INTO answers
SELECT seller, AVG(price) OVER (PARTITION BY seller ORDER BY `dateTime` ROWS BETWEEN 10 PRECEDING AND CURRENT ROW)
FROM (
  SELECT *, ROW_NUMBER() OVER (PARTITION BY id, seller ORDER BY price DESC) AS place
  FROM (
    SELECT a.id, a.seller, b.price, b.`dateTime`
    FROM auction a, bid b
    WHERE a.id = b.auction AND b.`dateTime` BETWEEN a.`dateTime` AND a.expires
  )
)
WHERE place <= 1;
