//! The memory that an open stream occupies.

use std::sync::Arc;
use std::time::Duration;

use crate::crew::Crew;
use crate::exchange::Exchange;
use crate::failure::Failure;
use crate::target::Target;
use crate::usage::Memory;

/// The memory of `target` while `count` streams are open. Nothing but fewer streams may have loaded it before: memory
/// that is freed is not always given back.
pub async fn memory(exchange: &Arc<Exchange>, target: &Target, count: usize) -> Result<Memory, Failure> {
    let mut crew = Crew::gather(target, exchange, count).await?;
    let pids: Vec<u32> = target.parts.iter().flat_map(|part| part.pids.iter().copied()).collect();
    let look = async {
        tokio::time::sleep(MIDDLE).await;
        Memory::of(&pids).map_err(Failure::system(format_args!("cannot read the memory of {}", target.name)))
    };
    let (worked, memory) = tokio::join!(crew.work(count), look);
    worked?;
    memory
}

/// All streams have begun by then, and none has ended: each takes 54 pauses of 10 ms.
const MIDDLE: Duration = Duration::from_millis(300);
