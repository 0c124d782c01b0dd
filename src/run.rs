//! `wattline run`: a network on a board's components, one after another or sharing one stream of
//! images, recorded.

mod args;
mod clocks;
mod coexecute;
mod deliveries;
mod dither;
mod engines;
mod images;
pub(crate) mod lane;
mod layer_plan;
mod outputs;
mod predictions;
mod profiles;
mod records;
mod spans;
mod stream;
mod sweep;
mod wish;

use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context, Result, bail};
use wattline_agent::{CpuTimes, Inventory, Recorder, Settings, interrupt};
use wattline_board::Roots;
use wattline_board::clock::{Clock, WallClock, attend};
use wattline_board::emulated::EmulatedBoard;
use wattline_ebpf::Target as Accounted;
use wattline_inference::Model;
use wattline_trace::rows::{EventKind, FrameRow, SpanRow, TruthRow};
use wattline_trace::{BundleWriter, ClockKind, Outcome, Provenance};

use crate::recording::{
    EXIT_INTERRUPTED, adopt_only_rail, give_up_root, tell_missing, watch, with_tolerances,
};
use crate::target::Target;
use crate::{coexecution, progress};
pub(crate) use args::{Args, seconds};
use clocks::Clocks;
use coexecute::coexecute;
use lane::{Lane, Work};
use predictions::Predictions;
use stream::{Ended, Stage};
use wish::Wish;

/// The board a run takes place on.
#[derive(Debug)]
enum Scene {
    Machine(Arc<dyn Clock>),
    Emulated(Arc<EmulatedBoard>),
}

impl Scene {
    fn clock(&self) -> &Arc<dyn Clock> {
        match self {
            Scene::Machine(clock) => clock,
            Scene::Emulated(board) => board.clock(),
        }
    }

    fn roots(&self) -> Roots {
        match self {
            Scene::Machine(_) => Roots::machine(),
            Scene::Emulated(board) => board.roots().clone(),
        }
    }

    /// What everything that is read from this board is labelled with, if not as measured.
    fn provenance(&self) -> Option<Provenance> {
        matches!(self, Scene::Emulated(_)).then_some(Provenance::Emulated)
    }
}

pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    match &args.frequencies {
        Some(sweep) => sweep::run(args, sweep),
        None => run_once(args),
    }
}

fn run_once(args: &Args) -> Result<ExitCode> {
    let mut target = Target::find(args.board.as_deref())?;
    if let Some(lender) = &args.npu_from {
        target.borrow_npu(lender)?;
    }
    if args.components.iter().any(|name| target.description.component(name).is_none()) {
        target.look_for_gpu();
    }
    let clock = match args.clock.as_str() {
        "virtual" if !target.emulated => bail!("--clock virtual needs an emulated board"),
        "virtual" => ClockKind::Virtual,
        _ => ClockKind::Wall,
    };
    let components = target.components("--on", &args.components)?;
    let settings = Settings {
        rate_hz: args.rate,
        update_interval_ms: Some(args.update_interval),
        ..Settings::default()
    };
    settings.check()?;
    clocks::check(&args.frequency, &target)?;
    let model = Model::open(&args.network, args.seed)?;
    let executor = outputs::executor(args.executor.as_deref())?;
    let prepared = lane::prepare(&target, &components, &model, executor, args)?;
    if args.npu_traffic && !prepared.iter().any(|lane| matches!(lane.work, Work::Npu { .. })) {
        bail!("--npu-traffic is for an NPU emulated on a real board: name one with --on");
    }
    if !args.frequency.is_empty() && args.policy.is_some() && args.solo == Some(0) {
        bail!(
            "--solo 0 takes what the description knows, which is of the highest frequencies: leave it out"
        );
    }
    let mut wish = Wish::of(args, &target, &model, &prepared)?;
    let labels = args.classes.as_deref();
    let mut predictions = labels.map(|path| Predictions::new(path, &model.graph)).transpose()?;
    BundleWriter::claim(&args.out, args.overwrite)?;
    let model_record = records::model(&model, &args.network, args.seed);
    let inputs = images::load(&args.inputs, &args.network, &model.graph, args.seed)?;
    let (input_record, skipped, count) = (inputs.record(), inputs.skipped.clone(), inputs.count);
    if let Some(wish) = &mut wish {
        wish.images = (count > 0).then_some(count);
    }
    let ready =
        outputs::prepare(&target, model, executor, inputs, &prepared, predictions.as_mut())?;

    let scene = if target.emulated {
        // Nothing of an emulated board takes root.
        give_up_root(&args.out, &[]);
        let board = EmulatedBoard::start(target.description.clone(), clock, args.seed)?;
        Scene::Emulated(Arc::new(board))
    } else {
        Scene::Machine(Arc::new(WallClock))
    };
    let attendance = attend(scene.clock());
    let mut inventory = Inventory::discover(&target.description, &scene.roots());
    if let Scene::Machine(_) = scene {
        // Every thread of ours, the sampler's too: it is one process.
        let ourselves = Accounted::Tree(std::process::id());
        inventory.attach_bpf(CpuTimes::attach(ourselves), watch(args.idle_states), Vec::new());
    }
    let clocks = Mutex::new(Clocks::open(&args.frequency, &target, &scene.roots())?);
    give_up_root(&args.out, inventory.capabilities());
    interrupt::install()?;
    tell_missing(&inventory);
    let clock = scene.clock();
    let mut manifest =
        records::manifest(args, &target, clock, &prepared, model_record, input_record);
    manifest.coexecution = wish.as_ref().map(Wish::record);
    manifest.rails = with_tolerances(inventory.rail_records(scene.provenance()), &target);
    manifest.counters = inventory.counter_records(args.rate, scene.provenance());
    manifest.dram_source = inventory.dram_source().map(str::to_owned);
    let bundle = BundleWriter::create(&args.out, &manifest, args.overwrite)?;
    if let Scene::Emulated(board) = &scene {
        board.write_truth_to(bundle.table::<TruthRow>()?);
    }
    let recorder = Recorder::start(inventory, scene.clock(), &bundle, &settings)?;
    manifest.rails = with_tolerances(recorder.rail_records(scene.provenance()), &target);
    manifest.counters = recorder.counter_records(scene.provenance());
    manifest.hardware_counters = recorder.hardware_counter_records();
    adopt_only_rail(&mut manifest, &target);
    manifest.dither = args.dither.then(|| dither::over_a_period(&manifest, args.rate));
    ready.notes.iter().for_each(|note| recorder.note(EventKind::Note, "outputs", note));
    skipped.iter().for_each(|why| recorder.note(EventKind::Note, "images", why));

    let solo_images = wish.as_ref().map_or(count, |wish| wish.solo);
    let shared_images = wish.as_ref().map_or(0, |_| count);
    let bar = progress::bar("recording", solo_images * prepared.len() as u64 + shared_images);
    let behind = Mutex::default();
    let stage = Stage {
        scene: &scene,
        recorder: &recorder,
        clocks: &clocks,
        spans: bundle.table::<SpanRow>()?,
        network: manifest.models[0].name.as_str().into(),
        images: solo_images,
        inputs: ready.inputs.into(),
        npu_outputs: ready.npu,
        behind: &behind,
        idle_s: args.idle,
        dither: manifest.dither,
        seed: args.seed,
        bar: bar.clone(),
    };
    let mut shared = None;
    let ended = stage.play(&prepared).and_then(|solos| {
        if let Some(wish) = wish.as_mut().filter(|_| !stage.over()) {
            let frames = bundle.table::<FrameRow>()?;
            let run = || coexecute(&stage, &prepared, wish, &solos, frames, &mut manifest);
            shared = stage.at_frequencies(run)?;
            stage.idle();
        }
        Ok(stage.ended())
    });
    bar.finish_and_clear();
    for (component, behind) in behind.into_inner().unwrap_or_else(PoisonError::into_inner) {
        records::mark_behind(&mut manifest, &component, &behind);
    }
    if let Scene::Emulated(board) = &scene {
        note_lag(board, &recorder);
    }
    if matches!(ended, Ok(Ended::Interrupted)) {
        recorder.note(EventKind::Interrupted, "user", "ended by Ctrl-C or SIGTERM");
    }
    let failure = match (&ended, recorder.failure()) {
        (Err(error), _) => Some(crate::failure::told(error)),
        (_, Some(error)) => Some(error.to_string()),
        _ => None,
    };
    let report = recorder.stop(attendance);
    report.mark_scaled(&mut manifest.counters);
    let outcome = match (&ended, failure) {
        (_, Some(reason)) => Outcome::Failed(reason),
        (Ok(Ended::Interrupted), _) => Outcome::Interrupted,
        _ => Outcome::Completed,
    };
    let finished = bundle.finish(manifest, outcome.clone());
    eprintln!("{report}");
    ended.context("the run was cut short")?;
    if let Outcome::Failed(reason) = outcome {
        bail!("the run was cut short: {reason}");
    }
    finished?;
    if let Some(predictions) = predictions {
        predictions.print()?;
    }
    let interrupted = outcome == Outcome::Interrupted;
    let what = if interrupted { "interrupted; recorded so far" } else { "recorded" };
    let left_out = match skipped.len() {
        0 => String::new(),
        files => format!("   {files} image file(s) could not be read and were left out"),
    };
    let next =
        format!("{what}: {}   next: wattline analyze {0} --out DIR{left_out}", args.out.display());
    match &shared {
        Some(report) if args.json => {
            eprintln!("{next}");
            println!("{}", serde_json::to_string_pretty(&coexecution::rows(report))?);
        }
        Some(report) => {
            let emulated = matches!(scene, Scene::Emulated(_));
            println!("{}{next}", coexecution::human(report, emulated));
        }
        None => println!("{next}"),
    }
    Ok(if interrupted { ExitCode::from(EXIT_INTERRUPTED) } else { ExitCode::SUCCESS })
}

/// Says so if this machine was too busy to keep the emulated board up to date.
fn note_lag(board: &EmulatedBoard, recorder: &Recorder) {
    /// Some ten conversions: what an ordinary hiccup does not reach.
    const WORTH_SAYING_NS: u64 = 25_000_000;
    let lag_ns = board.longest_lag_ns();
    if lag_ns > WORTH_SAYING_NS {
        let milliseconds = lag_ns / 1_000_000;
        let detail = format!(
            "this machine kept the emulated board waiting for {milliseconds} ms; meanwhile its sensors \
             showed old values"
        );
        recorder.note(EventKind::Overrun, "emulated board", &detail);
    }
}
