//! How busy each CPU was, where no BPF program accounts it. [proc(5), /proc/stat]

use std::fs::File;
use std::io::{Read, Seek};

use nix::unistd::{SysconfVar, sysconf};
use wattline_board::Roots;

/// Accounts of all CPUs, since this was opened.
///
/// A CPU that is switched off vanishes from `/proc/stat` and comes back with its old account, so
/// CPUs are told apart by number.
#[derive(Debug)]
pub(super) struct Cpus {
    stat: File,
    ns_per_tick: u64,
    text: String,
    /// Busy ticks of each CPU when it was first seen.
    baseline: Vec<(u32, u64)>,
}

/// One CPU's account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct CpuAccount {
    pub(super) cpu: u32,
    /// Since the start.
    pub(super) busy_ns: u64,
}

impl Cpus {
    /// `None` where there is no `stat`: an emulated board's CPUs are accounted by its model.
    pub(super) fn open(roots: &Roots) -> Option<Self> {
        let stat = File::open(roots.procfs.join("stat")).ok()?;
        let ticks_per_s = sysconf(SysconfVar::CLK_TCK).ok().flatten().unwrap_or(100).max(1);
        let mut cpus = Cpus {
            stat,
            ns_per_tick: 1_000_000_000 / ticks_per_s as u64,
            text: String::new(),
            baseline: Vec::new(),
        };
        cpus.read();
        Some(cpus)
    }

    /// The accounts now; empty if the file cannot be read.
    pub(super) fn read(&mut self) -> Vec<CpuAccount> {
        self.text.clear();
        if self.stat.rewind().is_err() || self.stat.read_to_string(&mut self.text).is_err() {
            return Vec::new();
        }
        let mut accounts = Vec::new();
        for (cpu, busy) in self.text.lines().filter_map(busy_ticks) {
            let first = match self.baseline.iter().find(|(known, _)| *known == cpu) {
                Some(&(_, first)) => first,
                None => {
                    self.baseline.push((cpu, busy));
                    busy
                }
            };
            let busy_ns = busy.saturating_sub(first).saturating_mul(self.ns_per_tick);
            accounts.push(CpuAccount { cpu, busy_ns });
        }
        accounts
    }
}

/// From `cpu3 user nice system idle iowait irq softirq steal …` the CPU and the ticks it was not
/// idle; `None` for other lines, that of all CPUs together (`cpu  user …`) among them. Guest time
/// is in user time already; time stolen by a hypervisor was not ours.
fn busy_ticks(line: &str) -> Option<(u32, u64)> {
    let (number, ticks) = line.strip_prefix("cpu")?.split_once(' ')?;
    let cpu = number.parse().ok()?;
    let mut fields = ticks.split_ascii_whitespace().map(str::parse);
    let mut next = || fields.next()?.ok();
    let (user, nice, system): (u64, u64, u64) = (next()?, next()?, next()?);
    let (_idle, _iowait) = (next()?, next()?);
    let (irq, softirq) = (next()?, next()?);
    Some((cpu, [nice, system, irq, softirq].into_iter().fold(user, u64::saturating_add)))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn accounts_are_by_number_and_since_the_start() {
        let directory = tempfile::tempdir().unwrap();
        let roots = Roots {
            sysfs: directory.path().join("sys"),
            procfs: directory.path().to_owned(),
            registers: wattline_board::RegisterSource::DevMem,
        };
        assert!(Cpus::open(&roots).is_none());
        let stat = directory.path().join("stat");
        fs::write(&stat, "cpu  9 9 9 9 9 9 9 0 0 0\ncpu0 10 1 2 500 3 4 5 0 0 0\nintr 7\n")
            .unwrap();
        let mut cpus = Cpus::open(&roots).unwrap();
        cpus.ns_per_tick = 10_000_000;
        fs::write(&stat, "cpu0 12 1 2 900 3 4 5 0 0 0\ncpu4 50 0 0 0 0 0 0 0\ncpu5 x\n").unwrap();
        let account = |cpu, busy_ns| CpuAccount { cpu, busy_ns };
        let expected = [account(0, 20_000_000), account(4, 0)];
        assert_eq!(cpus.read(), expected);
    }
}
