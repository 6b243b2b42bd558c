//! One kind of request with the answer that must come, and the connection to make it on.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::Instant;

use crate::answer::{Answer, Expected};
use crate::case::{Case, EVENTS};
use crate::failure::Failure;
use crate::target::Target;

/// A request and the answer that must come back.
pub struct Exchange {
    /// The load that the exchange belongs to.
    pub case: Case,
    pub body: Vec<u8>,
    /// The body that the answer must have.
    pub expected: Arc<[u8]>,
}

impl Exchange {
    /// Asks `direct`, the upstream itself, for the answer that all others must give.
    pub async fn learn(case: Case, direct: &Target) -> Result<Self, Failure> {
        let body = case.body();
        let request = direct.request(case, &body, 0);
        let wrong = |reason| Failure::WrongAnswer { target: direct.name, case: case.key(), reason };
        let mut connection = Connection::open(direct.address(case)).await?;
        let mut answer = Answer::new(Expected::Anything(Vec::new()));
        let answered = tokio::time::timeout(LIMIT, connection.exchange(&request, &mut answer)).await;
        answered.map_err(|_| Failure::Stuck { target: direct.name, case: case.key() })?.map_err(wrong)?;
        let expected = answer.into_body();
        let events = memchr::memmem::find_iter(&expected, b"event: ").count();
        if case.is_stream() && events != EVENTS {
            return Err(wrong(format!("{events} events, {EVENTS} expected")));
        }
        Ok(Self { case, body, expected: expected.into() })
    }
}

pub struct Connection {
    stream: TcpStream,
    buffer: Box<[u8]>,
}

/// How long one answer took, from before the request's first byte.
#[derive(Debug, Clone, Copy)]
pub struct Timing {
    /// Until the answer's first byte.
    pub first_byte: Duration,
    /// Until the answer's last byte.
    pub total: Duration,
}

impl Connection {
    pub async fn open(address: SocketAddr) -> Result<Self, Failure> {
        let connect = async {
            let stream = TcpStream::connect(address).await?;
            stream.set_nodelay(true)?;
            Ok::<_, io::Error>(stream)
        };
        let stream = connect.await.map_err(Failure::system(format_args!("cannot connect to {address}")))?;
        Ok(Self { stream, buffer: vec![0; BUFFER].into() })
    }

    /// Makes `request` and reads its whole answer.
    pub async fn exchange(&mut self, request: &[u8], answer: &mut Answer) -> Result<Timing, String> {
        let start = Instant::now();
        let mut first_byte = None;
        self.stream.write_all(request).await.map_err(|error| error.to_string())?;
        loop {
            let length = self.stream.read(&mut self.buffer).await.map_err(|error| error.to_string())?;
            let first_byte = *first_byte.get_or_insert_with(|| start.elapsed());
            if length == 0 {
                return Err("the connection ended within it".into());
            }
            if answer.feed(&self.buffer[..length])? {
                return Ok(Timing { first_byte, total: start.elapsed() });
            }
        }
    }
}

const LIMIT: Duration = Duration::from_secs(10);

const BUFFER: usize = 64 * 1024;
