//! A Unix socket in a folder of the user's own.

use std::fs::{self, File, Permissions};
use std::io::{self, ErrorKind};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::{FlockOperation, Mode, flock};
use rustix::process::geteuid;
use tokio::net::{UnixListener, UnixStream};

use crate::client::error::ClientError;
use crate::transport::serve::Listener;

/// The listening socket. Its file is removed with it.
pub(in crate::client) struct UnixSocket {
    /// Before the listener, because the fields are dropped in this order: the number of the file stays its own until then.
    _file: SocketFile,
    listener: UnixListener,
    /// The user whose programs may connect.
    user: u32,
}

/// The file of a socket, told by its number from one that has taken its place.
struct SocketFile {
    path: PathBuf,
    device: u64,
    inode: u64,
}

impl UnixSocket {
    /// Listens at `path`, which only this user may then open. The folder must be this user's own and closed to all others: a party
    /// that may change it could put a socket of its own there. A socket that nobody listens on, which a crash leaves behind, is
    /// replaced; no other file is.
    pub(in crate::client) async fn bind(path: &Path) -> Result<Self, ClientError> {
        let folder = own_folder(path)?;
        // Processes that start together must not remove each other's sockets. The lock ends with the function.
        let _lock = lock_folder(folder).await.map_err(|error| cannot(folder, &error))?;
        make_room(path).await?;
        let listener = UnixListener::bind(path).map_err(|error| cannot(path, &error))?;
        let file = SocketFile::at(path).map_err(|error| cannot(path, &error))?;
        fs::set_permissions(path, Permissions::from_mode(0o600)).map_err(|error| cannot(path, &error))?;
        Ok(Self { _file: file, listener, user: geteuid().as_raw() })
    }
}

impl Listener for UnixSocket {
    type Stream = UnixStream;

    /// The next connection of this user. Those of other users, even of the administrator, are closed before a byte of them is read.
    async fn connection(&self) -> io::Result<(UnixStream, SocketAddr)> {
        loop {
            match self.listener.accept().await {
                Ok((stream, _)) if stream.peer_cred().is_ok_and(|peer| peer.uid() == self.user) => {
                    return Ok((stream, THIS_MACHINE));
                }
                Ok(_) => tracing::debug!("A program of another user has connected to the socket"),
                Err(error) if error.kind() == ErrorKind::ConnectionAborted => {}
                Err(error) => return Err(error),
            }
        }
    }
}

impl SocketFile {
    fn at(path: &Path) -> io::Result<Self> {
        let facts = fs::symlink_metadata(path)?;
        Ok(Self { path: path.to_owned(), device: facts.dev(), inode: facts.ino() })
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        let is_ours = |facts: fs::Metadata| (facts.dev(), facts.ino()) == (self.device, self.inode);
        if fs::symlink_metadata(&self.path).is_ok_and(is_ours) {
            // What stays is replaced at the next start.
            let _ = fs::remove_file(&self.path);
        }
    }
}

fn own_folder(path: &Path) -> Result<&Path, ClientError> {
    let folder = path.parent().ok_or_else(|| ClientError::Config("socketPath must name a file".into()))?;
    let facts = fs::symlink_metadata(folder)
        .map_err(|error| ClientError::Config(format!("socketPath: {} cannot be used: {error}", folder.display())))?;
    let mode = Mode::from_raw_mode(facts.mode());
    if facts.is_dir() && facts.uid() == geteuid().as_raw() && !mode.intersects(Mode::RWXG | Mode::RWXO) {
        return Ok(folder);
    }
    let why = "must be a folder of this user that no other user may open (mode 0700), and no link";
    Err(ClientError::Config(format!("socketPath: {} {why}", folder.display())))
}

/// Locks the folder against other processes that are about to listen in it.
async fn lock_folder(folder: &Path) -> io::Result<File> {
    let folder = File::open(folder)?;
    loop {
        match flock(&folder, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => return Ok(folder),
            Err(error) if error == rustix::io::Errno::WOULDBLOCK => tokio::time::sleep(PAUSE).await,
            Err(error) => return Err(error.into()),
        }
    }
}

/// Removes the socket at `path` if nobody listens on it; an error if a program does, or if the file is no socket.
async fn make_room(path: &Path) -> Result<(), ClientError> {
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(cannot(path, &error)),
        Ok(facts) if !facts.file_type().is_socket() => {
            return Err(ClientError::Config(format!("socketPath: {} is a file and no socket", path.display())));
        }
        Ok(_) => {}
    }
    match UnixStream::connect(path).await {
        Err(error) if matches!(error.kind(), ErrorKind::ConnectionRefused | ErrorKind::NotFound) => {}
        _ => return Err(ClientError::SocketInUse(path.to_owned())),
    }
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(cannot(path, &error)),
        _ => Ok(()),
    }
}

fn cannot(path: &Path, error: &io::Error) -> ClientError {
    match error.kind() {
        ErrorKind::AddrInUse => ClientError::SocketInUse(path.to_owned()),
        // The path is too long for a socket's address (107 bytes on Linux, 103 on macOS).
        ErrorKind::InvalidInput => {
            ClientError::Config(format!("socketPath: {} is no path for a socket: {error}", path.display()))
        }
        _ => ClientError::Internal(format!("cannot listen on {}: {error}", path.display())),
    }
}

/// A socket in the file system has no address; its clients are on this machine.
const THIS_MACHINE: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

const PAUSE: Duration = Duration::from_millis(10);

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    fn folder() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        fs::set_permissions(folder.path(), Permissions::from_mode(0o700)).unwrap();
        folder
    }

    #[tokio::test]
    async fn a69_a_connection_of_another_user_is_closed_before_a_byte_is_read() {
        let folder = folder();
        let path = folder.path().join("socket");
        let mut socket = UnixSocket::bind(&path).await.unwrap();
        let mut own = UnixStream::connect(&path).await.unwrap();
        own.write_all(b"x").await.unwrap();
        let (mut accepted, _) = socket.connection().await.unwrap();
        assert_eq!(accepted.read_u8().await.unwrap(), b'x');
        // To the socket of another user this test is a stranger.
        socket.user += 1;
        let mut stranger = UnixStream::connect(&path).await.unwrap();
        stranger.write_all(b"x").await.unwrap();
        let mut byte = [0];
        tokio::select! {
            _ = socket.connection() => panic!("it was let in"),
            end = stranger.read(&mut byte) => assert!(matches!(end, Ok(0) | Err(_)), "{end:?}"),
        }
    }

    #[tokio::test]
    async fn f109_a_socket_that_has_taken_the_place_of_ours_is_not_removed() {
        let folder = folder();
        let path = folder.path().join("socket");
        let first = UnixSocket::bind(&path).await.unwrap();
        fs::remove_file(&path).unwrap();
        let second = UnixSocket::bind(&path).await.unwrap();
        drop(first);
        assert!(path.exists());
        drop(second);
        assert!(!path.exists());
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn f109_of_processes_that_find_a_dead_socket_at_once_one_gets_its_place() {
        let folder = folder();
        let path = folder.path().join("socket");
        for _ in 0..20 {
            drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
            let starts = (0..4).map(|_| {
                let path = path.clone();
                tokio::spawn(async move { UnixSocket::bind(&path).await })
            });
            let starts: Vec<_> = starts.collect();
            let mut held = Vec::new();
            for start in starts {
                match start.await.unwrap() {
                    Ok(socket) => held.push(socket),
                    Err(error) => assert!(matches!(error, ClientError::SocketInUse(_)), "{error}"),
                }
            }
            assert_eq!(held.len(), 1);
        }
    }
}
