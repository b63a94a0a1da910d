-- Makes the file of events that both engines read.
CREATE TABLE made (
  event_type INT,
  person ROW<id BIGINT, name STRING, emailAddress STRING, creditCard STRING, city STRING, state STRING,
    `dateTime` TIMESTAMP(3), extra STRING>,
  auction ROW<id BIGINT, itemName STRING, description STRING, initialBid BIGINT, reserve BIGINT,
    `dateTime` TIMESTAMP(3), expires TIMESTAMP(3), seller BIGINT, category BIGINT, extra STRING>,
  bid ROW<auction BIGINT, bidder BIGINT, price BIGINT, channel STRING, url STRING,
    `dateTime` TIMESTAMP(3), extra STRING>
) WITH ('connector' = 'nexmark', 'events.num' = '${EVENTS}', 'base-time' = '1700000000000');

CREATE TABLE lines WITH ('connector' = 'filesystem', 'path' = '${OUT}', 'format' = 'json') LIKE made (EXCLUDING OPTIONS);

INSERT INTO lines SELECT * FROM made;
