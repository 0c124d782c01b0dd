//! The clocks near which a sensor's may be: those on a grid of periods and phases that explain readings
//! best, layers drawing what they seem to as long as nobody knows the clock.

use super::clock::{Clock, Noted};
use super::course::Power;

/// Parts of a period.
const BINS: usize = 32;
/// By how much a converter's period may differ from the one stated [TI SBOS644, conversion time], and
/// from the mean time between readings where none is missed.
const STATED_WITHIN: f64 = 0.12;
const SEEN_WITHIN: f64 = 0.01;
/// Clocks that are answered.
const CANDIDATES: usize = 24;
/// Periods of a grid: readings so far apart that there would be more are not searched.
const MOST_PERIODS: f64 = 16_384.0;
/// Squared residuals beyond this many variances count as this many: somebody held the sampler up.
pub(super) const MOST_SQUARES: f64 = 25.0;

/// Clocks by which `readings`, each with this variance, are best explained, the best first.
pub(super) fn nearest(readings: &[Noted], power: &Power<'_>, variance: f64) -> Option<Vec<Clock>> {
    let table = squares_by_lag(readings, power, variance);
    let (shortest, longest) = periods(readings)?;
    let span = readings.last()?.t - readings.first()?.t;
    let middle = readings[readings.len() / 2].t;
    // Half a step of the rate moves the first and last reading by half a bin.
    let (slowest, fastest) = (1.0 / longest, 1.0 / shortest);
    let steps = ((fastest - slowest) * span * BINS as f64 / 2.0).ceil().max(1.0);
    if steps.is_nan() || steps > MOST_PERIODS {
        return None;
    }
    let rate = |step: usize| slowest + (fastest - slowest) * step as f64 / steps;
    let best_shift = |step: usize| {
        let mut sums = [0.0f32; BINS];
        for (reading, row) in readings.iter().zip(table.chunks_exact(2 * BINS)) {
            let turns = (reading.t - middle) * rate(step);
            let bin = ((turns - turns.floor()) * BINS as f64) as usize % BINS;
            sums.iter_mut().zip(&row[bin..]).for_each(|(sum, squares)| *sum += squares);
        }
        let least = sums.into_iter().enumerate().min_by(|a, b| a.1.total_cmp(&b.1));
        least.map(|(shift, sum)| (sum, step, shift))
    };
    let mut by_rate: Vec<_> = (0..=steps as usize).filter_map(best_shift).collect();
    by_rate.sort_by(|a, b| a.0.total_cmp(&b.0));
    let mut best: Vec<(usize, usize)> = Vec::new();
    for (_, step, shift) in by_rate {
        if best.len() < CANDIDATES && best.iter().all(|it| it.0.abs_diff(step) > 2) {
            best.push((step, shift));
        }
    }
    // In the middle, where turns are whole, the lag is the shift.
    let clock = |(step, shift): (usize, usize)| {
        let period = 1.0 / rate(step);
        Clock::new(middle - shift as f64 / BINS as f64 * period, period)
    };
    Some(best.into_iter().map(clock).collect())
}

/// For each reading its squared residuals, in variances, by lags of a part of a period each: twice round.
fn squares_by_lag(readings: &[Noted], power: &Power<'_>, variance: f64) -> Vec<f32> {
    let mut table = vec![0.0f32; readings.len() * 2 * BINS];
    for (reading, row) in readings.iter().zip(table.chunks_exact_mut(2 * BINS)) {
        let window = reading.sight.window;
        for bin in 0..BINS {
            let lag = (bin as f64 + 0.5) / BINS as f64 * window;
            let residual = reading.value - power.mean(reading.t - lag, window);
            let squares = (residual * residual / variance).min(MOST_SQUARES);
            // Where polls are more frequent than conversions none is seen long after it ended.
            let late = lag > 1.25 * reading.sight.lag + window / BINS as f64;
            let squares = squares + if late { MOST_SQUARES } else { 0.0 };
            (row[bin], row[bin + BINS]) = (squares as f32, squares as f32);
        }
    }
    table
}

/// The shortest and the longest period that the clock may have.
fn periods(readings: &[Noted]) -> Option<(f64, f64)> {
    let sight = readings.first()?.sight;
    let gaps = readings.windows(2).map(|pair| pair[1].t - pair[0].t);
    let (sum, count) = gaps
        .filter(|gap| *gap < 1.5 * sight.window)
        .fold((0.0, 0u32), |(sum, count), gap| (sum + gap, count + 1));
    let seen = (count > 0).then(|| sum / f64::from(count))?;
    let longest = (1.0 + SEEN_WITHIN) * seen;
    // Polled as seldom as it converts, it may convert unseen.
    let shortest = match sight.lag < sight.window {
        true => (1.0 - SEEN_WITHIN) * seen,
        false => (1.0 - STATED_WITHIN) * sight.window,
    };
    (shortest < longest).then_some((shortest, longest))
}
