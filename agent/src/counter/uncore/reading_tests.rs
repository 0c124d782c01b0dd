//! What ports say, by readings of their groups that stand in files.

use std::fs::File;
use std::io::{Seek, Write};

use super::{ActiveUncore, Moved, PortSum, Term, TrafficFault};
use crate::perf_event::group::{ActiveGroups, SHORTEST_SCALED_NS};
use crate::perf_event::system_call::{GroupReading, MOST_EVENTS};
use crate::perf_event::{ActiveGroup, Group, GroupFault};

const MS: u64 = 1_000_000;

/// A group that reads (enabled time, running time, count of each event), one after another, and
/// then nothing, as if its PMU were gone.
fn group(readings: &[(u64, u64, u64)]) -> ActiveGroup {
    let mut file: File = tempfile::tempfile().unwrap();
    for &(enabled_ns, running_ns, count) in readings {
        let mut words = vec![MOST_EVENTS as u64, enabled_ns, running_ns];
        words.resize(3 + MOST_EVENTS, count);
        let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_ne_bytes()).collect();
        file.write_all(&bytes).unwrap();
    }
    file.rewind().unwrap();
    ActiveGroup::new(Group::of_file(0, file), GroupReading::default(), 0)
}

/// Port `n` is read by group `n`: 16 B a count read and 64 B a count written.
fn counter(groups: Vec<ActiveGroup>) -> ActiveUncore {
    let term = |group, position, bytes_per_count| vec![Term { group, position, bytes_per_count }];
    let port = |group| PortSum::Apart { reads: term(group, 0, 16), writes: term(group, 1, 64) };
    ActiveUncore {
        sums: (0..groups.len()).map(port).collect(),
        groups: ActiveGroups::of(groups),
        is_scaled: false,
    }
}

type Seen = (Vec<(usize, u64, u64, bool)>, Vec<TrafficFault>);

fn look(counter: &mut ActiveUncore, now_ns: u64, last: bool) -> Seen {
    let (mut ports, mut faults) = (Vec::new(), Vec::new());
    let each = |reading: super::PortReading| match reading.moved {
        Moved::Apart { read_bytes, write_bytes } => {
            ports.push((reading.port, read_bytes, write_bytes, reading.scaled));
        }
        Moved::Together { .. } => panic!("{reading:?}"),
    };
    counter.read(now_ns, last, each, |fault| faults.push(fault));
    (ports, faults)
}

#[test]
fn counts_become_bytes_beyond_what_32_bits_hold() {
    let much = 1 << 40;
    let mut all = counter(vec![group(&[(MS, MS, 3), (2 * MS, 2 * MS, much)])]);
    assert_eq!(look(&mut all, MS, false), (vec![(0, 48, 192, false)], vec![]));
    assert_eq!(look(&mut all, 2 * MS, false), (vec![(0, 16 * much, 64 * much, false)], vec![]));
}

#[test]
fn what_takes_turns_is_scaled_and_said_to_be_once() {
    let later = SHORTEST_SCALED_NS;
    let shared = [(MS, 0, 0), (later, later / 4, 100), (2 * later, later / 2, 200)];
    let whole = [(MS, MS, 1), (later, later, 7), (2 * later, 2 * later, 8)];
    let mut all = counter(vec![group(&shared), group(&whole)]);
    assert_eq!(look(&mut all, MS, false), (vec![], vec![]), "nothing is known yet");
    let ports = vec![(0, 6400, 25_600, true), (1, 112, 448, false)];
    assert_eq!(look(&mut all, later, false), (ports, vec![TrafficFault::Scaled]));
    let ports = vec![(0, 12_800, 51_200, true), (1, 128, 512, false)];
    assert_eq!(look(&mut all, 2 * later, false), (ports, vec![]));
    assert!(all.is_scaled());
}

#[test]
fn a_pmu_that_is_gone_has_no_more_numbers_and_the_others_go_on() {
    let on = [(MS, MS, 1), (2 * MS, 2 * MS, 2), (3 * MS, 3 * MS, 3)];
    let mut all = counter(vec![group(&on[..1]), group(&on)]);
    assert_eq!(look(&mut all, MS, false).0.len(), 2);
    let gone = vec![TrafficFault::Group(0, GroupFault::Gone)];
    assert_eq!(look(&mut all, 2 * MS, false), (vec![(1, 32, 128, false)], gone));
    assert_eq!(look(&mut all, 3 * MS, true), (vec![(1, 48, 192, false)], vec![]));
}

#[test]
fn a_port_that_never_had_counters_says_nothing_and_that_is_said() {
    let seconds = |s: u64| s * 1000 * MS;
    let starved = [(seconds(1), 0, 0), (seconds(2), 0, 0)];
    let whole = [(seconds(1), seconds(1), 1), (seconds(2), seconds(2), 2)];
    let mut all = counter(vec![group(&starved), group(&whole)]);
    assert_eq!(look(&mut all, seconds(1), false), (vec![(1, 16, 64, false)], vec![]));
    let never = vec![TrafficFault::Group(0, GroupFault::NeverScheduled)];
    assert_eq!(look(&mut all, seconds(2), true), (vec![(1, 32, 128, false)], never));
}
