-- Nexmark q5: the auctions with the most bids of the last ten seconds, every two seconds.
CREATE TABLE answers (auction BIGINT, bids BIGINT) WITH (${SINK});

INSERT INTO answers
SELECT counted.auction, counted.bids
FROM (
  SELECT auction, COUNT(*) AS bids, window_start AS s, window_end AS e
  FROM TABLE(HOP(TABLE bid, DESCRIPTOR(`dateTime`), INTERVAL '2' SECOND, INTERVAL '10' SECOND))
  GROUP BY auction, window_start, window_end
) AS counted
JOIN (
  SELECT MAX(bids) AS most, s, e
  FROM (
    SELECT COUNT(*) AS bids, window_start AS s, window_end AS e
    FROM TABLE(HOP(TABLE bid, DESCRIPTOR(`dateTime`), INTERVAL '2' SECOND, INTERVAL '10' SECOND))
    GROUP BY auction, window_start, window_end
  )
  GROUP BY s, e
) AS top
ON counted.s = top.s AND counted.e = top.e AND counted.bids >= top.most;
