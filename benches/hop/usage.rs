//! The CPU time and memory of processes, from `/proc` of Linux.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::time::Duration;

/// The CPU time of some processes so far, by thread: a thread that ends between two samples must not count backwards.
pub struct CpuSample(HashMap<(u32, String), u64>);

impl CpuSample {
    /// Reads the time on CPU, in ns, of every thread: the first field of `schedstat`. It counts what the kernel does for
    /// the thread as well, which is most of a proxy's work.
    pub fn take(pids: &[u32]) -> io::Result<Self> {
        let mut times = HashMap::new();
        for &pid in pids {
            for thread in fs::read_dir(format!("/proc/{pid}/task"))? {
                let thread = thread?;
                // It may have ended since it was listed.
                let Ok(text) = fs::read_to_string(thread.path().join("schedstat")) else { continue };
                let time = text.split(' ').next().and_then(|field| field.parse().ok());
                let time = time.ok_or_else(|| io::Error::other("schedstat is not numbers"))?;
                times.insert((pid, thread.file_name().to_string_lossy().into_owned()), time);
            }
        }
        Ok(Self(times))
    }

    /// The CPU time used since `earlier`.
    pub fn since(&self, earlier: &Self) -> Duration {
        let used = |(thread, time): (&_, &u64)| time.saturating_sub(earlier.0.get(thread).copied().unwrap_or(0));
        Duration::from_nanos(self.0.iter().map(used).sum())
    }
}

/// The memory of some processes, in bytes. A page that several of them share counts once.
#[derive(Debug, Clone, Copy, Default)]
pub struct Memory {
    /// All resident pages (`Pss`).
    pub resident: u64,
    /// Resident pages that belong to no file (`Pss_Anon`): heap and stacks, without the program's code.
    pub anonymous: u64,
}

impl Memory {
    /// Sums up the memory of these processes, from `smaps_rollup`.
    pub fn of(pids: &[u32]) -> io::Result<Self> {
        let mut memory = Self::default();
        for pid in pids {
            let text = fs::read_to_string(format!("/proc/{pid}/smaps_rollup"))?;
            memory.resident += field(&text, "Pss:")?;
            memory.anonymous += field(&text, "Pss_Anon:")?;
        }
        Ok(memory)
    }
}

fn field(text: &str, name: &str) -> io::Result<u64> {
    let value = text.lines().find_map(|line| line.strip_prefix(name)?.trim().strip_suffix(" kB")?.parse::<u64>().ok());
    value.map(|kilobytes| kilobytes * 1024).ok_or_else(|| io::Error::other(format!("smaps_rollup has no {name}")))
}
