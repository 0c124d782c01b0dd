//! What readings say of a run's layers, or why they say nothing.

use super::fit::{Fit, Source};
use super::watch::{Watched, counter};
use crate::power::energy::quantisation_watts;
use crate::recording::Recording;
use crate::refusal::Refusal;
use crate::spans::Part;
use crate::summary;
use wattline_trace::Name;

/// What is to be done where readings fit several clocks.
const LAGS_UNKNOWN: &str = "readings do not tell when their sensor converts, which widens intervals and merges \
                            layers; run twice as many images, or sample more than twice as fast as it \
                            converts (--rate)";

/// Joules and DRAM bytes of layers, fitted.
#[derive(Debug)]
pub(super) struct Measured {
    pub(super) joules: Result<Fit, Refusal>,
    pub(super) bytes: Result<Fit, Refusal>,
    /// How well each source tells layers apart.
    pub(super) accounts: Vec<Account>,
}

/// How well one source tells layers apart.
#[derive(Debug)]
pub(super) struct Account {
    pub(super) source: String,
    pub(super) readings: u64,
    pub(super) coverage: Option<f64>,
    pub(super) groups: Option<u64>,
    pub(super) condition: Option<f64>,
    pub(super) residual: Option<f64>,
    pub(super) note: String,
}

/// A source that is to be fitted: its place, its name, what it reads at rest, and the variance of
/// an error that all its readings share.
struct Wanted {
    place: usize,
    name: String,
    idle: f64,
    shared: f64,
    /// By what share the sensor's gain may lie off.
    tolerance: Option<f64>,
}

impl Measured {
    pub(super) fn of(recording: &Recording<'_>, run: Option<usize>) -> Self {
        let measure = |wanted: Result<Vec<Wanted>, Refusal>,
                       moved: Option<&Fit>,
                       accounts: &mut Vec<Account>| {
            let watched = run.and_then(|run| recording.watch.of(run));
            let wanted = wanted?;
            let fit = watched
                .ok_or(Refusal::LayersOverlap)
                .and_then(|it| fit(recording, it, &wanted, moved));
            accounts.extend(
                wanted.iter().enumerate().map(|(index, it)| account(watched, it, &fit, index)),
            );
            fit
        };
        let alone =
            run.ok_or(Refusal::CutOff).and_then(|run| match recording.spans.runs[run].part {
                Part::Solo => Ok(run),
                _ => Err(Refusal::LayersTogether),
            });
        let (mut accounts, mut of_bytes) = (Vec::new(), Vec::new());
        let bytes = alone.clone().and_then(|run| dram(recording, run));
        let bytes = measure(bytes, None, &mut of_bytes);
        let joules = alone.and_then(|run| rails(recording, run));
        let joules = measure(joules, bytes.as_ref().ok(), &mut accounts);
        accounts.extend(of_bytes);
        Measured { joules, bytes, accounts }
    }

    pub(super) fn any(&self) -> bool {
        self.joules.is_ok() || self.bytes.is_ok()
    }

    /// Why numbers are missing.
    pub(super) fn note(&self) -> String {
        let joules = self.joules.as_ref().err().map(|why| format!("no joules: {why}"));
        let bytes = self.bytes.as_ref().err().map(|why| format!("no DRAM bytes: {why}"));
        joules.into_iter().chain(bytes).collect::<Vec<_>>().join("; ")
    }
}

/// The rails of a run whose energy is known.
fn rails(recording: &Recording<'_>, run: usize) -> Result<Vec<Wanted>, Refusal> {
    summary::active_energy(recording, run)?;
    let block = recording.block(run)?.0;
    let wanted = recording.counted_rails(run).into_iter().map(|name| {
        let place = recording.rails.iter().position(|rail| rail.record.name == name);
        let place = place.ok_or_else(|| Refusal::RailNotRecorded { rail: name.to_owned() })?;
        let rail = &recording.rails[place];
        let idle = rail.idle().ok_or_else(|| Refusal::NoReadings { rail: name.to_owned() })?;
        let quantised = quantisation_watts(rail, &rail.regions[2 * block + 1], &idle);
        let shared = idle.mean_variance + quantised.at_idle + quantised.in_run;
        // What other processes draw goes on whichever layer runs.
        let energy = recording.energies[run][place].as_ref().map_err(Clone::clone)?;
        let others = energy.other_joules / rail.regions[2 * block + 1].work_seconds();
        let of_others = energy.bound / rail.regions[2 * block + 1].work_seconds() / 2.0;
        Ok(Wanted {
            place,
            name: name.to_owned(),
            idle: idle.watts + others,
            shared: shared + of_others.powi(2),
            tolerance: Some(rail.tolerance),
        })
    });
    wanted.collect()
}

/// The DRAM counter, if the run's bytes are known.
fn dram(recording: &Recording<'_>, run: usize) -> Result<Vec<Wanted>, Refusal> {
    summary::dram_bytes(recording, run)?;
    let name = recording.manifest.dram_source.clone().ok_or(Refusal::NoDramSource)?;
    let (idle, spread) = recording.traffic.idle_rate()?;
    // Rates of idle gaps lie anywhere in their spread.
    let shared = spread * spread / 12.0;
    let place = counter(recording.manifest);
    Ok(vec![Wanted { place, name, idle, shared, tolerance: None }])
}

fn fit(
    recording: &Recording<'_>,
    watched: &Watched,
    wanted: &[Wanted],
    moved: Option<&Fit>,
) -> Result<Fit, Refusal> {
    let source = |it: &Wanted| {
        let sums = watched.sums(it.place, &it.name)?;
        let sensor = it.tolerance.map(|tolerance| (Name::new(&it.name), tolerance));
        let moved = moved.and_then(Fit::by_column).cloned();
        Ok(Source { sums, idle: it.idle, shared: it.shared, sensor, moved })
    };
    let sources = wanted.iter().map(source).collect::<Result<Vec<_>, Refusal>>()?;
    // Joules are watts for a time; what a counter counted has no clock in it.
    let timed = wanted.iter().any(|it| it.tolerance.is_some());
    Fit::new(&watched.columns, &sources, if timed { recording.clock_rate() } else { 0.0 })
}

fn account(
    watched: Option<&Watched>,
    wanted: &Wanted,
    fit: &Result<Fit, Refusal>,
    index: usize,
) -> Account {
    let sums = watched.and_then(|watched| watched.sums(wanted.place, &wanted.name).ok());
    let known = fit.as_ref().ok();
    let part = known.map(|fit| &fit.parts[index]);
    Account {
        source: wanted.name.clone(),
        readings: sums.map_or(0, |sums| sums.readings()),
        coverage: sums.and_then(|sums| sums.coverage()),
        groups: known.map(Fit::groups),
        condition: part.map(|part| part.condition),
        residual: part.map(|part| part.residual),
        note: match fit {
            Err(why) => why.to_string(),
            Ok(_) if sums.is_some_and(|sums| sums.coherent > 0.0) => LAGS_UNKNOWN.to_owned(),
            Ok(_) => String::new(),
        },
    }
}
