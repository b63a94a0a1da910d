-- a scalar subquery in ON of a FULL JOIN
SET 'execution.runtime-mode' = 'batch';
SELECT x.a, y.b FROM (VALUES (1),(2),(3)) AS x(a) FULL JOIN (VALUES (1),(2),(4)) AS y(b)
  ON x.a = y.b AND y.b < (SELECT MAX(c) FROM (VALUES (1),(2)) AS z(c));
