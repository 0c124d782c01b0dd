//! The analysis of one bundle: reads its tables in turn and adds its rows to the results.

use std::path::Path;

use wattline_trace::rows::SpanRow;
use wattline_trace::{BundleReader, Manifest, Name};

use crate::agent_cost::read_agent_cost;
use crate::coexecution::busy::Busy;
use crate::coexecution::frames::{self, Frames};
use crate::error::AnalysisError;
use crate::events::warn_of_events;
use crate::layers;
use crate::layers::times::Times;
use crate::layers::watch::Watch;
use crate::manifest_check::check_manifest;
use crate::power::energy::TOLD_CONTRADICTING;
use crate::power::rail::Rail;
use crate::power::reader::read_rails;
use crate::processes::Processes;
use crate::recording::{Recording, Share};
use crate::results::{ConservationRow, EnergyRow, Split};
use crate::spans::{Part, Spans, seconds};
use crate::timeline::Timeline;
use crate::traffic::Traffic;
use crate::truth::Truth;
use crate::{Analysis, Options, checks, summary};

/// Analyses one bundle.
///
/// # Errors
/// See [`crate::analyze`].
pub(crate) fn analyze_bundle(
    directory: &Path,
    options: &Options,
    analysis: &mut Analysis,
) -> Result<(), AnalysisError> {
    let bundle = BundleReader::open(directory)?;
    check_manifest(&bundle)?;
    let name = Name::new(&directory.display().to_string());
    let mut warnings = manifest_warnings(&bundle);
    let recording = read(&bundle, name, options, &mut warnings, analysis)?;
    warnings.extend(recording.balances.iter().filter_map(balance_warning));
    if recording.spans.runs.is_empty() {
        warnings.push("no run is in the bundle: there is nothing to report".into());
    }
    let prefix = |warning: String| format!("{}: {warning}", recording.name);
    analysis.warnings.extend(warnings.into_iter().map(prefix));
    add_board(bundle.manifest(), &mut analysis.boards);
    let known = [
        analysis.summary.len(),
        analysis.energy.len(),
        analysis.layers.len(),
        analysis.layer_fits.len(),
    ];
    let (rows, quantities) = summary::rows(&recording);
    analysis.summary.extend(rows);
    analysis.quantities.extend(quantities);
    for index in recording.spans.in_order() {
        analysis.energy.extend(energy_rows(&recording, index));
    }
    layers::add_rows(&recording, analysis);
    let [summary, energy, layers, fits] = known;
    let results = checks::Results {
        summary: &analysis.summary[summary..],
        energy: &analysis.energy[energy..],
        layers: &analysis.layers[layers..],
        fits: &analysis.layer_fits[fits..],
    };
    analysis.checks.extend(checks::rows(&recording, &results));
    analysis.conservation.extend(recording.balances);
    let order = recording.spans.in_order();
    let mut runs: Vec<_> = recording.spans.runs.into_iter().map(Some).collect();
    let runs = order.into_iter().filter_map(|index| runs[index].take());
    runs.for_each(|run| analysis.images.add(&recording.name, run));
    Ok(())
}

fn read<'a>(
    bundle: &'a BundleReader,
    name: Name,
    options: &Options,
    warnings: &mut Vec<String>,
    analysis: &mut Analysis,
) -> Result<Recording<'a>, AnalysisError> {
    let manifest = bundle.manifest();
    let spans = Spans::read(bundle, warnings)?;
    warn_of_spans(&spans, warnings);
    let mut layers = Times::read(bundle)?;
    // Spans are written when they end: a recording that broke off may have been at work.
    let torn = bundle.table::<SpanRow>()?.torn().is_some();
    let timeline = Timeline::new(&spans, torn || !manifest.complete);
    let (cost, mut taken) = read_agent_cost(bundle, &name, warnings)?;
    let poll_ns = cost.as_ref().filter(|cost| cost.sampling_hz > 0.0);
    // A float too large for an integer becomes the largest: no reading is then placed anywhere.
    let poll_ns = poll_ns.map(|cost| (1e9 / cost.sampling_hz).ceil() as u64);
    analysis.agents.extend(cost);
    warn_of_events(bundle, warnings)?;
    let mut watch = Watch::new(manifest, &spans, &timeline, &mut layers, poll_ns);
    let mut rails = read_rails(bundle, &timeline, poll_ns, (&mut watch, &mut taken), warnings)?;
    rails.iter_mut().for_each(|rail| rail.tolerance = options.tolerances.of(&rail.record));
    warnings.extend(rails.iter().filter_map(contradiction));
    warnings.extend(rails.iter().filter_map(haste));
    let traffic = Traffic::read(bundle, &timeline, (&mut watch, &mut taken), warnings)?;
    watch.finish();
    warnings.extend(taken.warning());
    let frames = Frames::read(bundle, warnings)?;
    warn_of_frames(manifest, &spans, frames.as_ref(), warnings);
    let processes = Processes::read(bundle, &timeline, warnings)?;
    let truth =
        if options.check_truth { Some(Truth::read(bundle, &layers, warnings)?) } else { None };
    let mut recording = Recording {
        name,
        manifest,
        spans,
        layers,
        watch,
        timeline,
        rails,
        traffic,
        truth,
        processes,
        balances: vec![],
        energies: vec![],
        shares: vec![],
        frames,
    };
    recording.measure();
    recording.share_out(bundle)?;
    Ok(recording)
}

fn manifest_warnings(bundle: &BundleReader) -> Vec<String> {
    let manifest = bundle.manifest();
    let mut warnings = Vec::new();
    if bundle.manifest_is_changed() {
        warnings.push(
            "manifest.json was changed after it was written (its crc32 does not match): rails, \
             components and sensors are taken as it says now"
                .into(),
        );
    }
    if !manifest.complete {
        let why = manifest.failure.as_deref().unwrap_or("the recorder was cut off");
        warnings.push(format!("the recording is incomplete: {why}"));
    }
    if manifest.interrupted {
        warnings.push("the recording was interrupted by the user: it holds fewer images".into());
    }
    warnings
}

fn contradiction(rail: &Rail) -> Option<String> {
    let share = rail.contradicting_share();
    (share > TOLD_CONTRADICTING || rail.has_strays()).then(|| {
        format!(
            "rail {}: watts are not volts · amps in some readings, by {:.2} % of its joules ({} by \
             more than a twentieth of themselves): rows of power.csv may be damaged",
            rail.record.name,
            100.0 * share,
            rail.contradicting_rows
        )
    })
}

fn haste(rail: &Rail) -> Option<String> {
    (rail.too_soon > 0).then(|| {
        format!(
            "rail {}: {} readings follow the one before sooner than its sensor converts: the sampler \
             was held up, or rows of power.csv are another rail's",
            rail.record.name, rail.too_soon
        )
    })
}

fn warn_of_spans(spans: &Spans, warnings: &mut Vec<String>) {
    if !spans.stray.is_empty() {
        let count = spans.stray.len();
        warnings.push(format!("{count} layers belong to no image: some images are missing"));
    }
    for id in &spans.contradicting {
        let Some(run) = spans.runs.iter().find(|run| run.id == Some(*id)) else { continue };
        warnings.push(format!(
            "{} on {}: the run's operations are not those of its {} images: rows of spans.csv are \
             missing, doubled or damaged",
            run.network,
            run.component,
            run.images.len()
        ));
    }
    for &(id, count) in &spans.misnamed {
        let Some(run) = spans.runs.iter().find(|run| run.id == Some(id)) else { continue };
        warnings.push(format!(
            "{} on {}: {count} of the run's {} images say that they are of another network or \
             component: rows of spans.csv are damaged, and whose numbers these are is not sure; \
             record again, or restore spans.csv",
            run.network,
            run.component,
            run.images.len()
        ));
    }
    if spans.misplaced_layers > 0 {
        let count = spans.misplaced_layers;
        warnings.push(format!("{count} layers reach outside their image"));
    }
}

fn warn_of_frames(
    manifest: &Manifest,
    spans: &Spans,
    frames: Option<&Frames>,
    warnings: &mut Vec<String>,
) {
    let all = spans.coexecutions.iter().map(|it| &spans.runs[it.all]);
    if all.len() > 0 && manifest.coexecution.is_none() {
        warnings.push("the manifest says nothing of the co-execution: no policy is known".into());
    }
    match frames.map(|frames| frames.outside(all.clone())) {
        None if all.len() > 0 => warnings.push(format!(
            "{} is missing: images of the co-execution are counted by their spans, latencies are \
             not known",
            frames::FILE
        )),
        Some(stray) if stray > 0 => {
            warnings.push(format!("{stray} rows of {} belong to no co-execution", frames::FILE))
        }
        _ => {}
    }
    let Some(record) = &manifest.coexecution else { return };
    for fault in &record.faults {
        let (component, image, what) = (&fault.component, fault.image, &fault.what);
        warnings.push(format!("co-execution: {component} at image {image}: {what}"));
    }
    if record.dropped > 0 {
        let dropped = record.dropped;
        warnings.push(format!("co-execution: {dropped} frames of the camera were dropped"));
    }
}

fn balance_warning(balance: &ConservationRow) -> Option<String> {
    balance.verdict.is_broken().then(|| {
        format!(
            "BROKEN: joules of rail {} are not conserved ({}): attributed {:.6} + others {:.6} + idle {:.6} + \
             unattributed {:.6} J against an integral of {:.6} J; none of its joules is given",
            balance.rail,
            balance.verdict.as_str(),
            balance.attributed_joules,
            balance.other_joules,
            balance.idle_joules,
            balance.unattributed_joules,
            balance.integral_joules,
        )
    })
}

fn add_board(manifest: &Manifest, boards: &mut Vec<String>) {
    let model = &manifest.board.model;
    let emulated = manifest.board.emulated && !model.to_lowercase().contains("emulated");
    let board = if emulated { format!("emulated {model}") } else { model.clone() };
    if !boards.contains(&board) {
        boards.push(board);
    }
}

fn energy_rows(recording: &Recording<'_>, index: usize) -> Vec<EnergyRow> {
    let run = &recording.spans.runs[index];
    let block = recording.block(index).ok();
    let busy_s = Some(busy_seconds(recording, index)).filter(|seconds| *seconds > 0.0);
    let watts = |joules: Option<f64>| joules.zip(busy_s).map(|(joules, seconds)| joules / seconds);
    let rails = recording.rails.iter().zip(&recording.energies[index]).enumerate();
    let rows = rails.map(|(place, (rail, energy))| {
        let region = block.map(|(block, _)| &rail.regions[2 * block + 1]);
        let run_seconds = block.map_or(0.0, |(_, block)| seconds(block.start, block.end));
        let of_run = |value: f64| (run_seconds > 0.0).then(|| value / run_seconds);
        let readings = region.map_or(0, |region| region.inside.count);
        let known = energy.as_ref().ok();
        let lane = matches!(run.part, Part::Lane(_));
        let share = recording.share(index, place);
        // Of what a component of a co-execution does not list, nothing is its.
        let own = known.filter(|_| share.is_some() || !lane);
        let part = share.unwrap_or(Share::WHOLE);
        let terms = own.map(|energy| {
            energy.variance.scaled(part.share).terms(part.bound + part.share * energy.bound)
        });
        let others = known.and_then(|energy| energy.others);
        let target = others.map_or(1.0, |it| it.target);
        let undivided = own.filter(|_| part.how == Split::Whole);
        EnergyRow {
            bundle: recording.name.clone(),
            rail: Name::new(&rail.record.name),
            network: run.network.clone(),
            component: run.component.clone(),
            role: recording.role(index, &rail.record.name),
            share: share.map(|share| share.share * target),
            split: share.map(|share| match (share.how, others) {
                (Split::Whole, Some(_)) => Split::CpuTime,
                (how, _) => how,
            }),
            duration_s: known.map(|energy| energy.seconds),
            integral_joules: undivided.map(|energy| energy.integral_joules),
            idle_joules: undivided.map(|energy| energy.idle_joules),
            active_joules: own.map(|energy| part.share * energy.active_joules),
            active_joules_ci95: terms.map(|terms| terms.half_width()),
            sampling_ci95: terms.map(|terms| terms.sampling),
            idle_ci95: terms.map(|terms| terms.idle),
            quantisation_ci95: terms.map(|terms| terms.quantisation),
            tolerance_ci95: terms.map(|terms| terms.tolerance),
            clock_ci95: terms.map(|terms| terms.clock),
            split_ci95: terms.map(|terms| terms.split),
            largest_term: terms.map(|terms| terms.largest()),
            busy_s: busy_s.filter(|_| own.is_some()),
            busy_watts: watts(own.map(|energy| part.share * energy.active_joules)),
            busy_watts_ci95: watts(terms.map(|terms| terms.half_width())),
            idle_watts: rail.idle().map(|idle| idle.watts).filter(|watts| watts.is_finite()),
            readings,
            fresh_hz: region.and_then(|_| of_run(readings as f64)),
            uncovered_pct: region.and_then(|region| of_run(100.0 * region.hole_seconds)),
            note: energy.as_ref().err().map_or_else(String::new, ToString::to_string),
        }
    });
    rows.collect()
}

/// How long a run's component, or any of a co-execution's, was at an image.
fn busy_seconds(recording: &Recording<'_>, index: usize) -> f64 {
    let runs = &recording.spans.runs;
    match (runs[index].part, recording.coexecution(index)) {
        (Part::All(_), Some(together)) => {
            let lanes: Vec<Busy> = together.lanes.iter().map(|&it| Busy::of(&runs[it])).collect();
            Busy::any(lanes.iter()).seconds()
        }
        _ => Busy::of(&runs[index]).seconds(),
    }
}
