//! Admits connections of this user only, if the app asks for that.

use std::future::ready;
use std::net::SocketAddr;
use std::sync::Arc;

use tokio::net::TcpStream;

#[cfg(not(target_os = "linux"))]
use super::elsewhere::SystemCheck;
#[cfg(target_os = "linux")]
use super::linux::SystemCheck;
use super::owner::{Owner, PeerCheck};
use crate::transport::serve::Acceptor;

/// Admits the connections of this user, and those whose user the operating system does not tell: the launch key decides about all
/// of them.
#[derive(Clone)]
pub(in crate::client) struct SameUser(Option<Arc<dyn PeerCheck>>);

impl SameUser {
    /// Asks the operating system about each connection if `is_on`, else admits all.
    pub(in crate::client) fn new(is_on: bool) -> Self {
        Self(is_on.then(|| Arc::new(SystemCheck::new()) as Arc<dyn PeerCheck>))
    }

    fn admits(&self, stream: &TcpStream, peer: SocketAddr) -> bool {
        let Some(check) = &self.0 else { return true };
        let is_admitted = stream.local_addr().is_ok_and(|own| check.owner(peer, own) != Owner::Other);
        if !is_admitted {
            tracing::debug!(%peer, "A program of another user has connected");
        }
        is_admitted
    }
}

impl Acceptor<TcpStream> for SameUser {
    type Stream = TcpStream;

    fn admit(&self, stream: TcpStream, peer: SocketAddr) -> impl Future<Output = Option<TcpStream>> + Send {
        ready(self.admits(&stream, peer).then_some(stream))
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;

    struct Says(Owner);

    impl PeerCheck for Says {
        fn owner(&self, _peer: SocketAddr, _own: SocketAddr) -> Owner {
            self.0
        }
    }

    async fn pair() -> (TcpStream, TcpStream, SocketAddr) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (accepted, peer) = listener.accept().await.unwrap();
        (client, accepted, peer)
    }

    #[tokio::test]
    async fn a69_a_tcp_connection_of_another_user_is_closed_before_a_byte_is_read() {
        for (owner, is_admitted) in [(Owner::Own, true), (Owner::Unknown, true), (Owner::Other, false)] {
            let (mut client, accepted, peer) = pair().await;
            client.write_all(b"x").await.unwrap();
            let rule = SameUser(Some(Arc::new(Says(owner))));
            let admitted = rule.admit(accepted, peer).await;
            assert_eq!(admitted.is_some(), is_admitted, "{owner:?}");
            drop(admitted);
            assert!(matches!(client.read(&mut [0]).await, Ok(0) | Err(_)));
        }
        let (_client, accepted, peer) = pair().await;
        assert!(SameUser::new(false).admit(accepted, peer).await.is_some());
    }

    #[tokio::test]
    async fn a69_the_own_connections_are_admitted() {
        let (_client, accepted, peer) = pair().await;
        assert!(SameUser::new(true).admit(accepted, peer).await.is_some());
    }
}
