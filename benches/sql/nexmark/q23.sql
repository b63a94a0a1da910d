-- Nexmark q23: bids of persons who sell something themselves, with the person and each of their auctions.
CREATE TABLE answers (
  bidder BIGINT, price BIGINT, channel STRING, url STRING, bid_extra STRING,
  id BIGINT, name STRING, emailAddress STRING, creditCard STRING, city STRING, state STRING, person_extra STRING,
  itemName STRING, description STRING, initialBid BIGINT, reserve BIGINT, auction_time TIMESTAMP(3),
  expires TIMESTAMP(3), seller BIGINT, category BIGINT, auction_extra STRING
) WITH (${SINK});

INSERT INTO answers
SELECT bidder, price, channel, url, b.extra,
  p.id, name, emailAddress, creditCard, city, state, p.extra,
  itemName, description, initialBid, reserve, a.`dateTime`, expires, seller, category, a.extra
FROM bid b
JOIN person p ON p.id = b.bidder
JOIN auction a ON a.seller = b.bidder;
