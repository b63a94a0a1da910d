-- A count and a sum for each of many random keys, all of which change in each second.
CREATE TABLE numbers (k BIGINT, v BIGINT) WITH (
  'connector' = 'datagen',
  'rows-per-second' = '1000000000',
  'number-of-rows' = '${ROWS}',
  'seed' = '1',
  'fields.k.min' = '0',
  'fields.k.max' = '${KEYS}',
  'fields.v.min' = '0',
  'fields.v.max' = '1000'
);
CREATE TABLE totals (k BIGINT, n BIGINT, s BIGINT) WITH ('connector' = 'blackhole');
INSERT INTO totals SELECT k, COUNT(*), SUM(v) FROM numbers GROUP BY k;
