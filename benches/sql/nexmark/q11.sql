-- Nexmark q11: the bids of each bidder until ten seconds pass without one.
CREATE TABLE answers (bidder BIGINT, bids BIGINT, s TIMESTAMP(3), e TIMESTAMP(3)) WITH (${SINK});

INSERT INTO answers
SELECT bidder, COUNT(*), SESSION_START(`dateTime`, INTERVAL '10' SECOND), SESSION_END(`dateTime`, INTERVAL '10' SECOND)
FROM bid
GROUP BY bidder, SESSION(`dateTime`, INTERVAL '10' SECOND);
