//! The CPUs' accounts as the sampler reads them.

use wattline_ebpf::CpuTime;

use crate::kernel::CpuTimes;

/// The CPU time of the target and of all, on each CPU, since this was made.
#[derive(Debug)]
pub(crate) struct CpuChannel {
    source: CpuTimes,
    /// The account when this was made.
    base: Vec<CpuTime>,
    times: Vec<CpuTime>,
}

/// One CPU's account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct CpuReading {
    pub(crate) t_ns: u64,
    pub(crate) cpu: u16,
    pub(crate) target_ns: u64,
    pub(crate) busy_ns: u64,
}

impl CpuChannel {
    pub(crate) fn new(source: CpuTimes) -> Self {
        let mut base = vec![CpuTime::default(); source.cpus()];
        source.read(&mut base);
        CpuChannel { source, times: base.clone(), base }
    }

    /// How many CPUs there may be.
    pub(crate) fn cpus(&self) -> usize {
        self.times.len()
    }

    /// The target's time on a CPU, as it was last read.
    pub(crate) fn target_ns(&self, cpu: usize) -> u64 {
        self.times[cpu].target_ns
    }

    /// Hands over the account of each CPU that was ever seen, and answers when that was; nothing if
    /// another thread is reading it just now. Allocates nothing and makes no system call.
    pub(crate) fn read(&mut self, mut reading: impl FnMut(CpuReading)) -> Option<u64> {
        let t_ns = self.source.try_read(&mut self.times)?;
        for (cpu, (now, base)) in self.times.iter().zip(&self.base).enumerate() {
            if *now == CpuTime::default() {
                continue;
            }
            let target_ns = now.target_ns - base.target_ns;
            let other_ns = now.other_ns - base.other_ns;
            let busy_ns = target_ns + other_ns;
            reading(CpuReading { t_ns, cpu: cpu as u16, target_ns, busy_ns });
        }
        Some(t_ns)
    }
}
