-- A text of 87 bytes for each key of a sequence, with its key 96 and as kept 100; one key in 10,000 is shown.
CREATE TABLE texts (k BIGINT, t STRING) WITH (
  'connector' = 'datagen',
  'rows-per-second' = '1000000',
  'fields.k.kind' = 'sequence',
  'fields.k.start' = '1',
  'fields.k.end' = '1000000000',
  'fields.t.length' = '87'
);
CREATE TABLE shown (k BIGINT, t STRING) WITH ('connector' = 'print');
INSERT INTO shown
SELECT k, t FROM (SELECT k, MAX(t) AS t FROM texts GROUP BY k) WHERE MOD(k, 10000) = 0;
