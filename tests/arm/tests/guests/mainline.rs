//! Mainline's arm-cci driver reads the same blocks, by the nodes that `probe` tells of.

use wattline_arm_tests::architecture::Architecture;
use wattline_arm_tests::board::A15;
use wattline_arm_tests::machine::Blocks;

use crate::perf_stat;
use crate::place::Place;

crate::in_each_guest!(cci_400_counts_what_is_played, cci_550_counts_what_is_played);

fn cci_400_counts_what_is_played(architecture: Architecture) {
    let mut place = Place::boot(architecture, Blocks::MainlineCci400);
    let events = ["CCI_400_r1/event=0x0,source=0x4/", "CCI_400_r1/event=0xc,source=0x4/"];
    let (counted, rates) = perf_stat::count(&mut place, Some(A15), &events, 3);
    let own = rates.components[A15 as usize];
    perf_stat::check(&counted[0], 64.0, own * 2.0 / 3.0);
    perf_stat::check(&counted[1], 64.0, own / 3.0);
    place.check_kernel_log();
}

fn cci_550_counts_what_is_played(architecture: Architecture) {
    let mut place = Place::boot(architecture, Blocks::MainlineCci550);
    let beats: Vec<String> =
        (0..4).map(|port| format!("CCI_550/event=0x0,source={:#x}/", 8 + port)).collect();
    let events: Vec<&str> = beats.iter().map(String::as_str).collect();
    let (counted, rates) = perf_stat::count(&mut place, Some(A15), &events, 3);
    let own = rates.components[A15 as usize];
    for port in &counted {
        perf_stat::check(port, 16.0, (own * 2.0 / 3.0 + 0.75 * (rates.dram - own)) / 4.0);
    }
    place.check_kernel_log();
}
