-- Nexmark q8: persons who came and opened an auction within the same ten seconds.
CREATE TABLE answers (id BIGINT, name STRING, s TIMESTAMP(3)) WITH (${SINK});

INSERT INTO answers
SELECT p.id, p.name, p.s
FROM (
  SELECT id, name, window_start AS s, window_end AS e
  FROM TABLE(TUMBLE(TABLE person, DESCRIPTOR(`dateTime`), INTERVAL '10' SECOND))
  GROUP BY id, name, window_start, window_end
) p
JOIN (
  SELECT seller, window_start AS s, window_end AS e
  FROM TABLE(TUMBLE(TABLE auction, DESCRIPTOR(`dateTime`), INTERVAL '10' SECOND))
  GROUP BY seller, window_start, window_end
) a
ON p.id = a.seller AND p.s = a.s AND p.e = a.e;
