//! Nodes of 8-bit arithmetic.
//!
//! Unsigned steps become signed ones, 128 lower, zero points along with them: nothing that is
//! computed changes.

use super::attributes::Node;
use super::constants::Floats;
use super::error::ReadError;
use super::lower::Lowering;
use crate::graph::{Operator, Quantisation, QuantisedConv2d};

impl<'a> Lowering<'a> {
    /// FP32 → steps.
    pub(super) fn quantize_linear(&mut self, node: &Node<'a>) -> Result<(), ReadError> {
        node.expect_attributes(&["axis"])?;
        let input = self.value(node, 0)?;
        let steps = self.steps(node, 1)?;
        self.layer(node, Operator::Quantise(steps), &[input])
    }

    /// Steps → FP32. Those of a constant become an FP32 constant, which is how exporters write
    /// quantised weights of layers that compute in FP32.
    pub(super) fn dequantize_linear(&mut self, node: &Node<'a>) -> Result<(), ReadError> {
        node.expect_attributes(&["axis"])?;
        if node.input(0).is_some_and(|name| self.constants.get(name).is_some()) {
            let floats = self.dequantised(node)?;
            self.constants.insert_floats(node.output(), floats);
            return Ok(());
        }
        let input = self.value(node, 0)?;
        let steps = self.steps(node, 1)?;
        self.layer(node, Operator::Dequantise(steps), &[input])
    }

    /// Inputs: image, its scale and zero point, weights, theirs, the output's, and maybe a bias.
    pub(super) fn quantised_conv(&mut self, node: &Node<'a>) -> Result<(), ReadError> {
        let input = self.image(node, 0)?;
        let (input_steps, output_steps) = (self.steps(node, 1)?, self.steps(node, 6)?);
        let shape = self.builder.shape(input.tensor);
        let (dims, weights) = self.constants.steps(node, 3)?;
        let (window, groups) = self.sliding(node, shape, &dims)?;
        let output_channels = dims[0];
        let zeros = self.constants.steps(node, 5)?.1;
        if let Some(zero) = zeros.iter().find(|&&zero| zero != 0) {
            return Err(node.error(format!(
                "the zero point of its weights is {zero} away from the middle of their range, and \
                 symmetric weights are supported (0 as INT8, 128 as UINT8); quantise them so"
            )));
        }
        let scales = self.constants.floats(node, 4)?;
        let scales = self.spread(node, scales.values(), output_channels)?;
        if let Some(wrong) = scales.iter().find(|scale| !(scale.is_normal() && **scale > 0.0)) {
            return Err(node.error(format!("a scale of its weights is {wrong}")));
        }
        let bias = match node.input(8) {
            Some(_) => Some(self.constants.integers_32(node, 8)?.into()),
            None => None,
        };
        let conv = QuantisedConv2d {
            window,
            groups,
            input_channels: shape.channels,
            output_channels,
            input: input_steps,
            output: output_steps,
            weights: weights.into(),
            scales: scales.into(),
            bias,
        };
        self.layer(node, Operator::QuantisedConv2d(conv), &[input])
    }

    /// The steps whose scale is input `index` of `node`, and whose zero point is the next.
    fn steps(&mut self, node: &Node<'a>, index: usize) -> Result<Quantisation, ReadError> {
        let missing = || node.error(format!("input {index}, a scale, is missing"));
        let scale = self.constants.optional_scalar(node, index)?.ok_or_else(missing)?;
        let zero_point = match node.input(index + 1) {
            // ONNX: unsigned steps around 0.
            None => -128,
            Some(_) => match self.constants.steps(node, index + 1)?.1.as_slice() {
                &[zero_point] => zero_point,
                several => {
                    return Err(node.error(format!(
                        "input {} has {} zero points; one for a whole image is supported",
                        index + 1,
                        several.len()
                    )));
                }
            },
        };
        Ok(Quantisation { scale, zero_point })
    }

    /// The constant that `node` makes of a constant: one scale for all, or one for each position
    /// along an axis.
    fn dequantised(&mut self, node: &Node<'a>) -> Result<Floats, ReadError> {
        let is_bias = self.constants.is_int32(node, 0);
        let (dims, steps): (_, Vec<i32>) = match is_bias {
            true => {
                let steps = self.constants.integers_32(node, 0)?;
                (vec![steps.len()], steps)
            }
            false => {
                let (dims, steps) = self.constants.steps(node, 0)?;
                (dims, steps.into_iter().map(i32::from).collect())
            }
        };
        let scales = self.constants.floats(node, 1)?;
        let zeros = match node.input(2) {
            None if is_bias => vec![0],
            None => vec![-128],
            Some(_) if is_bias => self.constants.integers_32(node, 2)?,
            Some(_) => self.constants.steps(node, 2)?.1.into_iter().map(i32::from).collect(),
        };
        let scales = scales.values();
        let rank = dims.len() as i64;
        let axis = match node.int("axis", 1)? {
            axis if axis < 0 => axis + rank,
            axis => axis,
        };
        let side = usize::try_from(axis).ok().and_then(|axis| dims.get(axis)).copied();
        let per_axis = scales.len() > 1 || zeros.len() > 1;
        let counts_fit = |count: usize| count == 1 || Some(count) == side;
        if scales.is_empty() || !counts_fit(scales.len()) || !counts_fit(zeros.len()) {
            return Err(node.error(format!(
                "{} scales and {} zero points do not fit sides {dims:?} along axis {axis}",
                scales.len(),
                zeros.len()
            )));
        }
        let inner: usize = match per_axis {
            true => dims[axis as usize + 1..].iter().product(),
            false => 1,
        };
        let along = |list_len: usize, place: usize| match (list_len, side) {
            (1, _) | (_, None) => 0,
            (_, Some(side)) => place / inner.max(1) % side,
        };
        let values: Vec<f32> = steps
            .iter()
            .enumerate()
            .map(|(place, &step)| {
                let zero = zeros[along(zeros.len(), place)];
                step.wrapping_sub(zero) as f32 * scales[along(scales.len(), place)]
            })
            .collect();
        Ok(Floats { dims, weights: values.into() })
    }
}
