//! What each component of a co-execution is expected to have drawn from a rail, and its share.
//! The formulas and their reasons stand in the [module's text](super).

use super::busy::Busy;
use super::regression::Sums;
use super::split::{Expected, split};
use super::work::images_worth;
use crate::power::energy::RailEnergy;
use crate::recording::{Recording, Share};
use crate::refusal::Refusal;
use crate::results::{RailRole, Split};
use crate::spans::{Coexecution, Part, Run, Spans, seconds};

/// Refuses a co-execution whose spans contradict each other.
pub(crate) fn check(spans: &Spans, coexecution: &Coexecution) -> Result<(), Refusal> {
    let all = &spans.runs[coexecution.all];
    let contradiction = |reason| Err(Refusal::Contradiction { reason });
    if !all.images.is_empty() {
        return contradiction("its span has images that belong to no component".to_owned());
    }
    if coexecution.lanes.is_empty() {
        return contradiction("no component has a run in it".to_owned());
    }
    let lanes = || coexecution.lanes.iter().map(|&lane| &spans.runs[lane]);
    for (place, lane) in lanes().enumerate() {
        let name = &lane.component;
        if lane.start < all.start || lane.end > all.end {
            return contradiction(format!("{name} runs outside of it"));
        }
        if lane.network != all.network {
            return contradiction(format!("{name} runs {}, not {}", lane.network, all.network));
        }
        if lanes().take(place).any(|other| other.component == *name) {
            return contradiction(format!("{name} runs in it twice"));
        }
    }
    Ok(())
}

/// The run of a component alone, of the same network in the same recording: the longest of them.
pub(crate) fn solo_run(recording: &Recording<'_>, lane: &Run) -> Option<usize> {
    let alone = |(index, run): &(usize, &Run)| {
        run.part == Part::Solo
            && run.component == lane.component
            && run.network == lane.network
            && !run.images.is_empty()
            && run.image_outside().is_none()
            && recording.block(*index).is_ok()
    };
    let runs = recording.spans.runs.iter().enumerate().filter(alone);
    runs.max_by_key(|(_, run)| run.end - run.start).map(|(index, _)| index)
}

/// For each run and rail the run's share, where it is one component's part of a co-execution.
pub(crate) fn share_out(
    recording: &Recording<'_>,
    sums: Option<&[Vec<Sums>]>,
) -> Vec<Vec<Option<Share>>> {
    let spans = &recording.spans;
    let mut shares = vec![vec![None; recording.rails.len()]; spans.runs.len()];
    for (place, coexecution) in spans.coexecutions.iter().enumerate() {
        if check(spans, coexecution).is_err() {
            continue;
        }
        let lanes = Lanes::new(recording, coexecution);
        for rail in 0..recording.rails.len() {
            let Ok(energy) = recording.energies[coexecution.all][rail].as_ref() else { continue };
            let sums = sums.map(|sums| &sums[place][rail]);
            for (lane, share) in lanes.shares(rail, energy, sums) {
                shares[coexecution.lanes[lane]][rail] = Some(share);
            }
        }
    }
    shares
}

/// The components of one co-execution.
struct Lanes<'a> {
    recording: &'a Recording<'a>,
    lanes: Vec<Lane<'a>>,
}

struct Lane<'a> {
    index: usize,
    run: &'a Run,
    busy: Busy,
    images: f64,
    solo: Option<usize>,
}

/// What a rail shows of a component alone.
#[derive(Debug, Clone, Copy)]
struct Alone {
    joules_per_image: f64,
    watts: f64,
    /// Half of the 95 % interval, of either.
    relative_error: f64,
}

impl<'a> Lanes<'a> {
    fn new(recording: &'a Recording<'a>, coexecution: &Coexecution) -> Self {
        let runs = &recording.spans.runs;
        let of: Vec<&Run> = coexecution.lanes.iter().map(|&lane| &runs[lane]).collect();
        let images = images_worth(&of);
        let lane = |((&index, run), images): ((&usize, &&'a Run), f64)| Lane {
            index,
            run,
            busy: Busy::of(run),
            images,
            solo: solo_run(recording, run),
        };
        let lanes = coexecution.lanes.iter().zip(&of).zip(images).map(lane).collect();
        Lanes { recording, lanes }
    }

    /// The share of each lane that lists the rail.
    fn shares(&self, rail: usize, energy: &RailEnergy, sums: Option<&Sums>) -> Vec<(usize, Share)> {
        let name = &self.recording.rails[rail].record.name;
        let on_rail: Vec<usize> = (0..self.lanes.len())
            .filter(|&lane| {
                self.recording.role(self.lanes[lane].index, name) != RailRole::NotListed
            })
            .collect();
        if let [only] = on_rail[..] {
            return vec![(only, Share::WHOLE)];
        }
        let all_by = |how| {
            move |expected: Vec<Expected>| {
                expected.into_iter().map(|it| (it, how)).collect::<Vec<_>>()
            }
        };
        let expected = self
            .by_solo_runs(rail, &on_rail)
            .map(all_by(Split::SoloRuns))
            .or_else(|| self.by_regression(rail, &on_rail, sums?))
            .unwrap_or_else(|| all_by(Split::BusyTime)(self.by_busy_time(&on_rail, energy)));
        let (expected, how): (Vec<Expected>, Vec<Split>) = expected.into_iter().unzip();
        let parts = split(energy.active_joules, &expected).into_iter().zip(how);
        let share = |(lane, (part, how)): (usize, (super::split::Part, Split))| {
            (lane, Share { share: part.share, bound: part.bound, how })
        };
        on_rail.into_iter().zip(parts).map(share).collect()
    }

    fn by_solo_runs(&self, rail: usize, on_rail: &[usize]) -> Option<Vec<Expected>> {
        let alone: Vec<Alone> =
            on_rail.iter().map(|&lane| self.alone(lane, rail)).collect::<Option<_>>()?;
        let owns = |lane: usize| self.owns(lane, rail);
        let owners: Vec<usize> = on_rail.iter().copied().filter(|&lane| owns(lane)).collect();
        let at_work = Busy::any(owners.iter().map(|&owner| &self.lanes[owner].busy));
        let expected = on_rail.iter().zip(&alone).map(|(&place, alone)| {
            let lane = &self.lanes[place];
            let by_work = alone.joules_per_image * lane.images;
            let by_time = alone.watts * lane.busy.seconds();
            let together = lane.busy.seconds_with(&at_work);
            let undriven = (by_time - alone.watts * together).max(0.0);
            let driving = match owners.len() {
                0 => 0.0,
                1 if owns(place) => 0.0,
                1 => by_time,
                _ => self.driving(place, &owners, rail),
            };
            let (lo, hi) = match owners.len() {
                0 => (by_work, by_work),
                1 if owns(place) => (by_time, by_time),
                1 => (undriven, by_time),
                _ => ((by_work.min(by_time) - driving).max(0.0), by_time),
            };
            let most = by_work.max(by_time);
            let error = alone.relative_error * most;
            let least = (by_work.min(by_time) - driving - error).max(0.0);
            Expected { lo, hi, least, most: most + error }
        });
        Some(expected.collect())
    }

    /// What driving an accelerator may have cost while it was alone and costs nothing now, on a
    /// supply that does not show it: what the most frugal of the clusters draws while both work.
    fn driving(&self, place: usize, owners: &[usize], rail: usize) -> f64 {
        let is_cluster = |lane: usize| {
            let component = self.recording.component(&self.lanes[lane].run.component);
            component.is_some_and(|component| component.kind == "cpu")
        };
        if is_cluster(place) {
            return 0.0;
        }
        let clusters = owners.iter().filter(|&&owner| is_cluster(owner));
        let cost = |&owner: &usize| {
            let together = self.lanes[place].busy.seconds_with(&self.lanes[owner].busy);
            Some(self.alone(owner, rail)?.watts * together)
        };
        clusters.filter_map(cost).min_by(f64::total_cmp).unwrap_or(0.0)
    }

    /// Whether a rail, or one inside it, is what a component names as its own: its first.
    fn owns(&self, lane: usize, rail: usize) -> bool {
        let recording = self.recording;
        let component = recording.component(&self.lanes[lane].run.component);
        let own = component.and_then(|component| component.rails.first());
        let name = &recording.rails[rail].record.name;
        own.is_some_and(|own| own == name || recording.around(own).any(|outer| outer == name))
    }

    fn alone(&self, lane: usize, rail: usize) -> Option<Alone> {
        let solo = self.lanes[lane].solo?;
        let energy = self.recording.energies[solo][rail].as_ref().ok()?;
        let run = &self.recording.spans.runs[solo];
        let seconds = Busy::of(run).seconds();
        let joules = energy.active_joules.max(0.0);
        let error = energy.variance.half_width() + energy.bound;
        (seconds > 0.0).then(|| Alone {
            joules_per_image: joules / run.images.len() as f64,
            watts: joules / seconds,
            relative_error: if joules > 0.0 { error / joules } else { 0.0 },
        })
    }

    /// None where readings tell nobody apart. Components that they do not tell apart share what their
    /// group drew by busy time: each may have drawn all of it, or nothing.
    fn by_regression(
        &self,
        rail: usize,
        on_rail: &[usize],
        sums: &Sums,
    ) -> Option<Vec<(Expected, Split)>> {
        let others = self.other_watts(rail);
        let idle = self.recording.rails[rail].idle()?;
        // Who was never busy drew nothing.
        let nothing = (Expected::default(), Split::Regression);
        let mut expected = vec![nothing; on_rail.len()];
        for found in sums.watts(on_rail, idle.watts + others, idle.noise)? {
            let seconds = |member: usize| self.lanes[on_rail[member]].busy.seconds();
            let all: f64 = found.members.iter().map(|&member| seconds(member)).sum();
            let most = (found.watts + found.half_width) * all;
            for &member in &found.members {
                let joules = found.watts * seconds(member);
                let error = found.half_width * seconds(member);
                expected[member] = match found.members.len() {
                    1 => {
                        let least = (joules - error).max(0.0);
                        let bounds =
                            Expected { lo: joules, hi: joules, least, most: joules + error };
                        (bounds, Split::Regression)
                    }
                    _ => (Expected { lo: joules, hi: joules, least: 0.0, most }, Split::Merged),
                };
            }
        }
        Some(expected)
    }

    /// What other processes drew on a rail meanwhile, in watts.
    fn other_watts(&self, rail: usize) -> f64 {
        let Some(all) = self.lanes.first().and_then(|it| self.recording.coexecution(it.index))
        else {
            return 0.0;
        };
        let run = &self.recording.spans.runs[all.all];
        let energy = self.recording.energies[all.all][rail].as_ref();
        energy.map_or(0.0, |it| it.other_joules / seconds(run.start, run.end))
    }

    /// Nothing is known but who was busy: each may have drawn all of it, or nothing.
    fn by_busy_time(&self, on_rail: &[usize], energy: &RailEnergy) -> Vec<Expected> {
        let busy = |&lane: &usize| self.lanes[lane].busy.seconds();
        let most = energy.active_joules.max(0.0);
        let total: f64 = on_rail.iter().map(busy).sum();
        let expected = on_rail.iter().map(|lane| {
            let joules = if total > 0.0 { most * busy(lane) / total } else { 0.0 };
            Expected { lo: joules, hi: joules, least: 0.0, most }
        });
        expected.collect()
    }
}
