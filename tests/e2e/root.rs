//! Tests that need root.

use std::io::Write;
use std::sync::atomic::{AtomicU32, Ordering};

static SKIPPED: AtomicU32 = AtomicU32::new(0);

/// Whether the calling test may go on, which needs root. Where it may not it says so past the
/// test harness's capture, with a count; in CI it fails.
#[track_caller]
pub(crate) fn is_root(why: &str) -> bool {
    if nix::unistd::geteuid().is_root() {
        return true;
    }
    assert!(std::env::var_os("CI").is_none(), "needs root in CI: {why}");
    let test = std::thread::current().name().unwrap_or("a test").to_owned();
    let count = SKIPPED.fetch_add(1, Ordering::Relaxed) + 1;
    let _ = writeln!(std::io::stderr(), "skipped ({count} so far): {test} needs root: {why}");
    false
}
