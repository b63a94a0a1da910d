-- Nexmark q12: the bids of each bidder in ten seconds of the clock. What is open at the end of the input is not given.
CREATE TABLE answers (bidder BIGINT, bids BIGINT, s TIMESTAMP(3), e TIMESTAMP(3)) WITH (${SINK});

CREATE VIEW arriving AS SELECT *, PROCTIME() AS arrived FROM bid;

INSERT INTO answers
SELECT bidder, COUNT(*), window_start, window_end
FROM TABLE(TUMBLE(TABLE arriving, DESCRIPTOR(arrived), INTERVAL '10' SECOND))
GROUP BY bidder, window_start, window_end;
