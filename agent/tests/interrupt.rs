//! Ctrl-C once ends a run in order, twice at once.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, raise};
use wattline_agent::interrupt::{install, interrupted};

/// Set in the process that is interrupted: this test, started again.
const VICTIM: &str = "WATTLINE_TEST_INTERRUPT";

/// What the victim exits with if the second signal does not end it.
const SURVIVED: i32 = 1;

#[test]
fn the_first_is_noticed_and_the_second_exits_with_130() {
    if std::env::var_os(VICTIM).is_some() {
        be_interrupted();
    }
    let status = Command::new(std::env::current_exe().unwrap())
        .env(VICTIM, "1")
        .stdout(Stdio::null())
        .status()
        .unwrap();
    assert_eq!(status.code(), Some(130));
}

fn be_interrupted() -> ! {
    install().unwrap();
    assert!(!interrupted());
    assert!(install().is_err(), "one handler a process");
    raise(Signal::SIGTERM).unwrap();
    let deadline = Instant::now() + Duration::from_secs(10);
    while !interrupted() && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(1));
    }
    assert!(interrupted());
    raise(Signal::SIGINT).unwrap();
    std::thread::sleep(Duration::from_secs(10));
    std::process::exit(SURVIVED);
}
