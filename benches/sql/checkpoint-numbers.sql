-- A count and a sum for each key of a sequence; one key in 10,000 is shown.
CREATE TABLE numbers (k BIGINT, v BIGINT) WITH (
  'connector' = 'datagen',
  'rows-per-second' = '1000000',
  'fields.k.kind' = 'sequence',
  'fields.k.start' = '1',
  'fields.k.end' = '1000000000',
  'fields.v.min' = '0',
  'fields.v.max' = '1000000'
);
CREATE TABLE shown (k BIGINT, n BIGINT, s BIGINT) WITH ('connector' = 'print');
INSERT INTO shown
SELECT k, n, s FROM (SELECT k, COUNT(*) AS n, SUM(v) AS s FROM numbers GROUP BY k) WHERE MOD(k, 10000) = 0;
