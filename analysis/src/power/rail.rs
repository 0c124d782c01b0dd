//! One rail's readings, streamed into accumulators: memory is bounded in the number of readings.

use wattline_trace::RailRecord;
use wattline_trace::rows::PowerRow;

use super::idle::{Idle, IdleReadings};
use super::lag::{Drift, LagSums, Turns};
use super::moments::Moments;
use super::tiles::{Piece, tile};
use crate::layers::Sight;
use crate::spans::seconds;
use crate::timeline::{Stretch, Timeline};

/// Fewest readings that idle power is taken from.
pub(crate) const FEWEST_IDLE: u64 = 3;

/// Periods from which a converter's clock is known, and by how much an INA's is wrong at most.
const FEWEST_PERIODS: u64 = 16;
const MOST_CLOCK_ERROR: f64 = 0.12;

/// By what share of itself a reading must contradict itself to be counted; and of how many readings one
/// that does is no accident of reading a chip.
const MUCH_CONTRADICTING: f64 = 0.05;
const OFTEN: u64 = 100;

/// What is kept of the readings in one region of time: a run with its flanks, or what lies
/// between two of those.
#[derive(Debug, Clone, Default)]
pub(crate) struct Region {
    /// The work itself, without flanks; none between runs.
    pub(crate) work: Option<(u64, u64)>,
    pub(crate) joules: f64,
    pub(crate) seconds: f64,
    /// Seconds that no reading covers.
    pub(crate) hole_seconds: f64,
    /// Sum of squared holes within the work, in s².
    pub(crate) hole_squares: f64,
    /// The same of holes that reach beyond it, where power steps.
    pub(crate) edge_hole_squares: f64,
    /// The longest of them.
    pub(crate) longest_hole_seconds: f64,
    /// Sum of squared tiles, in s².
    pub(crate) tile_squares: f64,
    /// Steps from reading to reading, and how the lags at them hang together.
    pub(crate) lag: LagSums,
    /// Sum of squared steps, in W², between readings whose windows lie wholly in the work.
    pub(crate) inner_step_squares: f64,
    pub(crate) inner_steps: u64,
    /// Power of all readings that touch the region.
    pub(crate) watts: Moments,
    /// Least and most power in and next to the region.
    pub(crate) range: Option<(f64, f64)>,
    /// Readings taken during the work.
    pub(crate) inside: Moments,
    pub(crate) inside_volts: Moments,
    pub(crate) inside_amps: Moments,
}

/// One rail of one recording.
#[derive(Debug)]
pub(crate) struct Rail {
    pub(crate) record: RailRecord,
    /// By what share the sensor's gain may lie off.
    pub(crate) tolerance: f64,
    /// The stretch each block is measured over.
    pub(crate) stretches: Vec<Stretch>,
    /// Region `2 b + 1` is block `b`; those with even numbers lie between.
    pub(crate) regions: Vec<Region>,
    /// First time and window, once there is a reading.
    pub(crate) first: Option<(u64, u64)>,
    pub(crate) last: Option<(u64, f64)>,
    pub(crate) longest_window: u64,
    /// Joules of all tiles, summed straight: what the parts must add up to.
    pub(crate) total_joules: f64,
    /// Joules by which readings of power differ from volts · amps, beyond the chip's steps.
    pub(crate) contradicting_joules: f64,
    /// Readings of which a twentieth or more is so.
    pub(crate) contradicting_rows: u64,
    /// Readings that followed the one before sooner than the sensor converts.
    pub(crate) too_soon: u64,
    /// All readings, and the time of the one before the last.
    readings: u64,
    one_before: Option<u64>,
    /// No reading follows another sooner, where polls are frequent enough to tell.
    soonest_ns: u64,
    poll_ns: u64,
    drift: Drift,
    bounds: Vec<u64>,
    region: usize,
    /// Regions that the last reading's tile touched.
    touched: (usize, usize),
    idle_stretches: Vec<(u64, u64)>,
    idle_stretch: usize,
    idle: IdleReadings,
    /// Time between readings that tile without a hole, in seconds.
    cadence: Moments,
}

impl Rail {
    /// A rail polled every `poll_ns`; where that is not known, once a window (it could not tile
    /// time if it were polled less often).
    pub(crate) fn new(record: &RailRecord, timeline: &Timeline, poll_ns: Option<u64>) -> Self {
        let window = record.window_ns;
        let poll_ns = poll_ns.unwrap_or(window);
        let need = window.saturating_add(window / 2).saturating_add(poll_ns);
        let margin = window.saturating_mul(2);
        let want = margin.saturating_add(poll_ns);
        let blocks = timeline.blocks();
        let stretches: Vec<Stretch> =
            (0..blocks.len()).map(|index| timeline.expanded(index, need, want)).collect();
        let mut regions = vec![Region::default(); 2 * blocks.len() + 1];
        for (index, block) in blocks.iter().enumerate() {
            regions[2 * index + 1].work = Some((block.start, block.end));
        }
        Rail {
            record: record.clone(),
            tolerance: record.tolerance.unwrap_or(0.0),
            bounds: stretches.iter().flat_map(|stretch| [stretch.from, stretch.to]).collect(),
            stretches,
            regions,
            first: None,
            last: None,
            longest_window: 0,
            total_joules: 0.0,
            contradicting_joules: 0.0,
            contradicting_rows: 0,
            too_soon: 0,
            readings: 0,
            one_before: None,
            // One that is seen late by a poll, or by one that was late itself, is seen half a window
            // before the next all the same.
            soonest_ns: if poll_ns <= window / 4 { window / 2 } else { 0 },
            poll_ns,
            drift: Drift::new(window, poll_ns),
            region: 0,
            touched: (0, 0),
            idle_stretches: timeline.idle(margin, window.saturating_add(poll_ns)),
            idle_stretch: 0,
            idle: IdleReadings::default(),
            cadence: Moments::default(),
        }
    }

    /// Adds the next reading, which is later than the one before.
    pub(crate) fn add(&mut self, row: &PowerRow) {
        let before = self.last;
        let contradiction = contradiction_watts(&self.record, row);
        let much = contradiction.abs() > MUCH_CONTRADICTING * row.watts.abs();
        self.contradicting_rows += u64::from(much);
        self.readings += 1;
        let mut first_region = None;
        for piece in tile(before, row.t_ns, row.watts, row.window_ns).into_iter().flatten() {
            if piece.from < piece.to {
                self.total_joules += piece.joules(piece.from, piece.to);
                self.contradicting_joules += contradiction * seconds(piece.from, piece.to);
                let entered = self.spread(&piece);
                first_region.get_or_insert(entered);
            }
        }
        let touched = (first_region.unwrap_or(self.region), self.region);
        self.count(row, before, touched);
        self.add_idle(row);
        if let Some((t, _)) = before.filter(|(t, _)| !has_hole(*t, row)) {
            self.cadence.add(seconds(t, row.t_ns));
            self.too_soon += u64::from(row.t_ns - t < self.soonest_ns);
        }
        // A stray between two that are in time may be half a window from both.
        let third = self.one_before.is_some_and(|t| row.t_ns - t < 5 * self.soonest_ns / 2);
        self.too_soon += u64::from(third);
        self.one_before = before.map(|(t, _)| t);
        self.longest_window = self.longest_window.max(row.window_ns);
        self.first.get_or_insert((row.t_ns, row.window_ns));
        self.last = Some((row.t_ns, row.watts));
        self.touched = touched;
    }

    /// Splits a piece over the regions it lies in; answers the first of them.
    fn spread(&mut self, piece: &Piece) -> usize {
        let mut from = piece.from;
        let mut entered = None;
        while from < piece.to {
            let bound = self.bounds.get(self.region).copied();
            if bound.is_some_and(|bound| bound <= from) {
                self.region += 1;
                continue;
            }
            let to = bound.map_or(piece.to, |bound| bound.min(piece.to));
            self.regions[self.region].add(piece, from, to);
            entered.get_or_insert(self.region);
            from = to;
        }
        entered.unwrap_or(self.region)
    }

    fn count(&mut self, row: &PowerRow, before: Option<(u64, f64)>, touched: (usize, usize)) {
        let reach = row.window_ns.saturating_add(self.poll_ns);
        let first = self.first.map_or(row.t_ns, |(first, _)| first);
        let turns = self.drift.turns(row, first);
        for region in &mut self.regions[touched.0..=touched.1] {
            region.count(row, before, reach, (turns, &self.drift));
        }
        let Some((_, watts_before)) = before else { return };
        // The neighbours of a tile that straddles an edge tell how high the step there is.
        for region in &mut self.regions[self.touched.0..=touched.1] {
            region.touch(row.watts);
            region.touch(watts_before);
        }
    }

    fn add_idle(&mut self, row: &PowerRow) {
        while self.idle_stretches.get(self.idle_stretch).is_some_and(|&(_, to)| to < row.t_ns) {
            self.idle_stretch += 1;
        }
        let window_start = row.t_ns.saturating_sub(row.window_ns.saturating_add(self.poll_ns));
        if self.idle_stretches.get(self.idle_stretch).is_some_and(|&(from, _)| from <= window_start)
        {
            self.idle.add(self.idle_stretch, row.watts, row.volts, row.amps);
        }
    }

    /// What share of the rail's joules volts · amps do not bear out.
    pub(crate) fn contradicting_share(&self) -> f64 {
        match self.contradicting_joules.abs() {
            0.0 => 0.0,
            joules => joules / self.total_joules.abs(),
        }
    }

    /// Whether a few readings contradict themselves much: a chip that is read while it converts does so
    /// now and then, a damaged row does among rows that do not.
    pub(crate) fn has_strays(&self) -> bool {
        self.contradicting_rows > 0 && self.contradicting_rows * OFTEN < self.readings
    }

    /// Idle power, if enough readings lie in idle gaps.
    pub(crate) fn idle(&self) -> Option<Idle> {
        self.idle.estimate(FEWEST_IDLE)
    }

    /// Readings that lie in idle gaps.
    pub(crate) fn idle_readings(&self) -> u64 {
        self.idle.count()
    }

    /// What stretch of time the last reading speaks of. Where polls are so frequent that no
    /// conversion is missed, the time between readings is the converter's true period.
    pub(crate) fn sight(&self, row: &PowerRow) -> Sight {
        let stated = row.window_ns as f64 * 1e-9;
        let poll = self.poll_ns as f64 * 1e-9;
        let seen = self.cadence.mean;
        let known = self.cadence.count >= FEWEST_PERIODS && poll <= stated / 2.0;
        let window =
            if known && (seen / stated - 1.0).abs() < MOST_CLOCK_ERROR { seen } else { stated };
        Sight { window, least: 0.0, lag: poll.min(window) }
    }

    /// The longest lag: a polling period, or a window where that is shorter, since the last
    /// conversion ended no longer ago.
    pub(crate) fn lag_seconds(&self) -> f64 {
        self.poll_seconds().min(self.record.window_ns as f64 * 1e-9)
    }

    /// The polling period that sets the lag, in seconds: what the agent says, or what the jitter
    /// of the readings shows where that is more. Two uniform lags give the time between readings
    /// a variance of `2 p²/12`.
    pub(crate) fn poll_seconds(&self) -> f64 {
        let stated = self.poll_ns as f64 * 1e-9;
        stated.max((6.0 * self.cadence.variance()).sqrt())
    }
}

fn has_hole(before: u64, row: &PowerRow) -> bool {
    row.t_ns - before > row.window_ns.saturating_add(row.window_ns / 2)
}

impl Region {
    /// How long the work lasts.
    pub(crate) fn work_seconds(&self) -> f64 {
        self.work.map_or(0.0, |(start, end)| seconds(start, end))
    }

    fn add(&mut self, piece: &Piece, from: u64, to: u64) {
        let duration = seconds(from, to);
        self.joules += piece.joules(from, to);
        self.seconds += duration;
        if piece.covered {
            self.tile_squares += duration * duration;
        } else {
            self.hole_seconds += duration;
            let within = |(start, end)| start <= piece.from && piece.to <= end;
            let squares = match self.work.is_none_or(within) {
                true => &mut self.hole_squares,
                false => &mut self.edge_hole_squares,
            };
            *squares += duration * duration;
            self.longest_hole_seconds = self.longest_hole_seconds.max(duration);
        }
    }

    fn count(
        &mut self,
        row: &PowerRow,
        before: Option<(u64, f64)>,
        reach: u64,
        (turns, drift): (Turns, &Drift),
    ) {
        self.touch(row.watts);
        self.watts.add(row.watts);
        let during = |t: u64| self.work.is_some_and(|(start, end)| start < t && t <= end);
        if during(row.t_ns) {
            self.inside.add(row.watts);
            self.inside_volts.add(row.volts);
            self.inside_amps.add(row.amps);
        }
        let Some((t_before, watts_before)) = before else { return };
        // Between runs nobody asks.
        let Some(_) = self.work else { return };
        let step = row.watts - watts_before;
        self.lag.add(step, turns, drift);
        if during(row.t_ns) && during(t_before.saturating_sub(reach)) {
            self.inner_step_squares += step * step;
            self.inner_steps += 1;
        }
    }

    fn touch(&mut self, watts: f64) {
        let (least, most) = self.range.unwrap_or((watts, watts));
        self.range = Some((least.min(watts), most.max(watts)));
    }
}

/// By how much a reading's watts differ from its volts · amps, with its sign, beyond what the steps
/// of all three explain. An INA's power register counts 25 of its current's steps [INA231 datasheet,
/// 8.5.1; kernel driver ina2xx]. The three are read one after another: where a conversion ends in
/// between, two of them are of different times, and the next reading differs by as much the other
/// way.
fn contradiction_watts(record: &RailRecord, row: &PowerRow) -> f64 {
    const POWER_STEP: f64 = 25.0;
    // A chip that tells power alone: the recorder writes its volts and amps as 0.
    if row.volts == 0.0 && row.amps == 0.0 {
        return 0.0;
    }
    let by_both = row.volts * row.amps;
    let steps =
        record.volts_step * row.amps.abs() + record.amps_step * (row.volts.abs() + POWER_STEP);
    let off = row.watts - by_both;
    off.signum() * (off.abs() - steps).max(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::held::Held;
    use crate::spans::{Part, Run, Spans};
    use wattline_trace::Provenance;

    const MS: u64 = 1_000_000;

    fn rail() -> Rail {
        let run = Run {
            id: None,
            network: "n".into(),
            component: "c".into(),
            start: 1000 * MS,
            end: 2000 * MS,
            whole: true,
            part: Part::Solo,
            images: Held::default(),
        };
        let spans = Spans { runs: vec![run], ..Spans::default() };
        let record = RailRecord {
            name: "R".into(),
            sensor: "ina231".into(),
            path: String::new(),
            window_ns: 10 * MS,
            volts_step: 0.0,
            amps_step: 0.0,
            inside: None,
            tolerance: None,
            provenance: Provenance::Emulated,
        };
        Rail::new(&record, &Timeline::new(&spans, false), Some(MS))
    }

    fn reading(t_ms: u64, watts: f64) -> PowerRow {
        PowerRow {
            t_ns: t_ms * MS,
            rail: "R".into(),
            volts: 5.0,
            amps: watts / 5.0,
            watts,
            window_ns: 10 * MS,
        }
    }

    #[test]
    fn regions_take_their_parts_and_add_up_to_the_whole() {
        let mut rail = rail();
        assert_eq!((rail.stretches[0].from, rail.stretches[0].to), (979 * MS, 2021 * MS));
        for t in (5..3000).step_by(10) {
            rail.add(&reading(t, if t > 1000 && t <= 2000 { 3.0 } else { 1.0 }));
        }
        let [before, run, after] = &rail.regions[..] else { panic!("three regions") };
        assert!((before.joules - 0.979).abs() < 0.006);
        assert!((run.joules - (3.0 + 0.042)).abs() < 0.02);
        assert!((run.seconds - 1.042).abs() < 1e-12);
        let parts = before.joules + run.joules + after.joules;
        assert!((parts - rail.total_joules).abs() < 1e-12 * parts);
        assert_eq!(run.inside.count, 100);
        assert!(rail.idle().unwrap().watts == 1.0);
    }

    #[test]
    fn a_lost_stretch_is_split_over_regions_and_counted() {
        let mut rail = rail();
        rail.add(&reading(900, 1.0));
        rail.add(&reading(2500, 2.0));
        let holes: Vec<f64> = rail.regions.iter().map(|region| region.hole_seconds).collect();
        let expected = [0.079, 1.042, 0.469];
        assert!(holes.iter().zip(expected).all(|(h, e)| (h - e).abs() < 1e-9), "{holes:?}");
        let parts: f64 = rail.regions.iter().map(|region| region.joules).sum();
        assert!((parts - rail.total_joules).abs() < 1e-12);
    }
}
