//! A client of a schema registry: schemas by id, and ids of schemas.
//!
//! Source of the rules: the HTTP API of Confluent's Schema Registry. Requests are few (one for each schema), so each
//! runs on a thread of its own with a client of its own and may be made from anywhere. Several addresses, with a
//! comma between, are tried in turn. Deliberately not here: schemas that refer to others.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::{Certificate, Client, Identity, Method, StatusCode};
use serde_json::{Value, json};
use std::time::Duration;
use tidemill_types::{Error, OptionKind, OptionSpec, Options, Result};

/// What can't stand in a segment of a path: all but the characters that RFC 3986 calls unreserved.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

const fn text(key: &'static str, help: &'static str) -> OptionSpec {
    OptionSpec::new(key, OptionKind::Text, help)
}

pub(super) const URL: OptionSpec =
    text("url", "the address of the schema registry, such as 'http://registry:8081'; several with commas")
        .required();
pub(super) const SUBJECT: OptionSpec = text(
    "subject",
    "the name under which a sink registers its schema; with Kafka '<topic>-value' or '<topic>-key' if not given",
);
pub(super) const SCHEMA: OptionSpec =
    text("schema", "the schema to read and write with, instead of the one that follows from the columns");
const TRUSTSTORE: OptionSpec = text("ssl.truststore.location", "a PEM file with the authorities to trust");
const TRUSTSTORE_PASSWORD: OptionSpec = text("ssl.truststore.password", "accepted; PEM files have none");
const KEYSTORE: OptionSpec =
    text("ssl.keystore.location", "a PEM file with a certificate and its private key");
const KEYSTORE_PASSWORD: OptionSpec = text("ssl.keystore.password", "accepted; PEM files have none");
const BASIC_SOURCE: OptionSpec =
    text("basic-auth.credentials-source", "where user and password are: 'USER_INFO' or 'URL'");
const BASIC_USER: OptionSpec = text("basic-auth.user-info", "user and password as 'user:password'");
const BEARER_SOURCE: OptionSpec =
    text("bearer-auth.credentials-source", "where the token is: only 'STATIC_TOKEN'");
const BEARER_TOKEN: OptionSpec = text("bearer-auth.token", "the token that is sent with each request");
const PROPERTIES: OptionSpec =
    text("properties.*", "further properties of Confluent's client; accepted, without meaning here");

/// The options of every format that uses a registry.
pub(super) const OPTIONS: &[OptionSpec] = &[
    URL,
    SUBJECT,
    SCHEMA,
    TRUSTSTORE,
    TRUSTSTORE_PASSWORD,
    KEYSTORE,
    KEYSTORE_PASSWORD,
    BASIC_SOURCE,
    BASIC_USER,
    BEARER_SOURCE,
    BEARER_TOKEN,
    PROPERTIES,
];

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
const TIMEOUT: Duration = Duration::from_secs(15);
/// How often all addresses are tried.
const ROUNDS: u32 = 4;
const PAUSE: Duration = Duration::from_millis(250);
const CONTENT_TYPE: &str = "application/vnd.schemaregistry.v1+json";

/// A registry.
#[derive(Clone)]
pub(super) struct Registry {
    urls: Vec<String>,
    user: Option<(String, String)>,
    token: Option<String>,
    roots: Vec<Certificate>,
    identity: Option<Identity>,
}

/// What the registry said.
enum Answer {
    Found(Value),
    /// It does not have that.
    Unknown(String),
}

/// Why a request failed.
enum Failure {
    /// Another address, or the same later, may answer.
    Passing(String),
    Final(String),
}

impl Registry {
    /// The registry that a table's options name.
    pub fn of(options: &Options) -> Result<Self> {
        let urls = options.text(&URL).unwrap_or_default().split(',');
        let urls: Vec<String> = urls.map(|url| url.trim().trim_end_matches('/').to_string()).collect();
        if let Some(url) = urls.iter().find(|url| !url.starts_with("http://") && !url.starts_with("https://"))
        {
            return Err(Error::user_hint(
                format!("option 'url' is '{url}', which is no address of a schema registry"),
                "it begins with http:// or https://",
            ));
        }
        let user = options.text(&BASIC_USER).map(|text| match text.split_once(':') {
            Some((user, password)) => Ok((user.to_string(), password.to_string())),
            None => Err(Error::user("option 'basic-auth.user-info' must be 'user:password'")),
        });
        let roots = pem(options, &TRUSTSTORE)?.map(|pem| {
            Certificate::from_pem_bundle(&pem).map_err(|error| {
                Error::user(format!("'ssl.truststore.location' holds no certificates: {error}"))
            })
        });
        let identity = pem(options, &KEYSTORE)?.map(|pem| {
            Identity::from_pem(&pem)
                .map_err(|error| Error::user(format!("'ssl.keystore.location' holds no key: {error}")))
        });
        Ok(Registry {
            urls,
            user: user.transpose()?,
            token: options.text(&BEARER_TOKEN).map(str::to_string),
            roots: roots.transpose()?.unwrap_or_default(),
            identity: identity.transpose()?,
        })
    }

    /// The text of the schema with this id; `Err` inside if the registry does not have it or it can't be used.
    pub fn schema(&self, id: u32) -> Result<Result<String, String>> {
        let answer = self.ask(Method::GET, &format!("/schemas/ids/{id}"), None)?;
        Ok(match answer {
            Answer::Unknown(message) => Err(format!("the schema registry has no schema {id}: {message}")),
            Answer::Found(found) => match (found["schemaType"].as_str(), found["schema"].as_str()) {
                (Some(kind), _) if kind != "AVRO" => {
                    Err(format!("schema {id} is of the type {kind}, not Avro"))
                }
                (_, Some(_)) if found["references"].as_array().is_some_and(|list| !list.is_empty()) => {
                    Err(format!("schema {id} refers to other schemas, which can't be read"))
                }
                (_, Some(text)) => Ok(text.to_string()),
                (_, None) => Err(format!("the schema registry gave no text for schema {id}")),
            },
        })
    }

    /// The id of a schema under a subject; it is registered if it is not there yet.
    pub fn register(&self, subject: &str, schema: &str) -> Result<u32> {
        let escaped = utf8_percent_encode(subject, ESCAPED);
        let path = format!("/subjects/{escaped}/versions");
        let refused = |message: &str| {
            Error::external_fatal(format!(
                "the schema registry did not take the schema of '{subject}': {message}"
            ))
        };
        match self.ask(Method::POST, &path, Some(json!({"schema": schema})))? {
            Answer::Unknown(message) => Err(refused(&message)),
            Answer::Found(found) => {
                let id = found["id"].as_u64().and_then(|id| u32::try_from(id).ok());
                id.ok_or_else(|| refused("it gave no id"))
            }
        }
    }

    fn ask(&self, method: Method, path: &str, body: Option<Value>) -> Result<Answer> {
        let asking = std::thread::scope(|scope| {
            scope
                .spawn(|| {
                    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
                    let runtime = runtime.map_err(|error| {
                        Error::internal(format!("no runtime for the schema registry: {error}"))
                    })?;
                    runtime.block_on(self.ask_in_turn(&method, path, body.as_ref()))
                })
                .join()
        });
        asking.unwrap_or_else(|_| Err(Error::internal("the client of the schema registry panicked")))
    }

    async fn ask_in_turn(&self, method: &Method, path: &str, body: Option<&Value>) -> Result<Answer> {
        let client = self.client()?;
        let mut last = String::new();
        for round in 0..ROUNDS {
            if round > 0 {
                tokio::time::sleep(PAUSE * 2u32.pow(round - 1)).await;
            }
            for url in &self.urls {
                match self.ask_one(&client, method, &format!("{url}{path}"), body).await {
                    Ok(answer) => return Ok(answer),
                    Err(Failure::Final(message)) => {
                        return Err(Error::external_fatal(format!(
                            "the schema registry at '{url}': {message}"
                        )));
                    }
                    Err(Failure::Passing(message)) => {
                        last = format!("the schema registry at '{url}' does not answer: {message}");
                    }
                }
            }
        }
        Err(Error::external(last))
    }

    fn client(&self) -> Result<Client> {
        // An error says that a provider is there already.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut builder = Client::builder().connect_timeout(CONNECT_TIMEOUT).timeout(TIMEOUT);
        if !self.roots.is_empty() {
            builder = builder.tls_certs_only(self.roots.iter().cloned());
        }
        if let Some(identity) = &self.identity {
            builder = builder.identity(identity.clone());
        }
        builder
            .build()
            .map_err(|error| Error::user(format!("no client for the schema registry: {}", chain(&error))))
    }

    async fn ask_one(
        &self,
        client: &Client,
        method: &Method,
        url: &str,
        body: Option<&Value>,
    ) -> Result<Answer, Failure> {
        let mut request = client.request(method.clone(), url).header("Accept", CONTENT_TYPE);
        if let Some((user, password)) = &self.user {
            request = request.basic_auth(user, Some(password));
        }
        if let Some(token) = &self.token {
            request = request.bearer_auth(token);
        }
        if let Some(body) = body {
            request = request.header("Content-Type", CONTENT_TYPE).body(body.to_string());
        }
        let response = request.send().await.map_err(|error| Failure::Passing(chain(&error)))?;
        let status = response.status();
        let bytes = response.bytes().await.map_err(|error| Failure::Passing(chain(&error)))?;
        let value: Value = serde_json::from_slice(&bytes).unwrap_or_default();
        let message = match value["message"].as_str() {
            Some(message) => format!("{message} ({status})"),
            None => status.to_string(),
        };
        match status {
            status if status.is_success() => Ok(Answer::Found(value)),
            StatusCode::NOT_FOUND | StatusCode::CONFLICT | StatusCode::UNPROCESSABLE_ENTITY => {
                Ok(Answer::Unknown(message))
            }
            StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS => Err(Failure::Passing(message)),
            status if status.is_server_error() => Err(Failure::Passing(message)),
            _ => Err(Failure::Final(message)),
        }
    }
}

/// An error with its causes, which say what happened.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}

fn pem(options: &Options, spec: &OptionSpec) -> Result<Option<Vec<u8>>> {
    let Some(path) = options.text(spec) else { return Ok(None) };
    let read = std::fs::read(path)
        .map_err(|error| Error::user(format!("can't read '{path}' ('{}'): {error}", spec.key)))?;
    match read.windows(10).any(|window| window == b"-----BEGIN") {
        true => Ok(Some(read)),
        false => Err(Error::user_hint(
            format!("'{path}' ('{}') is no PEM file", spec.key),
            "turn a Java key store into PEM, for example with keytool -exportcert -rfc",
        )),
    }
}
