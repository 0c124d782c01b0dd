//! The CPUs' frequencies over time: as the kernel reports changes, and where it does not, as
//! cpufreq shows them. [Documentation/trace/events-power; cpufreq's scaling_cur_freq]

use std::collections::VecDeque;
use std::fs;
use std::path::PathBuf;

/// What becomes known of one CPU's frequency.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Change {
    pub(super) t_ns: u64,
    pub(super) cpu: u32,
    pub(super) khz: u32,
}

/// What is known of one CPU.
#[derive(Debug, Clone, Copy, Default)]
struct Known {
    /// At the last instant that was asked for.
    khz: Option<u32>,
    /// After all changes that are known of.
    latest_khz: Option<u32>,
    /// Whether the kernel reports its changes: then those are right to the microsecond, and what
    /// is sampled is no news.
    is_reported: bool,
}

/// The CPUs' frequencies.
#[derive(Debug)]
pub(super) struct Frequencies {
    sysfs: PathBuf,
    known: Vec<Known>,
    /// Changes after the last instant that was asked for, in the order they became known.
    pending: VecDeque<Change>,
}

impl Frequencies {
    pub(super) fn new(sysfs: PathBuf) -> Self {
        Frequencies { sysfs, known: Vec::new(), pending: VecDeque::new() }
    }

    /// The kernel reported a change.
    pub(super) fn report(&mut self, change: Change) {
        let known = self.known(change.cpu);
        known.is_reported = true;
        known.latest_khz = Some(change.khz);
        self.pending.push_back(change);
    }

    /// Looks at cpufreq's file of a CPU; answers a change since the last look that the kernel did
    /// not report. The first look is none.
    pub(super) fn sample(&mut self, t_ns: u64, cpu: u32) -> Option<Change> {
        if self.known(cpu).is_reported {
            return None;
        }
        let file = format!("devices/system/cpu/cpu{cpu}/cpufreq/scaling_cur_freq");
        let khz = fs::read_to_string(self.sysfs.join(file)).ok()?.trim().parse().ok()?;
        let change = Change { t_ns, cpu, khz };
        let before = self.known(cpu).latest_khz.replace(khz);
        if before == Some(khz) {
            return None;
        }
        self.pending.push_back(change);
        before.map(|_| change)
    }

    /// The frequency of a CPU at an instant, kHz. Instants that are asked for do not go back.
    pub(super) fn at(&mut self, t_ns: u64, cpu: u32) -> Option<u32> {
        while let Some(change) = self.pending.pop_front_if(|change| change.t_ns <= t_ns) {
            self.known(change.cpu).khz = Some(change.khz);
        }
        self.known(cpu).khz
    }

    fn known(&mut self, cpu: u32) -> &mut Known {
        let index = cpu as usize;
        if index >= self.known.len() {
            self.known.resize(index + 1, Known::default());
        }
        &mut self.known[index]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frequency_holds_from_its_change_on() {
        let mut frequencies = Frequencies::new("/nowhere".into());
        assert_eq!(frequencies.at(5, 1), None);
        frequencies.report(Change { t_ns: 10, cpu: 1, khz: 800_000 });
        frequencies.report(Change { t_ns: 20, cpu: 1, khz: 1_400_000 });
        assert_eq!(frequencies.at(9, 1), None);
        assert_eq!((frequencies.at(10, 1), frequencies.at(19, 1)), (Some(800_000), Some(800_000)));
        assert_eq!((frequencies.at(20, 1), frequencies.at(20, 0)), (Some(1_400_000), None));
    }

    #[test]
    fn what_is_sampled_is_news_where_nothing_is_reported() {
        let sysfs = tempfile::tempdir().unwrap();
        let cpufreq = sysfs.path().join("devices/system/cpu/cpu4/cpufreq");
        let set = |khz: &str| fs::write(cpufreq.join("scaling_cur_freq"), khz).unwrap();
        let mut frequencies = Frequencies::new(sysfs.path().to_owned());
        assert_eq!(frequencies.sample(1, 4), None, "there is no such file");
        fs::create_dir_all(&cpufreq).unwrap();
        set("200000\n");
        assert_eq!(frequencies.sample(2, 4), None, "the first look is no change");
        assert_eq!(frequencies.at(2, 4), Some(200_000));
        assert_eq!(frequencies.sample(3, 4), None);
        set("2000000\n");
        let change = Change { t_ns: 4, cpu: 4, khz: 2_000_000 };
        assert_eq!(frequencies.sample(4, 4), Some(change));
        assert_eq!(frequencies.at(4, 4), Some(2_000_000));
        frequencies.report(Change { t_ns: 5, cpu: 4, khz: 600_000 });
        assert_eq!(frequencies.sample(6, 4), None, "the kernel says so itself");
        assert_eq!(frequencies.at(6, 4), Some(600_000));
    }
}
