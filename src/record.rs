//! `wattline record`: images and layers of any program, recorded from outside.

mod probes;
mod session;
mod specification;
mod watching;

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use wattline_agent::launch::{Ended, Held, LaunchError};
use wattline_agent::privileges::Capability;
use wattline_agent::process::Process;
use wattline_agent::watch::{Level, Marking, Nesting};
use wattline_agent::{
    CpuTimes, Inventory, MarkCounters, MarkEvents, Recorder, Settings, interrupt,
};
use wattline_board::Roots;
use wattline_board::clock::{Clock, WallClock, attend};
use wattline_board::description::Component;
use wattline_ebpf::symbols::libraries;
use wattline_ebpf::{
    EbpfError, MarkCounter, MarkSettings, Marks, Probe, Scope, Target as Accounted,
};
use wattline_trace::rows::EventKind;
use wattline_trace::{BundleWriter, ComponentRecord, Name, Outcome, Provenance};

use crate::failure;
use crate::recording::{
    self, EXIT_INTERRUPTED, adopt_only_rail, give_up_root, tell_missing, watch, with_tolerances,
};
use crate::target::Target;
use probes::Marked;
use session::{Account, Scene, Session};
use specification::Specification;
use watching::{End, Watched, Watching};

/// Options of `wattline record`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  sudo wattline record --out trace --image-mark uprobe:run_model -- ./classify photo.jpg
  sudo wattline record --out trace --image-mark usdt:wattline:image_begin,image_end \\
      --layer-mark usdt:wattline:layer_begin,layer_end -- wattline run …

A mark is usdt:PROVIDER:BEGIN,END[@BINARY] or uprobe:SYMBOL[@BINARY][+OFFSET]. A symbol is
written raw or demangled, in full or from a `::` on. With +OFFSET, or -0xOFFSET, the function is
meant that starts so many bytes after the symbol, or before it; uprobe:@BINARY+OFFSET is the one
that starts so many bytes into the file. Recording ends when the command ends, with
--follow-children when the last process that descends from it does. The command's exit status
becomes ours: 127 where there is no such command, 126 where it cannot be executed.")]
pub(crate) struct Args {
    /// The directory to write the run bundle to
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Replace a bundle that is already there
    #[arg(long)]
    overwrite: bool,
    /// A board's name or FILE.toml; without it the board is detected
    #[arg(long)]
    board: Option<String>,
    /// What begins and ends an image
    #[arg(long, value_name = "MARK")]
    image_mark: Specification,
    /// What begins and ends a layer
    #[arg(long, value_name = "MARK")]
    layer_mark: Option<Specification>,
    /// The argument of the layer's mark, from 0, that points at the layer's name
    #[arg(long, value_name = "N")]
    name_arg: Option<u8>,
    /// The component that the program runs on; without it, that whose CPUs it used most
    #[arg(long, value_name = "NAME")]
    component: Option<String>,
    /// Readings of each rail and counter a second
    #[arg(long, value_name = "HZ", default_value_t = 450.0)]
    rate: f64,
    /// Averaging window to ask of INA2xx sensors, ms
    #[arg(long, value_name = "MS", default_value_t = 2)]
    update_interval: u32,
    /// Idle time before and after the command, from which idle power is known, seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 1.0, value_parser = crate::run::seconds)]
    idle: f64,
    /// Note idle states that CPUs enter and leave, too: thousands a second
    #[arg(long)]
    idle_states: bool,
    /// Room for marks that wait to be drained, bytes: a power of two
    #[arg(long, value_name = "BYTES", default_value_t = MarkSettings::default().buffer_bytes)]
    mark_buffer: u32,
    /// End after this long: the command is asked to (SIGTERM), a process is let go
    #[arg(long, value_name = "SECONDS")]
    duration: Option<f64>,
    /// Watch the processes that descend from it, too, until the last of them ends
    #[arg(long)]
    follow_children: bool,
    /// Watch a process that runs already, and leave it alone afterwards
    #[arg(long, value_name = "PID", conflicts_with = "command")]
    pid: Option<u32>,
    /// The command and its arguments
    #[arg(last = true, required_unless_present = "pid", value_name = "COMMAND")]
    command: Vec<OsString>,
}

pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    record(args).or_else(|error| match unstarted(&error) {
        Some(status) => {
            eprintln!("wattline: {}", failure::told(&error));
            Ok(ExitCode::from(status))
        }
        None => Err(error),
    })
}

/// What a shell reports of a command that cannot be started: there is none, or no program.
fn unstarted(error: &anyhow::Error) -> Option<u8> {
    const NOT_EXECUTABLE: u8 = 126;
    const NOT_FOUND: u8 = 127;
    let LaunchError::Execute { source, .. } = error.downcast_ref()? else { return None };
    Some(if source.kind() == io::ErrorKind::NotFound { NOT_FOUND } else { NOT_EXECUTABLE })
}

fn record(args: &Args) -> Result<ExitCode> {
    if args.duration.is_some_and(|it| !(0.001..=1e8).contains(&it)) {
        bail!("--duration: expected seconds, more than 0");
    }
    let target = Target::find(args.board.as_deref())?;
    if target.emulated {
        bail!(
            "an emulated board runs no program; record on the board at hand, or use wattline run"
        );
    }
    let settings = Settings {
        rate_hz: args.rate,
        update_interval_ms: Some(args.update_interval),
        ..Settings::default()
    };
    settings.check()?;
    let components = components(&target, args.component.as_deref())?;
    let (program, files) = files(args)?;
    let images =
        probes::find(&args.image_mark, Level::Image, &files, None).context("--image-mark")?;
    let layers = args.layer_mark.as_ref().map(|mark| {
        probes::find(mark, Level::Layer, &files, args.name_arg).context("--layer-mark")
    });
    let layers = layers.transpose()?;
    BundleWriter::claim(&args.out, args.overwrite)?;

    // The child is forked while there is one thread.
    let watched = match args.pid {
        Some(pid) => {
            let opened = Process::open(pid);
            Watched::Process(pid, opened.with_context(|| format!("cannot watch process {pid}"))?)
        }
        None => Watched::Command(Held::start(&program, &args.command)?),
    };
    let pid = watched.pid();
    let cpu_times = CpuTimes::attach(Accounted::Tree(pid));
    let mut inventory = Inventory::discover(&target.description, &Roots::machine());
    let reach = Reach { pid, cpu_times: &cpu_times, args };
    let attached = reach.attach(&images, layers.as_ref(), &inventory);
    if let (Err(_), Watched::Process(_, process)) = (&attached, &watched)
        && process.has_ended()
    {
        bail!("process {pid} ended before it was watched; have record start it: … -- COMMAND");
    }
    let (marks, events) = attached?;
    inventory.attach_bpf(cpu_times, watch(args.idle_states), marks.programs()?);
    let cpu_times = inventory.cpu_times();
    // The command may be another user's, and has to hear of signals that we are sent.
    give_up_root(&args.out, &[&[Capability::CAP_KILL][..], inventory.capabilities()].concat());
    match &watched {
        Watched::Command(held) => interrupt::install_for_command(held.pid())?,
        Watched::Process(..) => interrupt::install()?,
    }
    tell_missing(&inventory);
    if cpu_times.is_none() {
        eprintln!("wattline: an image counts as of the CPU that it began on");
    }

    let clock: Arc<dyn Clock> = Arc::new(WallClock);
    let attendance = attend(&clock);
    let mut manifest = recording::manifest(&target, &clock, 0);
    manifest.components =
        components.all.iter().map(|it| record_of(&target, it, &program)).collect();
    manifest.rails = with_tolerances(inventory.rail_records(None), &target);
    manifest.counters = inventory.counter_records(args.rate, None);
    manifest.dram_source = inventory.dram_source().map(str::to_owned);
    let bundle = BundleWriter::create(&args.out, &manifest, args.overwrite)?;
    let recorder = Recorder::start(inventory, &clock, &bundle, &settings)?;
    manifest.rails = with_tolerances(recorder.rail_records(None), &target);
    manifest.counters = recorder.counter_records(None);
    manifest.hardware_counters = recorder.hardware_counter_records();
    adopt_only_rail(&mut manifest, &target);
    for marked in [Some(&images), layers.as_ref()].into_iter().flatten() {
        recorder.note(EventKind::Note, "marks", &marked.shown);
    }
    if !events.is_empty() {
        let names: Vec<_> = events.names().iter().map(Name::as_str).collect();
        let detail = format!(
            "spans in counters.csv: {} of the CPU on which the span's thread was marked, where it \
             stayed there",
            names.join(", ")
        );
        recorder.note(EventKind::Note, "marks", &detail);
    }
    let scene = Scene {
        recorder: &recorder,
        spans: bundle.table()?,
        counters: bundle.table()?,
        events,
        program: Name::new(&file_name(&program)),
        components: components.all.iter().map(|it| (it.name().into(), it.cpus.clone())).collect(),
        forced: components.forced,
    };
    let layer_marking = layers.as_ref().map_or(Marking::Probes, |layers| layers.marking);
    let nesting = Nesting::new(images.marking, layer_marking);
    let mut session = Session::new(scene, marks, cpu_times, nesting);

    let watching = Watching { args, clock: &*clock, recorder: &recorder };
    let watched = watching.watch(watched, &mut session);
    let account = session.finish(clock.now_ns());
    if matches!(watched, Ok(End::Command(_))) && !interrupt::interrupted() {
        watching.idle();
    }
    if let Ok(account) = &account {
        tell(account, &recorder);
    }
    let interrupted = interrupt::interrupted();
    if interrupted {
        recorder.note(EventKind::Interrupted, "user", "ended by Ctrl-C or SIGTERM");
    }
    let failure = match (&watched, &account, recorder.failure()) {
        (Err(error), ..) => Some(failure::told(error)),
        (_, Err(error), _) | (_, _, Some(error)) => Some(error.to_string()),
        _ => None,
    };
    let report = recorder.stop(attendance);
    report.mark_scaled(&mut manifest.counters);
    let outcome = match failure {
        Some(reason) => Outcome::Failed(reason),
        None if interrupted => Outcome::Interrupted,
        None => Outcome::Completed,
    };
    let finished = bundle.finish(manifest, outcome.clone());
    eprintln!("{report}");
    let end = watched?;
    if let Outcome::Failed(reason) = outcome {
        bail!("recording was cut short: {reason}");
    }
    finished?;
    let Account { images, layers, .. } = account?;
    eprintln!(
        "recorded: {images} images, {layers} layers in {}   next: wattline analyze {0} --out DIR",
        args.out.display()
    );
    Ok(match end {
        End::Command(ended) => {
            if ended != Ended::Exited(0) {
                eprintln!("wattline: {} {}", program.display(), in_words(ended));
            }
            ExitCode::from(ended.status())
        }
        End::Interrupted => ExitCode::from(EXIT_INTERRUPTED),
        End::ProcessGone | End::Duration => ExitCode::SUCCESS,
        End::Failure => ExitCode::FAILURE,
    })
}

/// Components that images may run on.
#[derive(Debug)]
struct Components<'a> {
    all: Vec<&'a Component>,
    forced: Option<usize>,
}

fn components<'a>(target: &'a Target, wish: Option<&str>) -> Result<Components<'a>> {
    let all: Vec<&Component> = target.description.components.iter().collect();
    let Some(wish) = wish else { return Ok(Components { all, forced: None }) };
    let wished = target.component("--component", wish)?;
    let forced = all.iter().position(|component| component.name() == wished.name());
    Ok(Components { all, forced })
}

/// The program, and the files in which marks are looked for.
fn files(args: &Args) -> Result<(PathBuf, Vec<PathBuf>)> {
    if let Some(pid) = args.pid {
        let files = libraries::of_process(pid)?;
        return Ok((files[0].clone(), files));
    }
    let word = args.command.first().context("no command is given")?;
    let program = libraries::find_command(Path::new(word))
        .map_err(|source| LaunchError::Execute { program: word.into(), source })?;
    let files = libraries::of_command(&program)?;
    Ok((program, files))
}

/// Whose marks are wanted.
#[derive(Debug)]
struct Reach<'a> {
    pid: u32,
    cpu_times: &'a Result<CpuTimes, EbpfError>,
    args: &'a Args,
}

impl Reach<'_> {
    /// Attaches the probes, and has the hardware counters read at marks where the kernel does that.
    fn attach(
        &self,
        images: &Marked,
        layers: Option<&Marked>,
        inventory: &Inventory,
    ) -> Result<(Marks, MarkEvents)> {
        let layers = layers.into_iter().flat_map(|it| &it.probes);
        let probes: Vec<_> = images.probes.iter().chain(layers).cloned().collect();
        let MarkCounters { counters, events } = inventory.mark_counters();
        match self.attach_with(&probes, &counters) {
            Err(error) if !counters.is_empty() => {
                // If it is not for the counters, this is refused, too.
                let marks = self.attach_with(&probes, &[])?;
                eprintln!("wattline: hardware counters are not read at marks: {error}");
                Ok((marks, MarkEvents::default()))
            }
            attached => Ok((attached?, events)),
        }
    }

    fn attach_with(&self, probes: &[Probe], counters: &[MarkCounter<'_>]) -> Result<Marks> {
        let settings = MarkSettings { buffer_bytes: self.args.mark_buffer };
        let sched = match (self.args.follow_children, self.cpu_times) {
            (false, _) => None,
            (true, Ok(cpu_times)) => Some(cpu_times.sched()),
            (true, Err(error)) => bail!("--follow-children: {error}"),
        };
        let scope = sched.as_ref().map_or(Scope::Process(self.pid), |_| Scope::EveryProcess);
        Ok(Marks::attach_with_counters(probes, scope, sched.as_deref(), settings, counters)?)
    }
}

fn record_of(target: &Target, component: &Component, program: &Path) -> ComponentRecord {
    let rails = target.description.rails_of(component);
    ComponentRecord {
        frequency: None,
        stand_in: None,
        cpus: component.cpus.clone(),
        threads: None,
        name: component.name().to_owned(),
        kind: component.kind.as_str().to_owned(),
        executor: format!("{}, watched", file_name(program)),
        rails: rails.into_iter().map(str::to_owned).collect(),
        peak_flops_per_s: component.peak_rate().map(|peak| peak.flops_per_s()),
        bandwidth_bytes_per_s: component.bandwidth.map(|known| known.bytes_per_s()),
        provenance: Provenance::Measured,
    }
}

fn file_name(program: &Path) -> String {
    program.file_name().unwrap_or(program.as_os_str()).to_string_lossy().into_owned()
}

/// Says, and notes, what is in no span.
fn tell(account: &Account, recorder: &Recorder) {
    let unmatched = account.unmatched;
    let counts = [
        (unmatched.begins, "begins had no end: a thread that died inside, or the recording's end"),
        (unmatched.ends, "ends had no begin: the recording started in the middle"),
        (unmatched.recursions, "calls were nested in one another: they are no spans"),
        (unmatched.stray_layers, "layers were in no image, or in one of several"),
        (account.withheld, "marks came beside lost ones: they are in no span"),
        (account.elsewhere, "images ran on CPUs of no component; see wattline board show"),
    ];
    for (count, what) in counts.into_iter().filter(|(count, _)| *count > 0) {
        eprintln!("wattline: {count} {what}");
        recorder.note(EventKind::Note, "marks", &format!("{count} {what}"));
    }
    if account.dropped > 0 {
        eprintln!("wattline: {} marks were lost; mark fewer layers", account.dropped);
    }
    if account.images == 0 {
        eprintln!("wattline: no image was recorded: the marked place was never reached");
    }
}

fn in_words(ended: Ended) -> String {
    match ended {
        Ended::Exited(status) => format!("exited with status {status}"),
        Ended::Killed(signal) => format!("was ended by {signal}"),
    }
}
