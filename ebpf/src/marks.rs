//! Reports begins and ends of images and layers, from probes in any program.

use std::collections::BTreeMap;
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};

use libbpf_rs::{MapCore, MapFlags, UprobeMultiOpts, UsdtOpts};

use crate::mapping::Numbers;
use crate::object::{Loaded, Opened, compiled};
use crate::ring::Ring;
use crate::sched::FOLLOWED_PROCESSES;
use crate::{
    Arguments, Counts, EbpfError, Left, MOST_COUNTERS, Mark, MarkCounter, MarkSettings, Moment,
    NAME_BYTES, Place, Probe, Program, Sched, Scope, Step, cpus, entry, uprobe,
};

const NAME: &str = "marks";
const ON_USDT: &str = "on_usdt";

/// Programs at instructions: one probe at a time, or many at once.
const AT_INSTRUCTION: [&str; 2] = ["on_instruction", "on_instructions"];
/// Programs at returns.
const AT_RETURN: [&str; 2] = ["on_return", "on_returns"];

/// What `struct probe` says where no argument is wanted.
const NO_ARGUMENT: u8 = 0xff;

/// Arguments a USDT probe may have.
const MOST_USDT_ARGUMENTS: u8 = 12;

/// Arguments a function gets in registers, everywhere.
const MOST_CALL_ARGUMENTS: u8 = if cfg!(target_arch = "arm") { 4 } else { 5 };

/// Reports begins and ends of images and layers, from probes in any program.
///
/// A hit of a probe costs the program that is hit about a microsecond. What it leaves waits in a
/// buffer until drained; nobody is woken.
#[derive(Debug)]
pub struct Marks {
    loaded: Loaded,
    ring: Ring,
    drops: Numbers,
    /// Bytes of counts ahead of each mark.
    counts_bytes: usize,
}

/// Which hits leave marks, and how.
#[derive(Debug, Clone, Copy)]
struct Wish<'a> {
    scope: Scope,
    sched: Option<&'a Sched>,
    settings: MarkSettings,
    counters: &'a [MarkCounter<'a>],
}

/// An instruction of a binary.
#[derive(Debug, Clone, Copy)]
struct Site {
    /// Index of the probe.
    index: u64,
    file_offset: u64,
    semaphore_offset: u64,
}

impl Marks {
    /// Attaches every probe, or none.
    ///
    /// # Errors
    /// [`EbpfError::Invalid`] for a buffer or an argument that cannot be; else what keeps the
    /// programs from being loaded or attached: a binary that does not exist, a probe that is not
    /// in it, an offset that is no instruction.
    pub fn attach(
        probes: &[Probe],
        scope: Scope,
        settings: MarkSettings,
    ) -> Result<Self, EbpfError> {
        Self::attach_with_counters(probes, scope, None, settings, &[])
    }

    /// Attaches every probe, or none, for the processes that `sched` follows
    /// ([`Target::Tree`](crate::Target::Tree)): the kernel decides at each hit, so that none of a
    /// process that has long ended when its marks are drained is missed, and none of a stranger
    /// counts.
    ///
    /// # Errors
    /// As [`Marks::attach`].
    pub fn attach_to_followed(
        probes: &[Probe],
        sched: &Sched,
        settings: MarkSettings,
    ) -> Result<Self, EbpfError> {
        Self::attach_with_counters(probes, Scope::EveryProcess, Some(sched), settings, &[])
    }

    /// Attaches every probe, or none, as [`Marks::attach`] does or, with `sched`, as
    /// [`Marks::attach_to_followed`]; marks carry what `counters` of their CPU say. Events that do
    /// not count yet may be enabled later.
    ///
    /// # Errors
    /// As [`Marks::attach`]; [`EbpfError::Invalid`] for more than [`MOST_COUNTERS`] slots, and what
    /// the kernel says of an event that cannot be read from a program.
    pub fn attach_with_counters(
        probes: &[Probe],
        scope: Scope,
        sched: Option<&Sched>,
        settings: MarkSettings,
        counters: &[MarkCounter<'_>],
    ) -> Result<Self, EbpfError> {
        check(probes, settings)?;
        let wish = Wish { scope, sched, settings, counters };
        let has_sites = probes.iter().any(|probe| !matches!(probe.place, Place::Usdt { .. }));
        // Many at once need Linux 6.6; where that fails, the second try says what is wrong.
        if has_sites && let Ok(marks) = Self::attach_as(probes, wish, true) {
            return Ok(marks);
        }
        Self::attach_as(probes, wish, false)
    }

    fn attach_as(probes: &[Probe], wish: Wish<'_>, many_at_once: bool) -> Result<Self, EbpfError> {
        let Wish { scope, sched, settings, counters } = wish;
        let mut opened = Opened::open(NAME, compiled!("marks.bpf.o"))?;
        opened.only(&needed(probes, many_at_once));
        opened.size("records", settings.buffer_bytes)?;
        opened.size("drops", cpus::possible() as u32)?;
        opened.size("probes", probes.len().max(1) as u32)?;
        if let Some(sched) = sched {
            opened.share(FOLLOWED_PROCESSES, &sched.followed()?)?;
            opened.set(".rodata.followed_alone", &1u32.to_ne_bytes())?;
        }
        let slots = slots(counters)?;
        opened.size("counted", (slots * cpus::possible()).max(1) as u32)?;
        opened.set(".rodata.counters", &(slots as u32).to_ne_bytes())?;
        let loaded = opened.load()?;
        count(&loaded, counters, slots)?;
        let table = loaded.map("probes")?;
        for (index, probe) in probes.iter().enumerate() {
            let key = (index as u32).to_ne_bytes();
            let told = table.update(&key, &configuration(probe), MapFlags::ANY);
            told.map_err(|error| loaded.failure(Step::Use, "its probes", error))?;
        }
        let failed = |what: &str, source| EbpfError::Failed {
            program: NAME,
            step: Step::Use,
            what: what.to_owned(),
            source,
        };
        let ring = Ring::map(loaded.map("records")?, settings.buffer_bytes as usize);
        let ring = ring.map_err(|source| failed("its ring buffer", source))?;
        let drops = Numbers::map(loaded.map("drops")?, cpus::possible());
        let drops = drops.map_err(|source| failed("its drop counters", source))?;
        let mut marks = Marks { loaded, ring, drops, counts_bytes: Counts::bytes(slots) };
        let pid = match scope {
            Scope::Process(pid) => pid as i32,
            Scope::EveryProcess => -1,
        };
        marks.attach_usdt(probes, pid)?;
        for (binary, (entries, returns)) in sites(probes) {
            marks.attach_sites(AT_INSTRUCTION, &entries, &binary, pid, false, many_at_once)?;
            marks.attach_sites(AT_RETURN, &returns, &binary, pid, true, many_at_once)?;
        }
        Ok(marks)
    }

    /// Hands over the marks since the last call; answers how many. Those of one thread come in
    /// order; those of several CPUs may be a few microseconds out of it. Allocates nothing and
    /// makes no system call.
    pub fn drain(&mut self, mut mark: impl FnMut(&Mark<'_>)) -> usize {
        let counts_bytes = self.counts_bytes;
        self.ring.drain(|record| {
            if let Some(parsed) = parse(record, counts_bytes) {
                mark(&parsed);
            }
        })
    }

    /// Marks lost because the buffer was full, since the start: those left by probes are those
    /// drained and these, exactly.
    pub fn dropped(&self) -> u64 {
        self.drops.sum()
    }

    /// How far marks were left by now. Once those up to here are drained ([`Marks::has_drained`]),
    /// so is every mark from before a loss that [`Marks::dropped`] told of before this was asked.
    pub fn left(&self) -> Left {
        Left(self.ring.written())
    }

    /// Whether every mark that was left up to then has been drained.
    pub fn has_drained(&self, left: Left) -> bool {
        self.ring.has_drained(left.0)
    }

    /// Its programs, for [`SelfMeter::start`](crate::SelfMeter::start).
    ///
    /// # Errors
    /// If file descriptors run out.
    pub fn programs(&self) -> Result<Vec<Program>, EbpfError> {
        self.loaded.programs(&[
            ON_USDT,
            AT_INSTRUCTION[0],
            AT_INSTRUCTION[1],
            AT_RETURN[0],
            AT_RETURN[1],
        ])
    }

    fn attach_usdt(&mut self, probes: &[Probe], pid: i32) -> Result<(), EbpfError> {
        for (index, probe) in probes.iter().enumerate() {
            let Place::Usdt { provider, name, .. } = &probe.place else { continue };
            let what = format!("USDT probe {provider}:{name} of {}", probe.binary.display());
            let options = UsdtOpts { cookie: index as u64, ..UsdtOpts::default() };
            self.loaded.attach(ON_USDT, &what, |program| {
                program.attach_usdt_with_opts(pid, &probe.binary, provider, name, options)
            })?;
        }
        Ok(())
    }

    /// Attaches the instructions of one binary, at once or one by one.
    fn attach_sites(
        &mut self,
        programs: [&str; 2],
        sites: &[Site],
        binary: &Path,
        pid: i32,
        retprobe: bool,
        many_at_once: bool,
    ) -> Result<(), EbpfError> {
        let [one, many] = programs;
        if many_at_once && !sites.is_empty() {
            let options = UprobeMultiOpts {
                offsets: sites.iter().map(|site| site.file_offset as usize).collect(),
                ref_ctr_offsets: sites.iter().map(|site| site.semaphore_offset as usize).collect(),
                cookies: sites.iter().map(|site| site.index).collect(),
                retprobe,
                ..UprobeMultiOpts::default()
            };
            let what = format!("{} places in {}", sites.len(), binary.display());
            return self.loaded.attach(many, &what, |program| {
                program.attach_uprobe_multi_with_opts(pid, binary, "", options)
            });
        }
        for site in sites {
            let what = format!("offset {:#x} in {}", site.file_offset, binary.display());
            let site = uprobe::Site {
                file_offset: site.file_offset as usize,
                semaphore_offset: site.semaphore_offset as usize,
                cookie: site.index,
                at_return: retprobe,
            };
            self.loaded
                .attach(one, &what, |program| uprobe::attach(program, pid, binary, &site))?;
        }
        Ok(())
    }
}

/// How many events there are on a CPU.
fn slots(counters: &[MarkCounter<'_>]) -> Result<usize, EbpfError> {
    let slots = counters.iter().map(|counter| counter.slot + 1).max().unwrap_or(0);
    if slots > MOST_COUNTERS {
        let refusal =
            format!("at a mark {slots} counters are too many; {MOST_COUNTERS} can be read");
        return Err(EbpfError::Invalid(refusal));
    }
    Ok(slots)
}

/// Tells the programs which events to read.
fn count(loaded: &Loaded, counters: &[MarkCounter<'_>], slots: usize) -> Result<(), EbpfError> {
    if counters.is_empty() {
        return Ok(());
    }
    let table = loaded.map("counted")?;
    for counter in counters {
        let key = (counter.cpu * slots as u32 + counter.slot as u32).to_ne_bytes();
        let event = counter.event.as_raw_fd().to_ne_bytes();
        let told = table.update(&key, &event, MapFlags::ANY);
        let what = format!("counter {} of CPU {}", counter.slot, counter.cpu);
        told.map_err(|error| loaded.failure(Step::Use, &what, error))?;
    }
    Ok(())
}

/// The programs that these probes need.
fn needed(probes: &[Probe], many_at_once: bool) -> Vec<&'static str> {
    let which = usize::from(many_at_once);
    let programs = |place: &Place| match place {
        Place::Usdt { .. } => vec![ON_USDT],
        Place::Instruction { .. } => vec![AT_INSTRUCTION[which]],
        Place::Function { .. } => vec![AT_INSTRUCTION[which], AT_RETURN[which]],
    };
    probes.iter().flat_map(|probe| programs(&probe.place)).collect()
}

/// Instructions and returns to attach, of each binary.
fn sites(probes: &[Probe]) -> BTreeMap<PathBuf, (Vec<Site>, Vec<Site>)> {
    let mut binaries: BTreeMap<PathBuf, (Vec<Site>, Vec<Site>)> = BTreeMap::new();
    for (index, probe) in probes.iter().enumerate() {
        let (file_offset, semaphore_offset) = match probe.place {
            Place::Usdt { .. } => continue,
            Place::Instruction { file_offset, semaphore_offset, .. } => {
                (file_offset, semaphore_offset.unwrap_or(0))
            }
            Place::Function { file_offset } => (entry::cheapest(&probe.binary, file_offset), 0),
        };
        let site = Site { index: index as u64, file_offset, semaphore_offset };
        let (entries, returns) = binaries.entry(probe.binary.clone()).or_default();
        entries.push(site);
        if matches!(probe.place, Place::Function { .. }) {
            returns.push(site);
        }
    }
    binaries
}

/// Refuses what the kernel would refuse without saying why.
fn check(probes: &[Probe], settings: MarkSettings) -> Result<(), EbpfError> {
    let bytes = settings.buffer_bytes;
    if !bytes.is_power_of_two() || !(4096..=1 << 30).contains(&bytes) {
        let refusal = format!(
            "a mark buffer of {bytes} bytes cannot be; choose a power of two from 4096 to {}",
            1 << 30
        );
        return Err(EbpfError::Invalid(refusal));
    }
    for probe in probes {
        let most = match probe.place {
            Place::Usdt { .. } => MOST_USDT_ARGUMENTS,
            _ => MOST_CALL_ARGUMENTS,
        };
        let Arguments { ids: [first, second], name } = probe.arguments;
        if let Some(position) = [first, second, name].into_iter().flatten().find(|at| *at >= most) {
            let refusal = format!(
                "argument {position} of a probe of {} cannot be had; there are at most {most}, \
                 counted from 0",
                probe.binary.display()
            );
            return Err(EbpfError::Invalid(refusal));
        }
    }
    Ok(())
}

/// `struct probe` of `bpf/marks.bpf.c`.
fn configuration(probe: &Probe) -> [u8; 16] {
    let moment = match probe.place {
        Place::Usdt { moment, .. } | Place::Instruction { moment, .. } => moment,
        Place::Function { .. } => Moment::Begin,
    };
    let position = |argument: Option<u8>| argument.unwrap_or(NO_ARGUMENT);
    let mut bytes = [0; 16];
    bytes[..8].copy_from_slice(&probe.cookie.to_ne_bytes());
    bytes[8] = u8::from(moment == Moment::End);
    bytes[9] = position(probe.arguments.ids[0]);
    bytes[10] = position(probe.arguments.ids[1]);
    bytes[11] = position(probe.arguments.name);
    bytes
}

/// From `struct mark` of `bpf/marks.bpf.c`; a ring buffer rounds lengths up to nothing, so the
/// name fills what is left.
fn parse(record: &[u8], counts_bytes: usize) -> Option<Mark<'_>> {
    let (counts, record) = record.split_at_checked(counts_bytes)?;
    let (longs, rest) = record.split_first_chunk::<32>()?;
    let (ints, rest) = rest.split_first_chunk::<12>()?;
    let (shorts, name) = rest.split_first_chunk::<4>()?;
    let long =
        |index: usize| u64::from_ne_bytes(longs[8 * index..][..8].try_into().unwrap_or([0; 8]));
    let int =
        |index: usize| u32::from_ne_bytes(ints[4 * index..][..4].try_into().unwrap_or([0; 4]));
    let short = |index: usize| u16::from_ne_bytes([shorts[2 * index], shorts[2 * index + 1]]);
    let name_bytes = usize::from(short(1)).min(NAME_BYTES);
    Some(Mark {
        t_ns: long(0),
        cookie: long(1),
        ids: [long(2), long(3)],
        pid: int(0),
        tid: int(1),
        cpu: int(2),
        moment: if short(0) == 0 { Moment::Begin } else { Moment::End },
        name: name_bytes.checked_sub(1).and_then(|length| name.get(..length)),
        counts: (counts_bytes > 0).then_some(Counts(counts)),
    })
}
