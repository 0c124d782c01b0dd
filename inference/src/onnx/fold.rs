//! Arithmetic on constants that spares layers at run time.

use crate::graph::{Activation, Operator, Weights};

/// A batch normalisation at inference, as what it is: one product and one sum per channel
/// (Ioffe and Szegedy, *Batch normalization*, 2015, algorithm 2).
#[derive(Debug)]
pub(super) struct ChannelScale {
    pub(super) scale: Vec<f32>,
    pub(super) shift: Vec<f32>,
}

impl ChannelScale {
    /// From γ, β, the running mean and variance, all of one length, and ε.
    pub(super) fn of_batch_norm(
        gamma: &[f32],
        beta: &[f32],
        mean: &[f32],
        variance: &[f32],
        epsilon: f32,
    ) -> Self {
        let scale: Vec<f32> = gamma
            .iter()
            .zip(variance)
            .map(|(gamma, variance)| gamma / (variance + epsilon).sqrt())
            .collect();
        let shift = beta
            .iter()
            .zip(mean)
            .zip(&scale)
            .map(|((beta, mean), scale)| beta - mean * scale)
            .collect();
        Self { scale, shift }
    }

    /// Whether all of it can be computed with: a negative variance, as damage makes, cannot.
    pub(super) fn is_finite(&self) -> bool {
        self.scale.iter().chain(&self.shift).all(|value| value.is_finite())
    }
}

/// Multiplies each output channel of `operator` by its scale and adds its shift, by changing
/// weights and bias. False, and nothing changed, where the operator has no weights of as many
/// channels, or an activation stands between.
pub(super) fn fold_scale(operator: &mut Operator, channels: &ChannelScale) -> bool {
    let Some((weights, bias)) = foldable(operator, channels.scale.len()) else { return false };
    let Some(values) = weights.values() else { return false };
    let per_channel = values.len() / channels.scale.len();
    let scaled: Vec<f32> = values
        .chunks(per_channel)
        .zip(&channels.scale)
        .flat_map(|(values, scale)| values.iter().map(move |value| value * scale))
        .collect();
    let zeros = vec![0.0; channels.scale.len()];
    let old_bias = bias.as_ref().and_then(Weights::values).unwrap_or(&zeros);
    let new_bias: Vec<f32> = old_bias
        .iter()
        .zip(&channels.scale)
        .zip(&channels.shift)
        .map(|((bias, scale), shift)| bias * scale + shift)
        .collect();
    *weights = scaled.into();
    *bias = Some(new_bias.into());
    true
}

/// Adds `shift` to the bias of `operator`. False, and nothing changed, where that is not the
/// same thing as adding it to the output.
pub(super) fn fold_shift(operator: &mut Operator, shift: &[f32]) -> bool {
    let Some((_, bias)) = foldable(operator, shift.len()) else { return false };
    let new_bias: Vec<f32> = match bias.as_ref().and_then(Weights::values) {
        Some(old) => old.iter().zip(shift).map(|(bias, shift)| bias + shift).collect(),
        None => shift.to_vec(),
    };
    *bias = Some(new_bias.into());
    true
}

fn foldable(
    operator: &mut Operator,
    channels: usize,
) -> Option<(&mut Weights, &mut Option<Weights>)> {
    if operator.activation() != Activation::Identity || channels == 0 {
        return None;
    }
    match operator {
        Operator::Conv2d(conv) if conv.output_channels == channels => {
            Some((&mut conv.weights, &mut conv.bias))
        }
        Operator::FullyConnected(dense) if dense.output_features == channels => {
            Some((&mut dense.weights, &mut dense.bias))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::FullyConnected;

    fn dense(activation: Activation) -> Operator {
        Operator::FullyConnected(FullyConnected {
            input_features: 2,
            output_features: 2,
            weights: vec![1.0, 2.0, 3.0, 4.0].into(),
            bias: None,
            activation,
        })
    }

    #[test]
    fn a_batch_norm_scales_rows_and_makes_a_bias() {
        let norm =
            ChannelScale::of_batch_norm(&[2.0, 3.0], &[1.0, 0.0], &[1.0, 2.0], &[3.0, 8.0], 1.0);
        assert_eq!(
            (norm.scale.as_slice(), norm.shift.as_slice()),
            (&[1.0, 1.0][..], &[0.0, -2.0][..])
        );
        let mut operator = dense(Activation::Identity);
        let scale = ChannelScale { scale: vec![10.0, 0.5], shift: vec![1.0, -1.0] };
        assert!(fold_scale(&mut operator, &scale));
        assert!(fold_shift(&mut operator, &[0.5, 0.5]));
        let Operator::FullyConnected(dense) = operator else { unreachable!() };
        assert_eq!(dense.weights.values().unwrap(), [10.0, 20.0, 1.5, 2.0]);
        assert_eq!(dense.bias.unwrap().values().unwrap(), [1.5, -0.5]);
    }

    #[test]
    fn nothing_folds_through_an_activation() {
        let scale = ChannelScale { scale: vec![1.0, 1.0], shift: vec![0.0, 0.0] };
        assert!(!fold_scale(&mut dense(Activation::Relu), &scale));
        assert!(!fold_shift(&mut dense(Activation::Identity), &[1.0]));
    }
}
