-- RANGE measures a DECIMAL column, descending, with digits behind the point
SET 'execution.runtime-mode' = 'batch';
SELECT a, COUNT(*) OVER (ORDER BY a DESC RANGE BETWEEN 1.5 PRECEDING AND 0.25 FOLLOWING) AS n
  FROM (VALUES (1.25),(1.5),(3.0),(CAST(NULL AS DECIMAL(5,3)))) AS x(a);
