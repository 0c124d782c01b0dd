//! What must hold of a recording, looked at when everything else is known of it.
//!
//! A *fail* says that some number is wrong or cannot be had; a *warn* that it is to be read with
//! care. What each holds the recording to:
//!
//! * **joules_conserved**: see `conservation`.
//! * **busy_within_wall**: images of one component do not overlap in time, so that their sum is no
//!   longer than its run.
//! * **bytes_compulsory**: each image reads every weight at least once, which caches spare the DRAM
//!   only as far as they reach. With a byte to a weight as the least, fewer DRAM bytes are a
//!   warning, and a failure if 32 MB of cache would not explain them.
//! * **below_roof**: operations and DRAM bytes a second beyond a ceiling by more than 5 % mean a
//!   wrong unit or a wrong ceiling; of a layer that is a warning.
//! * **sampling_fast_enough**: on an Odroid XU4 350 Hz were needed to follow power as 4 kHz do, and
//!   1 Hz was wrong by up to 80 % [arXiv 2206.10377]. Slower readings than that are a warning:
//!   images' means hold by their intervals, power within an image is smoothed. Where a run's energy
//!   was refused for want of readings it is a failure.
//! * **phases_covered**: readings in step with the images see the same parts of each.
//! * **alone_on_cpus**: other processes slow the target and draw power on its rails. Their joules are
//!   taken out where `processes` can, else they are in.

mod alone;

use crate::images::Image;
use crate::recording::Recording;
use crate::refusal::Refusal;
use crate::results::{
    Check, CheckOutcome, CheckRow, ConservationRow, EnergyRow, LayerFitRow, LayerRow, RailRole,
    SummaryRow, Verdict,
};
use crate::spans::seconds;

/// Readings a second that follow power within an image.
const FAST_HZ: f64 = 350.0;
/// How far above a ceiling a rate may lie.
const MOST_ABOVE: f64 = 1.05;
/// What no cache of a board like these holds, in bytes.
const LARGEST_CACHE: f64 = 32e6;
/// Readings in step with images leave less of an image covered than this, in percent.
const LEAST_COVERED: f64 = 60.0;
/// From so few readings chance alone leaves parts of an image uncovered.
const FEWEST_READINGS: u64 = 320;

/// What was made of a bundle.
pub(crate) struct Results<'a> {
    pub(crate) summary: &'a [SummaryRow],
    pub(crate) energy: &'a [EnergyRow],
    pub(crate) layers: &'a [LayerRow],
    pub(crate) fits: &'a [LayerFitRow],
}

/// The checks of one bundle.
pub(crate) fn rows(recording: &Recording<'_>, results: &Results<'_>) -> Vec<CheckRow> {
    let found = [
        vec![complete(recording)],
        recording.balances.iter().map(conserved).collect(),
        busy(recording),
        results.summary.iter().filter_map(|row| compulsory(recording, row)).collect(),
        results.summary.iter().filter_map(|row| below_roof(recording, row, results)).collect(),
        results.summary.iter().filter_map(|row| fast_enough(recording, row, results)).collect(),
        results.fits.iter().filter_map(covered).collect(),
        alone::on_cpus(recording),
    ];
    let row = |Found { check, subject, outcome, detail }| CheckRow {
        bundle: recording.name.clone(),
        check,
        subject,
        outcome,
        detail,
    };
    found.into_iter().flatten().map(row).collect()
}

/// A row but for its bundle.
struct Found {
    check: Check,
    subject: String,
    outcome: CheckOutcome,
    detail: String,
}

fn found(check: Check, subject: String, outcome: CheckOutcome, detail: String) -> Found {
    Found { check, subject, outcome, detail }
}

fn run(network: &str, component: &str) -> String {
    format!("{network} on {component}")
}

fn run_of(row: &SummaryRow) -> String {
    let together = if row.policy.is_some() { " in co-execution" } else { "" };
    run(&row.network, &row.component) + together
}

fn complete(recording: &Recording<'_>) -> Found {
    let (outcome, detail) = match (recording.manifest.complete, recording.manifest.interrupted) {
        (true, false) => (CheckOutcome::Pass, "the recording ended in order"),
        (true, true) => (CheckOutcome::Warn, "the user ended the recording early"),
        (false, _) => (CheckOutcome::Fail, "the recording was cut off"),
    };
    found(Check::Complete, "recording".into(), outcome, detail.into())
}

fn conserved(balance: &ConservationRow) -> Found {
    let outcome = match balance.verdict {
        Verdict::Closed => CheckOutcome::Pass,
        Verdict::IdleUnknown | Verdict::NoReadings => CheckOutcome::Warn,
        Verdict::Broken | Verdict::Overdrawn => CheckOutcome::Fail,
    };
    let detail = format!(
        "{}: attributed {:.3} + others {:.3} + idle {:.3} + unattributed {:.3} J of {:.3} J",
        balance.verdict.as_str(),
        balance.attributed_joules,
        balance.other_joules,
        balance.idle_joules,
        balance.unattributed_joules,
        balance.integral_joules,
    );
    found(Check::JoulesConserved, balance.rail.to_string(), outcome, detail)
}

/// Each run of one component: of `all` the images overlap as they should.
fn busy(recording: &Recording<'_>) -> Vec<Found> {
    let all = |index: usize| recording.spans.coexecutions.iter().any(|it| it.all == index);
    let runs = recording.spans.runs.iter().enumerate().filter(|(index, _)| !all(*index));
    let row = |(_, it): (usize, &crate::spans::Run)| {
        let busy: f64 = it.images.iter().map(Image::seconds).sum();
        let wall = seconds(it.start, it.end);
        let holds = busy <= wall * (1.0 + 1e-9);
        let outcome = if holds { CheckOutcome::Pass } else { CheckOutcome::Fail };
        let detail = format!("busy {busy:.3} s of {wall:.3} s");
        found(Check::BusyWithinWall, run(&it.network, &it.component), outcome, detail)
    };
    runs.map(row).collect()
}

fn compulsory(recording: &Recording<'_>, row: &SummaryRow) -> Option<Found> {
    let bytes = row.dram_bytes_per_image?;
    let models = &recording.manifest.models;
    let model = models.iter().find(|model| row.network == *model.name.as_str())?;
    let least = model.parameters as f64;
    let outcome = match bytes {
        bytes if bytes >= least => CheckOutcome::Pass,
        bytes if bytes >= least - LARGEST_CACHE => CheckOutcome::Warn,
        _ => CheckOutcome::Fail,
    };
    let detail = format!(
        "{:.2} MB of DRAM traffic an image, weights are {:.2} MB at a byte each",
        bytes * 1e-6,
        least * 1e-6
    );
    Some(found(Check::BytesCompulsory, run_of(row), outcome, detail))
}

fn below_roof(recording: &Recording<'_>, row: &SummaryRow, results: &Results<'_>) -> Option<Found> {
    let component = recording.component(&row.component)?;
    let share = |rate: Option<f64>, ceiling: Option<f64>| {
        rate.zip(ceiling.filter(|it| *it > 0.0)).map(|(rate, ceiling)| rate / ceiling)
    };
    let bytes = row.dram_bytes_per_image.zip(row.images_per_s).map(|(bytes, rate)| bytes * rate);
    let computing = share(row.gop_per_s.map(|it| it * 1e9), component.peak_flops_per_s);
    let moving = share(bytes, component.bandwidth_bytes_per_s);
    let most = computing.into_iter().chain(moving).reduce(f64::max)?;
    let own = |layer: &&LayerRow| {
        row.policy.is_none() && layer.network == row.network && layer.component == row.component
    };
    // Of layers with bytes of their own, for which the roof was asked in measured terms.
    let above = |layer: &&LayerRow| {
        let known = layer.dram_bytes_per_image.zip(layer.dram_bytes_per_image_ci95);
        let sure = known.is_none_or(|(bytes, half_width)| half_width < 0.05 * bytes);
        sure && layer.roof_fraction.is_some_and(|fraction| fraction > MOST_ABOVE)
    };
    let above: Vec<&str> =
        results.layers.iter().filter(own).filter(above).map(|it| it.layer.as_str()).collect();
    let outcome = match most {
        most if most > MOST_ABOVE => CheckOutcome::Fail,
        _ if !above.is_empty() => CheckOutcome::Warn,
        _ => CheckOutcome::Pass,
    };
    let percent = |share: Option<f64>| share.map_or("?".into(), |it| format!("{:.0}", 100.0 * it));
    let layers = match above.first() {
        Some(first) => format!("; {} layers lie above it, first {first}", above.len()),
        None => String::new(),
    };
    let detail = format!(
        "{} % of peak operations, {} % of bandwidth{layers}",
        percent(computing),
        percent(moving)
    );
    Some(found(Check::BelowRoof, run_of(row), outcome, detail))
}

fn fast_enough(
    recording: &Recording<'_>,
    row: &SummaryRow,
    results: &Results<'_>,
) -> Option<Found> {
    let rails = results.energy.iter().filter(|rail| {
        rail.role == RailRole::Counted
            && rail.network == row.network
            && rail.component == row.component
    });
    let slowest = rails.filter_map(|rail| rail.fresh_hz).reduce(f64::min)?;
    let wanting = row.refusals.iter().find(|why| {
        matches!(
            why,
            Refusal::TooFewReadings { .. } | Refusal::TooShort { .. } | Refusal::Uncovered { .. }
        )
    });
    let (outcome, meaning) = match wanting {
        Some(why) => (CheckOutcome::Fail, format!("; {why}")),
        None if slowest >= FAST_HZ => (CheckOutcome::Pass, String::new()),
        None => {
            let fitted =
                |fit: &LayerFitRow| fit.network == row.network && fit.component == row.component;
            let would_help = recording.manifest.dither.is_none() && results.fits.iter().any(fitted);
            let advice = if would_help { "; run with --dither to tell layers apart" } else { "" };
            let slow = format!("below {FAST_HZ:.0} Hz power within an image is smoothed");
            (CheckOutcome::Warn, format!("; {slow}, its mean is not{advice}"))
        }
    };
    let detail = format!("{slowest:.1} fresh readings/s{meaning}");
    Some(found(Check::SamplingFastEnough, run_of(row), outcome, detail))
}

fn covered(fit: &LayerFitRow) -> Option<Found> {
    let percent = fit.phase_coverage_pct.filter(|_| fit.readings >= FEWEST_READINGS)?;
    let (outcome, advice) = match percent >= LEAST_COVERED {
        true => (CheckOutcome::Pass, ""),
        false => (CheckOutcome::Warn, "; readings are in step with images, run with --dither"),
    };
    let subject = format!("{}, {}", run(&fit.network, &fit.component), fit.source);
    let detail = format!("readings fall on {percent:.0} % of an image evenly{advice}");
    Some(found(Check::PhasesCovered, subject, outcome, detail))
}
