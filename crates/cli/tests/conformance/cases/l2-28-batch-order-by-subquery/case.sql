-- a scalar subquery in ORDER BY
SET 'execution.runtime-mode' = 'batch';
SELECT x.a, COUNT(*) AS n FROM (VALUES (1),(2),(3)) AS x(a) GROUP BY x.a
  ORDER BY x.a * (SELECT MAX(c) FROM (VALUES (-1),(-2)) AS z(c)), a;
