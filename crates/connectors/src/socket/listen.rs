//! Listens for clients and reads from all of them at once.
//!
//! Each client has a task; all send into one bounded queue, so a slow consumer stops every read. Dropping
//! the source ends the tasks.

use super::Config;
use super::lines::{Ended, Lines, acknowledge};
use crate::ingest_log::{Arrival, Inflow};
use crate::notice::notice;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tidemill_types::{Error, Result};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

/// How many blobs wait for the consumer.
const QUEUE_BLOBS: usize = 16;
/// How long to wait after a client could not be accepted.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// The listening source.
pub(super) struct Listener {
    config: Arc<Config>,
    bound: Option<std::net::TcpListener>,
    /// The task that accepts, which owns those that read.
    tasks: JoinSet<()>,
    blobs: Option<mpsc::Receiver<Arrival>>,
}

impl Listener {
    /// Takes the port, so that a port in use is known before the run begins.
    pub(super) fn bind(config: Config) -> Result<Self> {
        let address = (config.host.as_str(), config.port);
        let bound = std::net::TcpListener::bind(address)
            .and_then(|bound| bound.set_nonblocking(true).map(|()| bound))
            .map_err(|error| cannot_listen(&config, &error))?;
        Ok(Listener { config: Arc::new(config), bound: Some(bound), tasks: JoinSet::new(), blobs: None })
    }

    /// The address that it listens at.
    #[cfg(test)]
    pub(super) fn address(&self) -> std::net::SocketAddr {
        self.bound.as_ref().expect("not started yet").local_addr().expect("it is bound")
    }

    fn start(&mut self, bound: std::net::TcpListener) -> Result<()> {
        let listener = TcpListener::from_std(bound).map_err(|error| cannot_listen(&self.config, &error))?;
        let (out, blobs) = mpsc::channel(QUEUE_BLOBS);
        self.tasks.spawn(accept(listener, self.config.clone(), out));
        self.blobs = Some(blobs);
        Ok(())
    }
}

#[async_trait::async_trait]
impl Inflow for Listener {
    async fn next(&mut self) -> Result<Option<Arrival>> {
        if let Some(bound) = self.bound.take() {
            self.start(bound)?;
        }
        let blobs = self.blobs.as_mut().ok_or_else(|| Error::internal("the listener did not start"))?;
        Ok(blobs.recv().await)
    }
}

fn cannot_listen(config: &Config, error: &std::io::Error) -> Error {
    let Config { table, host, port, .. } = config;
    Error::user_hint(
        format!("table '{table}' can't listen at {host}:{port}: {error}"),
        "choose a free port and an address of this machine with 'port' and 'hostname'",
    )
}

/// Accepts clients; when as many are served as may be, others wait at the port.
async fn accept(listener: TcpListener, config: Arc<Config>, out: mpsc::Sender<Arrival>) {
    let (mut clients, mut accepted) = (JoinSet::new(), 0u32);
    let sent_away = Arc::new(AtomicU64::new(0));
    loop {
        let all_left = clients.is_empty() && accepted > 0 && config.end_when_left;
        let client = tokio::select! {
            // Those who wait at the port come before the end.
            biased;
            client = listener.accept(), if clients.len() < config.connections_max => client,
            Some(_) = clients.join_next() => continue,
            () = tokio::task::yield_now(), if all_left => return,
        };
        match client {
            Ok((stream, peer)) => {
                let peer = peer.to_string();
                let client = (peer, accepted);
                clients.spawn(serve(stream, client, config.clone(), out.clone(), sent_away.clone()));
                accepted += 1;
            }
            Err(error) => {
                notice(&config.table, format!("could not accept a client: {error}"));
                // Too many open files, say: trying again at once would only spin.
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

async fn serve(
    stream: TcpStream,
    (peer, number): (String, u32),
    config: Arc<Config>,
    out: mpsc::Sender<Arrival>,
    sent_away: Arc<AtomicU64>,
) {
    match read_from(stream, (&peer, number), &config, out).await {
        Ended::ByPeer | Ended::Unheard => {}
        Ended::Broken(error) => notice(&config.table, format!("the connection of {peer} broke: {error}")),
        Ended::LineTooLong => {
            let count = sent_away.fetch_add(1, Ordering::Relaxed) + 1;
            let max = config.line_bytes_max;
            notice(
                &config.table,
                format!("{peer} sent a line of more than {max} bytes and was sent away ({count} so far)"),
            );
        }
    }
}

/// Reads from a connection until its end, and acknowledges what was read if the table asks for it.
pub(super) async fn read_from(
    stream: TcpStream,
    split: (&str, u32),
    config: &Config,
    out: mpsc::Sender<Arrival>,
) -> Ended {
    let (from_peer, to_peer) = stream.into_split();
    let lines = Lines::new(from_peer, split, config.delimiter, config.line_bytes_max, out);
    if !config.acknowledge {
        let ended = lines.run().await;
        // Only now: to close it earlier would tell the peer that nobody is there.
        drop(to_peer);
        return ended;
    }
    let (safe, told) = watch::channel(0);
    tokio::join!(lines.telling(safe).run(), acknowledge(to_peer, told)).0
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;
    use tokio::io::AsyncWriteExt;
    use tokio::time::timeout;

    fn listener(line_bytes_max: usize, connections_max: usize) -> Listener {
        let config = Config {
            table: "t".into(),
            host: "127.0.0.1".into(),
            port: 0,
            line_bytes_max,
            connections_max,
            delimiter: b'\n',
            end_when_left: true,
            reconnect: false,
            acknowledge: false,
        };
        Listener::bind(config).unwrap()
    }

    async fn drain(mut source: Listener) -> BTreeMap<String, Vec<u8>> {
        let mut texts: BTreeMap<String, Vec<u8>> = BTreeMap::new();
        loop {
            match timeout(Duration::from_secs(10), source.next()).await.unwrap().unwrap() {
                Some(arrival) => {
                    let fetched = arrival.acknowledge();
                    let text = texts.entry(fetched.place.split.to_string()).or_default();
                    assert_eq!(fetched.place.offset, text.len() as u64);
                    text.extend_from_slice(&fetched.blob.bytes);
                }
                None => return texts,
            }
        }
    }

    #[tokio::test]
    async fn many_clients_keep_their_order_and_their_last_line() {
        let source = listener(1 << 20, 3);
        let address = source.address();
        let expected = |client: usize| (0..5_000).map(|i| format!("{client}-{i}\n")).collect::<String>();
        // Held until the end, so that the source does not end between two clients.
        let mut first = TcpStream::connect(address).await.unwrap();
        let mut clients = JoinSet::new();
        for client in 1..8 {
            clients.spawn(async move {
                let mut stream = TcpStream::connect(address).await.unwrap();
                stream.write_all((expected(client) + "last").as_bytes()).await.unwrap();
                client
            });
        }
        let closing = tokio::spawn(async move {
            while clients.join_next().await.is_some() {}
            first.write_all(b"done").await.unwrap();
        });
        let texts = drain(source).await;
        closing.await.unwrap();
        let mut got: Vec<String> = texts.into_values().map(|text| String::from_utf8(text).unwrap()).collect();
        let mut wanted: Vec<String> = (1..8).map(|client| expected(client) + "last").collect();
        wanted.push("done".into());
        got.sort();
        wanted.sort();
        assert!(got == wanted, "every client's lines arrive whole and in order");
    }

    #[tokio::test]
    async fn a_client_with_a_long_line_is_sent_away() {
        let source = listener(10, 3);
        let mut stream = TcpStream::connect(source.address()).await.unwrap();
        stream.write_all(b"good\n12345678901\nnever seen\n").await.unwrap();
        let texts = drain(source).await;
        assert_eq!(texts.into_values().collect::<Vec<_>>(), [b"good\n"]);
    }

    #[tokio::test]
    async fn a_slow_consumer_stops_the_sender() {
        let mut source = listener(1 << 20, 3);
        let mut stream = TcpStream::connect(source.address()).await.unwrap();
        let line = [&[b'x'; 1023][..], b"\n"].concat();
        stream.write_all(&line).await.unwrap();
        assert!(source.next().await.unwrap().is_some());
        let mut sent = 0;
        while timeout(Duration::from_millis(300), stream.write_all(&line)).await.is_ok() {
            sent += line.len();
            assert!(sent < 256 << 20, "so much must not be taken in while nobody asks for it");
        }
        let mut seen = 0;
        while seen < sent - line.len() {
            let arrival = source.next().await.unwrap().expect("it goes on");
            seen += arrival.blob.blob.bytes.len();
        }
    }

    #[test]
    fn a_port_in_use_is_an_error_at_once() {
        let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let mut config = (*listener(1, 1).config).clone();
        config.port = taken.local_addr().unwrap().port();
        assert!(Listener::bind(config).is_err());
    }
}
