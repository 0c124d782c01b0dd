//! Nodes with weights → convolutions and fully connected layers.

use super::attributes::Node;
use super::constants::Floats;
use super::error::ReadError;
use super::fold::{ChannelScale, fold_scale, fold_shift};
use super::lower::Lowering;
use crate::graph::{Activation, Conv2d, Extent, FullyConnected, Operator, Shape, Window};

impl<'a> Lowering<'a> {
    pub(super) fn conv(&mut self, node: &Node<'a>) -> Result<(), ReadError> {
        let input = self.image(node, 0)?;
        let shape = self.builder.shape(input.tensor);
        let Floats { dims, weights } = self.constants.floats(node, 1)?;
        let (window, groups) = self.sliding(node, shape, &dims)?;
        let bias = self.constants.optional_floats(node, 2)?.map(|bias| bias.weights);
        let conv = Conv2d {
            window,
            groups,
            input_channels: shape.channels,
            output_channels: dims[0],
            weights,
            bias,
            activation: Activation::Identity,
        };
        self.layer(node, Operator::Conv2d(conv), &[input])
    }

    /// The window and the groups of a convolution of an image of `shape`, whose weights have the
    /// four sides `dims`.
    pub(super) fn sliding(
        &self,
        node: &Node<'a>,
        shape: Shape,
        dims: &[usize],
    ) -> Result<(Window, usize), ReadError> {
        node.expect_attributes(&[
            "auto_pad",
            "dilations",
            "group",
            "kernel_shape",
            "pads",
            "strides",
        ])?;
        let &[_, group_channels, height, width] = dims else {
            return Err(node.error(format!(
                "its weights have sides {dims:?}, and a two-dimensional convolution has 4"
            )));
        };
        let kernel = Extent { height, width };
        let window = node.window(Some(kernel), shape)?;
        let groups = node.count("group", 1)?;
        if window.kernel != kernel || group_channels.checked_mul(groups) != Some(shape.channels) {
            return Err(node.error(format!(
                "its weights have sides {dims:?}, which do not fit a {}×{} kernel over {groups} groups of its input, {shape}",
                window.kernel.height, window.kernel.width
            )));
        }
        Ok((window, groups))
    }

    pub(super) fn gemm(&mut self, node: &Node<'a>) -> Result<(), ReadError> {
        node.expect_attributes(&["alpha", "beta", "transA", "transB"])?;
        node.expect_int("transA", 0)?;
        let (alpha, beta) = (node.float("alpha", 1.0)?, node.float("beta", 1.0)?);
        let transposed = node.flag("transB")?;
        let weights = self.constants.floats(node, 1)?;
        let bias = self.constants.optional_floats(node, 2)?;
        let mut dense = self.dense(node, weights, transposed)?;
        if alpha != 1.0 {
            let scaled: Vec<f32> =
                dense.weights.values().unwrap_or_default().iter().map(|w| w * alpha).collect();
            dense.weights = scaled.into();
        }
        dense.bias = match bias {
            Some(bias) if beta == 1.0 && bias.weights.len() == dense.output_features => {
                Some(bias.weights)
            }
            Some(bias) => {
                let values: Vec<f32> = bias.values().iter().map(|value| value * beta).collect();
                Some(self.spread(node, &values, dense.output_features)?.into())
            }
            None => None,
        };
        let input = self.value(node, 0)?;
        self.flat_layer(node, Operator::FullyConnected(dense), input)
    }

    pub(super) fn mat_mul(&mut self, node: &Node<'a>) -> Result<(), ReadError> {
        node.expect_attributes(&[])?;
        let weights = self.constants.floats(node, 1)?;
        let dense = self.dense(node, weights, false)?;
        let input = self.value(node, 0)?;
        self.flat_layer(node, Operator::FullyConnected(dense), input)
    }

    /// A fully connected layer over input 0 of `node`, whose `weights` are outputs × inputs if
    /// `transposed` and inputs × outputs if not.
    fn dense(
        &self,
        node: &Node<'a>,
        weights: Floats,
        transposed: bool,
    ) -> Result<FullyConnected, ReadError> {
        let input = self.value(node, 0)?;
        let shape = self.builder.shape(input.tensor);
        if !input.flat {
            return Err(node
                .error(format!("it multiplies a matrix by an image, {shape}; flatten it before")));
        }
        let &[rows, columns] = weights.dims.as_slice() else {
            return Err(node
                .error(format!("its weights have sides {:?}, and a matrix has 2", weights.dims)));
        };
        let (output_features, input_features) =
            if transposed { (rows, columns) } else { (columns, rows) };
        if input_features != shape.elements() {
            return Err(node.error(format!(
                "its weights, {rows}×{columns}, take {input_features} values, and its input is {shape}, that is {}",
                shape.elements()
            )));
        }
        let weights = match transposed {
            true => weights.weights,
            false => transpose(weights.values(), rows, columns).into(),
        };
        Ok(FullyConnected {
            input_features,
            output_features,
            weights,
            bias: None,
            activation: Activation::Identity,
        })
    }

    pub(super) fn batch_norm(&mut self, node: &Node<'a>) -> Result<(), ReadError> {
        node.expect_attributes(&["epsilon", "momentum", "spatial", "training_mode"])?;
        node.expect_int("spatial", 1)?;
        node.expect_int("training_mode", 0)?;
        let epsilon = node.float("epsilon", 1e-5)?;
        let input = self.value(node, 0)?;
        let shape = self.builder.shape(input.tensor);
        let channels = if input.flat { shape.elements() } else { shape.channels };
        let mut constants = Vec::new();
        for index in 1..5 {
            let constant = self.constants.floats(node, index)?;
            if constant.weights.len() != channels {
                let count = constant.weights.len();
                return Err(node.error(format!(
                    "input {index} has {count} values, and its input {channels} channels"
                )));
            }
            constants.push(constant);
        }
        let [gamma, beta, mean, variance] = [0, 1, 2, 3].map(|index| constants[index].values());
        let scale = ChannelScale::of_batch_norm(gamma, beta, mean, variance, epsilon);
        if !scale.is_finite() {
            return Err(node.error("its constants give no finite scale; is a variance negative?"));
        }
        if self.fuse(node, input, |operator| fold_scale(operator, &scale))? {
            return Ok(());
        }
        let input = self.image(node, 0)?;
        let conv = Conv2d {
            window: Window::square(1, 1, 0),
            groups: channels,
            input_channels: channels,
            output_channels: channels,
            weights: scale.scale.into(),
            bias: Some(scale.shift.into()),
            activation: Activation::Identity,
        };
        self.layer(node, Operator::Conv2d(conv), &[input])
    }

    pub(super) fn add(&mut self, node: &Node<'a>) -> Result<(), ReadError> {
        node.expect_attributes(&[])?;
        if node.inputs().len() != 2 {
            return Err(
                node.error(format!("it has {} inputs, and 2 are supported", node.inputs().len()))
            );
        }
        let is_constant =
            |index| node.input(index).is_some_and(|name| self.constants.is_constant(name));
        match (is_constant(0), is_constant(1)) {
            (false, false) => {
                let inputs = self.alike(node)?;
                self.layer(node, Operator::Add(Activation::Identity), &inputs)
            }
            (false, true) => self.add_constant(node, 0, 1),
            (true, false) => self.add_constant(node, 1, 0),
            (true, true) => Err(node.error("it adds two constants; fold them when exporting")),
        }
    }

    fn add_constant(
        &mut self,
        node: &Node<'a>,
        input: usize,
        constant: usize,
    ) -> Result<(), ReadError> {
        let input = self.value(node, input)?;
        let constant = self.constants.floats(node, constant)?;
        let shape = self.builder.shape(input.tensor);
        let channels = if input.flat { shape.elements() } else { shape.channels };
        // Per channel means: all sides are 1 but the one that is counted in channels.
        let trailing = if input.flat { 0 } else { 2 };
        let channel_side = constant.dims.len().checked_sub(trailing + 1);
        let per_channel = |(side, &size): (usize, &usize)| size == 1 || Some(side) == channel_side;
        if !constant.dims.iter().enumerate().all(per_channel) {
            let dims = constant.dims;
            return Err(node.error(format!(
                "it adds a constant of sides {dims:?} to {shape}; one per channel is supported"
            )));
        }
        let shift = self.spread(node, constant.values(), channels)?;
        if self.fuse(node, input, |operator| fold_shift(operator, &shift))? {
            return Ok(());
        }
        Err(node.error("it adds a constant to something other than a convolution or matrix product without activation"))
    }

    /// `values` as one per channel: they are that already, or a single one stands for all.
    pub(super) fn spread(
        &self,
        node: &Node<'a>,
        values: &[f32],
        channels: usize,
    ) -> Result<Vec<f32>, ReadError> {
        match values {
            values if values.len() == channels => Ok(values.to_vec()),
            &[value] => Ok(vec![value; channels]),
            _ => {
                Err(node
                    .error(format!("it adds {} constants to {channels} channels", values.len())))
            }
        }
    }
}

fn transpose(values: &[f32], rows: usize, columns: usize) -> Vec<f32> {
    (0..columns)
        .flat_map(|column| (0..rows).map(move |row| values[row * columns + column]))
        .collect()
}
