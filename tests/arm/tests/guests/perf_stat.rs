//! Stock perf counts what the board plays.

use wattline_arm_tests::guest::Guest;
use wattline_board::clock::{Clock, WallClock};
use wattline_board::emulated::History;

/// What perf said of one event.
#[derive(Debug, Clone)]
pub(crate) struct Counted {
    pub(crate) event: String,
    /// In bytes where the event says so, else counts.
    pub(crate) value: f64,
    pub(crate) seconds: f64,
}

/// Time on either side of perf's that must be like it.
const AROUND_NS: u64 = 200_000_000;

/// Counts events for some seconds while a component works; answers them and the rate at which bytes
/// were read and written to DRAM, by the board's books. On a machine that is too busy to keep the
/// board at work it counts again.
#[track_caller]
pub(crate) fn count(
    guest: &mut Guest,
    component: Option<u32>,
    events: &[&str],
    seconds: u32,
) -> (Vec<Counted>, Rates) {
    for _ in 0..8 {
        guest.put_to_work(component);
        guest.sh("sleep 0.3");
        let start_ns = WallClock.now_ns();
        let list: Vec<_> = events.iter().map(|event| format!("-e {event}")).collect();
        let text = guest.sh(&format!("perf stat -x, -a {} sleep {seconds} 2>&1", list.join(" ")));
        let end_ns = WallClock.now_ns();
        guest.sh("sleep 0.3");
        guest.put_to_work(None);
        let counted: Vec<Counted> = text.lines().filter_map(counted).collect();
        assert_eq!(counted.len(), events.len(), "{text}");
        let history = guest.board().history();
        let time = start_ns - AROUND_NS..end_ns + AROUND_NS;
        if let Some(rates) = Rates::constant(&history, time) {
            return (counted, rates);
        }
        eprintln!("the machine was too busy for the board to work steadily; once more");
    }
    panic!("the machine is too busy for the board to work steadily");
}

/// Bytes a second.
#[derive(Debug, Clone)]
pub(crate) struct Rates {
    pub(crate) dram: f64,
    pub(crate) components: Vec<f64>,
}

impl Rates {
    /// The rates, if they hold from beginning to end within half a percent: then it does not matter
    /// when within this time a counter started and stopped.
    fn constant(history: &History, time: std::ops::Range<u64>) -> Option<Self> {
        const PARTS: u64 = 8;
        let length = (time.end - time.start) / PARTS;
        let rates = |time: std::ops::Range<u64>| {
            let seconds = (time.end - time.start) as f64 * 1e-9;
            let within = history.within(time).expect("the board lived through it");
            Rates {
                dram: within.dram_bytes / seconds,
                components: within.component_bytes.iter().map(|it| it / seconds).collect(),
            }
        };
        let whole = rates(time.clone());
        let steady = (0..PARTS).all(|part| {
            let start = time.start + part * length;
            (rates(start..start + length).dram / whole.dram - 1.0).abs() < 0.005
        });
        steady.then_some(whole)
    }
}

/// A line such as `123.45,Bytes,wattline_ppmu/read-bytes/,3000123456,100.00,,`.
fn counted(line: &str) -> Option<Counted> {
    let fields: Vec<&str> = line.split(',').collect();
    // Events with several terms have commas of their own: what follows is counted from the end of
    // the name, which ends with a slash.
    let name_end = fields.iter().position(|field| field.ends_with('/'))?;
    let value = fields[0].parse().ok()?;
    let nanoseconds: f64 = fields.get(name_end + 1)?.parse().ok()?;
    let event = fields[2..=name_end].join(",");
    Some(Counted { event, value, seconds: nanoseconds * 1e-9 })
}

/// A counter is right within 3 %.
#[track_caller]
pub(crate) fn check(counted: &Counted, bytes_per_count: f64, bytes_per_s: f64) {
    let measured = counted.value * bytes_per_count / counted.seconds;
    let error = measured / bytes_per_s - 1.0;
    eprintln!("{}: {measured:.0} of {bytes_per_s:.0} B/s, {:+.2} %", counted.event, 100.0 * error);
    assert!(error.abs() < 0.03, "{counted:?}: {measured} B/s of {bytes_per_s}");
    assert!(counted.seconds >= 2.0, "{counted:?}");
}
