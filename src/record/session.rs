//! The watching itself: marks are drained, nested, attributed to components and written.

use std::collections::{HashMap, VecDeque};

use wattline_agent::watch::{
    Attribution, CountsAtMark, ImageSpan, Mark, Nesting, SpanCount, Unmatched,
};
use wattline_agent::{CpuTimes, MarkEvents, Recorder};
use wattline_ebpf::{CpuTime, Left, Marks, Moment};
use wattline_trace::rows::{ALL_COMPONENTS, CounterRow, EventKind, SpanKind, SpanRow};
use wattline_trace::{Name, TableWriter, WriteError};

use super::probes::level_of;

/// Marks of several CPUs may come out of order by less than this.
const DISORDER_NS: u64 = 10_000_000;

/// No program has more names of layers; what comes beyond is unnamed.
const MOST_NAMES: usize = 1 << 16;

/// What is known of the program and the machine beforehand.
#[derive(Debug)]
pub(super) struct Scene<'a> {
    pub(super) recorder: &'a Recorder,
    pub(super) spans: TableWriter<SpanRow>,
    pub(super) counters: TableWriter<CounterRow>,
    /// What is counted over spans.
    pub(super) events: MarkEvents,
    /// What images are called.
    pub(super) program: Name,
    /// Names of components, and the CPUs of each.
    pub(super) components: Vec<(Name, Vec<u32>)>,
    /// The component that everything is said to run on.
    pub(super) forced: Option<usize>,
}

/// All images of one component: the parent of their spans.
#[derive(Debug)]
struct Run {
    id: u64,
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
    /// Marks that came beside those, so that no span can be made of them.
    pub(super) withheld: u64,
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
    /// How far marks were left when some were last found to be lost, until those are drained.
    gap: Option<Left>,
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
            gap: None,
            whole: VecDeque::new(),
            runs: HashMap::new(),
            next_span: 1,
            account: Account::default(),
        }
    }

    /// Takes what came since the last turn, and writes what is whole.
    pub(super) fn turn(&mut self, now_ns: u64) -> Result<(), WriteError> {
        self.drain();
        if let Some(cpu_times) = &self.cpu_times {
            let t_ns = cpu_times.read(&mut self.times);
            self.attribution.account(t_ns, self.times.iter().map(|it| it.target_ns).collect());
        }
        let lost = self.marks.dropped() - self.account.dropped;
        if lost > 0 {
            self.account.dropped += lost;
            self.gap = Some(self.marks.left());
            let detail = format!("{lost} marks lost: they came faster than they were drained");
            self.scene.recorder.note(EventKind::Drop, "marks", &detail);
            self.scene.recorder.count_lost_marks(lost);
        }
        self.withhold_beside_gap();
        self.take_until(now_ns.saturating_sub(DISORDER_NS));
        let known_ns = match self.cpu_times {
            Some(_) => self.attribution.known_until_ns().unwrap_or(0),
            None => u64::MAX,
        };
        self.write_until(known_ns)
    }

    /// Forgets what was drained while there is a gap among the marks, and what is open: a begin
    /// may be of one call and the end that follows of a later one, which would be one long span
    /// where there were many. Some from before the gap may still wait in the buffer when it is
    /// first heard of, so this goes on until all of them are drained.
    fn withhold_beside_gap(&mut self) {
        let Some(gap) = self.gap else { return };
        self.account.withheld += self.fresh.len() as u64;
        self.fresh.clear();
        self.nesting.forget_open();
        if self.marks.has_drained(gap) {
            self.gap = None;
        }
    }

    /// Takes what is left and writes the runs' own spans.
    pub(super) fn finish(mut self, now_ns: u64) -> Result<Account, WriteError> {
        self.turn(now_ns)?;
        self.take_until(u64::MAX);
        self.whole.extend(self.nesting.forget_open());
        self.write_until(u64::MAX)?;
        self.write_runs()?;
        self.account.unmatched = self.nesting.unmatched();
        Ok(self.account)
    }

    /// Whether a process that is watched has not ended; false where nobody counts them.
    pub(super) fn is_anybody_left(&self) -> bool {
        self.cpu_times.as_ref().is_some_and(|it| it.sched().tracked() > 0)
    }

    /// Writes each component's run, and the run of `all` over those that overlap: rails and DRAM
    /// are shared, so that they are measured together.
    fn write_runs(&mut self) -> Result<(), WriteError> {
        let runs = std::mem::take(&mut self.runs).into_iter();
        let intervals =
            runs.map(|(component, run)| ((run.first_ns, run.last_ns), (component, run)));
        let name = self.scene.program.clone();
        for (times, together) in overlapping(intervals.collect()) {
            let parent = (together.len() > 1).then(|| self.take_id());
            if let Some(id) = parent {
                let all = ALL_COMPONENTS.into();
                self.scene.spans.write(&row(SpanKind::Run, id, None, name.clone(), all, times))?;
            }
            for (component, run) in together {
                let times = (run.first_ns, run.last_ns);
                self.write(SpanKind::Run, run.id, parent, name.clone(), component, None, times)?;
            }
        }
        Ok(())
    }

    fn drain(&mut self) {
        let (fresh, names) = (&mut self.fresh, &mut self.names);
        let events = self.scene.events.len();
        self.marks.drain(|mark| {
            fresh.push(Mark {
                t_ns: mark.t_ns,
                pid: mark.pid,
                tid: mark.tid,
                cpu: mark.cpu,
                level: level_of(mark.cookie),
                begins: mark.moment == Moment::Begin,
                name: mark.name.and_then(|name| interned(names, name)),
                counts: mark.counts.map(|counts| CountsAtMark::new(mark.cpu, &counts, events)),
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
            let run = Run { id, first_ns: image.start_ns, last_ns: image.end_ns };
            self.runs.insert(component, run);
        }
        // Numbered along the stream: images of several components are told apart by it.
        let (mut of_run, index) = (0, self.account.images);
        if let Some(run) = self.runs.get_mut(&component) {
            of_run = run.id;
            run.first_ns = run.first_ns.min(image.start_ns);
            run.last_ns = run.last_ns.max(image.end_ns);
        }
        for layer in &image.layers {
            let name = layer.name.clone().unwrap_or_else(|| "layer".into());
            let (times, span) = ((layer.start_ns, layer.end_ns), self.take_id());
            self.write(SpanKind::Layer, span, Some(id), name, component, Some(index), times)?;
            self.write_counts(span, component, &layer.counted)?;
        }
        self.account.images += 1;
        self.account.layers += image.layers.len() as u64;
        let (name, times) = (self.scene.program.clone(), (image.start_ns, image.end_ns));
        self.write(SpanKind::Image, id, Some(of_run), name, component, Some(index), times)?;
        self.write_counts(id, component, &image.counted)
    }

    fn write_counts(
        &self,
        span: u64,
        component: usize,
        counted: &[SpanCount],
    ) -> Result<(), WriteError> {
        for (event, value, scaled) in self.scene.events.of_span(counted) {
            let component = self.scene.components[component].0.clone();
            let span = Some(span);
            let row = CounterRow { t_ns: None, span, component, event, value, scaled };
            self.scene.counters.write(&row)?;
        }
        Ok(())
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
        times: (u64, u64),
    ) -> Result<(), WriteError> {
        let component = self.scene.components[component].0.clone();
        self.scene.spans.write(&SpanRow { image, ..row(kind, id, parent, name, component, times) })
    }
}

fn row(
    kind: SpanKind,
    id: u64,
    parent: Option<u64>,
    name: Name,
    component: Name,
    (start_ns, end_ns): (u64, u64),
) -> SpanRow {
    SpanRow {
        id,
        parent,
        kind,
        name,
        component,
        image: None,
        start_ns,
        end_ns,
        // What a program computes is not seen from outside.
        flops: None,
        bytes_theoretical: None,
    }
}

/// Puts together what overlaps, directly or through others; those that merely touch do not.
fn overlapping<T>(mut intervals: Vec<((u64, u64), T)>) -> Vec<((u64, u64), Vec<T>)> {
    intervals.sort_by_key(|(times, _)| *times);
    let mut groups: Vec<((u64, u64), Vec<T>)> = Vec::new();
    for ((start, end), item) in intervals {
        match groups.last_mut() {
            Some(((_, last), group)) if start < *last => {
                *last = end.max(*last);
                group.push(item);
            }
            _ => groups.push(((start, end), vec![item])),
        }
    }
    groups
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_overlaps_is_put_together_and_what_touches_is_not() {
        let runs = vec![((20, 30), 'c'), ((0, 10), 'a'), ((5, 20), 'b'), ((25, 26), 'd')];
        let expected = vec![((0, 20), vec!['a', 'b']), ((20, 30), vec!['c', 'd'])];
        assert_eq!(overlapping(runs), expected);
        assert_eq!(overlapping(vec![((3, 3), 'a')]), [((3, 3), vec!['a'])]);
    }
}
