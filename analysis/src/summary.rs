//! The summary row of a run: joules, bytes and rates put together.

mod against_solo;
mod truth_columns;

use wattline_trace::{DitherRecord, Name};

use crate::coexecution::work::images_worth;
use crate::coexecution::{check, solo_run};
use crate::compare::{self, RowQuantities};
use crate::ids::Ids;
use crate::images::Image;
use crate::power::energy::RailEnergy;
use crate::power::rail::Rail;
use crate::power::variance::Variance;
use crate::quantity::{Quantity, SensorPart};
use crate::recording::Recording;
use crate::refusal::Refusal;
use crate::results::{IntervalTerms, Split, SummaryRow};
use crate::spans::{Coexecution, Part, Run, seconds};

/// Share of a run that images must fill for its joules to be theirs without a remark.
const LEAST_FILLED: f64 = 0.95;

/// What stands for a policy that the manifest does not name.
pub(crate) const UNKNOWN: &str = "unknown";

/// The rows of all runs, in the order of tables, each with what comparing it takes.
pub(crate) fn rows(recording: &Recording<'_>) -> (Vec<SummaryRow>, Vec<RowQuantities>) {
    let mut rows: Vec<Option<SummaryRow>> = vec![None; recording.spans.runs.len()];
    let mut quantities = Vec::new();
    for index in recording.spans.in_order() {
        let (mut row, known) = row(recording, index);
        against_solo::compare(&mut row, recording, index, &rows);
        rows[index] = Some(row);
        quantities.push(known);
    }
    let in_order = recording.spans.in_order().into_iter();
    (in_order.filter_map(|index| rows[index].take()).collect(), quantities)
}

/// The row of run `index`. An empty cell has its reason in the row's refusals.
fn row(recording: &Recording<'_>, index: usize) -> (SummaryRow, RowQuantities) {
    let run = &recording.spans.runs[index];
    let work = Work::of(recording, index);
    let mut refusals = Vec::new();
    let sound = sound(recording, index, &work);
    let (images, duration) = (work.images, work.seconds);
    let rate = known(
        if duration > 0.0 { Ok(images / duration) } else { Err(Refusal::NoTime) },
        &sound,
        &mut refusals,
    );
    let energy = known(active_energy(recording, index), &sound, &mut refusals);
    let interval = energy.as_ref().map(|it| it.terms().each_of(images));
    let dram = known(dram_bytes(recording, index), &sound, &mut refusals);
    let bytes = dram.as_ref().map(|it| it.value);
    let flops = known(work.flops.ok_or(Refusal::NoFlops), &sound, &mut refusals);
    let theoretical = known(work.bytes.ok_or(Refusal::NoTheoreticalBytes), &sound, &mut refusals);
    let joules_per_image = energy.as_ref().map(|it| it.joules / images);
    let together = recording.coexecution(index);
    let record = recording.manifest.coexecution.as_ref();
    let policy = || record.map_or(UNKNOWN.into(), |record| Name::new(&record.policy));
    let mut row = SummaryRow {
        network: run.network.clone(),
        component: run.component.clone(),
        images: work.count,
        images_per_s: rate,
        joules_per_image,
        joules_per_image_ci95: interval.map(|terms| terms.half_width()),
        interval,
        images_per_joule: joules_per_image.map(f64::recip).filter(|it| it.is_finite()),
        gop_per_s: flops.zip(rate).map(|(flops, rate)| flops / images * rate * 1e-9),
        oi_theoretical: flops.zip(theoretical).map(|(flops, bytes)| flops / bytes),
        oi_empirical: flops.zip(bytes).map(|(flops, bytes)| flops / bytes),
        dram_bytes_per_image: bytes.map(|bytes| bytes / images),
        provenance: recording.provenance(index),
        policy: together.map(|_| policy()),
        frames_pct: None,
        latency_p50_ms: None,
        latency_p99_ms: None,
        gain_pct: None,
        efficiency_solo: None,
        efficiency_oracle: None,
        images_per_joule_gain_pct: None,
        board: Name::new(&recording.manifest.board.name),
        frequency_mhz: recording.frequency_mhz(&run.component, None),
        below_highest: recording.below_highest(index),
        truth: None,
        bundle: recording.name.clone(),
        refusals,
        remarks: remarks(recording, index, &work),
    };
    truth_columns::hold_against_truth(&mut row, recording, index, images);
    let energy = energy.map(|it| it.quantity().each_of(images));
    let dram = dram.map(|it| it.each_of(images));
    (row, compare::of_run(recording, index, energy, rate, dram))
}

/// The work of a run: what its numbers are divided by.
struct Work {
    /// Images, as tables show them.
    count: u64,
    /// Images' worth of work.
    images: f64,
    /// The time it took.
    seconds: f64,
    /// None where it is not known.
    flops: Option<f64>,
    bytes: Option<f64>,
}

impl Work {
    fn of(recording: &Recording<'_>, index: usize) -> Self {
        let runs = &recording.spans.runs;
        let run = &runs[index];
        let together = recording.coexecution(index);
        let lanes = together.map_or(&[][..], |it| &it.lanes);
        let of_lanes: Vec<&Run> = lanes.iter().map(|&lane| &runs[lane]).collect();
        let parts = if run.part == Part::Solo { vec![run] } else { of_lanes.clone() };
        let own = match run.part {
            Part::All(_) => &parts[..],
            _ => &[run][..],
        };
        // An image that says nothing would make the others' sum look like all of it.
        let sum = |of: fn(&Image) -> Option<u64>| {
            let images = own.iter().flat_map(|run| &run.images);
            let known = images.map(|image| of(image).filter(|&it| it > 0));
            let total = known.map(|it| it.map(u128::from)).sum::<Option<u128>>()?;
            (total > 0).then_some(total as f64)
        };
        let count = run.images.len() as u64;
        let (count, images) = match run.part {
            Part::Solo | Part::Orphan => (count, count as f64),
            Part::All(_) => {
                let delivered = delivered(recording, index, &of_lanes);
                (delivered, delivered as f64)
            }
            Part::Lane(_) => {
                let place = lanes.iter().position(|&lane| lane == index).unwrap_or(0);
                (count, images_worth(&of_lanes)[place])
            }
        };
        let seconds = match together {
            Some(together) => seconds(runs[together.all].start, runs[together.all].end),
            None => run.stream_seconds(),
        };
        Work {
            count,
            images,
            seconds,
            flops: sum(Image::flops),
            bytes: sum(Image::bytes_theoretical),
        }
    }
}

/// Images that left a co-execution: by `frames.csv`, or where that is missing those that ran.
fn delivered(recording: &Recording<'_>, all: usize, lanes: &[&Run]) -> u64 {
    match &recording.frames {
        Some(frames) => frames.of(&recording.spans.runs[all]).images.len(),
        None => images_worth(lanes).iter().sum::<f64>().round() as u64,
    }
}

/// Whether the run's images can be divided by at all.
fn sound(recording: &Recording<'_>, index: usize, work: &Work) -> Result<(), Refusal> {
    let runs = &recording.spans.runs;
    let run = &runs[index];
    let together = recording.coexecution(index);
    if let Some(together) = together {
        check(&recording.spans, together)?;
    }
    if work.count == 0 {
        return Err(if run.whole { Refusal::NoImages } else { Refusal::CutOff });
    }
    // One component's images would be taken for another's.
    let lanes = together.map_or(&[][..], |it| &it.lanes).iter().map(|&lane| &runs[lane]);
    let outside = [run].into_iter().chain(lanes).find_map(Run::image_outside);
    outside.map_or(Ok(()), |image| Err(Refusal::ImageOutsideRun { image }))
}

/// A value, if the run is sound and nothing refuses it; the reason is kept once.
fn known<T>(
    value: Result<T, Refusal>,
    sound: &Result<(), Refusal>,
    refusals: &mut Vec<Refusal>,
) -> Option<T> {
    match sound.clone().and(value) {
        Ok(value) => Some(value),
        Err(refusal) => {
            if !refusals.contains(&refusal) {
                refusals.push(refusal);
            }
            None
        }
    }
}

/// Active joules of a run over its component's rails.
#[derive(Debug, Clone, Default)]
pub(crate) struct ActiveEnergy {
    pub(crate) joules: f64,
    variance: Variance,
    /// How far the component's shares of rails may lie off.
    bound: f64,
    sensors: Vec<SensorPart>,
}

impl ActiveEnergy {
    /// What half of the 95 % interval is made of.
    pub(crate) fn terms(&self) -> IntervalTerms {
        self.variance.terms(self.bound)
    }

    fn quantity(self) -> Quantity {
        Quantity {
            value: self.joules,
            own: self.variance.own(),
            freedom: self.variance.freedom,
            clock: self.variance.clock_error,
            bound: self.bound,
            sensors: self.sensors,
        }
    }
}

/// Active joules of a run over its component's rails.
pub(crate) fn active_energy(
    recording: &Recording<'_>,
    index: usize,
) -> Result<ActiveEnergy, Refusal> {
    recording.block(index)?;
    if let Some((component, _)) = recording.stand_ins(index).first() {
        return Err(Refusal::StandInEnergy { component: component.to_string() });
    }
    let counted = recording.counted_rails(index);
    if counted.is_empty() {
        let component = recording.spans.runs[index].component.to_string();
        return Err(Refusal::NoRails { component });
    }
    let mut found = ActiveEnergy::default();
    for rail in counted {
        let place = recording.rails.iter().position(|known| known.record.name == rail);
        let place = place.ok_or_else(|| Refusal::RailNotRecorded { rail: rail.to_owned() })?;
        let energy = recording.energies[index][place].as_ref().map_err(Clone::clone)?;
        // Where the energy is known, so is the share.
        let Some(part) = recording.share(index, place) else { continue };
        let value = part.share * energy.active_joules;
        found.joules += value;
        found.variance += energy.variance.scaled(part.share);
        found.bound += part.bound + part.share * energy.bound;
        let tolerance = recording.rails[place].tolerance;
        found.sensors.push(SensorPart {
            rail: Name::new(rail),
            value,
            tolerance,
            quantisation: part.share * energy.variance.quantisation.sqrt(),
            levels: energy.levels,
        });
    }
    let (joules, half_width) = (found.joules, found.variance.half_width());
    if !(joules.is_finite() && (half_width + found.bound).is_finite()) || half_width >= joules {
        return Err(Refusal::Undetermined { joules, half_width });
    }
    Ok(found)
}

/// Joules of one image of a run, where they are known.
pub(crate) fn joules_per_image(recording: &Recording<'_>, index: usize) -> Option<Quantity> {
    let work = Work::of(recording, index);
    let known = sound(recording, index, &work).and_then(|()| active_energy(recording, index));
    Some(known.ok()?.quantity().each_of(work.images))
}

/// DRAM bytes of a run; of a component in a co-execution by what an image took it alone.
pub(crate) fn dram_bytes(recording: &Recording<'_>, index: usize) -> Result<Quantity, Refusal> {
    let run = &recording.spans.runs[index];
    let own = recording.component(&run.component).and_then(|it| it.stand_in.as_ref());
    if own.is_some_and(|stand_in| !stand_in.moves_bytes) {
        return Err(Refusal::StandInTraffic { component: run.component.to_string() });
    }
    let (block, at) = recording.block(index)?;
    let (bytes, spread) = recording.traffic.bytes(block, at)?;
    // The rate of idle traffic during the run lies anywhere in the spread of idle gaps.
    let part_of = |share: f64| Quantity {
        value: share * bytes,
        own: (share * spread).powi(2) / 12.0,
        ..Quantity::default()
    };
    let (Part::Lane(_), Some(together)) = (run.part, recording.coexecution(index)) else {
        return Ok(part_of(1.0));
    };
    let lanes: Vec<&Run> = together.lanes.iter().map(|&it| &recording.spans.runs[it]).collect();
    let images = images_worth(&lanes);
    let expected = together.lanes.iter().zip(images).map(|(&lane, images)| {
        Ok(if images > 0.0 { solo_bytes_per_image(recording, lane)? * images } else { 0.0 })
    });
    let expected: Vec<f64> = expected.collect::<Result<_, Refusal>>()?;
    let place = together.lanes.iter().position(|&lane| lane == index).unwrap_or(0);
    Ok(part_of(expected[place] / expected.iter().sum::<f64>()))
}

fn solo_bytes_per_image(recording: &Recording<'_>, lane: usize) -> Result<f64, Refusal> {
    let lane = &recording.spans.runs[lane];
    let unseen = || Refusal::NoSoloBytes { component: lane.component.to_string() };
    let solo = solo_run(recording, lane).ok_or_else(unseen)?;
    let (block, at) = recording.block(solo)?;
    let (bytes, _) = recording.traffic.bytes(block, at).map_err(|_| unseen())?;
    Ok(bytes / recording.spans.runs[solo].images.len() as f64)
}

fn remarks(recording: &Recording<'_>, index: usize, work: &Work) -> Vec<String> {
    let run = &recording.spans.runs[index];
    let behind = recording.component(&run.component).and_then(|it| it.stand_in.as_ref());
    let mut remarks = Vec::from_iter(behind.and_then(|stand_in| stand_in.behind.clone()));
    remarks.extend(match (run.part, recording.coexecution(index)) {
        (Part::All(_), Some(together)) => remarks_on_all(recording, together, work),
        (Part::Lane(_), _) => remarks_on_shares(recording, index),
        _ => [remarks_on_solo(run), remarks_on_dither(recording)].concat(),
    });
    remarks.extend(remarks_on_others(recording, index));
    remarks
}

fn remarks_on_solo(run: &Run) -> Vec<String> {
    let filled = run.stream_seconds() / seconds(run.start, run.end);
    if !run.whole || run.images.is_empty() || filled >= LEAST_FILLED || filled.is_nan() {
        return vec![];
    }
    let percent = 100.0 * filled;
    vec![format!("images fill {percent:.1} % of the run; joules and bytes are of all of it")]
}

fn remarks_on_dither(recording: &Recording<'_>) -> Vec<String> {
    let remark = |record: &DitherRecord| {
        let longest_ms = record.longest_pause_ns as f64 * 1e-6;
        format!(
            "--dither: before each image a pause of up to {longest_ms:.1} ms, which images/s include"
        )
    };
    recording.manifest.dither.iter().map(remark).collect()
}

/// Where spans and deliveries differ, joules are of what ran, and images of what was delivered.
fn remarks_on_all(recording: &Recording<'_>, together: &Coexecution, work: &Work) -> Vec<String> {
    let Some(frames) = &recording.frames else { return vec![] };
    let runs = &recording.spans.runs;
    let delivered = frames.of(&runs[together.all]);
    let lanes = || together.lanes.iter().map(|&lane| &runs[lane]);
    let mut ran = Ids::default();
    ran.extend(lanes().flat_map(|it| &it.images).filter_map(Image::index));
    let mut remarks = Vec::new();
    let lost = ran.missing_from(&delivered.images);
    if lost > 0 {
        remarks.push(format!("{lost} images ran and were not delivered; their joules count"));
    }
    let unseen = delivered.images.missing_from(&ran);
    if unseen > 0 {
        remarks.push(format!("{unseen} of {} delivered images have no span", work.count));
    }
    let absent = |name: &&Name| !lanes().any(|lane| lane.component == **name);
    let mut absent: Vec<&Name> = delivered.components.iter().filter(absent).collect();
    absent.sort_unstable();
    remarks.extend(absent.iter().map(|name| format!("{name} delivered images and has no run")));
    remarks
}

/// Which joules were taken out because other processes drew them.
fn remarks_on_others(recording: &Recording<'_>, index: usize) -> Vec<String> {
    let counted = recording.counted_rails(index);
    let rails = recording.rails.iter().zip(&recording.energies[index]);
    let rails = rails.filter(|(rail, _)| counted.contains(&rail.record.name.as_str()));
    let remark = |(rail, energy): (&Rail, &Result<RailEnergy, Refusal>)| {
        let energy = energy.as_ref().ok()?;
        let shares = energy.others?;
        let by = if shares.clocked {
            " and clock frequency"
        } else {
            " alone, for no frequency is known"
        };
        let (rail, joules) = (&rail.record.name, energy.other_joules);
        Some(match shares.less > 0.0 {
            true => format!(
                "other processes on {rail} did less than in idle gaps: {:.3} J of idle power are the run's, \
                 estimated by CPU time{by}",
                -joules
            ),
            false => format!(
                "{:.1} % of the CPU time on {rail} was other processes': their {joules:.3} J are not in, \
                 estimated by CPU time{by}",
                100.0 * (1.0 - shares.target)
            ),
        })
    };
    rails.filter_map(remark).collect()
}

/// Which joules are a component's by a rule, and by which.
fn remarks_on_shares(recording: &Recording<'_>, index: usize) -> Vec<String> {
    let split_by = |how: Split| {
        let counted = recording.counted_rails(index).into_iter();
        let rails: Vec<&str> = counted
            .filter(|rail| {
                let place = recording.rails.iter().position(|it| it.record.name == **rail);
                let share = place.and_then(|place| recording.share(index, place));
                share.is_some_and(|share| share.how == how)
            })
            .collect();
        (!rails.is_empty()).then(|| rails.join(", "))
    };
    let told = |how, what: &str| split_by(how).map(|rails| format!("share of {rails} {what}"));
    [
        told(Split::SoloRuns, "estimated from runs alone"),
        told(Split::Regression, "estimated from how readings follow who is busy"),
        told(
            Split::Merged,
            "estimated from how readings follow who is busy, with components that are busy at the same \
             times, by busy time among them",
        ),
        told(
            Split::BusyTime,
            "estimated by busy time, which says little: run each component alone in the same \
             recording",
        ),
    ]
    .into_iter()
    .flatten()
    .collect()
}
