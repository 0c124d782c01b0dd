//! What a component's counters give, by readings that stand in files.

use std::fs::File;
use std::io::{Seek, Write};

use super::ActiveCounters;
use crate::perf_event::group::{ActiveGroups, SHORTEST_SCALED_NS};
use crate::perf_event::system_call::{GroupReading, MOST_EVENTS};
use crate::perf_event::{ActiveGroup, Group, GroupFault};

/// Enabled and running time, and what each event counted.
type Reading = (u64, u64, u64);

/// A group that reads these, one after another, and then nothing, like one whose CPU is gone.
fn group(cpu: u32, readings: &[Reading]) -> ActiveGroup {
    let mut file: File = tempfile::tempfile().unwrap();
    for &(enabled_ns, running_ns, count) in readings {
        let mut words = vec![MOST_EVENTS as u64, enabled_ns, running_ns];
        words.resize(3 + MOST_EVENTS, count);
        let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_ne_bytes()).collect();
        file.write_all(&bytes).unwrap();
    }
    file.rewind().unwrap();
    ActiveGroup::new(Group::of_file(cpu, file), GroupReading::default(), 0)
}

/// Events 0 and 1 are refills and write-backs, of lines of 64 bytes.
fn counters(groups: Vec<ActiveGroup>) -> ActiveCounters {
    ActiveCounters {
        groups: ActiveGroups::of(groups),
        events: MOST_EVENTS,
        traffic: Some((0, 1, 64)),
        sums: vec![None; MOST_EVENTS],
    }
}

/// Event 0, the estimate, and what was found wrong.
type Seen = (Option<(u64, bool)>, Option<(u64, bool)>, Vec<(usize, GroupFault)>);

fn look(counters: &mut ActiveCounters, now_ns: u64, last: bool) -> Seen {
    let mut faults = Vec::new();
    counters.observe(now_ns, last, |group, fault| faults.push((group, fault)));
    let find = |wanted| {
        let mut counts = counters.counts();
        counts.find(|(index, ..)| *index == wanted).map(|(_, count, scaled)| (count, scaled))
    };
    (find(0), find(MOST_EVENTS), faults)
}

const MS: u64 = 1_000_000;

#[test]
fn cpus_are_summed_and_lines_become_bytes() {
    let mut all = counters(vec![group(0, &[(MS, MS, 10)]), group(1, &[(MS, MS, 5)])]);
    let bytes = (15 + 15) * 64;
    assert_eq!(look(&mut all, MS, false), (Some((15, false)), Some((bytes, false)), vec![]));
}

#[test]
fn turns_are_scaled_once_each_group_had_its_own() {
    let later = SHORTEST_SCALED_NS;
    let readings = [(MS, 0, 0), (later, later / 4, 100)];
    let mut all = counters(vec![group(0, &readings), group(1, &[(MS, MS, 1), (later, later, 7)])]);
    assert_eq!(look(&mut all, MS, false).0, None, "nothing yet");
    assert_eq!(look(&mut all, later, false).0, Some((407, true)));
}

#[test]
fn a_group_that_never_runs_gives_no_number_and_one_event() {
    let seconds = |s: u64| s * 1000 * MS;
    let readings = [1, 2, 3].map(|s| (seconds(s), 0, 0));
    let mut all = counters(vec![group(0, &readings)]);
    assert_eq!(look(&mut all, seconds(1), false), (None, None, vec![]));
    let never = vec![(0, GroupFault::NeverScheduled)];
    assert_eq!(look(&mut all, seconds(2), false), (None, None, never));
    assert_eq!(look(&mut all, seconds(3), true), (None, None, vec![]), "said once");
    // A recording that ends before it is sure says so at its end.
    let mut short = counters(vec![group(0, &[(MS, 0, 0)])]);
    assert_eq!(look(&mut short, MS, true).2, [(0, GroupFault::NeverScheduled)]);
}

#[test]
fn a_cpu_that_is_switched_off_keeps_its_count_and_the_rest_goes_on() {
    let on = [(MS, MS, 10), (2 * MS, 2 * MS, 20), (3 * MS, 3 * MS, 30)];
    let mut all = counters(vec![group(0, &on[..1]), group(1, &on)]);
    assert_eq!(look(&mut all, MS, false).0, Some((20, false)));
    let gone = vec![(0, GroupFault::Gone)];
    assert_eq!(look(&mut all, 2 * MS, false), (Some((30, false)), Some((60 * 64, false)), gone));
    assert_eq!(look(&mut all, 3 * MS, false).0, Some((40, false)));
    // The last one, too: no more numbers.
    assert_eq!(look(&mut all, 4 * MS, false), (None, None, vec![(1, GroupFault::Gone)]));
}

#[test]
fn a_group_whose_time_stands_still_is_of_a_cpu_that_is_off() {
    let mut all = counters(vec![group(0, &[(MS, MS, 10); 3])]);
    assert_eq!(look(&mut all, MS, false).2, []);
    assert_eq!(look(&mut all, 100 * MS, false).2, []);
    assert_eq!(look(&mut all, 1000 * MS, false).2, [(0, GroupFault::Gone)]);
}
