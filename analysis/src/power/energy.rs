//! Active energy of one run on one rail, or why it is not known.

use wattline_trace::RailRecord;

use super::idle::Idle;
use super::rail::{FEWEST_IDLE, Rail, Region};
use super::variance::{Shares, Variance, quantisation_bias};
use crate::processes;
use crate::refusal::Refusal;
use crate::spans::seconds;
use crate::timeline::Block;

/// Fewest readings in a run.
const FEWEST_READINGS: u64 = 10;
/// Shortest run, in conversion windows.
const FEWEST_WINDOWS: u64 = 5;
/// Most of a run that no reading covers, in percent. Polling at about the conversion rate misses a
/// conversion now and then, each a hole of one window that the interval carries; where a quarter
/// is missing, holes are no accident and may follow the load.
const MOST_UNCOVERED: f64 = 25.0;
/// Most of a run that one hole may take, in percent: nobody saw what happened there.
const LONGEST_HOLE: f64 = 5.0;

/// A rail's energy over a run and its flanks.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct RailEnergy {
    /// Seconds integrated over: the run and its flanks.
    pub(crate) seconds: f64,
    pub(crate) integral_joules: f64,
    pub(crate) idle_joules: f64,
    /// Of the target, where others worked on the rail too.
    pub(crate) active_joules: f64,
    pub(crate) variance: Variance,
    /// Means of volts and amperes in the run, and of both at idle, in the sensor's steps.
    pub(crate) levels: [f64; 4],
    /// Joules above idle that are other processes'.
    pub(crate) other_joules: f64,
    /// How far active joules may lie off by how the two were told apart.
    pub(crate) bound: f64,
    /// By what they were.
    pub(crate) others: Option<processes::Shares>,
}

impl RailEnergy {
    /// Leaves the target what of the active joules is its own.
    pub(crate) fn without_others(mut self, shares: processes::Shares) -> Self {
        let all = self.active_joules;
        self.active_joules = shares.target * all;
        self.other_joules = all - self.active_joules;
        self.bound = all.abs() * (shares.most - shares.target).max(shares.target - shares.least);
        self.variance = self.variance.scaled(shares.target);
        self.others = Some(shares);
        self
    }
}

/// A rail whose volts · amps do not bear out more of its joules than this is not believed.
const MOST_CONTRADICTING: f64 = 0.01;

/// From this on it is told.
pub(crate) const TOLD_CONTRADICTING: f64 = 0.001;

/// Measures block `index`, which holds one whole run, on a rail. `shares` is by how much clock and
/// sensor may lie off.
///
/// # Errors
/// A refusal, where the readings do not carry a number.
pub(crate) fn measure(
    rail: &Rail,
    index: usize,
    block: &Block,
    shares: Shares,
) -> Result<RailEnergy, Refusal> {
    let region = &rail.regions[2 * index + 1];
    check_readings(rail, region, block)?;
    if rail.contradicting_share() > MOST_CONTRADICTING {
        return Err(Refusal::Contradicting {
            rail: rail.record.name.clone(),
            share_pct: 100.0 * rail.contradicting_share(),
        });
    }
    let idle = rail.idle().ok_or_else(|| Refusal::NoIdle {
        rail: rail.record.name.clone(),
        found: rail.idle_readings(),
        least: FEWEST_IDLE,
    })?;
    let idle_joules = idle.watts * region.seconds;
    let active_joules = region.joules - idle_joules;
    let run_seconds = seconds(block.start, block.end);
    let noise = run_noise(&rail.record, region, &idle);
    let variance = Variance {
        noise: idle.correlation * noise * region.tile_squares,
        idle: region.seconds.powi(2) * idle.mean_variance,
        placing: lag(rail, region, noise)
            + holes(region, &idle)
            + edges(rail, index, region, &idle),
        quantisation: quantisation(rail, region, &idle, run_seconds),
        ..Variance::default()
    };
    let variance =
        variance.with_freedom(idle.freedom).with_shares(active_joules, run_seconds, shares);
    if !(active_joules.is_finite() && variance.half_width().is_finite()) {
        return Err(Refusal::NotFinite { rail: rail.record.name.clone() });
    }
    Ok(RailEnergy {
        seconds: region.seconds,
        integral_joules: region.joules,
        idle_joules,
        active_joules,
        variance,
        levels: levels(rail, region, &idle),
        other_joules: 0.0,
        bound: 0.0,
        others: None,
    })
}

/// What the sensor read, in its steps; nothing where it has none.
fn levels(rail: &Rail, region: &Region, idle: &Idle) -> [f64; 4] {
    let in_steps = |value: f64, step: f64| if step > 0.0 { value / step } else { 0.0 };
    let (volts, amps) = (rail.record.volts_step, rail.record.amps_step);
    [
        in_steps(region.inside_volts.mean, volts),
        in_steps(region.inside_amps.mean, amps),
        in_steps(idle.volts, volts),
        in_steps(idle.amps, amps),
    ]
}

/// Refuses readings that are too few, too far apart, or end too early.
fn check_readings(rail: &Rail, region: &Region, block: &Block) -> Result<(), Refusal> {
    let name = || rail.record.name.clone();
    let (Some((first, first_window)), Some((last, _))) = (rail.first, rail.last) else {
        return Err(Refusal::NoReadings { rail: name() });
    };
    // A tenth: drivers round the window they report.
    let stated = rail.record.window_ns;
    if rail.longest_window > stated.saturating_add(stated / 10) {
        let (found_ms, stated_ms) = (rail.longest_window as f64 * 1e-6, stated as f64 * 1e-6);
        return Err(Refusal::WindowMismatch { rail: name(), found_ms, stated_ms });
    }
    let covered_from = first.saturating_sub(first_window);
    if covered_from > block.start {
        let late_ms = seconds(block.start, covered_from) * 1e3;
        return Err(Refusal::BeginsLate { rail: name(), late_ms });
    }
    if last < block.end {
        let early_ms = seconds(last, block.end) * 1e3;
        return Err(Refusal::SensorGone { rail: name(), early_ms });
    }
    let run_seconds = seconds(block.start, block.end);
    let windows = run_seconds / (rail.longest_window as f64 * 1e-9);
    if windows < FEWEST_WINDOWS as f64 {
        return Err(Refusal::TooShort { rail: name(), windows, least: FEWEST_WINDOWS });
    }
    let percent = 100.0 * region.hole_seconds / run_seconds;
    if percent > MOST_UNCOVERED {
        return Err(Refusal::Uncovered { rail: name(), percent, most: MOST_UNCOVERED });
    }
    let percent = 100.0 * region.longest_hole_seconds / run_seconds;
    // A hole of a window or two is a missed conversion, however short the run.
    let missed = region.longest_hole_seconds <= 2.0 * rail.longest_window as f64 * 1e-9;
    if percent > LONGEST_HOLE && !missed {
        let hole_ms = region.longest_hole_seconds * 1e3;
        return Err(Refusal::Hole { rail: name(), hole_ms, percent, most: LONGEST_HOLE });
    }
    let found = region.inside.count;
    if found < FEWEST_READINGS {
        return Err(Refusal::TooFewReadings { rail: name(), found, least: FEWEST_READINGS });
    }
    Ok(())
}

/// `σ_run²`: what the noise of volts and of amps gives under load, or where those are not known noise
/// in proportion to power; at least idle noise, and no more than the readings of the run differ.
fn run_noise(record: &RailRecord, region: &Region, idle: &Idle) -> f64 {
    if region.inner_steps == 0 {
        return idle.noise;
    }
    let seen = region.inner_step_squares / (2.0 * region.inner_steps as f64);
    let of_load = if idle.volts_noise == 0.0 && idle.amps_noise == 0.0 {
        let ratio = if idle.watts == 0.0 { f64::INFINITY } else { region.inside.mean / idle.watts };
        idle.noise * (ratio * ratio).max(1.0)
    } else {
        // Idle readings that are all alike hide what rounding does to those of a load that varies.
        let noise = |seen: f64, step: f64| seen.max(step * step / 12.0);
        let by_amps = region.inside_volts.mean.powi(2) * noise(idle.amps_noise, record.amps_step);
        let by_volts = region.inside_amps.mean.powi(2) * noise(idle.volts_noise, record.volts_step);
        by_amps + by_volts
    };
    if of_load.is_nan() { idle.noise } else { seen.min(of_load).max(idle.noise) }
}

/// The lag's term; what only noise would give is taken out.
fn lag(rail: &Rail, region: &Region, noise: f64) -> f64 {
    rail.lag_seconds().powi(2) / 12.0 * region.lag.squares(noise)
}

/// The term of holes. One that reaches over an edge may hold what lies before it or what lies after.
fn holes(region: &Region, idle: &Idle) -> f64 {
    region.hole_squares * region.watts.variance()
        + region.edge_hole_squares * step(region, idle).powi(2) / 3.0
}

/// The largest step of power.
fn step(region: &Region, idle: &Idle) -> f64 {
    let (least, most) = region.range.unwrap_or_default();
    most.max(idle.watts) - least.min(idle.watts)
}

/// The term of edges that idle time does not flank.
fn edges(rail: &Rail, index: usize, region: &Region, idle: &Idle) -> f64 {
    let stretch = rail.stretches[index];
    let ends_early = rail.last.is_none_or(|(last, _)| last < stretch.to);
    let begins_late = rail.first.is_none_or(|(first, w)| first.saturating_sub(w) > stretch.from);
    let unflanked = u8::from(!stretch.flanked_before || begins_late)
        + u8::from(!stretch.flanked_after || ends_early);
    let window = rail.longest_window as f64 * 1e-9;
    let poll = rail.poll_seconds();
    f64::from(unflanked) * step(region, idle).powi(2) * (window * window / 48.0 + poll * poll / 3.0)
}

/// The term of the quantisation bias.
fn quantisation(rail: &Rail, region: &Region, idle: &Idle, run_seconds: f64) -> f64 {
    let watts = quantisation_watts(rail, region, idle);
    region.seconds.powi(2) * watts.at_idle + run_seconds.powi(2) * watts.in_run
}

/// Variances of the quantisation bias, in W².
pub(crate) struct Quantisation {
    pub(crate) at_idle: f64,
    pub(crate) in_run: f64,
}

/// The bias that readings at idle share, and those in a run.
pub(crate) fn quantisation_watts(rail: &Rail, region: &Region, idle: &Idle) -> Quantisation {
    let record = &rail.record;
    let by_amps = quantisation_bias(record.amps_step, idle.amps_noise);
    let by_volts = quantisation_bias(record.volts_step, idle.volts_noise);
    let watts = |volts: f64, amps: f64| volts * volts * by_amps + amps * amps * by_volts;
    let at_idle = watts(idle.volts, idle.amps);
    let in_run = watts(region.inside_volts.mean, region.inside_amps.mean);
    Quantisation { at_idle, in_run }
}

#[cfg(test)]
mod tests {
    use wattline_trace::Provenance;

    use super::*;

    fn idle(watts: f64, noise: f64) -> Idle {
        Idle {
            watts,
            noise,
            correlation: 1.0,
            mean_variance: 0.0,
            freedom: 10.0,
            volts: 5.0,
            amps: 0.1,
            volts_noise: 0.0,
            amps_noise: 0.0,
        }
    }

    fn record() -> RailRecord {
        RailRecord {
            name: "R".into(),
            sensor: "ina231".into(),
            path: String::new(),
            window_ns: 1,
            volts_step: 0.0,
            amps_step: 0.0,
            inside: None,
            tolerance: None,
            provenance: Provenance::Measured,
        }
    }

    #[test]
    fn noise_of_power_alone_lies_between_idle_noise_and_proportional_noise() {
        let mut region = Region { inner_steps: 1, inner_step_squares: 0.0, ..Region::default() };
        region.inside.add(2.0);
        let noise = |region: &Region, idle| run_noise(&record(), region, &idle);
        assert_eq!(noise(&region, idle(1.0, 0.01)), 0.01);
        region.inner_step_squares = 0.06;
        assert!((noise(&region, idle(1.0, 0.01)) - 0.03).abs() < 1e-12);
        region.inner_step_squares = 10.0;
        assert!((noise(&region, idle(1.0, 0.01)) - 0.04).abs() < 1e-12);
        assert_eq!(noise(&region, idle(0.0, 0.0)), 0.0);
    }

    #[test]
    fn noise_of_volts_and_amps_is_carried_over_to_the_load() {
        let mut region = Region { inner_steps: 1, inner_step_squares: 10.0, ..Region::default() };
        region.inside_volts.add(5.0);
        region.inside_amps.add(2.0);
        let idle = Idle { volts_noise: 1e-4, amps_noise: 1e-6, ..idle(0.5, 25e-6) };
        let found = run_noise(&record(), &region, &idle);
        assert!((found - (25.0 * 1e-6 + 4.0 * 1e-4)).abs() < 1e-12, "{found}");
        // Rounding to a tenth of an ampere is more than the noise that idle readings show.
        let coarse = RailRecord { amps_step: 0.1, ..record() };
        let found = run_noise(&coarse, &region, &idle);
        assert!((found - (25.0 * 0.01 / 12.0 + 4.0 * 1e-4)).abs() < 1e-12, "{found}");
    }
}
