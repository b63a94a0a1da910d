-- Nexmark q3: who sells something of category 10 in three of the states.
CREATE TABLE answers (name STRING, city STRING, state STRING, id BIGINT) WITH (${SINK});

INSERT INTO answers
SELECT person.name, person.city, person.state, auction.id
FROM auction JOIN person ON auction.seller = person.id
WHERE auction.category = 10 AND (person.state = 'OR' OR person.state = 'ID' OR person.state = 'CA');
