//! How the unknown lags of readings hang together.
//!
//! A converter and a sampler that each keep their own time drift past each other: the lag of one
//! reading is that of the one before, moved on by a fixed part of its range. Of two readings whose
//! lags, as parts of the range, are `x` apart the correlation is `ρ = 1 − 6 x (1 − x)` (both
//! uniform). So steps of power next to each other err together, up or down, and a rise and a fall
//! soon after it cancel, while the beginning and the end of a run do not. With
//! `ρ = Σ_m (6/π²m²) cos 2πmx` the sum over all pairs is
//!
//! ```text
//! Σ_jk d_j d_k ρ_jk = Σ_m (6/π²m²) |Σ_k d_k e^(2πi m φ_k)|²
//! ```
//!
//! which needs one pass. Terms beyond the eighth, a thirteenth of the whole, are taken as of lags
//! that know nothing of each other.

use std::f64::consts::{PI, TAU};

use wattline_trace::rows::PowerRow;

const TERMS: usize = 8;

/// The steps of power in one region of time.
#[derive(Debug, Clone, Default)]
pub(crate) struct LagSums {
    /// Real and imaginary part of each term.
    real: [f64; TERMS],
    imaginary: [f64; TERMS],
    /// By how much noise of a variance of 1 would raise each term's square.
    by_noise: [f64; TERMS],
    squares: f64,
    steps: f64,
    before: Option<Turns>,
}

/// `e^(2πi m φ)` of one phase `φ`, for each `m` from 1.
#[derive(Debug, Clone, Copy)]
struct Turns {
    cosines: [f64; TERMS],
    sines: [f64; TERMS],
}

impl Turns {
    /// All as products of the first, in three multiplications one upon the other: they are off by a
    /// few units in the last place, as the angles of the terms are whose sines would be taken.
    fn of(phase: f64) -> Self {
        let mut turns = Turns { cosines: [0.0; TERMS], sines: [0.0; TERMS] };
        let Turns { cosines, sines } = &mut turns;
        (sines[0], cosines[0]) = (TAU * phase).sin_cos();
        let mut known = 1;
        while known < TERMS {
            let (cosine, sine) = (cosines[known - 1], sines[known - 1]);
            for m in 0..known {
                cosines[known + m] = cosine * cosines[m] - sine * sines[m];
                sines[known + m] = cosine * sines[m] + sine * cosines[m];
            }
            known *= 2;
        }
        turns
    }
}

/// The lag of a reading as a part of its range, up to a constant that nobody knows.
pub(super) fn lag_phase(row: &PowerRow, first: u64, poll_ns: u64) -> f64 {
    let since = row.t_ns.saturating_sub(first) as f64;
    let (window, poll) = (row.window_ns as f64, poll_ns.max(1) as f64);
    // Polls are at whole periods, or conversions at whole windows: whichever is longer moves past
    // the other.
    let phase =
        if poll >= window { since / window } else { (since / window).round() * window / poll };
    phase.fract()
}

impl LagSums {
    /// Adds a step of power into the reading at `phase`.
    pub(super) fn add(&mut self, step: f64, phase: f64) {
        let now = Turns::of(phase);
        let before = self.before.replace(now).unwrap_or(now);
        for m in 0..TERMS {
            self.real[m] += step * now.cosines[m];
            self.imaginary[m] += step * now.sines[m];
            let moved = now.cosines[m] * before.cosines[m] + now.sines[m] * before.sines[m];
            self.by_noise[m] += 2.0 * (1.0 - moved);
        }
        self.squares += step * step;
        self.steps += 1.0;
    }

    /// `Σ_jk d_j d_k ρ_jk` in W², less what readings' noise (its variance) gives.
    pub(super) fn squares(&self, noise: f64) -> f64 {
        let mut left = 1.0;
        let mut sum = 0.0;
        for m in 0..TERMS {
            let weight = 6.0 / (PI * (m + 1) as f64).powi(2);
            left -= weight;
            let square = self.real[m].powi(2) + self.imaginary[m].powi(2);
            sum += weight * (square - noise * self.by_noise[m]).max(0.0);
        }
        sum + left * (self.squares - 2.0 * noise * self.steps).max(0.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The sum over all pairs, as it is written down.
    fn of_pairs(steps: &[(f64, f64)]) -> f64 {
        let pairs = steps.iter().flat_map(|a| steps.iter().map(move |b| (a, b)));
        let product = |((d, x), (e, y)): (&(f64, f64), &(f64, f64))| {
            let apart = (x - y).rem_euclid(1.0);
            d * e * (1.0 - 6.0 * apart * (1.0 - apart))
        };
        pairs.map(product).sum()
    }

    #[test]
    fn turns_are_those_of_their_angles() {
        for k in 0..1000 {
            let phase = f64::from(k) / 1000.0;
            let turns = Turns::of(phase);
            for m in 0..TERMS {
                let (sine, cosine) = (TAU * (m + 1) as f64 * phase).sin_cos();
                let off = (turns.sines[m] - sine).abs() + (turns.cosines[m] - cosine).abs();
                assert!(off < 2e-14, "{phase} {m}: {off}");
            }
        }
    }

    #[test]
    fn terms_add_up_to_all_pairs() {
        let steps: Vec<(f64, f64)> = (0..200)
            .map(|k| (f64::from(k * 37 % 11) - 5.0, (f64::from(k) * 0.01).rem_euclid(1.0)))
            .collect();
        let mut sums = LagSums::default();
        steps.iter().for_each(|&(step, phase)| sums.add(step, phase));
        let (found, expected) = (sums.squares(0.0), of_pairs(&steps));
        assert!((found / expected - 1.0).abs() < 0.2, "{found} {expected}");
    }

    #[test]
    fn a_rise_and_a_fall_at_one_lag_cancel_and_two_halves_of_a_step_add_up() {
        let squares = |steps: &[(f64, f64)]| {
            let mut sums = LagSums::default();
            steps.iter().for_each(|&(step, phase)| sums.add(step, phase));
            sums.squares(0.0)
        };
        assert!(squares(&[(2.0, 0.3), (-2.0, 0.3)]) < 0.1 * 8.0);
        assert!((squares(&[(1.0, 0.3), (1.0, 0.3)]) - 4.0).abs() < 0.2);
        assert!((squares(&[(2.0, 0.3)]) - 4.0).abs() < 1e-12);
    }
}
