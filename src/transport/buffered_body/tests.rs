use std::convert::Infallible;
use std::sync::Mutex;
use std::time::Duration;

use http::{Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};

use super::*;
use crate::lock::lock;

fn pieces(all: impl IntoIterator<Item = Bytes>) -> Pieces {
    let mut pieces = Pieces::default();
    for piece in all {
        pieces.push(&piece, u64::MAX, &mut ()).unwrap();
    }
    pieces
}

#[test]
fn a_body_that_comes_byte_by_byte_is_held_in_few_pieces() {
    let body: Bytes = (0..64_u32 << 10).map(|number| (number % 251) as u8).collect();
    // Pieces of one buffer, as a reader cuts them, and pieces with a buffer each.
    let cut = (0..body.len()).map(|at| body.slice(at..=at));
    let apart = body.iter().map(|byte| Bytes::from(vec![*byte]));
    for held in [pieces(cut), pieces(apart)] {
        assert_eq!(held.length, body.len() as u64);
        assert!(held.queue.iter().eq(body.chunks(SMALL)), "in {} pieces", held.queue.len());
    }
}

#[test]
fn a_large_piece_is_kept_as_it_came() {
    let large = Bytes::from(vec![b'x'; SMALL]);
    let held = pieces([large.clone(), large.clone(), Bytes::from_static(b"end")]);
    let addresses: Vec<_> = held.queue.iter().map(|piece| piece.as_ptr()).take(2).collect();
    assert_eq!((addresses, held.queue.len()), (vec![large.as_ptr(); 2], 3));
}

/// The lengths of the pieces that an inspector was shown.
#[derive(Clone, Default)]
struct Shown(Arc<Mutex<Vec<usize>>>);

impl Inspector for Shown {
    fn piece(&mut self, bytes: &[u8]) -> Result<(), RefusedBodyError> {
        lock(&self.0).push(bytes.len());
        Ok(())
    }

    fn poll_end(&mut self, _: &mut Context<'_>) -> Poll<Result<(), RefusedBodyError>> {
        Poll::Ready(Ok(()))
    }
}

/// The client's end of a connection to a server that takes bodies, and what their inspector is shown.
fn taking_server() -> (DuplexStream, Shown) {
    let (near, far) = tokio::io::duplex(1 << 20);
    let shown = Shown::default();
    let inspector = shown.clone();
    let service = service_fn(move |request: Request<Incoming>| {
        let inspector = inspector.clone();
        async move {
            let limits = BodyLimits {
                buffer_limit: 1 << 20,
                max: 1 << 20,
                idle_timeout: Duration::from_secs(60),
                budget: MemoryBudget::new(1 << 20),
            };
            let body = ClientBody::new(request.into_body(), &Arc::default());
            let (body, ()) = BufferedBody::take(body, &limits, inspector, |_| ()).await.unwrap();
            Ok::<_, Infallible>(Response::new(Full::new(Bytes::from(body.pieces.length.to_string()))))
        }
    });
    tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(far), service));
    (near, shown)
}

async fn answer(client: &mut DuplexStream) -> String {
    let mut answer = String::new();
    tokio::time::timeout(Duration::from_secs(10), client.read_to_string(&mut answer)).await.unwrap().unwrap();
    answer
}

const HEAD: &str = "POST / HTTP/1.1\r\nhost: a\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n";

#[tokio::test]
async fn a_body_in_chunks_of_one_byte_is_shown_in_few_pieces() {
    let (mut client, shown) = taking_server();
    client.write_all(format!("{HEAD}{}0\r\n\r\n", "1\r\nx\r\n".repeat(64 << 10)).as_bytes()).await.unwrap();
    let answer = answer(&mut client).await;
    assert!(answer.ends_with("\r\n\r\n65536"), "{answer}");
    let shown = lock(&shown.0);
    assert_eq!(shown.iter().sum::<usize>(), 64 << 10);
    assert!(shown.len() < 100, "in {} pieces", shown.len());
}

#[tokio::test]
async fn a_small_piece_is_shown_while_no_more_has_come() {
    let (mut client, shown) = taking_server();
    client.write_all(format!("{HEAD}1\r\nx\r\n1\r\ny\r\n").as_bytes()).await.unwrap();
    let is_shown = async {
        while lock(&shown.0).is_empty() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), is_shown).await.unwrap();
    client.write_all(b"3\r\nend\r\n0\r\n\r\n").await.unwrap();
    assert!(answer(&mut client).await.ends_with("\r\n\r\n5"));
    assert_eq!(*lock(&shown.0), [2, 3]);
}
