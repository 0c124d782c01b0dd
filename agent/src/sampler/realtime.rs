//! What the sampler's thread asks of the kernel so that it wakes on time.

use std::io;

use nix::sys::prctl;

/// Stack the sampler needs at most, touched beforehand so that no page of it faults later.
const STACK: usize = 64 << 10;

/// What came of asking.
#[derive(Debug)]
pub(super) struct Entered {
    pub(super) is_realtime: bool,
    /// What was refused, in words that say what follows from it.
    pub(super) refused: Vec<String>,
}

/// Asks for real-time priority and locked memory for the calling thread.
pub(super) fn enter(priority: Option<u8>, lock_memory: bool) -> Entered {
    let mut refused = Vec::new();
    touch_stack();
    // Of use where the priority is refused: the kernel may otherwise bundle wake-ups by 50 µs.
    let _ = prctl::set_timerslack(1);
    let mut is_realtime = false;
    if let Some(priority) = priority {
        match set_fifo(priority) {
            Ok(()) => is_realtime = true,
            Err(error) => refused.push(format!(
                "SCHED_FIFO priority {priority} was refused ({error}): wake-ups may be late under \
                 load; run as root or give CAP_SYS_NICE"
            )),
        }
    }
    if lock_memory && let Err(error) = lock_memory_in_use() {
        refused.push(format!(
            "locking memory was refused ({error}): a page fault may delay a sample; run as root \
             or give CAP_IPC_LOCK"
        ));
    }
    Entered { is_realtime, refused }
}

fn set_fifo(priority: u8) -> io::Result<()> {
    let parameters = libc::sched_param { sched_priority: i32::from(priority) };
    // SAFETY: `parameters` lives through the call; 0 names the calling thread.
    let answer = unsafe { libc::sched_setscheduler(0, libc::SCHED_FIFO, &parameters) };
    if answer == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Locks the pages of present mappings as they come into use. Not those of later mappings
/// (`MCL_FUTURE`): the process may go on to map gigabytes of weights, which are none of ours and
/// would run into `RLIMIT_MEMLOCK`. And not those that nobody touches: without `MCL_ONFAULT` each
/// thread's whole stack would become resident.
fn lock_memory_in_use() -> io::Result<()> {
    // SAFETY: changes no memory's contents, only whether it may be paged out.
    let answer = unsafe { libc::mlockall(libc::MCL_CURRENT | libc::MCL_ONFAULT) };
    if answer == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

#[inline(never)]
fn touch_stack() {
    let mut stack = [0u8; STACK];
    std::hint::black_box(&mut stack);
}
