//! A second way to the loopback proxy, for programs that can use a socket in the file system. The operating system keeps other users
//! from it and names the user at the other end, and no web page can reach it.

#[cfg(not(unix))]
mod absent;
#[cfg(unix)]
mod unix;

#[cfg(not(unix))]
pub(super) use self::absent::UnixSocket;
#[cfg(unix)]
pub(super) use self::unix::UnixSocket;
