//! A schema registry on loopback that answers as Confluent's does.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// What it holds and what it was asked.
#[derive(Default)]
pub struct State {
    /// The schemas by id.
    pub schemas: BTreeMap<u32, String>,
    /// Subjects that were registered, with the id.
    pub subjects: Vec<(String, u32)>,
    /// Method and path of each request.
    pub requests: Vec<String>,
    /// The header that each request must have, if any.
    pub authorization: Option<String>,
    /// How many requests to answer with an error of the server first.
    pub failures: usize,
}

/// A running registry; its thread ends with the process.
pub struct Registry {
    /// Its address.
    pub url: String,
    pub state: Arc<Mutex<State>>,
}

/// Starts one with these schemas.
pub fn start<const N: usize>(schemas: [(u32, &str); N]) -> Registry {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let url = format!("http://{}", listener.local_addr().expect("it has an address"));
    let schemas = schemas.into_iter().map(|(id, text)| (id, text.to_string())).collect();
    let state = Arc::new(Mutex::new(State { schemas, ..State::default() }));
    let shared = state.clone();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            // A client that went away gets no answer.
            let _ = serve(stream, &shared);
        }
    });
    Registry { url, state }
}

fn serve(mut stream: TcpStream, state: &Mutex<State>) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut line = String::new();
    reader.read_line(&mut line)?;
    let request = line.rsplit_once(' ').map(|(request, _)| request.to_string()).unwrap_or_default();
    let (mut length, mut authorization) = (0, None);
    loop {
        line.clear();
        reader.read_line(&mut line)?;
        let Some((name, value)) = line.trim_end().split_once(':') else { break };
        match name.to_ascii_lowercase().as_str() {
            "content-length" => length = value.trim().parse().unwrap_or(0),
            "authorization" => authorization = Some(value.trim().to_string()),
            _ => {}
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    let (status, answer) = {
        let mut state = state.lock().expect("no test panicked with it");
        answer(&mut state, &request, authorization, &body)
    };
    write!(
        stream,
        "HTTP/1.1 {status}\r\nContent-Type: application/vnd.schemaregistry.v1+json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{answer}",
        answer.len()
    )
}

fn answer(state: &mut State, request: &str, authorization: Option<String>, body: &[u8]) -> (u16, String) {
    state.requests.push(request.to_string());
    if state.failures > 0 {
        state.failures -= 1;
        return (503, "busy".into());
    }
    if state.authorization.is_some() && state.authorization != authorization {
        return (401, r#"{"error_code":401,"message":"Unauthorized"}"#.into());
    }
    if let Some(id) = request.strip_prefix("GET /schemas/ids/") {
        return match id.parse::<u32>().ok().and_then(|id| state.schemas.get(&id)) {
            Some(text) => (200, serde_json::json!({"schema": text}).to_string()),
            None => (404, r#"{"error_code":40403,"message":"Schema not found"}"#.into()),
        };
    }
    let subject = request.strip_prefix("POST /subjects/").and_then(|rest| rest.strip_suffix("/versions"));
    let body: serde_json::Value = serde_json::from_slice(body).unwrap_or_default();
    match (subject, body["schema"].as_str()) {
        (Some(subject), Some(schema)) => {
            let known = state.schemas.iter().find(|(_, text)| *text == schema).map(|(id, _)| *id);
            let id = known.unwrap_or_else(|| state.schemas.keys().next_back().map_or(1, |last| last + 1));
            state.schemas.insert(id, schema.to_string());
            state.subjects.push((subject.to_string(), id));
            (200, serde_json::json!({"id": id}).to_string())
        }
        _ => (422, r#"{"error_code":42201,"message":"Invalid schema"}"#.into()),
    }
}
