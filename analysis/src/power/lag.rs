//! How the unknown lags of readings hang together.
//!
//! A converter and a sampler that each keep their own time drift past each other: the lag of one
//! reading is that of the one before, moved on by a part of its range. Of two readings whose lags, as
//! parts of the range, are `x` apart the correlation is `ρ = 1 − 6 x (1 − x)` (both uniform). So steps
//! of power next to each other err together, up or down, and a rise and a fall soon after it cancel,
//! while the beginning and the end of a run do not.
//!
//! By how much a lag moves on is known as well as the converter's clock, to a tenth of a conversion
//! for each reading: after a few readings nobody knows the lag from the one it began with. With
//! `ρ = Σ_m (6/π²m²) cos 2πmx`, and a movement off by up to `ε` for each of the `n` readings between,
//! the cosine's mean is `cos(2πmx) sin(2πmεn)/(2πmεn)`. For the quotient stands `(1 + an) e^(−an)` with
//! `a = 4mε`, which begins like it and needs one pass:
//!
//! ```text
//! Σ_jk d_j d_k ρ_jk = Σ_m (6/π²m²) Σ_j (d_j² + 2 d_j Re(z_j (A_j + a B_j)*))
//! A_j = e^−a (A_{j−1} + d_{j−1} z_{j−1}),   B_j = e^−a B_{j−1} + A_j
//! ```
//!
//! with `z_j = e^(2πi m φ_j)`. Terms beyond the fourth, an eighth of the whole, are taken as of lags
//! that know nothing of each other.

use std::f64::consts::{PI, TAU};

use wattline_trace::rows::PowerRow;

const TERMS: usize = 4;

/// How far off a converter's clock may be: 1.1 ms is up to 1.21 ms. [TI SBOS644, conversion time]
const CLOCK_ERROR: f64 = 0.1;

/// The steps of power in one region of time.
#[derive(Debug, Clone, Default)]
pub(crate) struct LagSums {
    /// Each term's sum.
    sums: [f64; TERMS],
    /// By how much noise of a variance of 1 would raise it.
    by_noise: [f64; TERMS],
    squares: f64,
    steps: f64,
    /// Real and imaginary parts of `A` and of `B`, at the last step.
    plain: [[f64; TERMS]; 2],
    with_age: [[f64; TERMS]; 2],
    last: Option<(f64, Turns)>,
}

/// `e^(2πi m φ)` of one phase `φ`, for each `m` from 1: real parts, and imaginary ones.
#[derive(Debug, Clone, Copy)]
pub(super) struct Turns([[f64; TERMS]; 2]);

/// The lags of a rail's readings, up to what nobody knows.
#[derive(Debug, Clone, Copy)]
pub(super) struct Drift {
    window: f64,
    poll: f64,
    /// `a` of each term, and `e^−a`.
    rate: [f64; TERMS],
    kept: [f64; TERMS],
}

impl Drift {
    pub(super) fn new(window_ns: u64, poll_ns: u64) -> Self {
        let (window, poll) = (window_ns.max(1) as f64, poll_ns.max(1) as f64);
        let moved = (window / poll).max(poll / window);
        let rate = std::array::from_fn(|m| 4.0 * (m + 1) as f64 * CLOCK_ERROR * moved);
        Drift { window, poll, rate, kept: rate.map(|rate| (-rate).exp()) }
    }

    /// The lag of a reading as a part of its range, up to a constant. Polls are at whole periods, or
    /// conversions at whole windows: whichever is longer moves past the other.
    fn phase(&self, row: &PowerRow, first: u64) -> f64 {
        let windows = row.t_ns.saturating_sub(first) as f64 / self.window;
        let phase = if self.poll >= self.window {
            windows
        } else {
            windows.round() * self.window / self.poll
        };
        phase.fract()
    }

    /// Where a reading's lag is on its way round.
    pub(super) fn turns(&self, row: &PowerRow, first: u64) -> Turns {
        Turns::of(self.phase(row, first))
    }
}

impl Turns {
    /// All as products of the first, in two multiplications one upon the other.
    fn of(phase: f64) -> Self {
        let [mut cosines, mut sines] = [[0.0; TERMS]; 2];
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
        Turns([cosines, sines])
    }
}

impl LagSums {
    /// Adds a step of power into a reading.
    pub(super) fn add(&mut self, step: f64, now: Turns, drift: &Drift) {
        if let Some((before, turns)) = self.last {
            let mut along = [0.0; TERMS];
            let mut moved = [0.0; TERMS];
            for (part, (was, is)) in turns.0.iter().zip(&now.0).enumerate() {
                for m in 0..TERMS {
                    let plain = drift.kept[m] * (self.plain[part][m] + before * was[m]);
                    let with_age = drift.kept[m] * self.with_age[part][m] + plain;
                    along[m] += (plain + drift.rate[m] * with_age) * is[m];
                    moved[m] += was[m] * is[m];
                    (self.plain[part][m], self.with_age[part][m]) = (plain, with_age);
                }
            }
            for m in 0..TERMS {
                self.sums[m] += 2.0 * step * along[m];
                // Noise of a reading is in the step into it and, with the other sign, in the next.
                self.by_noise[m] -= 2.0 * (1.0 + drift.rate[m]) * drift.kept[m] * moved[m];
            }
        }
        self.squares += step * step;
        self.steps += 1.0;
        self.last = Some((step, now));
    }

    /// `Σ_jk d_j d_k ρ_jk` in W², less what readings' noise (its variance) gives.
    pub(super) fn squares(&self, noise: f64) -> f64 {
        let alone = self.squares - 2.0 * noise * self.steps;
        let mut left = 1.0;
        let mut sum = 0.0;
        for m in 0..TERMS {
            let weight = 6.0 / (PI * (m + 1) as f64).powi(2);
            left -= weight;
            sum += weight * (alone + self.sums[m] - noise * self.by_noise[m]).max(0.0);
        }
        sum + left * alone.max(0.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sums(steps: &[(f64, f64)]) -> LagSums {
        let (mut sums, drift) = (LagSums::default(), Drift::new(1, 1));
        steps.iter().for_each(|&(step, phase)| sums.add(step, Turns::of(phase), &drift));
        sums
    }

    #[test]
    fn turns_are_those_of_their_angles() {
        for k in 0..1000 {
            let phase = f64::from(k) / 1000.0;
            let Turns([cosines, sines]) = Turns::of(phase);
            for m in 0..TERMS {
                let (sine, cosine) = (TAU * (m + 1) as f64 * phase).sin_cos();
                let off = (sines[m] - sine).abs() + (cosines[m] - cosine).abs();
                assert!(off < 1e-14, "{phase} {m}: {off}");
            }
        }
    }

    /// The sum over all pairs, as it is written down.
    #[test]
    fn one_pass_adds_up_all_pairs() {
        let steps: Vec<(f64, f64)> = (0..60)
            .map(|k| (f64::from(k * 37 % 11) - 5.0, (f64::from(k) * 0.17).rem_euclid(1.0)))
            .collect();
        let (mut expected, mut left) = (0.0, 1.0);
        for m in 0..TERMS {
            let weight = 6.0 / (PI * (m + 1) as f64).powi(2);
            left -= weight;
            for (j, (d, x)) in steps.iter().enumerate() {
                for (k, (e, y)) in steps.iter().enumerate() {
                    let age = 4.0 * (m + 1) as f64 * CLOCK_ERROR * j.abs_diff(k) as f64;
                    let kept = (1.0 + age) * (-age).exp();
                    expected += weight * d * e * kept * (TAU * (m + 1) as f64 * (x - y)).cos();
                }
            }
        }
        expected += left * steps.iter().map(|(d, _)| d * d).sum::<f64>();
        let found = sums(&steps).squares(0.0);
        assert!((found / expected - 1.0).abs() < 1e-12, "{found} {expected}");
    }

    #[test]
    fn a_fall_soon_after_a_rise_cancels_it_and_one_long_after_does_not() {
        let still = |count: usize| vec![(0.0, 0.3); count];
        let pulse = |apart| [vec![(2.0, 0.3)], still(apart), vec![(-2.0, 0.3)]].concat();
        let alone = sums(&[(2.0, 0.3)]).squares(0.0);
        assert!((alone - 4.0).abs() < 1e-12);
        assert!(sums(&pulse(0)).squares(0.0) < 0.3 * 2.0 * alone);
        assert!((sums(&pulse(60)).squares(0.0) - 2.0 * alone).abs() < 1e-3);
    }

    /// Readings that differ by noise alone have steps, and no lag shows in them.
    #[test]
    fn noise_is_taken_out() {
        let mut state = 1u64;
        let mut noise = || {
            // Numerical Recipes' generator; the sum of twelve is near enough to normal.
            let uniform = |_| {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                (state >> 11) as f64 / (1u64 << 53) as f64
            };
            (0..12).map(uniform).sum::<f64>() - 6.0
        };
        let readings: Vec<f64> = (0..20_000).map(|_| noise()).collect();
        let steps: Vec<(f64, f64)> = readings
            .windows(2)
            .zip(0..)
            .map(|(pair, k)| (pair[1] - pair[0], (f64::from(k) * 0.07).rem_euclid(1.0)))
            .collect();
        let sums = sums(&steps);
        assert!(sums.squares(1.0) < 0.1 * sums.squares(0.0), "{}", sums.squares(1.0));
    }
}
