//! `wattline run`: a network on a board's components, one after another, recorded.

mod lane;
mod outputs;
mod records;
mod stream;

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use wattline_agent::{Inventory, Recorder, Settings, interrupt};
use wattline_board::Roots;
use wattline_board::clock::{Clock, WallClock, attend};
use wattline_board::description::Component;
use wattline_board::emulated::EmulatedBoard;
use wattline_inference::Model;
use wattline_trace::rows::{EventKind, SpanRow, TruthRow};
use wattline_trace::{BundleWriter, ClockKind, Outcome, Provenance};

use crate::progress;
use crate::recording::{EXIT_INTERRUPTED, adopt_only_rail, give_up_root, tell_missing};
use crate::target::{BOARD_HELP, Target};
use lane::Lane;
use stream::{Ended, Stage};

/// Options of `wattline run`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:
  wattline run --board emulated:exynos5422 --network squeezenet --on a15,a7,gpu --images 20 --out out/trace

On an emulated board outputs are really computed, once for each distinct input and before the
timed part; times, joules and bytes are the board model's, and are called emulated everywhere.")]
pub(crate) struct Args {
    #[arg(long, help = BOARD_HELP)]
    board: Option<String>,
    /// One of `wattline network list`, or a path ending in .onnx
    #[arg(long)]
    network: String,
    /// Components, separated by commas; see `wattline board show`
    #[arg(long = "on", value_name = "COMPONENT", value_delimiter = ',', required = true)]
    components: Vec<String>,
    /// Images on each component
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u64).range(1..))]
    images: u64,
    /// The directory to write the run bundle to
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Replace a bundle that is already there
    #[arg(long)]
    overwrite: bool,
    /// The clock: `virtual` writes an emulated board's bundle without waiting
    #[arg(long, default_value = "wall", value_parser = ["wall", "virtual"])]
    clock: String,
    /// Seed of weights, synthetic images and emulated noise
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Readings of each rail and counter a second
    #[arg(long, value_name = "HZ", default_value_t = 450.0)]
    rate: f64,
    /// Averaging window to ask of INA2xx sensors, ms
    #[arg(long, value_name = "MS", default_value_t = 2)]
    update_interval: u32,
    /// Idle time before and after each component, from which idle power is known, seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 1.0, value_parser = seconds)]
    idle: f64,
    /// What computes on CPUs: xnnpack or reference; without it the fastest there is
    #[arg(long)]
    executor: Option<String>,
}

pub(crate) fn seconds(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(value) if (0.0..=3600.0).contains(&value) => Ok(value),
        _ => Err("expected 0 to 3600 seconds".to_owned()),
    }
}

/// The board a run takes place on.
#[derive(Debug)]
enum Scene {
    Machine(Arc<dyn Clock>),
    Emulated(Box<EmulatedBoard>),
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
    let target = Target::find(args.board.as_deref())?;
    let clock = match args.clock.as_str() {
        "virtual" if !target.emulated => bail!("--clock virtual needs an emulated board"),
        "virtual" => ClockKind::Virtual,
        _ => ClockKind::Wall,
    };
    let components = choose(&target, &args.components)?;
    let settings = Settings {
        rate_hz: args.rate,
        update_interval_ms: Some(args.update_interval),
        ..Settings::default()
    };
    settings.check()?;
    let model = Model::open(&args.network, args.seed)?;
    let executor = outputs::executor(args.executor.as_deref())?;
    let prepared = lane::prepare(&target, &components, &model, executor)?;
    BundleWriter::claim(&args.out, args.overwrite)?;
    let model_record = records::model(&model, &args.network, args.seed);
    let (images, note) =
        outputs::prepare(&target, model, executor, args.seed, args.images, &prepared)?;

    let scene = if target.emulated {
        // Nothing of an emulated board takes root.
        give_up_root(&args.out, &[]);
        let board = EmulatedBoard::start(target.description.clone(), clock, args.seed)?;
        Scene::Emulated(Box::new(board))
    } else {
        Scene::Machine(Arc::new(WallClock))
    };
    let attendance = attend(scene.clock());
    let inventory = Inventory::discover(&target.description, &scene.roots());
    give_up_root(&args.out, &[]);
    interrupt::install()?;
    tell_missing(&inventory);
    let mut manifest = records::manifest(args, &target, scene.clock(), &prepared, model_record);
    manifest.rails = inventory.rail_records(scene.provenance());
    manifest.counters = inventory.counter_records(args.rate, scene.provenance());
    let bundle = BundleWriter::create(&args.out, &manifest, args.overwrite)?;
    if let Scene::Emulated(board) = &scene {
        board.write_truth_to(bundle.table::<TruthRow>()?);
    }
    let recorder = Recorder::start(inventory, scene.clock(), &bundle, &settings)?;
    manifest.rails = recorder.rail_records(scene.provenance());
    manifest.counters = recorder.counter_records(scene.provenance());
    adopt_only_rail(&mut manifest, &target);
    recorder.note(EventKind::Note, "outputs", &note);

    let bar = progress::bar("recording", args.images * prepared.len() as u64);
    let stage = Stage {
        scene: &scene,
        recorder: &recorder,
        spans: bundle.table::<SpanRow>()?,
        network: manifest.models[0].name.as_str().into(),
        images: args.images,
        inputs: &images,
        idle_s: args.idle,
        bar: bar.clone(),
    };
    let ended = stage.play(prepared);
    bar.finish_and_clear();
    if let Scene::Emulated(board) = &scene {
        note_lag(board, &recorder);
    }
    if matches!(ended, Ok(Ended::Interrupted)) {
        recorder.note(EventKind::Interrupted, "user", "ended by Ctrl-C or SIGTERM");
    }
    let failure = match (&ended, recorder.failure()) {
        (Err(error), _) => Some(format!("{error:#}")),
        (_, Some(error)) => Some(error.to_string()),
        _ => None,
    };
    let report = recorder.stop(attendance);
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
    let interrupted = outcome == Outcome::Interrupted;
    let what = if interrupted { "interrupted; recorded so far" } else { "recorded" };
    println!("{what}: {}   next: wattline analyze {0} --out DIR", args.out.display());
    Ok(if interrupted { ExitCode::from(EXIT_INTERRUPTED) } else { ExitCode::SUCCESS })
}

/// The components a user names, each once.
fn choose<'a>(target: &'a Target, names: &[String]) -> Result<Vec<&'a Component>> {
    let mut chosen: Vec<&Component> = Vec::new();
    for name in names {
        let Some(component) = target.description.component(name) else {
            let all: Vec<_> = target.description.components.iter().map(Component::name).collect();
            bail!("--on {name}: {} has {}", target.description.name, all.join(", "));
        };
        if chosen.iter().any(|other| other.name() == component.name()) {
            bail!("--on names {name} twice");
        }
        chosen.push(component);
    }
    Ok(chosen)
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
