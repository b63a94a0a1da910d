-- Nexmark q16: bids, bidders and auctions of each channel and day, by price, and the latest minute.
CREATE TABLE answers (
  channel STRING, d STRING, latest STRING, bids BIGINT, bids_low BIGINT, bids_middle BIGINT, bids_high BIGINT,
  bidders BIGINT, bidders_low BIGINT, bidders_middle BIGINT, bidders_high BIGINT,
  auctions BIGINT, auctions_low BIGINT, auctions_middle BIGINT, auctions_high BIGINT
) WITH (${SINK});

INSERT INTO answers
SELECT
  channel,
  DATE_FORMAT(`dateTime`, 'yyyy-MM-dd'),
  MAX(DATE_FORMAT(`dateTime`, 'HH:mm')),
  COUNT(*),
  COUNT(*) FILTER (WHERE price < 10000),
  COUNT(*) FILTER (WHERE price >= 10000 AND price < 1000000),
  COUNT(*) FILTER (WHERE price >= 1000000),
  COUNT(DISTINCT bidder),
  COUNT(DISTINCT bidder) FILTER (WHERE price < 10000),
  COUNT(DISTINCT bidder) FILTER (WHERE price >= 10000 AND price < 1000000),
  COUNT(DISTINCT bidder) FILTER (WHERE price >= 1000000),
  COUNT(DISTINCT auction),
  COUNT(DISTINCT auction) FILTER (WHERE price < 10000),
  COUNT(DISTINCT auction) FILTER (WHERE price >= 10000 AND price < 1000000),
  COUNT(DISTINCT auction) FILTER (WHERE price >= 1000000)
FROM bid
GROUP BY channel, DATE_FORMAT(`dateTime`, 'yyyy-MM-dd');
