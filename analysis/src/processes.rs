//! Which of a CPU cluster's work was the target's, and which that of other processes, from `cpu.csv`.
//!
//! # Model
//! On a rail that is one CPU cluster's own, every cycle a CPU was busy takes the same energy above idle,
//! whoever ran: the voltage that goes with a frequency is not known, so that power goes by frequency
//! alone. With `c = Σ busy time · frequency` of the cluster's CPUs during a run, of the target (`c_t`) and
//! of others (`c_o`), each less what it is in idle gaps, which idle power holds already,
//!
//! ```text
//! share of the target = c_t / (c_t + c_o)
//! ```
//!
//! and the rest of the rail's active joules are *other processes'*. Where others did less than in idle
//! gaps, for the target took their CPUs, `c_o` is negative: idle power holds more than they drew, and the
//! target has drawn more than the rail's active joules. Beyond a fifth of `c_t` that is refused. Where rows lack a frequency, all count
//! the same. That a cycle costs the same is an assumption, and numbers that rest on it are *estimated*:
//! the interval holds what they would be if a cycle of others cost half as much, or twice. [GUESS: dense
//! vector arithmetic takes about twice what waiting for memory does.]
//!
//! Rails that feed several clusters, a GPU or the memory are not split so: nobody knows what a cycle of one
//! costs beside that of another. Then a check says how busy others were.

use std::collections::HashMap;

use wattline_trace::rows::CpuRow;
use wattline_trace::{BundleReader, Manifest, Name};

use crate::error::AnalysisError;
use crate::spans::seconds;
use crate::table::for_each_row;
use crate::timeline::Timeline;

/// Others that took less of a cluster's work take no joules: a kernel thread now and then.
const LEAST_OTHERS: f64 = 0.005;
/// Less of CPU time that was looked at is told of.
const MOST_COVERED: f64 = 0.9;
/// How far apart two accounts that some kernels keep in ticks may be, and the fastest clock there is.
const TICK_NS: u64 = 20_000_000;
const MOST_KHZ: u32 = 10_000_000;
/// Others that did less than in idle gaps by more than this part of what the target did make idle power
/// no idle power.
const LARGEST_LESS: f64 = 0.2;
/// By what factor a cycle of others may cost more or less than one of the target.
const MOST_UNLIKE: f64 = 2.0;

/// Work of a cluster's CPUs.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Work {
    /// Seconds that CPUs were looked at.
    looked_at: f64,
    /// Busy seconds of the target and of others.
    target_s: f64,
    others_s: f64,
    /// The same times the frequency in kHz.
    target_cycles: f64,
    others_cycles: f64,
}

/// One cluster.
#[derive(Debug)]
pub(crate) struct Cluster {
    pub(crate) component: Name,
    cpus: Vec<u32>,
    /// Whether each row said how fast its CPU was clocked.
    clocked: bool,
    /// By block.
    blocks: Vec<Work>,
    /// In idle gaps.
    idle: Work,
}

/// What `cpu.csv` tells.
#[derive(Debug, Default)]
pub(crate) struct Processes {
    pub(crate) clusters: Vec<Cluster>,
    /// Whether there is anything in it.
    pub(crate) any: bool,
    /// Whether it tells the target from others.
    pub(crate) told_apart: bool,
}

/// Whose a cluster's work was, in one block.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Shares {
    /// The target's part, above 1 where others made way for it; the least and the most it would be if a
    /// cycle of others cost more or less.
    pub(crate) target: f64,
    pub(crate) least: f64,
    pub(crate) most: f64,
    /// By how much others did less than in idle gaps, as a part of what the target did.
    pub(crate) less: f64,
    /// What of CPU time was others', idle gaps or not.
    pub(crate) others_of_time: f64,
    /// Whether frequencies count.
    pub(crate) clocked: bool,
}

/// The last account of a CPU.
#[derive(Debug, Clone, Copy)]
struct Account {
    t_ns: u64,
    target_ns: u64,
    busy_ns: u64,
}

impl Account {
    /// Whether a CPU can have done this since `before`: no more than there was time for, but for the
    /// ticks in which some kernels count.
    fn can_follow(&self, before: &Account) -> bool {
        let since = |of: fn(&Account) -> u64| of(self).checked_sub(of(before));
        let (Some(busy), Some(target)) = (since(|it| it.busy_ns), since(|it| it.target_ns)) else {
            return false;
        };
        let time = self.t_ns - before.t_ns;
        busy <= time.saturating_add(time / 20).saturating_add(TICK_NS)
            && target <= busy.saturating_add(TICK_NS)
    }
}

impl Processes {
    /// Reads them.
    ///
    /// # Errors
    /// If the table is damaged, or a CPU's time goes backwards.
    pub(crate) fn read(
        bundle: &BundleReader,
        timeline: &Timeline,
        warnings: &mut Vec<String>,
    ) -> Result<Self, AnalysisError> {
        let mut processes = Processes::new(bundle.manifest(), timeline);
        if !bundle.has::<CpuRow>() {
            return Ok(processes);
        }
        let gaps = timeline.idle(0, 0);
        let mut last: HashMap<u32, Account> = HashMap::new();
        let mut impossible = 0u64;
        processes.told_apart = true;
        for_each_row::<CpuRow>(bundle, warnings, |row, it, path| {
            processes.any = true;
            processes.told_apart &= it.target_busy_ns.is_some();
            let now = Account {
                t_ns: it.t_ns,
                target_ns: it.target_busy_ns.unwrap_or(it.busy_ns),
                busy_ns: it.busy_ns,
            };
            let Some(before) = last.insert(it.cpu, now) else { return Ok(()) };
            if now.t_ns <= before.t_ns {
                return Err(AnalysisError::Time {
                    path: path.to_owned(),
                    row,
                    series: format!("CPU {}", it.cpu),
                    before: before.t_ns,
                    now: now.t_ns,
                });
            }
            if !now.can_follow(&before) || it.freq_khz.is_some_and(|khz| khz > MOST_KHZ) {
                impossible += 1;
                return Ok(());
            }
            if let Some(cluster) = processes.clusters.iter_mut().find(|c| c.cpus.contains(&it.cpu))
            {
                cluster.add(timeline, &gaps, before, now, it.freq_khz);
            }
            Ok(())
        })?;
        if impossible > 0 {
            warnings.push(format!(
                "cpu.csv: {impossible} rows cannot be true of a CPU (busy for longer than time went by, or \
                 an account that goes backwards) and count for nothing"
            ));
        }
        processes.told_apart &= processes.any;
        if processes.told_apart {
            let uncovered = processes.clusters.iter().filter_map(|it| it.uncovered(timeline));
            warnings.extend(uncovered);
        }
        Ok(processes)
    }

    fn new(manifest: &Manifest, timeline: &Timeline) -> Self {
        let clusters =
            manifest.components.iter().filter(|it| it.kind == "cpu" && !it.cpus.is_empty());
        let cluster = |it: &wattline_trace::ComponentRecord| Cluster {
            component: Name::new(&it.name),
            cpus: it.cpus.clone(),
            clocked: true,
            blocks: vec![Work::default(); timeline.blocks().len()],
            idle: Work::default(),
        };
        Processes { clusters: clusters.map(cluster).collect(), any: false, told_apart: false }
    }

    /// Whose a cluster's work was in a block; none where that is not told, or nobody worked.
    pub(crate) fn shares(&self, component: &str, block: usize) -> Option<Shares> {
        let cluster = self.clusters.iter().find(|it| it.component == *component)?;
        self.told_apart.then(|| cluster.shares(block))?
    }
}

impl Cluster {
    /// Spreads what a CPU did between two accounts evenly over that time.
    fn add(
        &mut self,
        timeline: &Timeline,
        gaps: &[(u64, u64)],
        before: Account,
        now: Account,
        freq_khz: Option<u32>,
    ) {
        self.clocked &= freq_khz.is_some();
        let length = seconds(before.t_ns, now.t_ns);
        let target_s = (now.target_ns - before.target_ns) as f64 * 1e-9;
        let others_s = ((now.busy_ns - before.busy_ns) as f64 * 1e-9 - target_s).max(0.0);
        let khz = f64::from(freq_khz.unwrap_or(0));
        let part = |from: u64, to: u64| {
            let share = seconds(from.max(before.t_ns), to.min(now.t_ns)) / length;
            Work {
                looked_at: share * length,
                target_s: share * target_s,
                others_s: share * others_s,
                target_cycles: share * target_s * khz,
                others_cycles: share * others_s * khz,
            }
        };
        let blocks = timeline.blocks();
        let first = blocks.partition_point(|block| block.end <= before.t_ns);
        for (at, block) in blocks.iter().enumerate().skip(first) {
            if block.start >= now.t_ns {
                break;
            }
            self.blocks[at].add(part(block.start, block.end));
        }
        let first = gaps.partition_point(|gap| gap.1 <= before.t_ns);
        gaps[first..]
            .iter()
            .take_while(|gap| gap.0 < now.t_ns)
            .for_each(|gap| self.idle.add(part(gap.0, gap.1)));
    }

    /// What of a block's CPU time was looked at.
    fn covered(&self, block: usize, timeline: &Timeline) -> f64 {
        let it = &timeline.blocks()[block];
        self.blocks[block].looked_at / (self.cpus.len() as f64 * seconds(it.start, it.end))
    }

    /// A word on blocks that were not looked at all the while.
    fn uncovered(&self, timeline: &Timeline) -> Option<String> {
        let all = (0..self.blocks.len()).map(|block| self.covered(block, timeline));
        let least = all.fold(1.0, f64::min);
        (least < MOST_COVERED).then(|| {
            format!(
                "cpu.csv: only {:.0} % of CPU time of {} during a run is accounted: CPUs were switched off, or \
                 rows are missing; what other processes drew is known as far as that goes",
                100.0 * least,
                self.component
            )
        })
    }

    fn shares(&self, block: usize) -> Option<Shares> {
        let work = self.blocks.get(block)?;
        let idle =
            if self.idle.looked_at > 0.0 { work.looked_at / self.idle.looked_at } else { 0.0 };
        let above_idle = |of: fn(&Work) -> f64| of(work) - idle * of(&self.idle);
        let (target, others) = match self.clocked {
            true => (above_idle(|it| it.target_cycles), above_idle(|it| it.others_cycles)),
            false => (above_idle(|it| it.target_s), above_idle(|it| it.others_s)),
        };
        let target = target.max(0.0);
        // Others that do less than in idle gaps leave some of idle power to the target.
        let others = others.max(-LARGEST_LESS * target);
        let share = |factor: f64| target / (target + factor * others);
        (target + others > 0.0).then(|| Shares {
            target: share(1.0),
            least: share(MOST_UNLIKE).min(share(MOST_UNLIKE.recip())),
            most: share(MOST_UNLIKE).max(share(MOST_UNLIKE.recip())),
            less: (-others / target).max(0.0),
            others_of_time: work.others_s / (work.target_s + work.others_s),
            clocked: self.clocked,
        })
    }
}

impl Work {
    fn add(&mut self, part: Work) {
        self.looked_at += part.looked_at;
        self.target_s += part.target_s;
        self.others_s += part.others_s;
        self.target_cycles += part.target_cycles;
        self.others_cycles += part.others_cycles;
    }
}

impl Shares {
    /// Whether others did enough for their joules to be taken out.
    pub(crate) fn others_count(&self) -> bool {
        (1.0 - self.target).abs() > LEAST_OTHERS
    }

    /// Whether idle power cannot be taken for what the rail would draw without the target.
    pub(crate) fn idle_was_busy(&self) -> bool {
        self.less >= LARGEST_LESS
    }
}
