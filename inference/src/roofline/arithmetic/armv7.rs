//! NEON on 32-bit Arm, where Rust's own intrinsics are not stable: a loop in assembly, which is
//! called where the kernel says that the core has VFPv4.

use std::arch::global_asm;

use nix::libc::{AT_HWCAP, getauxval};

use super::{Arithmetic, TURNS};

/// `HWCAP_NEON` and `HWCAP_VFPv4`. [arch/arm/include/uapi/asm/hwcap.h]
const HWCAPS: u64 = 1 << 12 | 1 << 16;

/// Accumulators: all quad registers but two.
const CHAINS: u64 = 14;

global_asm!(
    ".pushsection .text.wattline_neon_fma,\"ax\",%progbits",
    ".arch armv7-a",
    ".fpu neon-vfpv4",
    ".syntax unified",
    ".arm",
    ".balign 16",
    ".global wattline_neon_fma",
    ".type wattline_neon_fma, %function",
    "wattline_neon_fma:",
    "vpush {{d8-d15}}",
    // Each turn adds a sixteenth: no value becomes infinite or subnormal.
    "vmov.f32 q14, #0.125",
    "vmov.f32 q15, #0.5",
    "vmov.f32 q0, #1.0",
    "vmov q1, q0",
    "vmov q2, q0",
    "vmov q3, q0",
    "vmov q4, q0",
    "vmov q5, q0",
    "vmov q6, q0",
    "vmov q7, q0",
    "vmov q8, q0",
    "vmov q9, q0",
    "vmov q10, q0",
    "vmov q11, q0",
    "vmov q12, q0",
    "vmov q13, q0",
    "1:",
    "vfma.f32 q0, q14, q15",
    "vfma.f32 q1, q14, q15",
    "vfma.f32 q2, q14, q15",
    "vfma.f32 q3, q14, q15",
    "vfma.f32 q4, q14, q15",
    "vfma.f32 q5, q14, q15",
    "vfma.f32 q6, q14, q15",
    "vfma.f32 q7, q14, q15",
    "vfma.f32 q8, q14, q15",
    "vfma.f32 q9, q14, q15",
    "vfma.f32 q10, q14, q15",
    "vfma.f32 q11, q14, q15",
    "vfma.f32 q12, q14, q15",
    "vfma.f32 q13, q14, q15",
    "subs r0, r0, #1",
    "bne 1b",
    "vpop {{d8-d15}}",
    "bx lr",
    ".size wattline_neon_fma, . - wattline_neon_fma",
    ".popsection",
);

unsafe extern "C" {
    /// Turns the chains `turns` times, at least once.
    fn wattline_neon_fma(turns: u32);
}

pub(super) fn native() -> Option<Arithmetic> {
    // SAFETY: the call takes no pointers; of an unknown entry it answers zero.
    let hwcaps = u64::from(unsafe { getauxval(AT_HWCAP) });
    let run = |passes: u64| {
        for _ in 0..passes {
            // SAFETY: the core has the instructions; the function keeps d8 to d15, as the
            // procedure call standard asks, and touches no memory but the stack.
            unsafe { wattline_neon_fma(TURNS as u32) };
        }
    };
    (hwcaps & HWCAPS == HWCAPS).then_some(Arithmetic {
        name: "NEON FMA",
        is_peak: true,
        flops_per_pass: TURNS * 4 * CHAINS * 2,
        run,
    })
}
