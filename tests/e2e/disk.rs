//! A disk that fills up in mid-run.

use std::process::Command;

use crate::bundle::Table;
use crate::place::{Answer, Place};
use crate::root;

/// Runs a `wattline run` line whose bundle lies on a file system of 350 KB of its own, in a
/// mount namespace of its own, and keeps a copy of what was written.
fn run_on_a_small_disk(place: &Place, line: &str) -> Answer {
    const SCRIPT: &str = "mkdir full && mount -t tmpfs -o size=350k wattline-e2e full || exit 99
        \"$@\"; code=$?; cp -r full/trace kept || exit 98; exit $code";
    let line = format!("{line} --out full/trace");
    let wattline = place.command(&line);
    let mut command = Command::new("unshare");
    command.args(["-m", "sh", "-c", SCRIPT, "sh"]);
    command.arg(wattline.get_program()).args(wattline.get_args());
    command.current_dir(wattline.get_current_dir().unwrap());
    Answer::new(&line, command.output().unwrap())
}

fn fills_up(line: &str) {
    if !root::is_root("mounts a small file system") {
        return;
    }
    let place = Place::new();
    let answer = run_on_a_small_disk(&place, line).exited(1);
    answer.says(&["cannot write full/trace/", ".csv", "No space left", "rows before are safe"]);
    assert!(!answer.stdout.contains("recorded"), "{answer:?}");
    // As many rows as it says are there, whole; at most one line is torn.
    let (file, rows) = told(&answer.stderr);
    let text = String::from_utf8(place.bundle("kept").bytes(&file)).unwrap();
    let whole = &text[..=text.rfind('\n').unwrap()];
    std::fs::write(place.path("whole.csv"), whole).unwrap();
    let found = Table::read(&place.path("whole.csv")).rows().count();
    assert!(found >= rows, "{file}: told {rows}, found {found}");
    let rails = place.bundle("kept").bytes("power.csv");
    assert!(rails.windows(7).any(|it| it == b"VDD_KFC"), "readings before that are there");

    assert_eq!(place.bundle("kept").manifest()["complete"], false);
    let analysis = place.wattline("analyze kept --out results").succeeded();
    analysis.prints(&["the recording is incomplete"]);
}

/// The table that could not be written, and how many rows of it are safe.
fn told(stderr: &str) -> (String, usize) {
    let (_, rest) = stderr.split_once("cannot write full/trace/").unwrap();
    let (file, rest) = rest.split_once(':').unwrap();
    let (_, rest) = rest.split_once("the ").unwrap();
    let rows = rest.split_whitespace().next().unwrap();
    (file.to_owned(), rows.parse().unwrap_or_else(|_| panic!("{stderr}")))
}

#[test]
fn on_the_virtual_clock() {
    fills_up(
        "run --board emulated:exynos5422 --network squeezenet --on a15,gpu --images 100 \
         --clock virtual",
    );
}

#[test]
fn on_the_wall_clock() {
    fills_up("run --board emulated:exynos5422 --network squeezenet --on gpu --images 10000");
}
