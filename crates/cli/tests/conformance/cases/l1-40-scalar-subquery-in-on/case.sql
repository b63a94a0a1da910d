-- a scalar subquery in ON of a LEFT JOIN
SELECT x.a, y.b FROM (VALUES (1),(2),(3)) AS x(a) LEFT JOIN (VALUES (1),(2),(3)) AS y(b)
  ON x.a = y.b AND y.b < (SELECT MAX(c) FROM (VALUES (1),(3)) AS z(c));
