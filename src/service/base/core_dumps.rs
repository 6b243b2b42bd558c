//! Core dumps. One of the service holds the real key, the signing secrets and what is being relayed.

use std::io;

/// Forbids core dumps of this process (core(5)). A limit of 0 keeps the kernel from writing one into a file. It starts a
/// program that takes dumps (`|` in `core_pattern`, such as systemd-coredump) whatever the limit, but not for a process
/// that is not dumpable; the memory of such a process is also closed to other programs of its user.
#[cfg(unix)]
pub fn forbid() -> io::Result<()> {
    use rustix::process::{Resource, Rlimit, setrlimit};

    setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) })?;
    #[cfg(target_os = "linux")]
    rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable)?;
    Ok(())
}

#[cfg(not(unix))]
pub fn forbid() -> io::Result<()> {
    // Whether a crash is dumped is a setting of the system.
    Ok(())
}
