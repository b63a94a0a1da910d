//! One connection to a broker: requests go out in order, answers are matched by their number.
//!
//! Invariant: a request is written whole or the connection is given up, so dropping a call never leaves half
//! a frame on the wire. Deliberately not here: retries and who leads what (see the client).

use super::failure::{Failure, Outcome};
use super::security::Security;
use super::versions::Versions;
use bytes::{Buf, BufMut, Bytes, BytesMut};
use kafka_protocol::messages::{RequestHeader, ResponseHeader};
use kafka_protocol::protocol::{Decodable, Encodable, HeaderVersion, Request, StrBytes};
use std::collections::HashMap;
use std::sync::atomic::{AtomicI32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadHalf, WriteHalf};
use tokio::net::TcpStream;
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

/// How long making a connection may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// The largest answer that is believed.
const FRAME_BYTES_MAX: usize = 1 << 30;
/// How many requests may wait to be written.
const OUT_MAX: usize = 64;

/// A stream of bytes, encrypted or not.
pub(super) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// A connection with a task that writes and one that reads; both end when it is dropped.
pub(crate) struct Connection {
    out: mpsc::Sender<Bytes>,
    shared: Arc<Shared>,
    next_id: AtomicI32,
    client_id: StrBytes,
    versions: Versions,
    request_timeout: Duration,
    tasks: [tokio::task::AbortHandle; 2],
}

#[derive(Default)]
struct Shared {
    waiting: Mutex<Waiting>,
}

#[derive(Default)]
struct Waiting {
    answers: HashMap<i32, oneshot::Sender<Bytes>>,
    /// Why the connection is of no more use.
    closed: Option<String>,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn close(&self, why: String) {
        let mut waiting = self.lock();
        waiting.closed.get_or_insert(why);
        waiting.answers.clear();
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.tasks.iter().for_each(tokio::task::AbortHandle::abort);
    }
}

impl Connection {
    /// Connects, encrypts, agrees on versions and logs in.
    pub(super) async fn open(
        address: &(String, u16),
        client_id: &str,
        security: &Security,
        request_timeout: Duration,
    ) -> Outcome<Connection> {
        let opening = Self::open_unbounded(address, client_id, security, request_timeout);
        let place = format!("{}:{}", address.0, address.1);
        match timeout(CONNECT_TIMEOUT, opening).await {
            Ok(Ok(connection)) => Ok(connection),
            Ok(Err(Failure::Connection(why))) => Err(Failure::Connection(format!("{place}: {why}"))),
            Ok(Err(Failure::Fatal(why))) => Err(Failure::Fatal(format!("{place}: {why}"))),
            Ok(Err(other)) => Err(other),
            Err(_) => {
                Err(Failure::Connection(format!("{place}: no answer within {} s", CONNECT_TIMEOUT.as_secs())))
            }
        }
    }

    async fn open_unbounded(
        (host, port): &(String, u16),
        client_id: &str,
        security: &Security,
        request_timeout: Duration,
    ) -> Outcome<Connection> {
        let stream = TcpStream::connect((host.as_str(), *port)).await.map_err(broken)?;
        stream.set_nodelay(true).map_err(broken)?;
        let stream = security.wrap(host, stream).await?;
        let mut connection = Self::over(stream, client_id, request_timeout);
        connection.versions = Versions::ask(&connection).await?;
        security.log_in(&connection).await?;
        Ok(connection)
    }

    fn over(stream: Box<dyn Stream>, client_id: &str, request_timeout: Duration) -> Connection {
        let (reading, writing) = tokio::io::split(stream);
        let (out, queued) = mpsc::channel(OUT_MAX);
        let shared = Arc::new(Shared::default());
        let tasks = [
            tokio::spawn(write(writing, queued, shared.clone())).abort_handle(),
            tokio::spawn(read(reading, shared.clone())).abort_handle(),
        ];
        Connection {
            out,
            shared,
            next_id: AtomicI32::new(0),
            client_id: StrBytes::from_string(client_id.to_string()),
            versions: Versions::default(),
            request_timeout,
            tasks,
        }
    }

    /// Whether it can still be used.
    pub(crate) fn usable(&self) -> bool {
        self.shared.lock().closed.is_none()
    }

    /// Asks with the newest version that both sides speak.
    pub(crate) async fn call<R: Request>(&self, request: &R) -> Outcome<R::Response> {
        self.call_for(request, Duration::ZERO).await
    }

    /// Asks for something that the broker may take this long to answer, besides the usual time.
    pub(crate) async fn call_for<R: Request>(&self, request: &R, patience: Duration) -> Outcome<R::Response> {
        let version = self.versions.of::<R>()?;
        self.send(request, version).await?.wait(self.request_timeout + patience).await
    }

    /// How long the broker may take to answer.
    pub(crate) fn request_timeout(&self) -> Duration {
        self.request_timeout
    }

    pub(super) async fn send<R: Request>(&self, request: &R, version: i16) -> Outcome<Answer<R>> {
        let id = self.next_id.fetch_add(1, Ordering::Relaxed);
        let frame = self.frame(request, version, id)?;
        let (sender, receiver) = oneshot::channel();
        {
            let mut waiting = self.shared.lock();
            if let Some(why) = &waiting.closed {
                return Err(Failure::Connection(why.clone()));
            }
            waiting.answers.insert(id, sender);
        }
        let answer =
            Answer { receiver, shared: self.shared.clone(), id, version, kind: std::marker::PhantomData };
        self.out.send(frame).await.map_err(|_| self.closed())?;
        Ok(answer)
    }

    fn frame<R: Request>(&self, request: &R, version: i16, id: i32) -> Outcome<Bytes> {
        let header = RequestHeader::default()
            .with_request_api_key(R::KEY)
            .with_request_api_version(version)
            .with_correlation_id(id)
            .with_client_id(Some(self.client_id.clone()));
        let encoded = || -> Result<Bytes, Box<dyn std::fmt::Display>> {
            let boxed = |error| Box::new(error) as Box<dyn std::fmt::Display>;
            let header_version = R::header_version(version);
            let size = header.compute_size(header_version).map_err(boxed)?
                + request.compute_size(version).map_err(boxed)?;
            let mut frame = BytesMut::with_capacity(4 + size);
            frame.put_i32(size as i32);
            header.encode(&mut frame, header_version).map_err(boxed)?;
            request.encode(&mut frame, version).map_err(boxed)?;
            Ok(frame.freeze())
        };
        encoded().map_err(|error| Failure::Fatal(format!("a request can't be encoded: {error}")))
    }

    fn closed(&self) -> Failure {
        Failure::Connection(self.shared.lock().closed.clone().unwrap_or_else(|| "it was closed".into()))
    }
}

/// An answer that is on its way.
pub(crate) struct Answer<R> {
    receiver: oneshot::Receiver<Bytes>,
    shared: Arc<Shared>,
    id: i32,
    version: i16,
    kind: std::marker::PhantomData<fn() -> R>,
}

impl<R: Request> Answer<R> {
    /// Waits for it. A connection whose broker does not answer in time is given up.
    pub(crate) async fn wait(mut self, patience: Duration) -> Outcome<R::Response> {
        let frame = match timeout(patience, &mut self.receiver).await {
            Ok(Ok(frame)) => frame,
            Ok(Err(_)) => {
                let why = self.shared.lock().closed.clone();
                return Err(Failure::Connection(why.unwrap_or_else(|| "it was closed".into())));
            }
            Err(_) => {
                let why = format!("no answer within {} s", patience.as_secs_f32());
                self.shared.close(why.clone());
                return Err(Failure::Connection(why));
            }
        };
        decode::<R>(frame, self.version)
    }
}

impl<R> Drop for Answer<R> {
    fn drop(&mut self) {
        self.shared.lock().answers.remove(&self.id);
    }
}

fn decode<R: Request>(mut frame: Bytes, version: i16) -> Outcome<R::Response> {
    let unreadable = |error| Failure::Fatal(format!("an answer can't be read: {error}"));
    ResponseHeader::decode(&mut frame, R::Response::header_version(version)).map_err(unreadable)?;
    R::Response::decode(&mut frame, version).map_err(unreadable)
}

fn broken(error: std::io::Error) -> Failure {
    Failure::Connection(error.to_string())
}

async fn write(
    mut stream: WriteHalf<Box<dyn Stream>>,
    mut queued: mpsc::Receiver<Bytes>,
    shared: Arc<Shared>,
) {
    while let Some(frame) = queued.recv().await {
        let written = async {
            stream.write_all(&frame).await?;
            stream.flush().await
        };
        if let Err(error) = written.await {
            return shared.close(error.to_string());
        }
    }
}

async fn read(mut stream: ReadHalf<Box<dyn Stream>>, shared: Arc<Shared>) {
    loop {
        match read_frame(&mut stream).await {
            Ok(frame) => {
                let id = (&frame[..4]).get_i32();
                // An answer nobody waits for any more belongs to a dropped call.
                if let Some(sender) = shared.lock().answers.remove(&id) {
                    let _ = sender.send(frame);
                }
            }
            Err(error) => return shared.close(error.to_string()),
        }
    }
}

async fn read_frame(stream: &mut ReadHalf<Box<dyn Stream>>) -> std::io::Result<Bytes> {
    let length = stream.read_u32().await.map_err(|error| match error.kind() {
        std::io::ErrorKind::UnexpectedEof => std::io::Error::other("the broker closed the connection"),
        _ => error,
    })? as usize;
    if !(4..=FRAME_BYTES_MAX).contains(&length) {
        return Err(std::io::Error::other("what answers does not speak Kafka's protocol"));
    }
    let mut frame = BytesMut::with_capacity(length);
    while frame.len() < length {
        let left = length - frame.len();
        if stream.read_buf(&mut (&mut frame).limit(left)).await? == 0 {
            return Err(std::io::Error::other("the broker closed the connection"));
        }
    }
    Ok(frame.freeze())
}
