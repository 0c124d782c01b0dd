//! Joules and DRAM bytes of what a guest ran, from the kernel's drivers to the tables of the analysis,
//! held against what the board knows. Energy within 1.5 %, bytes within 3 %.

use std::path::Path;

use wattline_arm_tests::architecture::Architecture;
use wattline_board::emulated::ina231::registers::CONFIGURATION;
use wattline_trace::BundleReader;
use wattline_trace::rows::{CpuRow, SpanKind, SpanRow};

use crate::analysis::SummaryRow;
use crate::place::Place;

crate::in_each_guest!(of_a_program_that_is_recorded, of_a_network_that_is_run);

const MOST_ENERGY_ERROR_PCT: f64 = 1.5;
const MOST_TRAFFIC_ERROR_PCT: f64 = 3.0;
const ATTEMPTS: usize = 4;

/// How a guest samples: an emulated processor takes a third of a millisecond for each transfer on
/// the bus, and there are eight in a look at all rails.
const SAMPLING: &str = "--board /board.toml --update-interval 35 --rate 60 --idle 3 --overwrite";

/// Whoever measures and rings keeps to the A7's CPUs: joules of a cluster are split by whose CPU time
/// it was, and the emulated board has watts for work that it is told of, and none for them.
const ASIDE: &str = "taskset -c 0,1";

/// The driver's interval as its register has it.
const AVERAGES_OF_16: u16 = 2 << 9;
const AVERAGES: u16 = 7 << 9;

/// Whether the row's own interval says that it is good to the limit: two and a half standard errors.
/// On a busy machine the analysis may give a number an interval too wide, or refuse it, and the guest
/// runs again; a number that claims to be good and is not is a failure at once.
fn claims(row: &SummaryRow) -> bool {
    row.joules_per_image
        .zip(row.joules_per_image_ci95)
        .is_some_and(|(joules, half)| half * 2.5 / 1.96 <= 0.01 * MOST_ENERGY_ERROR_PCT * joules)
}

/// Whether the row is whole; what is claimed in it is right.
#[track_caller]
fn check(row: &SummaryRow) -> bool {
    let truth = row.truth.as_ref().unwrap_or_else(|| panic!("no truth: {row:#?}"));
    let shown = |number: Option<f64>| number.map_or("no".to_owned(), |it| format!("{it:.3}"));
    eprintln!(
        "{} on {}: {} J an image, ± {}, energy {} % off, bytes {} % off",
        row.network,
        row.component,
        shown(row.joules_per_image),
        shown(row.joules_per_image_ci95),
        shown(truth.energy_error_pct),
        shown(truth.traffic_error_pct)
    );
    if let Some(error) = truth.traffic_error_pct {
        assert!(error.abs() <= MOST_TRAFFIC_ERROR_PCT, "{row:#?}");
    }
    if !claims(row) {
        eprintln!("not sure enough: {:?} {:?}", row.refusals, row.remarks);
        return false;
    }
    let error = truth.energy_error_pct.unwrap_or_else(|| panic!("no joules known: {row:#?}"));
    assert!(error.abs() <= MOST_ENERGY_ERROR_PCT, "{row:#?}");
    truth.traffic_error_pct.is_some()
}

fn spans(bundle: &Path, kind: SpanKind) -> usize {
    let reader = BundleReader::open(bundle).unwrap();
    reader.table::<SpanRow>().unwrap().filter(|span| span.as_ref().unwrap().kind == kind).count()
}

/// The last thing every test of this file does with its guest.
#[track_caller]
fn restored(place: &mut Place) {
    let intervals = place.sh("cat /sys/class/hwmon/hwmon*/update_interval");
    assert_eq!(intervals.split_whitespace().collect::<Vec<_>>(), ["2253"; 4], "put back");
    place.check_kernel_log();
}

fn set_odd_intervals(place: &mut Place) {
    place.sh("for file in /sys/class/hwmon/hwmon*/update_interval; do echo 2253 > $file; done");
}

/// A program that knows nothing of wattline, its images marked from outside, its CPU time accounted
/// by BPF programs.
fn of_a_program_that_is_recorded(architecture: Architecture) {
    const IMAGES: usize = 5;
    let mut place = Place::whole(architecture);
    set_odd_intervals(&mut place);
    let offset = place.clock_offset();
    for _ in 0..ATTEMPTS {
        let before = place.images();
        place.start(&format!(
            "{ASIDE} wattline record {SAMPLING} --out /tmp/trace --component a15 \
             --image-mark usdt:bell:image_begin,image_end -- bell work 0 {IMAGES} 2"
        ));
        place.wait_for_images(before + 1);
        let configuration = place.board().read_sensor(0x40, CONFIGURATION).unwrap();
        let said = place.finish();
        let text = said.text();
        assert_eq!(said.status, 0, "{text}");
        assert_eq!(configuration & AVERAGES, AVERAGES_OF_16, "set while it records");
        let (bundle, row) = place.checked("/tmp/trace", offset);
        assert_eq!(spans(&bundle, SpanKind::Image), IMAGES, "{text}");
        check_cpu_time(&bundle, &text);
        if check(&row) {
            return restored(&mut place);
        }
    }
    panic!("the machine is too busy: no number was sure enough");
}

/// What BPF programs accounted to the program is what its own clock says.
#[track_caller]
fn check_cpu_time(bundle: &Path, said: &str) {
    let own_ns = said.lines().find_map(|line| line.strip_prefix("bell: CPU time, ns: "));
    let own_ns: f64 = own_ns.unwrap_or_else(|| panic!("{said}")).parse().unwrap();
    let reader = BundleReader::open(bundle).unwrap();
    let mut last = std::collections::BTreeMap::new();
    for row in reader.table::<CpuRow>().unwrap() {
        let row = row.unwrap();
        last.insert(row.cpu, row.target_busy_ns.expect("BPF programs account it"));
    }
    let accounted_ns = last.values().sum::<u64>() as f64;
    let error = accounted_ns / own_ns - 1.0;
    eprintln!("CPU time {own_ns} ns, {:+.2} % by BPF", 100.0 * error);
    assert!(error.abs() < 0.02, "accounted {accounted_ns} ns, its own clock says {own_ns}");
}

/// A network of ours, computed for real by that architecture's instructions.
fn of_a_network_that_is_run(architecture: Architecture) {
    const IMAGES: usize = 2;
    let mut place = Place::whole(architecture);
    set_odd_intervals(&mut place);
    let offset = place.clock_offset();
    for _ in 0..ATTEMPTS {
        let said = place.run(&format!(
            "{ASIDE} bell follow 0 /bin/wattline run {SAMPLING} --out /tmp/trace \
             --network squeezenet --on a15 --images {IMAGES} --threads 1"
        ));
        let text = said.text();
        assert_eq!(said.status, 0, "{text}");
        let (bundle, row) = place.checked("/tmp/trace", offset);
        assert_eq!(spans(&bundle, SpanKind::Image), IMAGES, "{text}");
        assert!(spans(&bundle, SpanKind::Layer) > 20 * IMAGES);
        if check(&row) {
            return restored(&mut place);
        }
    }
    panic!("the machine is too busy: no number was sure enough");
}
