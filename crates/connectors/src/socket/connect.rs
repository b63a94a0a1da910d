//! Connects to a server and reads what it sends.
//!
//! A connection that fails is tried again with a growing pause if the table asks for it; otherwise the
//! failure goes to the runtime, and the end of the connection is the end of the table.

use super::Config;
use super::lines::Ended;
use super::listen::read_from;
use crate::ingest_log::{Arrival, Inflow};
use crate::notice::notice;
use std::sync::Arc;
use std::time::Duration;
use tidemill_types::{Error, Result};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

/// The first pause before another try.
const PAUSE_MIN: Duration = Duration::from_millis(100);
/// The longest pause before another try.
const PAUSE_MAX: Duration = Duration::from_secs(10);
/// How many blobs wait for the consumer.
const QUEUE_BLOBS: usize = 16;

/// The connecting source.
pub(super) struct Connection {
    config: Arc<Config>,
    task: JoinSet<Result<()>>,
    blobs: Option<mpsc::Receiver<Arrival>>,
}

impl Connection {
    pub(super) fn new(config: Config) -> Self {
        Connection { config: Arc::new(config), task: JoinSet::new(), blobs: None }
    }
}

#[async_trait::async_trait]
impl Inflow for Connection {
    async fn next(&mut self) -> Result<Option<Arrival>> {
        let (config, task) = (&self.config, &mut self.task);
        let blobs = self.blobs.get_or_insert_with(|| {
            let (out, blobs) = mpsc::channel(QUEUE_BLOBS);
            task.spawn(keep_reading(config.clone(), out));
            blobs
        });
        if let Some(arrival) = blobs.recv().await {
            return Ok(Some(arrival));
        }
        match self.task.join_next().await {
            Some(Ok(Err(error))) => {
                // The runtime may call again; then there is a new try.
                self.blobs = None;
                Err(error)
            }
            Some(Err(_)) => Err(Error::internal("the reading task failed")),
            Some(Ok(Ok(()))) | None => Ok(None),
        }
    }
}

async fn keep_reading(config: Arc<Config>, out: mpsc::Sender<Arrival>) -> Result<()> {
    let (mut pause, mut connections) = (PAUSE_MIN, 0u32);
    loop {
        let ended = read_once(&config, connections, &out).await;
        match &ended {
            Ok(Ended::Unheard) => return Ok(()),
            Ok(_) => (pause, connections) = (PAUSE_MIN, connections + 1),
            Err(_) => {}
        }
        let problem = match ended {
            Ok(Ended::ByPeer) if !config.reconnect => return Ok(()),
            Ok(Ended::ByPeer) => "was closed".to_string(),
            Ok(Ended::LineTooLong) => format!("sent a line of more than {} bytes", config.line_bytes_max),
            Ok(Ended::Broken(error)) | Err(error) => format!("failed: {error}"),
            Ok(Ended::Unheard) => return Ok(()),
        };
        let message = format!("the connection to {}:{} {problem}", config.host, config.port);
        if !config.reconnect {
            return Err(Error::external(message));
        }
        notice(&config.table, format!("{message}; next try in {} ms", pause.as_millis()));
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(PAUSE_MAX);
    }
}

async fn read_once(config: &Config, number: u32, out: &mpsc::Sender<Arrival>) -> std::io::Result<Ended> {
    let stream = TcpStream::connect((config.host.as_str(), config.port)).await?;
    let peer = stream.peer_addr()?.to_string();
    Ok(read_from(stream, (&peer, number), config, out.clone()).await)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::AsyncWriteExt;
    use tokio::net::TcpListener;
    use tokio::time::timeout;

    fn config(port: u16, reconnect: bool) -> Config {
        Config {
            table: "t".into(),
            host: "127.0.0.1".into(),
            port,
            line_bytes_max: 100,
            connections_max: 1,
            delimiter: b'\n',
            end_when_left: false,
            reconnect,
            acknowledge: false,
        }
    }

    async fn text(source: &mut Connection) -> Option<String> {
        match timeout(Duration::from_secs(10), source.next()).await.unwrap().unwrap() {
            Some(arrival) => Some(String::from_utf8(arrival.blob.blob.bytes.to_vec()).unwrap()),
            None => None,
        }
    }

    #[tokio::test]
    async fn the_end_of_the_server_is_the_end_unless_reconnecting() {
        let server = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = server.local_addr().unwrap().port();
        let serving = tokio::spawn(async move {
            for text in ["one\ntwo", "three\n", "four\n"] {
                let (mut stream, _) = server.accept().await.unwrap();
                stream.write_all(text.as_bytes()).await.unwrap();
            }
        });
        let mut once = Connection::new(config(port, false));
        assert_eq!(text(&mut once).await.as_deref(), Some("one\ntwo"));
        assert_eq!(text(&mut once).await, None);
        let mut again = Connection::new(config(port, true));
        assert_eq!(text(&mut again).await.as_deref(), Some("three\n"));
        assert_eq!(text(&mut again).await.as_deref(), Some("four\n"));
        serving.await.unwrap();
        let refused = Connection::new(config(port, false)).next().await.err().unwrap();
        assert!(matches!(refused, Error::External { retryable: true, .. }));
    }
}
