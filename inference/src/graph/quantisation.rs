//! Numbers as 8-bit steps.

use super::{Operator, Weights, Window};

/// How 8-bit steps stand for numbers: `number = scale × (step − zero_point)`, as in ONNX's
/// `QuantizeLinear` and `DequantizeLinear`.
///
/// Steps are signed. A file's unsigned ones are 128 higher, zero point and all, and compute the
/// same.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Quantisation {
    /// The distance between neighbouring steps.
    pub scale: f32,
    /// The step that stands for zero.
    pub zero_point: i8,
}

impl Quantisation {
    /// What stands for something whose values are not known, in graphs of structure alone.
    pub const UNKNOWN: Self = Self { scale: 1.0, zero_point: 0 };

    /// The steps that reach from `min` to `max`, and zero, which they hit exactly: an image's
    /// padding is zeros.
    pub fn covering(min: f32, max: f32) -> Self {
        let (min, max) = (min.min(0.0), max.max(0.0));
        let scale = (max - min) / 255.0;
        if !scale.is_normal() {
            // Nothing but zeros, or all but: any step will do.
            return Self { scale: 1.0, zero_point: -128 };
        }
        Self { scale, zero_point: saturate(-128.0 - min / scale) }
    }

    /// The step nearest to `number`, the even one of two, and the last step beyond the ends.
    pub fn quantise(self, number: f32) -> i8 {
        self.step((number / self.scale).round_ties_even())
    }

    /// The step that lies `steps` from zero, or the last one before it.
    pub(crate) fn step(self, steps: f32) -> i8 {
        let zero = f32::from(self.zero_point);
        // Clamped first, where everything is exact. NaN, which no executor lets in, becomes zero.
        (steps.clamp(-128.0 - zero, 127.0 - zero) + zero) as i8
    }

    /// The number that `step` stands for.
    pub fn dequantise(self, step: i8) -> f32 {
        (i32::from(step) - i32::from(self.zero_point)) as f32 * self.scale
    }

    fn check(self) -> Result<(), String> {
        match self.scale.is_normal() && self.scale > 0.0 {
            true => Ok(()),
            false => Err(format!("its steps are {} apart, which is no distance", self.scale)),
        }
    }
}

fn saturate(value: f32) -> i8 {
    // `as` saturates.
    value.round_ties_even() as i8
}

/// A two-dimensional convolution of 8-bit steps, ONNX's `QLinearConv`: sums of products of steps
/// in 32-bit integers, multiplied by `input.scale × weight scale / output.scale`, rounded to the
/// nearest step (ties to even) and bounded by the first and last.
///
/// The bounds are also its activation: a ReLU where the output's first step stands for zero.
/// Bringing sums back to steps is part of the layer, and its time cannot be told from outside.
#[derive(Debug, Clone, PartialEq)]
pub struct QuantisedConv2d {
    /// How the kernel slides.
    pub window: Window,
    /// Channels are split into this many groups that do not see each other.
    pub groups: usize,
    /// Channels of the input.
    pub input_channels: usize,
    /// Channels of the output.
    pub output_channels: usize,
    /// The steps of the input.
    pub input: Quantisation,
    /// The steps of the output.
    pub output: Quantisation,
    /// Output channels × (input channels / groups) × kernel height × kernel width, in steps around
    /// zero.
    pub weights: Weights<i8>,
    /// What a step of the weights is worth: one per output channel.
    pub scales: Weights,
    /// One per output channel, in steps of `input.scale × weight scale`.
    pub bias: Option<Weights<i32>>,
}

impl QuantisedConv2d {
    /// Length of one output's sum: input channels of a group × kernel area.
    pub fn reduction(&self) -> usize {
        (self.input_channels / self.groups).saturating_mul(self.window.kernel.area())
    }

    /// Whether each group has a single input channel, and there is more than one group.
    pub fn is_depthwise(&self) -> bool {
        self.groups > 1 && self.groups == self.input_channels
    }
}

/// The steps that `operator` writes, given those that it reads; none for FP32.
pub(super) fn output_steps(
    operator: &Operator,
    inputs: &[Option<Quantisation>],
) -> Result<Option<Quantisation>, String> {
    let expect = |expected: Quantisation| match inputs {
        [Some(actual)] if *actual == expected => expected.check(),
        [Some(actual)] => Err(format!(
            "it reads steps of {} around {}, and its input is in steps of {} around {}",
            expected.scale, expected.zero_point, actual.scale, actual.zero_point
        )),
        _ => Err("it reads 8-bit steps, and its input is FP32; quantise it before".to_owned()),
    };
    match operator {
        Operator::QuantisedConv2d(conv) => {
            expect(conv.input)?;
            conv.output.check()?;
            Ok(Some(conv.output))
        }
        Operator::Dequantise(from) => expect(*from).map(|()| None),
        _ if inputs.iter().any(Option::is_some) => {
            Err("it computes in FP32, and its input is in 8-bit steps; dequantise it before"
                .to_owned())
        }
        Operator::Quantise(to) => to.check().map(|()| Some(*to)),
        _ => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn ties_go_to_the_even_step_and_ends_hold() {
        let halves = Quantisation { scale: 0.5, zero_point: 3 };
        // Half a step is 0.25.
        let steps = [-0.75, -0.25, 0.25, 0.75, 1e9, -1e9].map(|number| halves.quantise(number));
        assert_eq!(steps, [1, 3, 3, 5, 127, -128]);
        assert_eq!(halves.dequantise(5), 1.0);
    }

    #[test]
    fn ranges_without_width_still_make_steps() {
        for (min, max) in [(0.0, 0.0), (5.0, 5.0), (f32::MIN, f32::MAX), (0.0, 1e-45)] {
            assert!(Quantisation::covering(min, max).check().is_ok(), "{min} to {max}");
        }
    }

    proptest! {
        /// Within the range no number is further than half a step from what it becomes, and zero
        /// stays zero.
        #[test]
        fn numbers_come_back_to_half_a_step(low in -1e3_f32..1e3, high in -1e3_f32..1e3, at in 0.0_f32..1.0) {
            let (min, max) = (low.min(high), low.max(high));
            let steps = Quantisation::covering(min, max);
            prop_assert_eq!(steps.dequantise(steps.quantise(0.0)), 0.0);
            let number = min.min(0.0) + at * (max.max(0.0) - min.min(0.0));
            let error = (steps.dequantise(steps.quantise(number)) - number).abs();
            // Zero on a step shifts the ends by up to half a step.
            prop_assert!(error <= 1.001 * steps.scale, "{} is off by {}", number, error);
        }

        #[test]
        fn every_step_survives(scale in 1e-6_f32..1e6, zero_point: i8, step: i8) {
            let steps = Quantisation { scale, zero_point };
            prop_assert_eq!(steps.quantise(steps.dequantise(step)), step);
        }
    }
}
