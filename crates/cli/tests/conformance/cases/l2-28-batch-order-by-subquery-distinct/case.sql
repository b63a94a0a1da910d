-- a scalar subquery in ORDER BY behind DISTINCT
SET 'execution.runtime-mode' = 'batch';
SELECT DISTINCT x.a FROM (VALUES (1),(2),(3)) AS x(a)
  ORDER BY a * (SELECT MAX(c) FROM (VALUES (-1),(-2)) AS z(c)), a;
