//! Groups of counters of one CPU: opened together, scheduled together, read together.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};

use super::refusal::Refused;
use super::scaling::{Stretch, Totals};
use super::system_call::{Code, GroupReading, MOST_EVENTS, enable, read};

/// A group whose time stands still for so long is of a CPU that was switched off: while a CPU is
/// on, the time for which a group of it is enabled goes on.
const STANDS_STILL_NS: u64 = 250_000_000;

/// Where groups take turns (at each tick of the kernel, 1 to 10 ms), a stretch that is scaled is
/// at least so long, that each had its turns in it.
pub(crate) const SHORTEST_SCALED_NS: u64 = 100_000_000;

/// A group that never ran is given this long before that is said.
const STARVED_NS: u64 = 1_000_000_000;

/// How a counter is opened: what it counts, on which CPU, and the leader whose group it joins.
pub(crate) type Open<'a> = dyn FnMut(Code, u32, Option<&File>) -> io::Result<File> + 'a;

/// Counters that are opened and do not count yet.
#[derive(Debug)]
pub(crate) struct Group {
    pub(crate) cpu: u32,
    /// The event of each file, by its index in the list that was to be opened.
    pub(crate) events: Vec<usize>,
    /// The leader first.
    files: Vec<File>,
}

/// A group that counts.
#[derive(Debug)]
pub(crate) struct ActiveGroup {
    group: Group,
    pub(crate) totals: Totals,
    pub(crate) is_gone: bool,
    /// Whether nothing is known of the last stretch: it had no counters throughout.
    pub(crate) is_starved: bool,
    moved_ns: u64,
    is_known_to_starve: bool,
}

/// Groups that count, of one or many CPUs, and are read in one go.
#[derive(Debug)]
pub(crate) struct ActiveGroups {
    groups: Vec<ActiveGroup>,
    settled_ns: u64,
}

/// What is wrong with a group for the rest of the run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum GroupFault {
    /// Its CPU was switched off, or the PMU is gone.
    Gone,
    /// The CPU never had counters for it.
    NeverScheduled,
}

impl Group {
    /// Opens counters for all codes on a CPU, as few groups as the CPU's counters allow: what does
    /// not fit beside the others begins a group of its own, and the kernel lets groups take turns.
    pub(crate) fn open_all(
        cpu: u32,
        codes: &[Code],
        open: &mut Open<'_>,
    ) -> Result<Vec<Group>, Refused> {
        let mut groups: Vec<Group> = Vec::new();
        for (event, &code) in codes.iter().enumerate() {
            if let Some(group) = groups.last_mut().filter(|it| it.files.len() < MOST_EVENTS) {
                match open(code, cpu, group.files.first()) {
                    Ok(file) => {
                        group.files.push(file);
                        group.events.push(event);
                        continue;
                    }
                    Err(error) if does_not_fit(&error) => {}
                    Err(error) => return Err(Refused::new(cpu, event, error)),
                }
            }
            let file = open(code, cpu, None).map_err(|error| Refused::new(cpu, event, error))?;
            groups.push(Group { cpu, events: vec![event], files: vec![file] });
        }
        Ok(groups)
    }

    /// The counter of the event of this index; none if it is not in this group.
    pub(crate) fn counter(&self, event: usize) -> Option<BorrowedFd<'_>> {
        let position = self.events.iter().position(|&it| it == event)?;
        self.files.get(position).map(AsFd::as_fd)
    }

    /// Lets it count, from zero.
    pub(crate) fn start(self, now_ns: u64) -> io::Result<ActiveGroup> {
        enable(&self.files[0])?;
        let first = read(&self.files[0], self.files.len())?;
        Ok(ActiveGroup::new(self, first, now_ns))
    }

    /// A group whose readings, of all events that it can hold, stand in a file one after another.
    #[cfg(test)]
    pub(crate) fn of_file(cpu: u32, file: File) -> Self {
        let mut files = vec![file];
        files.extend((1..MOST_EVENTS).map(|_| File::open("/dev/null").expect("/dev/null")));
        Group { cpu, events: (0..MOST_EVENTS).collect(), files }
    }
}

/// The kernel refuses a sibling with which the group would need more counters than there are.
/// [`validate_group` of drivers/perf/arm_pmu.c and arch/x86/events/core.c]
fn does_not_fit(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EINVAL | libc::ENOSPC))
}

impl ActiveGroup {
    /// Zero, at its first reading.
    pub(crate) fn new(group: Group, first: GroupReading, now_ns: u64) -> Self {
        ActiveGroup {
            group,
            totals: Totals::new(first),
            is_gone: false,
            is_starved: false,
            moved_ns: now_ns,
            is_known_to_starve: false,
        }
    }

    /// The index of an event in the group.
    pub(crate) fn position(&self, event: usize) -> Option<usize> {
        self.group.events.iter().position(|&it| it == event)
    }

    /// Reads the group; answers what has come to be wrong with it.
    pub(crate) fn observe(&mut self, now_ns: u64, last: bool) -> Option<GroupFault> {
        if self.is_gone {
            return None;
        }
        match read(&self.group.files[0], self.group.files.len()) {
            Ok(reading) => self.take(reading, now_ns, last),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => None,
            Err(_) => self.give_up(),
        }
    }

    fn take(&mut self, reading: GroupReading, now_ns: u64, last: bool) -> Option<GroupFault> {
        if reading.enabled_ns != self.totals.enabled_ns() {
            self.moved_ns = now_ns;
        } else if now_ns.saturating_sub(self.moved_ns) > STANDS_STILL_NS {
            return self.give_up();
        }
        self.totals.observe(reading);
        let starves = reading.running_ns == 0 && (last || reading.enabled_ns > STARVED_NS);
        if starves && !self.is_known_to_starve {
            self.is_known_to_starve = true;
            return Some(GroupFault::NeverScheduled);
        }
        None
    }

    /// What was counted stays in the totals.
    fn give_up(&mut self) -> Option<GroupFault> {
        self.totals.settle();
        self.is_starved = false;
        self.is_gone = true;
        Some(GroupFault::Gone)
    }
}

impl ActiveGroups {
    /// Lets groups count, from zero.
    ///
    /// # Errors
    /// The CPU whose counters would not, and the system's answer.
    pub(crate) fn start(groups: Vec<Group>, now_ns: u64) -> Result<Self, (u32, io::Error)> {
        let start = |group: Group| {
            let cpu = group.cpu;
            group.start(now_ns).map_err(|error| (cpu, error))
        };
        let groups = groups.into_iter().map(start).collect::<Result<_, _>>()?;
        Ok(ActiveGroups { groups, settled_ns: now_ns })
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.groups.len()
    }

    /// The groups, in the order in which they were opened.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &ActiveGroup> {
        self.groups.iter()
    }

    /// The group of this index.
    pub(crate) fn get(&self, index: usize) -> &ActiveGroup {
        &self.groups[index]
    }

    /// Reads every group once, and hands on what has come to be wrong with one, by its index.
    /// Answers whether the totals hold until now: where groups take turns, they do so only every
    /// [`SHORTEST_SCALED_NS`] and at the last reading. Allocates nothing.
    pub(crate) fn observe(
        &mut self,
        now_ns: u64,
        last: bool,
        mut fault: impl FnMut(usize, GroupFault),
    ) -> bool {
        for (index, group) in self.groups.iter_mut().enumerate() {
            if let Some(wrong) = group.observe(now_ns, last) {
                fault(index, wrong);
            }
        }
        let live = || self.groups.iter().filter(|group| !group.is_gone);
        let exact = live().all(|group| group.totals.stretch() == Stretch::Whole);
        let long = now_ns.saturating_sub(self.settled_ns) >= SHORTEST_SCALED_NS;
        if live().next().is_none() || !(exact || long || last) {
            return false;
        }
        self.settled_ns = now_ns;
        for group in self.groups.iter_mut().filter(|group| !group.is_gone) {
            group.is_starved = group.totals.settle() == Stretch::Starved;
        }
        true
    }

    /// Groups that count already, since time 0.
    #[cfg(test)]
    pub(crate) fn of(groups: Vec<ActiveGroup>) -> Self {
        ActiveGroups { groups, settled_ns: 0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A CPU with so many counters.
    fn opener(counters: usize) -> impl FnMut(Code, u32, Option<&File>) -> io::Result<File> {
        let mut in_group = 0;
        move |_, _, leader| {
            in_group = if leader.is_some() { in_group + 1 } else { 1 };
            if in_group > counters {
                return Err(io::Error::from_raw_os_error(libc::EINVAL));
            }
            File::open("/dev/null")
        }
    }

    fn grouped(counters: usize, events: usize) -> Vec<Vec<usize>> {
        let codes = vec![Code { kind: 8, config: 0, config1: 0 }; events];
        let groups = Group::open_all(3, &codes, &mut opener(counters)).unwrap();
        assert!(groups.iter().all(|group| group.cpu == 3));
        groups.into_iter().map(|group| group.events).collect()
    }

    #[test]
    fn what_does_not_fit_a_group_begins_the_next() {
        assert_eq!(grouped(6, 5), [vec![0, 1, 2, 3, 4]]);
        assert_eq!(grouped(2, 5), [vec![0, 1], vec![2, 3], vec![4]]);
        assert_eq!(grouped(1, 3), [vec![0], vec![1], vec![2]]);
        assert_eq!(grouped(usize::MAX, MOST_EVENTS + 1)[1], [MOST_EVENTS]);
    }

    #[test]
    fn what_fits_nowhere_is_refused_by_its_number() {
        let codes = [Code { kind: 8, config: 0, config1: 0 }; 2];
        let refused = Group::open_all(3, &codes, &mut opener(0)).unwrap_err();
        assert_eq!((refused.cpu, refused.event), (3, 0));
    }
}
