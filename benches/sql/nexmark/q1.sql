-- Nexmark q1: the price of each bid in another currency.
CREATE TABLE answers (auction BIGINT, bidder BIGINT, price DECIMAL(23, 3), `dateTime` TIMESTAMP(3), extra STRING)
WITH (${SINK});

INSERT INTO answers SELECT auction, bidder, 0.908 * price, `dateTime`, extra FROM bid;
