use std::sync::Arc;

use http::{Request, Response};
use http_body_util::BodyExt;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::*;
use crate::transport::buffered_body::BufferedBody;
use crate::transport::connect::{Connector, HttpVersion};
use crate::transport::origin::Origin;
use crate::transport::shutdown;
use crate::transport::upstream::Upstream;

#[tokio::test]
async fn f56_a_plain_answer_that_has_arrived_is_not_broken_by_a_revoke_signal() {
    let signal = RevokeSignal::default();
    let mut relay = Relay::new(answer(b"here").await.into_body(), PATIENCE, shutdown::channel().1);
    relay = relay.revoked_by(signal.clone());
    signal.raise();
    assert_eq!(relay.frame().await.unwrap().unwrap().into_data().unwrap(), "here");
    assert!(relay.is_end_stream());
}

async fn answer(body: &[u8]) -> Response<UpstreamBody> {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let origin = Origin::parse(&format!("http://{}", listener.local_addr().unwrap())).unwrap();
    let upstream = Upstream::new(Connector::new(Arc::new(origin), None, HttpVersion::Auto, PATIENCE));
    let request = Request::post("/v1/messages").body(BufferedBody::whole(b"")).unwrap();
    let answering = async {
        let (mut socket, _) = listener.accept().await.unwrap();
        assert!(socket.read(&mut [0; 4096]).await.unwrap() > 0);
        let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", body.len());
        socket.write_all(&[head.as_bytes(), body].concat()).await.unwrap();
    };
    tokio::join!(async { upstream.send(request, PATIENCE).await.unwrap() }, answering).0
}

const PATIENCE: Duration = Duration::from_secs(10);
