//! Peak FP32 arithmetic of a cluster: chains of fused multiply-adds on enough accumulators that
//! none waits for the one before.
//!
//! A core needs latency × throughput of them: ten on x86-64 (4 or 5 cycles, two pipes), eight to
//! sixteen on Cortex-A cores. [Fog, *Instruction tables*, 2022; Arm's Cortex-A73 and Cortex-A15
//! software optimisation guides] The registers hold more than that.

#[cfg(target_arch = "arm")]
mod armv7;

use std::hint::black_box;

use super::team::seconds_per_pass;
use super::{Measured, Repeats};
use crate::affinity::AffinityError;

/// Turns of a chain in a pass: microseconds of work.
const TURNS: u64 = 10_000;

/// A way to do arithmetic on this machine.
#[derive(Debug, Clone, Copy)]
pub struct Arithmetic {
    /// The instructions, such as `AVX2 FMA`.
    pub name: &'static str,
    /// Whether these are known to be the fastest the core has; what is measured with others is a
    /// lower bound.
    pub is_peak: bool,
    flops_per_pass: u64,
    run: fn(u64),
}

/// The widest fused multiply-add that this machine has, found when run.
pub fn arithmetic() -> Arithmetic {
    native().unwrap_or(Arithmetic {
        name: "portable Rust",
        is_peak: false,
        flops_per_pass: TURNS * PORTABLE as u64 * 2,
        run: portable,
    })
}

/// Measures FLOP/s of `cpus` together. `step` hears of each repeat.
///
/// # Errors
/// If a CPU is not online.
pub fn peak(
    cpus: &[u32],
    arithmetic: Arithmetic,
    repeats: Repeats,
    step: &mut dyn FnMut(),
) -> Result<Option<Measured>, AffinityError> {
    let job = |_: &mut (), passes| (arithmetic.run)(passes);
    let seconds = seconds_per_pass(cpus, repeats, || (), job, step)?;
    let flops = arithmetic.flops_per_pass as f64 * cpus.len() as f64;
    Ok(Measured::of(seconds.iter().map(|seconds| flops / seconds).collect()))
}

#[cfg(target_arch = "x86_64")]
fn native() -> Option<Arithmetic> {
    let of = |name, lanes: usize, chains: usize, run| Arithmetic {
        name,
        is_peak: true,
        flops_per_pass: TURNS * (lanes * chains * 2) as u64,
        run,
    };
    if is_x86_feature_detected!("avx512f") {
        // SAFETY: the feature is there.
        return Some(of("AVX-512 FMA", 16, x86::CHAINS_512, |passes| unsafe {
            x86::fma_512(passes)
        }));
    }
    if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
        // SAFETY: both features are there.
        return Some(of("AVX2 FMA", 8, x86::CHAINS_256, |passes| unsafe { x86::fma_256(passes) }));
    }
    None
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::{_mm256_fmadd_ps, _mm256_set1_ps, _mm512_fmadd_ps, _mm512_set1_ps};
    use std::hint::black_box;

    pub(super) const CHAINS_256: usize = 12;
    pub(super) const CHAINS_512: usize = 24;

    #[target_feature(enable = "avx2,fma")]
    pub(super) fn fma_256(passes: u64) {
        let (factor, term) =
            (_mm256_set1_ps(black_box(0.999_99)), _mm256_set1_ps(black_box(0.000_01)));
        let mut chains = [_mm256_set1_ps(black_box(1.0)); CHAINS_256];
        for _ in 0..passes * super::TURNS {
            for chain in &mut chains {
                *chain = _mm256_fmadd_ps(*chain, factor, term);
            }
        }
        black_box(chains);
    }

    #[target_feature(enable = "avx512f")]
    pub(super) fn fma_512(passes: u64) {
        let (factor, term) =
            (_mm512_set1_ps(black_box(0.999_99)), _mm512_set1_ps(black_box(0.000_01)));
        let mut chains = [_mm512_set1_ps(black_box(1.0)); CHAINS_512];
        for _ in 0..passes * super::TURNS {
            for chain in &mut chains {
                *chain = _mm512_fmadd_ps(*chain, factor, term);
            }
        }
        black_box(chains);
    }
}

#[cfg(target_arch = "aarch64")]
fn native() -> Option<Arithmetic> {
    use std::arch::aarch64::{vdupq_n_f32, vfmaq_f32};
    const CHAINS: usize = 24;

    #[target_feature(enable = "neon")]
    fn fma(passes: u64) {
        let (factor, term) = (vdupq_n_f32(black_box(0.999_99)), vdupq_n_f32(black_box(0.000_01)));
        let mut chains = [vdupq_n_f32(black_box(1.0)); CHAINS];
        for _ in 0..passes * TURNS {
            for chain in &mut chains {
                // The chain is what is added to, as the instruction has it: no copies.
                *chain = vfmaq_f32(*chain, factor, term);
            }
        }
        black_box(chains);
    }
    std::arch::is_aarch64_feature_detected!("neon").then_some(Arithmetic {
        name: "NEON FMA",
        is_peak: true,
        flops_per_pass: TURNS * (4 * CHAINS * 2) as u64,
        // SAFETY: the feature is there.
        run: |passes| unsafe { fma(passes) },
    })
}

#[cfg(target_arch = "arm")]
fn native() -> Option<Arithmetic> {
    armv7::native()
}

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64", target_arch = "arm")))]
fn native() -> Option<Arithmetic> {
    None
}

/// Values worked on at once, in as many vectors as the compiler makes of them.
const PORTABLE: usize = 32;

/// Multiplies and adds apart: a fused operation that the core lacks would be a function call.
fn portable(passes: u64) {
    let (factor, term) = (black_box(0.999_99f32), black_box(0.000_01f32));
    let mut values = [black_box(1.0f32); PORTABLE];
    for _ in 0..passes * TURNS {
        for value in &mut values {
            *value = *value * factor + term;
        }
    }
    black_box(values);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Twice the passes take longer on the way a machine has and on the portable way: nothing was
    /// optimised away.
    #[test]
    fn the_work_is_done() {
        let portable = Arithmetic {
            name: "portable",
            is_peak: false,
            flops_per_pass: TURNS * PORTABLE as u64 * 2,
            run: portable,
        };
        for it in [arithmetic(), portable] {
            let rate = peak(&[0], it, Repeats { count: 3, least_s: 0.01 }, &mut || ());
            let rate = rate.unwrap().unwrap().best;
            // A core does no more than two operations of 16 lanes a cycle, at 10 GHz.
            assert!(rate > 0.0 && rate < 64e10, "{}: {rate}", it.name);
        }
    }
}
