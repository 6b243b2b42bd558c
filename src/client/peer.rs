//! Whose program is at the other end of a connection over TCP, which tells no user by itself.

#[cfg(not(target_os = "linux"))]
mod elsewhere;
#[cfg(target_os = "linux")]
mod linux;
mod owner;
mod same_user;

pub(super) use self::same_user::SameUser;
