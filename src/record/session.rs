//! The watching itself: marks are drained, nested, attributed to components and written.

use std::collections::{HashMap, VecDeque};

use wattline_agent::watch::{Attribution, ImageSpan, Mark, Nesting, Unmatched};
use wattline_agent::{CpuTimes, Recorder};
use wattline_ebpf::{CpuTime, Marks, Moment};
use wattline_trace::rows::{EventKind, SpanKind, SpanRow};
use wattline_trace::{Name, TableWriter, WriteError};

use super::probes::level_of;
use super::processes::Family;

/// Marks of several CPUs may come out of order by less than this.
const DISORDER_NS: u64 = 10_000_000;

/// No program has more names of layers; what comes beyond is unnamed.
const MOST_NAMES: usize = 1 << 16;

/// What is known of the program and the machine beforehand.
#[derive(Debug)]
pub(super) struct Scene<'a> {
    pub(super) recorder: &'a Recorder,
    pub(super) spans: TableWriter<SpanRow>,
    /// What images are called.
    pub(super) program: Name,
    /// Names of components, and the CPUs of each.
    pub(super) components: Vec<(Name, Vec<u32>)>,
    /// The component that everything is said to run on.
    pub(super) forced: Option<usize>,
    /// Whose marks count, where more than one process is watched.
    pub(super) family: Option<Family>,
}

/// All images of one component: the parent of their spans.
#[derive(Debug)]
struct Run {
    id: u64,
    images: u64,
    first_ns: u64,
    last_ns: u64,
}

/// What came of it all.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Account {
    pub(super) images: u64,
    pub(super) layers: u64,
    /// Marks that were lost because nobody drained them in time.
    pub(super) dropped: u64,
    /// Images on CPUs that belong to no component.
    pub(super) elsewhere: u64,
    pub(super) unmatched: Unmatched,
}

/// Watching in progress.
#[derive(Debug)]
pub(super) struct Session<'a> {
    scene: Scene<'a>,
    marks: Marks,
    cpu_times: Option<CpuTimes>,
    times: Vec<CpuTime>,
    nesting: Nesting,
    attribution: Attribution,
    names: HashMap<Box<[u8]>, Name>,
    /// Drained, and possibly not in order yet.
    fresh: Vec<Mark>,
    /// Whole, and not attributed yet.
    whole: VecDeque<ImageSpan>,
    runs: HashMap<usize, Run>,
    next_span: u64,
    account: Account,
}

impl<'a> Session<'a> {
    pub(super) fn new(
        scene: Scene<'a>,
        marks: Marks,
        cpu_times: Option<CpuTimes>,
        nesting: Nesting,
    ) -> Self {
        let cpus: Vec<&[u32]> = scene.components.iter().map(|(_, cpus)| &cpus[..]).collect();
        let attribution = Attribution::new(&cpus);
        let times = vec![CpuTime::default(); cpu_times.as_ref().map_or(0, CpuTimes::cpus)];
        Session {
            scene,
            marks,
            cpu_times,
            times,
            nesting,
            attribution,
            names: HashMap::new(),
            fresh: Vec::new(),
            whole: VecDeque::new(),
            runs: HashMap::new(),
            next_span: 1,
            account: Account::default(),
        }
    }

    /// Takes what came since the last turn, and writes what is whole.
    pub(super) fn turn(&mut self, now_ns: u64) -> Result<(), WriteError> {
        if let Some(family) = &mut self.scene.family {
            family.look();
        }
        self.drain();
        if let Some(cpu_times) = &self.cpu_times {
            let t_ns = cpu_times.read(&mut self.times);
            self.attribution.account(t_ns, self.times.iter().map(|it| it.target_ns).collect());
        }
        let lost = self.marks.dropped() - self.account.dropped;
        if lost > 0 {
            self.account.dropped += lost;
            self.take_until(u64::MAX);
            self.whole.extend(self.nesting.forget_open());
            let detail = format!("{lost} marks lost: they came faster than they were drained");
            self.scene.recorder.note(EventKind::Drop, "marks", &detail);
            self.scene.recorder.count_lost_marks(lost);
        }
        self.take_until(now_ns.saturating_sub(DISORDER_NS));
        let known_ns = match self.cpu_times {
            Some(_) => self.attribution.known_until_ns().unwrap_or(0),
            None => u64::MAX,
        };
        self.write_until(known_ns)
    }

    /// Takes what is left and writes the runs' own spans.
    pub(super) fn finish(mut self, now_ns: u64) -> Result<Account, WriteError> {
        self.turn(now_ns)?;
        self.take_until(u64::MAX);
        self.whole.extend(self.nesting.forget_open());
        self.write_until(u64::MAX)?;
        for (component, run) in std::mem::take(&mut self.runs) {
            let times = (run.first_ns, run.last_ns);
            let name = self.scene.program.clone();
            self.write(SpanKind::Run, run.id, None, name, component, None, times)?;
        }
        self.account.unmatched = self.nesting.unmatched();
        Ok(self.account)
    }

    fn drain(&mut self) {
        let (fresh, names, family) = (&mut self.fresh, &mut self.names, &mut self.scene.family);
        self.marks.drain(|mark| {
            if family.as_mut().is_some_and(|family| !family.has(mark.pid)) {
                return;
            }
            fresh.push(Mark {
                t_ns: mark.t_ns,
                pid: mark.pid,
                tid: mark.tid,
                cpu: mark.cpu,
                level: level_of(mark.cookie),
                begins: mark.moment == Moment::Begin,
                name: mark.name.and_then(|name| interned(names, name)),
            });
        });
        // Stable: marks of one thread stay as they came.
        self.fresh.sort_by_key(|mark| mark.t_ns);
    }

    fn take_until(&mut self, t_ns: u64) {
        let ready = self.fresh.partition_point(|mark| mark.t_ns <= t_ns);
        for mark in self.fresh.drain(..ready) {
            self.whole.extend(self.nesting.mark(mark));
        }
    }

    fn write_until(&mut self, known_ns: u64) -> Result<(), WriteError> {
        while self.whole.front().is_some_and(|image| image.end_ns <= known_ns) {
            if let Some(image) = self.whole.pop_front() {
                self.write_image(image)?;
            }
        }
        Ok(())
    }

    fn write_image(&mut self, image: ImageSpan) -> Result<(), WriteError> {
        let ran = || self.attribution.component(image.start_ns, image.end_ns, image.cpu);
        let Some(component) = self.scene.forced.or_else(ran) else {
            self.account.elsewhere += 1;
            return Ok(());
        };
        let id = self.take_id();
        if !self.runs.contains_key(&component) {
            let id = self.take_id();
            let run = Run { id, images: 0, first_ns: image.start_ns, last_ns: image.end_ns };
            self.runs.insert(component, run);
        }
        let mut of_run = (0, 0);
        if let Some(run) = self.runs.get_mut(&component) {
            of_run = (run.id, run.images);
            run.images += 1;
            run.first_ns = run.first_ns.min(image.start_ns);
            run.last_ns = run.last_ns.max(image.end_ns);
        }
        let (run, index) = of_run;
        for layer in &image.layers {
            let name = layer.name.clone().unwrap_or_else(|| "layer".into());
            let (times, layer) = ((layer.start_ns, layer.end_ns), self.take_id());
            self.write(SpanKind::Layer, layer, Some(id), name, component, Some(index), times)?;
        }
        self.account.images += 1;
        self.account.layers += image.layers.len() as u64;
        let (name, times) = (self.scene.program.clone(), (image.start_ns, image.end_ns));
        self.write(SpanKind::Image, id, Some(run), name, component, Some(index), times)
    }

    fn take_id(&mut self) -> u64 {
        self.next_span += 1;
        self.next_span - 1
    }

    #[expect(clippy::too_many_arguments, reason = "a row has as many columns")]
    fn write(
        &self,
        kind: SpanKind,
        id: u64,
        parent: Option<u64>,
        name: Name,
        component: usize,
        image: Option<u64>,
        (start_ns, end_ns): (u64, u64),
    ) -> Result<(), WriteError> {
        self.scene.spans.write(&SpanRow {
            id,
            parent,
            kind,
            name,
            component: self.scene.components[component].0.clone(),
            image,
            start_ns,
            end_ns,
            // What a program computes is not seen from outside.
            flops: None,
            bytes_theoretical: None,
        })
    }
}

/// The name of these bytes, made once.
fn interned(names: &mut HashMap<Box<[u8]>, Name>, bytes: &[u8]) -> Option<Name> {
    if let Some(name) = names.get(bytes) {
        return Some(name.clone());
    }
    if names.len() == MOST_NAMES {
        return None;
    }
    let name = Name::new(&String::from_utf8_lossy(bytes));
    names.insert(bytes.into(), name.clone());
    Some(name)
}
