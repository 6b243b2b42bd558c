//! Asks the kernel for the owner of one socket by `sock_diag(7)`. That costs the same however many sockets there are, while
//! `/proc/net/tcp` lists them all.

use std::io::{self, Read};
use std::net::{SocketAddr, SocketAddrV4};

use rustix::process::geteuid;
use socket2::{Domain, Protocol, Socket, Type};

use super::owner::{Owner, PeerCheck};

/// The kernel's table of sockets, as this user.
pub(super) struct SystemCheck {
    user: u32,
}

/// What the kernel says about one socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Answer {
    User(u32),
    NoSocket,
}

impl SystemCheck {
    pub(super) fn new() -> Self {
        Self { user: geteuid().as_raw() }
    }
}

impl PeerCheck for SystemCheck {
    fn owner(&self, peer: SocketAddr, own: SocketAddr) -> Owner {
        let (SocketAddr::V4(peer), SocketAddr::V4(own)) = (peer, own) else { return Owner::Unknown };
        match ask(peer, own) {
            Ok(Answer::User(user)) if user == self.user => Owner::Own,
            Ok(Answer::User(_)) => Owner::Other,
            // A kernel without the diagnosis of TCP says so too, but then also of the end that is open here.
            Ok(Answer::NoSocket) if matches!(ask(own, peer), Ok(Answer::User(_))) => Owner::Other,
            Ok(Answer::NoSocket) | Err(_) => Owner::Unknown,
        }
    }
}

/// Whose the socket is that is bound to `local` and connected to `remote`.
fn ask(local: SocketAddrV4, remote: SocketAddrV4) -> io::Result<Answer> {
    let mut kernel = Socket::new(Domain::from(AF_NETLINK), Type::DGRAM, Some(Protocol::from(NETLINK_SOCK_DIAG)))?;
    kernel.set_nonblocking(true)?;
    kernel.send(&question(local, remote))?;
    // The kernel has answered by the time that `send` returns.
    let mut message = [0; 512];
    let length = kernel.read(&mut message)?;
    read(&message[..length]).ok_or_else(|| io::Error::from(io::ErrorKind::InvalidData))
}

/// A `nlmsghdr` and an `inet_diag_req_v2`.
fn question(local: SocketAddrV4, remote: SocketAddrV4) -> Vec<u8> {
    let mut message = Vec::new();
    message.extend(QUESTION_LENGTH.to_ne_bytes());
    message.extend(SOCK_DIAG_BY_FAMILY.to_ne_bytes());
    message.extend(NLM_F_REQUEST.to_ne_bytes());
    // The number of the question, and the port of the answer, which is this socket.
    message.extend([0; 8]);
    message.extend([AF_INET, IPPROTO_TCP, 0, 0]);
    // In whatever state.
    message.extend(u32::MAX.to_ne_bytes());
    message.extend(local.port().to_be_bytes());
    message.extend(remote.port().to_be_bytes());
    for address in [local, remote] {
        message.extend(address.ip().octets());
        message.extend([0; 12]);
    }
    // On any interface, with any cookie.
    message.extend([0; 4]);
    message.extend([0xff; 8]);
    message
}

/// Reads a `nlmsghdr` with an `inet_diag_msg`, or with an error; `None` if it is anything else.
fn read(message: &[u8]) -> Option<Answer> {
    let kind = u16::from_ne_bytes(*message.get(4..)?.first_chunk()?);
    if kind == SOCK_DIAG_BY_FAMILY {
        let user = u32::from_ne_bytes(*message.get(USER_AT..)?.first_chunk()?);
        // Without a connection the kernel shows what listens on its port.
        return Some(if message[STATE_AT] == TCP_LISTEN { Answer::NoSocket } else { Answer::User(user) });
    }
    let error = i32::from_ne_bytes(*message.get(HEADER_LENGTH..)?.first_chunk()?);
    (kind == NLMSG_ERROR && error == -ENOENT).then_some(Answer::NoSocket)
}

const AF_NETLINK: i32 = 16;
const NETLINK_SOCK_DIAG: i32 = 4;
const SOCK_DIAG_BY_FAMILY: u16 = 20;
const NLM_F_REQUEST: u16 = 1;
const NLMSG_ERROR: u16 = 2;
const AF_INET: u8 = 2;
const IPPROTO_TCP: u8 = 6;
const TCP_LISTEN: u8 = 10;
const ENOENT: i32 = 2;
const HEADER_LENGTH: usize = 16;
const QUESTION_LENGTH: u32 = 72;
const STATE_AT: usize = HEADER_LENGTH + 1;
/// Behind the header: 4 bytes of facts, 48 of addresses, and 12 of a timer and queues.
const USER_AT: usize = HEADER_LENGTH + 4 + 48 + 12;

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream};

    use super::*;

    #[test]
    fn a69_the_kernel_tells_the_user_of_a_connection() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let _client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (accepted, peer) = listener.accept().unwrap();
        let own = accepted.local_addr().unwrap();
        let mut check = SystemCheck::new();
        assert_eq!(check.owner(peer, own), Owner::Own);
        check.user += 1;
        assert_eq!(check.owner(peer, own), Owner::Other);
        // The listener of this port is no connection from it.
        assert_eq!(check.owner(own, own), Owner::Unknown);
    }

    #[test]
    fn a_question_has_the_length_that_it_states() {
        let address = SocketAddrV4::new(std::net::Ipv4Addr::LOCALHOST, 1);
        assert_eq!(question(address, address).len(), QUESTION_LENGTH as usize);
    }

    #[test]
    fn an_answer_that_is_cut_or_of_another_kind_tells_nothing() {
        let mut message = [0; USER_AT + 4];
        message[4..6].copy_from_slice(&SOCK_DIAG_BY_FAMILY.to_ne_bytes());
        message[USER_AT..].copy_from_slice(&1000_u32.to_ne_bytes());
        assert_eq!(read(&message), Some(Answer::User(1000)));
        for length in 0..message.len() {
            assert_eq!(read(&message[..length]), None, "{length}");
        }
        message[4..6].copy_from_slice(&3_u16.to_ne_bytes());
        assert_eq!(read(&message), None);
    }
}
