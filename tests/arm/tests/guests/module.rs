//! wattline's module: it binds, counts, refuses and goes.

use wattline_arm_tests::architecture::Architecture;
use wattline_arm_tests::board::{A7, A15, CCI400, CCI550, PPMU};
use wattline_arm_tests::machine::Blocks;

use crate::perf_stat;
use crate::place::{INSERT, Place, parameters};

crate::in_each_guest!(
    binds_by_device_tree,
    counts_what_is_played,
    loads_and_unloads_twenty_times,
    refuses_what_is_wrong,
    leaves_another_drivers_range_alone,
);

const PMUS: [&str; 3] = ["wattline_cci400", "wattline_cci550", "wattline_ppmu"];

#[track_caller]
fn check_pmus(place: &mut Place, there: bool) {
    let devices = place.sh("ls /sys/bus/event_source/devices");
    for pmu in PMUS {
        assert_eq!(devices.split_whitespace().any(|it| it == pmu), there, "{pmu}: {devices}");
    }
}

pub(crate) fn binds_by_device_tree(architecture: Architecture) {
    let mut place = Place::boot(architecture, Blocks::Module);
    place.sh(INSERT);
    check_pmus(&mut place, true);
    for pmu in PMUS {
        let folder = format!("/sys/bus/event_source/devices/{pmu}");
        let text = place.sh(&format!(
            "cat {folder}/cpumask {folder}/events/read-bytes.unit {folder}/events/write-bytes.scale"
        ));
        let words: Vec<_> = text.split_whitespace().collect();
        let scale = if pmu == "wattline_cci400" { "64" } else { "16" };
        assert_eq!(words[1..], ["Bytes", scale], "{pmu}: {text}");
    }
    place.sh("rmmod wattline_cci");
    check_pmus(&mut place, false);
    place.check_kernel_log();
}

/// Every block, while each cluster works. All counters start just below 2^32: they wrap at once.
pub(crate) fn counts_what_is_played(architecture: Architecture) {
    let mut place = Place::boot(architecture, Blocks::Untold);
    place.sh(&format!("{INSERT} {}", parameters()));
    for (component, port) in [(A15, "s4"), (A7, "s3")] {
        let requests = [
            format!("wattline_cci400/{port}-read-requests/"),
            format!("wattline_cci400/{port}-write-requests/"),
        ];
        let events = [
            "wattline_ppmu/read-bytes/",
            "wattline_ppmu/write-bytes/",
            "wattline_cci550/read-bytes/",
            "wattline_cci550/write-bytes/",
            &requests[0],
            &requests[1],
        ];
        let (counted, rates) = perf_stat::count(&mut place, Some(component), &events, 3);
        let of = |event: &str| counted.iter().find(|it| it.event == event).unwrap();
        // A third of the clusters' traffic is written, a quarter of the idle traffic.
        let own = rates.components[component as usize];
        let idle = rates.dram - own;
        let (read, written) = (own * 2.0 / 3.0, own / 3.0);
        for pmu in ["wattline_ppmu", "wattline_cci550"] {
            perf_stat::check(of(&format!("{pmu}/read-bytes/")), 1.0, read + 0.75 * idle);
            perf_stat::check(of(&format!("{pmu}/write-bytes/")), 1.0, written + 0.25 * idle);
        }
        perf_stat::check(of(&requests[0]), 64.0, read);
        perf_stat::check(of(&requests[1]), 64.0, written);
    }
    place.sh("rmmod wattline_cci");
    place.check_kernel_log();
}

pub(crate) fn loads_and_unloads_twenty_times(architecture: Architecture) {
    let mut place = Place::boot(architecture, Blocks::Untold);
    let parameters = parameters();
    place.sh(&format!(
        "set -e
        for time in $(seq 21); do
            {INSERT} {parameters}
            perf stat -x, -a -e wattline_ppmu/read-bytes/ -e wattline_cci550/read-bytes/ sleep 0.1 2>/dev/null
            rmmod wattline_cci
        done"
    ));
    check_pmus(&mut place, false);
    place.check_kernel_log();
}

pub(crate) fn refuses_what_is_wrong(architecture: Architecture) {
    let mut place = Place::boot(architecture, Blocks::Untold);
    for wrong in [
        // Not on a page, nowhere, in the kernel's memory, another block, too few, not a number.
        format!("cci400={:#x}", CCI400 + 2),
        "cci400=0x0".to_owned(),
        "cci400=0x48000000".to_owned(),
        format!("cci400={CCI550:#x}"),
        format!("cci550={CCI400:#x}"),
        format!("ppmu={:#x},{:#x}", PPMU[0], PPMU[0]),
        "cci400=what".to_owned(),
    ] {
        let said = place.run(&format!("{INSERT} {wrong}"));
        let loaded = place.run("grep wattline_cci /proc/modules").status == 0;
        assert!(said.status != 0 && !loaded, "{wrong} was taken: {}", said.text());
        check_pmus(&mut place, false);
    }
    // Told nothing, on a machine whose device tree says nothing, there is nothing to bind to.
    place.sh(&format!("{INSERT} {}", parameters()));
    for event in [
        // The one that mainline's driver oopses on, and more events than there are counters.
        "-e wattline_cci550/event=0x1f,source=0xf/",
        "-e wattline_cci400/event=0x1e,source=0x3/",
        "-e wattline_ppmu/event=0xff/",
        "-e '{wattline_cci550/m0-read-beats/,wattline_cci550/m1-read-beats/,wattline_cci550/m2-read-beats/,wattline_cci550/m3-read-beats/,wattline_cci550/m0-write-beats/,wattline_cci550/m1-write-beats/,wattline_cci550/m2-write-beats/,wattline_cci550/m3-write-beats/,wattline_cci550/m0-read-beats/}'",
    ] {
        let said = place.run(&format!("perf stat -x, -a {event} sleep 0.2"));
        let text = said.text();
        let refused = said.status != 0 || text.contains("<not supported>");
        assert!(refused, "{event} was taken: {text}");
    }
    // Sampling has no interrupt to sample by; a process has no traffic of its own.
    let sampled =
        place.run("perf record -o /tmp/samples -a -c 1000 -e wattline_ppmu/read-bytes/ sleep 0.2");
    assert_ne!(sampled.status, 0, "{}", sampled.text());
    place.check_kernel_log();
}

/// Mainline's driver has the blocks; its counts go on.
pub(crate) fn leaves_another_drivers_range_alone(architecture: Architecture) {
    for (blocks, parameter) in [
        (Blocks::MainlineCci400, format!("cci400={CCI400:#x}")),
        (Blocks::MainlineCci550, format!("cci550={CCI550:#x}")),
    ] {
        let mut place = Place::boot(architecture, blocks);
        let said = place.run(&format!("{INSERT} {parameter}"));
        assert_ne!(said.status, 0, "{parameter} was taken: {}", said.text());
        check_pmus(&mut place, false);
        place.check_kernel_log();
    }
}
