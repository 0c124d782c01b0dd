//! FP32 values as FP16 holds them.

use half::f16;
use half::slice::HalfFloatSliceExt;

use crate::executor::ExecutorError;
use crate::graph::Layer;

/// Rounds `values` to IEEE binary16, to nearest and ties to even, subnormals kept. Answers whether
/// all of them are finite afterwards.
pub(crate) fn round(values: &mut [f32]) -> bool {
    let mut halves = [f16::ZERO; 256];
    let mut finite = true;
    for values in values.chunks_mut(halves.len()) {
        let halves = &mut halves[..values.len()];
        halves.convert_from_f32_slice(values);
        halves.convert_to_f32_slice(values);
        finite &= values.iter().all(|value| value.is_finite());
    }
    finite
}

/// Rounds what `layer` has computed.
pub(crate) fn round_output(values: &mut [f32], layer: &Layer) -> Result<(), ExecutorError> {
    match round(values) {
        true => Ok(()),
        false => Err(ExecutorError::BeyondFp16 { what: "outputs", layer: layer.name.clone() }),
    }
}

#[cfg(test)]
mod tests {
    use super::round;

    fn rounded(value: f32) -> f32 {
        let mut values = [value];
        round(&mut values);
        values[0]
    }

    /// Ten bits after the leading one, so steps of 2⁻¹⁰ between 1 and 2.
    #[test]
    fn values_go_to_the_nearest_and_ties_to_even() {
        let step = 1.0 / 1024.0;
        assert_eq!(rounded(1.0 + 0.49 * step), 1.0);
        assert_eq!(rounded(1.0 + 0.5 * step), 1.0);
        assert_eq!(rounded(1.0 + 0.51 * step), 1.0 + step);
        assert_eq!(rounded(1.0 + 1.5 * step), 1.0 + 2.0 * step);
        assert_eq!(rounded(-1.0 - 1.5 * step), -1.0 - 2.0 * step);
        // 0.1 is 1.6 · 2⁻⁴: 1638.4 steps of 2⁻¹⁴.
        assert_eq!(rounded(0.1), 1638.0 / 16384.0);
    }

    /// Subnormals are steps of 2⁻²⁴; half of the smallest is a tie, and zero is even.
    #[test]
    fn small_values_are_kept_to_the_last_subnormal() {
        let least = 2.0_f32.powi(-24);
        assert_eq!(rounded(3.0 * least), 3.0 * least);
        assert_eq!(rounded(0.5 * least), 0.0);
        assert_eq!(rounded(0.51 * least), least);
    }

    /// 65520 is halfway between 65504 and what would be 65536.
    #[test]
    fn what_is_too_large_is_told() {
        assert!(round(&mut [65519.0, -65504.0]));
        assert!(!round(&mut [1.0, 65520.0]));
        assert!(!round(&mut [f32::NAN]));
        // Beyond the first block too.
        let mut values = vec![1.0; 1000];
        values[999] = -1e6;
        assert!(!round(&mut values));
    }
}
