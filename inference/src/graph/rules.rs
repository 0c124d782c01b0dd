//! What each operator asks of its inputs, and the shape that it makes of them.

use super::{
    Activation, Conv2d, Extent, FullyConnected, LocalResponseNorm, MAX_ELEMENTS, Operator,
    QuantisedConv2d, Shape, Weights, Window,
};

/// The largest number of channels that a local response normalisation may span. AlexNet's and
/// GoogLeNet's span 5.
const MAX_NORM_SIZE: usize = 1024;

/// The most products of 8-bit steps, each up to 255 × 128, whose sum is sure to fit 32 bits.
/// MobileNet's longest sum has 1024.
const MAX_QUANTISED_REDUCTION: usize = 65_536;

/// The shape that `operator` makes of `inputs`, or why it cannot.
pub(super) fn output_shape(operator: &Operator, inputs: &[Shape]) -> Result<Shape, String> {
    check_activation(operator.activation())?;
    match (operator, inputs) {
        (Operator::Conv2d(conv), &[input]) => conv2d(conv, input),
        (Operator::QuantisedConv2d(conv), &[input]) => quantised_conv2d(conv, input),
        (Operator::FullyConnected(dense), &[input]) => fully_connected(dense, input),
        (Operator::MaxPool(pool), &[input]) => pooled(&pool.window, pool.ceil_mode, input),
        (Operator::AveragePool(pool), &[input]) => pooled(&pool.window, pool.ceil_mode, input),
        (Operator::GlobalAveragePool, &[input]) => Ok(Shape::vector(input.channels)),
        (Operator::LocalResponseNorm(norm), &[input]) => local_response_norm(norm, input),
        (Operator::Clamp(_) | Operator::Softmax, &[input]) => Ok(input),
        (Operator::Quantise(_) | Operator::Dequantise(_), &[input]) => Ok(input),
        (Operator::Add(_), &[left, right]) if left == right => Ok(left),
        (Operator::Add(_), &[left, right]) => {
            Err(format!("it adds {left} to {right}, and the two must have one shape"))
        }
        (Operator::Concat, &[first, ref rest @ ..]) => concat(first, rest),
        (_, inputs) => Err(format!("it cannot take {} inputs", inputs.len())),
    }
}

fn check_activation(activation: Activation) -> Result<(), String> {
    let (min, max) = activation.bounds();
    // Written so that NaN fails too.
    if min < max {
        Ok(())
    } else {
        Err(format!("its clip to {min} ..= {max} lets no range of values pass"))
    }
}

fn conv2d(conv: &Conv2d, input: Shape) -> Result<Shape, String> {
    check_groups(conv.groups, [conv.input_channels, conv.output_channels], input)?;
    let positions = slide(&conv.window, false, input)?;
    let expected = conv.output_channels.saturating_mul(conv.reduction());
    check_count("weights", &conv.weights, expected)?;
    check_bias(&conv.bias, conv.output_channels)?;
    Ok(Shape::new(conv.output_channels, positions.height, positions.width))
}

fn quantised_conv2d(conv: &QuantisedConv2d, input: Shape) -> Result<Shape, String> {
    check_groups(conv.groups, [conv.input_channels, conv.output_channels], input)?;
    if conv.reduction() > MAX_QUANTISED_REDUCTION {
        return Err(format!(
            "each of its sums has {} products, and those of at most {MAX_QUANTISED_REDUCTION} are \
             sure to fit 32 bits",
            conv.reduction()
        ));
    }
    let positions = slide(&conv.window, false, input)?;
    let expected = conv.output_channels.saturating_mul(conv.reduction());
    check_count("weights", &conv.weights, expected)?;
    check_count("scales", &conv.scales, conv.output_channels)?;
    check_bias(&conv.bias, conv.output_channels)?;
    Ok(Shape::new(conv.output_channels, positions.height, positions.width))
}

fn check_groups(groups: usize, [from, to]: [usize; 2], input: Shape) -> Result<(), String> {
    if from != input.channels {
        return Err(format!("it expects {from} channels and its input is {input}"));
    }
    if groups == 0 || from % groups != 0 || to % groups != 0 {
        return Err(format!("{from} channels in and {to} out do not split into {groups} groups"));
    }
    Ok(())
}

fn fully_connected(dense: &FullyConnected, input: Shape) -> Result<Shape, String> {
    if dense.input_features != input.elements() {
        return Err(format!(
            "it expects {} values and its input is {input}, that is {}",
            dense.input_features,
            input.elements()
        ));
    }
    check_count(
        "weights",
        &dense.weights,
        dense.input_features.saturating_mul(dense.output_features),
    )?;
    check_bias(&dense.bias, dense.output_features)?;
    Ok(Shape::vector(dense.output_features))
}

fn pooled(window: &Window, ceil_mode: bool, input: Shape) -> Result<Shape, String> {
    if !window.is_dense() {
        return Err("its window is dilated, and only dense pooling is supported".to_owned());
    }
    let (kernel, padding) = (window.kernel, window.padding);
    if padding.top.max(padding.bottom) >= kernel.height
        || padding.left.max(padding.right) >= kernel.width
    {
        return Err(
            "its padding is as large as its window, so some outputs would see no image".to_owned()
        );
    }
    let positions = slide(window, ceil_mode, input)?;
    Ok(Shape::new(input.channels, positions.height, positions.width))
}

fn local_response_norm(norm: &LocalResponseNorm, input: Shape) -> Result<Shape, String> {
    if !(1..=MAX_NORM_SIZE).contains(&norm.size) {
        return Err(format!(
            "it spans {} channels, and 1 to {MAX_NORM_SIZE} are supported",
            norm.size
        ));
    }
    // A positive scale keeps the power defined for every input.
    let valid = norm.bias > 0.0
        && norm.alpha >= 0.0
        && [norm.alpha, norm.beta, norm.bias].iter().all(|c| c.is_finite());
    if !valid {
        return Err(format!(
            "its constants (alpha {}, beta {}, bias {}) must be finite, alpha not negative and bias positive",
            norm.alpha, norm.beta, norm.bias
        ));
    }
    Ok(input)
}

fn concat(first: Shape, rest: &[Shape]) -> Result<Shape, String> {
    let mut channels = first.channels;
    for shape in rest {
        if (shape.height, shape.width) != (first.height, first.width) {
            return Err(format!(
                "it joins {first} and {shape}, which differ in more than channels"
            ));
        }
        channels = channels.saturating_add(shape.channels);
    }
    Ok(Shape { channels, ..first })
}

fn slide(window: &Window, ceil_mode: bool, input: Shape) -> Result<Extent, String> {
    window.positions(Extent::new(input.height, input.width), ceil_mode).ok_or_else(|| {
        let Window { kernel, stride, dilation, padding } = window;
        format!(
            "a {}×{} window (stride {}×{}, dilation {}×{}, padding {} above, {} left, {} below, {} right) \
             does not fit its input, {input}",
            kernel.height,
            kernel.width,
            stride.height,
            stride.width,
            dilation.height,
            dilation.width,
            padding.top,
            padding.left,
            padding.bottom,
            padding.right
        )
    })
}

fn check_bias<T>(bias: &Option<Weights<T>>, expected: usize) -> Result<(), String> {
    bias.as_ref().map_or(Ok(()), |bias| check_count("biases", bias, expected))
}

/// Refuses constants of another number than the shapes ask for, and, since constants that are
/// absent need no memory to be many, more than a tensor may have.
fn check_count<T>(what: &str, weights: &Weights<T>, expected: usize) -> Result<(), String> {
    if weights.len() != expected {
        return Err(format!("it has {} {what} and its shape asks for {expected}", weights.len()));
    }
    if expected > MAX_ELEMENTS {
        return Err(format!("it has {expected} {what}, and at most {MAX_ELEMENTS} are supported"));
    }
    Ok(())
}
