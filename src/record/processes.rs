//! Whether a process that is watched is still there.

use std::fs;

/// Whether a process is there and has not ended: a zombie has.
pub(super) fn is_alive(process: u32) -> bool {
    stat_field(process, 0).is_some_and(|state| state != "Z" && state != "X")
}

/// A field of /proc/PID/stat, counted from the state, which follows the name. [proc(5)]
fn stat_field(process: u32, index: usize) -> Option<String> {
    let text = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    // The name may hold anything, closing parentheses too.
    let (_, fields) = text.rsplit_once(") ")?;
    fields.split_ascii_whitespace().nth(index).map(str::to_owned)
}
