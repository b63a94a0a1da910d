//! Where events go: standard output, a file, a TCP listener.
//!
//! Invariant: a TCP listener sees whole lines. When a connection breaks, the lines that were not handed over
//! completely are sent again on the next one; lines on their way at that moment may be lost, for the other
//! side does not acknowledge them.

use super::stop::Stop;
use anyhow::Context as _;
use std::fs::File;
use std::io::{ErrorKind, Write as _};
use std::net::TcpStream;
use std::time::Duration;

/// The first pause before another connection is tried; it doubles up to [`RETRY_MAX`].
const RETRY_MIN: Duration = Duration::from_millis(100);
const RETRY_MAX: Duration = Duration::from_secs(5);
/// How long a full connection blocks before Ctrl-C is looked at.
const WRITE_WAIT: Duration = Duration::from_millis(200);

/// Whether the target still takes events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    /// All bytes were taken.
    Written,
    /// The reader went away, or the run was stopped while it waited.
    Closed,
}

/// An open target.
#[derive(Debug)]
pub(super) enum Target {
    /// Standard output.
    Stdout,
    /// A file.
    File(File),
    /// A TCP listener.
    Tcp(Line),
}

impl Target {
    /// Opens `-`, `tcp://HOST:PORT` or a file. A TCP listener need not be there yet.
    pub(super) fn open(to: &str, stop: Stop) -> anyhow::Result<Self> {
        if to == "-" {
            return Ok(Target::Stdout);
        }
        if let Some(address) = to.strip_prefix("tcp://") {
            let port = address.rsplit_once(':').and_then(|(_, port)| port.parse::<u16>().ok());
            port.with_context(|| format!("'{to}' names no port; write it as tcp://localhost:9999"))?;
            return Ok(Target::Tcp(Line { address: address.to_owned(), stream: None, stop }));
        }
        let file = File::create(to).with_context(|| format!("could not create the file '{to}'"))?;
        Ok(Target::File(file))
    }

    /// Writes whole lines.
    pub(super) fn write(&mut self, lines: &[u8]) -> std::io::Result<Outcome> {
        let written = match self {
            Target::Stdout => std::io::stdout().lock().write_all(lines),
            Target::File(file) => file.write_all(lines),
            Target::Tcp(line) => return Ok(line.send(lines)),
        };
        match written {
            Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(Outcome::Closed),
            written => written.map(|()| Outcome::Written),
        }
    }

    /// Hands over what is still buffered.
    pub(super) fn finish(&mut self) -> std::io::Result<()> {
        match self {
            Target::Stdout => match std::io::stdout().lock().flush() {
                Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
                flushed => flushed,
            },
            Target::File(file) => file.flush(),
            Target::Tcp(_) => Ok(()),
        }
    }
}

/// A connection that is made again whenever it breaks.
#[derive(Debug)]
pub(super) struct Line {
    address: String,
    stream: Option<TcpStream>,
    stop: Stop,
}

impl Line {
    fn send(&mut self, lines: &[u8]) -> Outcome {
        let mut done = 0;
        while done < lines.len() {
            let Some(stream) = self.connected() else { return Outcome::Closed };
            match stream.write(&lines[done..]) {
                Ok(taken) if taken > 0 => done += taken,
                Err(error) if is_busy(error.kind()) => {
                    if self.stop.is_set() {
                        return Outcome::Closed;
                    }
                }
                broken => {
                    let cause = broken.err().map_or_else(|| "closed".to_owned(), |error| error.to_string());
                    eprintln!("tcp://{}: {cause}; connecting again", self.address);
                    self.stream = None;
                    done = line_begin(lines, done);
                }
            }
        }
        Outcome::Written
    }

    /// The connection, made if there is none; nothing if the run shall end.
    fn connected(&mut self) -> Option<&mut TcpStream> {
        let mut pause = RETRY_MIN;
        while self.stream.is_none() && !self.stop.is_set() {
            match connect(&self.address) {
                Ok(stream) => self.stream = Some(stream),
                Err(error) => {
                    eprintln!("tcp://{}: {error}; trying again in {pause:?}", self.address);
                    self.stop.sleep(pause);
                    pause = (pause * 2).min(RETRY_MAX);
                }
            }
        }
        self.stream.as_mut()
    }
}

fn connect(address: &str) -> std::io::Result<TcpStream> {
    let stream = TcpStream::connect(address)?;
    stream.set_write_timeout(Some(WRITE_WAIT))?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

fn is_busy(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted)
}

/// Where the line that byte `at` belongs to begins.
fn line_begin(lines: &[u8], at: usize) -> usize {
    lines[..at].iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read as _;
    use std::net::TcpListener;

    #[test]
    fn a_broken_line_is_sent_again_from_its_begin() {
        assert_eq!(line_begin(b"ab\ncd\nef", 7), 6);
        assert_eq!(line_begin(b"ab\ncd\nef", 6), 6);
        assert_eq!(line_begin(b"ab\ncd\nef", 5), 3);
        assert_eq!(line_begin(b"ab\ncd\nef", 0), 0);
    }

    #[test]
    fn a_new_listener_gets_the_rest() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let mut target = Target::open(&format!("tcp://{address}"), Stop::default()).unwrap();
        assert_eq!(target.write(b"one\n").unwrap(), Outcome::Written);
        let (mut first, _) = listener.accept().unwrap();
        let mut bytes = [0; 4];
        first.read_exact(&mut bytes).unwrap();
        first.shutdown(std::net::Shutdown::Both).unwrap();
        drop(first);
        listener.set_nonblocking(true).unwrap();
        let mut second = loop {
            assert_eq!(target.write(b"more\n").unwrap(), Outcome::Written);
            if let Ok((second, _)) = listener.accept() {
                break second;
            }
        };
        second.set_nonblocking(false).unwrap();
        drop(target);
        let mut rest = String::new();
        second.read_to_string(&mut rest).unwrap();
        assert!(rest.starts_with("more\n") && rest.lines().all(|line| line == "more"), "{rest}");
    }

    #[test]
    fn a_target_without_port_is_refused() {
        assert!(Target::open("tcp://localhost", Stop::default()).is_err());
    }
}
