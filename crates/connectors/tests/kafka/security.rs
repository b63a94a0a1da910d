//! Encrypted connections and logins.

use crate::admin::new_topic;
use crate::tables::{failure, rows, table};

fn round_trip(security: &[(&str, &str)]) -> Vec<String> {
    let topic = new_topic("secured", 1);
    rows(&format!(
        "{}INSERT INTO t VALUES (CAST(1 AS BIGINT));\nSELECT * FROM t;",
        table("t", "v BIGINT", &topic, security)
    ))
}

#[test]
fn logins_are_plain_or_scram() {
    let broker = std::env::var("TIDEMILL_KAFKA_SASL").unwrap();
    let module = "org.apache.flink.kafka.shaded.org.apache.kafka.common.security";
    let logins = [
        (
            "PLAIN",
            format!("{module}.plain.PlainLoginModule required username=\"alice\" password=\"wonder;land\";"),
        ),
        (
            "SCRAM-SHA-256",
            format!("{module}.scram.ScramLoginModule required username=\"bob\" password=\"builder\";"),
        ),
        (
            "SCRAM-SHA-512",
            format!("{module}.scram.ScramLoginModule required username=\"carol\" password=\"singer\";"),
        ),
    ];
    let options = |mechanism: &'static str| {
        [
            ("properties.bootstrap.servers", broker.as_str()),
            ("properties.security.protocol", "SASL_PLAINTEXT"),
            ("properties.sasl.mechanism", mechanism),
        ]
    };
    for (mechanism, jaas) in &logins {
        let login = [&options(mechanism)[..], &[("properties.sasl.jaas.config", jaas.as_str())]].concat();
        assert_eq!(round_trip(&login), ["1"], "{mechanism}");
    }
    for mechanism in ["PLAIN", "SCRAM-SHA-256"] {
        let wrong = [
            &options(mechanism)[..],
            &[("properties.sasl.username", "bob"), ("properties.sasl.password", "wrong")],
        ]
        .concat();
        let error = failure(&format!("{}SELECT * FROM t;", table("t", "v BIGINT", "x", &wrong)));
        assert!(error.contains("refused") && !error.contains("wrong"), "{error}");
    }
}

#[test]
fn connections_are_encrypted_and_the_broker_is_known() {
    let broker = std::env::var("TIDEMILL_KAFKA_TLS").unwrap();
    let authority = std::env::var("TIDEMILL_KAFKA_CA").unwrap();
    let encrypted =
        [("properties.bootstrap.servers", broker.as_str()), ("properties.security.protocol", "SSL")];
    let trusted = [
        &encrypted[..],
        &[
            ("properties.ssl.truststore.type", "PEM"),
            ("properties.ssl.truststore.location", authority.as_str()),
        ],
    ];
    assert_eq!(round_trip(&trusted.concat()), ["1"]);
    let error = failure(&format!("{}SELECT * FROM t;", table("t", "v BIGINT", "x", &encrypted)));
    assert!(error.contains("certificate"), "{error}");
}
