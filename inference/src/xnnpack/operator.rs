//! XNNPACK operators: made from a layer once, set up on their buffers once, run many times.

use std::ptr::{self, NonNull};

use super::arena::Pixels;
use super::ffi::{self, Status, XnnOperator};
use super::thread_pool::ThreadPool;
use crate::executor::{ExecutorError, present};
use crate::graph::{Activation, Conv2d, Extent, FullyConnected, Padding, Shape, Weights, Window};

/// An operator, deleted when dropped.
#[derive(Debug)]
pub(super) struct Operator(NonNull<XnnOperator>);

impl Operator {
    /// The operator, for the library.
    pub(super) fn as_ptr(&self) -> *mut XnnOperator {
        self.0.as_ptr()
    }

    /// Runs the operator on the buffers that it was set up with.
    ///
    /// # Safety
    ///
    /// The arena of those buffers must be alive and reached by nothing else meanwhile, and `pool`
    /// must be the pool that the operator was set up with.
    pub(super) unsafe fn run(&self, pool: &ThreadPool, layer: &str) -> Result<(), ExecutorError> {
        // SAFETY: the operator was set up, or it would not have been handed out.
        let status = unsafe { ffi::xnn_run_operator(self.0.as_ptr(), pool.as_ptr()) };
        check(status, "xnn_run_operator", layer)
    }
}

impl Drop for Operator {
    fn drop(&mut self) {
        // SAFETY: the operator is ours alone and not running.
        unsafe { ffi::xnn_delete_operator(self.0.as_ptr()) };
    }
}

/// What an operator is made for: its layer's name, buffers and pool.
#[derive(Debug, Clone, Copy)]
pub(super) struct Site<'a> {
    pub(super) layer: &'a str,
    pub(super) input: Pixels,
    pub(super) output: Pixels,
    pub(super) pool: &'a ThreadPool,
}

/// Readies the library, which it must be told before anything else, and may be again.
pub(super) fn initialize() -> Result<(), ExecutorError> {
    // SAFETY: null asks for the default allocator. The library guards against concurrent calls.
    let status = unsafe { ffi::xnn_initialize(ptr::null()) };
    check(status, "xnn_initialize", "")
}

/// A convolution, its weights packed from outputs × channels × rows × columns.
pub(super) fn convolution(conv: &Conv2d, site: Site<'_>) -> Result<Operator, ExecutorError> {
    let Site { layer, input, output, pool } = site;
    let group_inputs = conv.input_channels / conv.groups;
    let weights =
        channels_last(present(&conv.weights, layer)?, group_inputs, conv.window.kernel.area());
    let bias = bias(&conv.bias, layer)?;
    let Window { kernel, stride, dilation, padding } = conv.window;
    let (min, max) = conv.activation.bounds();
    let operator = create("xnn_create_convolution2d_nhwc_f32", layer, |operator| {
        // SAFETY: weights and bias, as many as the graph checked the shape to ask for, are read
        // and packed before the call returns.
        unsafe {
            ffi::xnn_create_convolution2d_nhwc_f32(
                padding.top as u32,
                padding.right as u32,
                padding.bottom as u32,
                padding.left as u32,
                kernel.height as u32,
                kernel.width as u32,
                stride.height as u32,
                stride.width as u32,
                dilation.height as u32,
                dilation.width as u32,
                conv.groups as u32,
                group_inputs,
                conv.output_channels / conv.groups,
                input.stride,
                output.stride,
                weights.as_ptr(),
                bias.map_or(ptr::null(), <[f32]>::as_ptr),
                min,
                max,
                0,
                operator,
            )
        }
    })?;
    let Shape { height, width, .. } = input.shape;
    // SAFETY: the plan made both buffers as large as the graph's shapes say, with room to
    // over-read; they are touched only when the operator runs.
    let status = unsafe {
        ffi::xnn_setup_convolution2d_nhwc_f32(
            operator.0.as_ptr(),
            1,
            height,
            width,
            input.as_ptr(),
            output.as_ptr(),
            pool.as_ptr(),
        )
    };
    check(status, "xnn_setup_convolution2d_nhwc_f32", layer)?;
    Ok(operator)
}

/// A matrix–vector product, its weights packed in the order in which an image's values lie here.
pub(super) fn fully_connected(
    dense: &FullyConnected,
    site: Site<'_>,
) -> Result<Operator, ExecutorError> {
    let Site { layer, input, output, pool } = site;
    let weights = present(&dense.weights, layer)?;
    let bias = bias(&dense.bias, layer)?;
    let reordered;
    let weights = match input.shape.pixels() {
        1 => weights,
        pixels => {
            reordered = channels_last(weights, input.shape.channels, pixels);
            &reordered
        }
    };
    let (min, max) = dense.activation.bounds();
    let operator = create("xnn_create_fully_connected_nc_f32", layer, |operator| {
        // SAFETY: weights and bias, as many as the graph checked the shape to ask for, are read
        // and packed before the call returns.
        unsafe {
            ffi::xnn_create_fully_connected_nc_f32(
                dense.input_features,
                dense.output_features,
                dense.input_features,
                dense.output_features,
                weights.as_ptr(),
                bias.map_or(ptr::null(), <[f32]>::as_ptr),
                min,
                max,
                0,
                operator,
            )
        }
    })?;
    // SAFETY: as in `convolution`; with a batch of one, strides beyond the features are not used.
    let status = unsafe {
        ffi::xnn_setup_fully_connected_nc_f32(
            operator.0.as_ptr(),
            1,
            input.as_ptr(),
            output.as_ptr(),
            pool.as_ptr(),
        )
    };
    check(status, "xnn_setup_fully_connected_nc_f32", layer)?;
    Ok(operator)
}

/// The largest value under the window; padding never wins.
pub(super) fn max_pool(window: &Window, site: Site<'_>) -> Result<Operator, ExecutorError> {
    let Site { layer, input, output, pool } = site;
    let Window { kernel, stride, padding, .. } = padded(window, &site);
    let operator = create("xnn_create_max_pooling2d_nhwc_f32", layer, |operator| {
        // SAFETY: numbers alone.
        unsafe {
            ffi::xnn_create_max_pooling2d_nhwc_f32(
                padding.top as u32,
                padding.right as u32,
                padding.bottom as u32,
                padding.left as u32,
                kernel.height as u32,
                kernel.width as u32,
                stride.height as u32,
                stride.width as u32,
                1,
                1,
                input.shape.channels,
                input.stride,
                output.stride,
                f32::NEG_INFINITY,
                f32::INFINITY,
                0,
                operator,
            )
        }
    })?;
    let Shape { height, width, .. } = input.shape;
    // SAFETY: as in `convolution`.
    let status = unsafe {
        ffi::xnn_setup_max_pooling2d_nhwc_f32(
            operator.0.as_ptr(),
            1,
            height,
            width,
            input.as_ptr(),
            output.as_ptr(),
            pool.as_ptr(),
        )
    };
    check(status, "xnn_setup_max_pooling2d_nhwc_f32", layer)?;
    Ok(operator)
}

/// The mean over what of the image is under the window: XNNPACK never counts padding.
pub(super) fn average_pool(window: &Window, site: Site<'_>) -> Result<Operator, ExecutorError> {
    let Site { layer, input, output, pool } = site;
    let Window { kernel, stride, padding, .. } = padded(window, &site);
    let operator = create("xnn_create_average_pooling2d_nhwc_f32", layer, |operator| {
        // SAFETY: numbers alone.
        unsafe {
            ffi::xnn_create_average_pooling2d_nhwc_f32(
                padding.top as u32,
                padding.right as u32,
                padding.bottom as u32,
                padding.left as u32,
                kernel.height as u32,
                kernel.width as u32,
                stride.height as u32,
                stride.width as u32,
                input.shape.channels,
                input.stride,
                output.stride,
                f32::NEG_INFINITY,
                f32::INFINITY,
                0,
                operator,
            )
        }
    })?;
    let Shape { height, width, .. } = input.shape;
    // SAFETY: as in `convolution`.
    let status = unsafe {
        ffi::xnn_setup_average_pooling2d_nhwc_f32(
            operator.0.as_ptr(),
            1,
            height,
            width,
            input.as_ptr(),
            output.as_ptr(),
            pool.as_ptr(),
        )
    };
    check(status, "xnn_setup_average_pooling2d_nhwc_f32", layer)?;
    Ok(operator)
}

/// The mean of each channel.
pub(super) fn global_average_pool(site: Site<'_>) -> Result<Operator, ExecutorError> {
    let Site { layer, input, output, pool } = site;
    let operator = create("xnn_create_global_average_pooling_nwc_f32", layer, |operator| {
        // SAFETY: numbers alone.
        unsafe {
            ffi::xnn_create_global_average_pooling_nwc_f32(
                input.shape.channels,
                input.stride,
                output.stride,
                f32::NEG_INFINITY,
                f32::INFINITY,
                0,
                operator,
            )
        }
    })?;
    // SAFETY: as in `convolution`.
    let status = unsafe {
        ffi::xnn_setup_global_average_pooling_nwc_f32(
            operator.0.as_ptr(),
            1,
            input.shape.pixels(),
            input.as_ptr(),
            output.as_ptr(),
            pool.as_ptr(),
        )
    };
    check(status, "xnn_setup_global_average_pooling_nwc_f32", layer)?;
    Ok(operator)
}

/// The sum of the site's input and `right`. All three tensors are without gaps between pixels.
pub(super) fn add(
    activation: Activation,
    right: Pixels,
    site: Site<'_>,
) -> Result<Operator, ExecutorError> {
    let Site { layer, input, output, pool } = site;
    let (min, max) = activation.bounds();
    let operator = create("xnn_create_add_nd_f32", layer, |operator| {
        // SAFETY: numbers alone.
        unsafe { ffi::xnn_create_add_nd_f32(min, max, 0, operator) }
    })?;
    let elements = output.shape.elements();
    // SAFETY: as in `convolution`; each shape is one dimension, copied before the call returns.
    let status = unsafe {
        ffi::xnn_setup_add_nd_f32(
            operator.0.as_ptr(),
            1,
            &raw const elements,
            1,
            &raw const elements,
            input.as_ptr(),
            right.as_ptr(),
            output.as_ptr(),
            pool.as_ptr(),
        )
    };
    check(status, "xnn_setup_add_nd_f32", layer)?;
    Ok(operator)
}

/// A clamp on its own.
pub(super) fn clamp(activation: Activation, site: Site<'_>) -> Result<Operator, ExecutorError> {
    let Site { layer, input, output, pool } = site;
    let (min, max) = activation.bounds();
    let operator = create("xnn_create_clamp_nc_f32", layer, |operator| {
        // SAFETY: numbers alone.
        unsafe {
            ffi::xnn_create_clamp_nc_f32(
                input.shape.channels,
                input.stride,
                output.stride,
                min,
                max,
                0,
                operator,
            )
        }
    })?;
    let pixels = input.shape.pixels();
    // SAFETY: as in `convolution`.
    let status = unsafe {
        ffi::xnn_setup_clamp_nc_f32(
            operator.0.as_ptr(),
            pixels,
            input.as_ptr(),
            output.as_ptr(),
            pool.as_ptr(),
        )
    };
    check(status, "xnn_setup_clamp_nc_f32", layer)?;
    Ok(operator)
}

/// exp(x) over the sum of exp(x), within each pixel.
pub(super) fn softmax(site: Site<'_>) -> Result<Operator, ExecutorError> {
    let Site { layer, input, output, pool } = site;
    let operator = create("xnn_create_softmax_nc_f32", layer, |operator| {
        // SAFETY: numbers alone.
        unsafe {
            ffi::xnn_create_softmax_nc_f32(
                input.shape.channels,
                input.stride,
                output.stride,
                0,
                operator,
            )
        }
    })?;
    let pixels = input.shape.pixels();
    // SAFETY: as in `convolution`.
    let status = unsafe {
        ffi::xnn_setup_softmax_nc_f32(
            operator.0.as_ptr(),
            pixels,
            input.as_ptr(),
            output.as_ptr(),
            pool.as_ptr(),
        )
    };
    check(status, "xnn_setup_softmax_nc_f32", layer)?;
    Ok(operator)
}

/// Makes an operator by a call of the library, whose name is `call`.
pub(super) fn create(
    call: &'static str,
    layer: &str,
    call_library: impl FnOnce(*mut *mut XnnOperator) -> Status,
) -> Result<Operator, ExecutorError> {
    let mut operator = ptr::null_mut();
    check(call_library(&raw mut operator), call, layer)?;
    NonNull::new(operator).map(Operator).ok_or_else(|| ExecutorError::Library {
        layer: layer.to_owned(),
        call,
        status: "success, but no operator".to_owned(),
    })
}

/// What the library answered to `call`, as a result.
pub(super) fn check(status: Status, call: &'static str, layer: &str) -> Result<(), ExecutorError> {
    let status = match status {
        ffi::SUCCESS => return Ok(()),
        1 => "the library is not initialised".to_owned(),
        2 => "invalid parameter".to_owned(),
        3 => "invalid state".to_owned(),
        4 => "unsupported parameter".to_owned(),
        5 => "this CPU is not supported".to_owned(),
        6 => "out of memory".to_owned(),
        other => format!("unknown status {other}"),
    };
    Err(ExecutorError::Library { layer: layer.to_owned(), call, status })
}

/// `window` with padding for a last position that hangs over the image's end.
fn padded(window: &Window, site: &Site<'_>) -> Window {
    let extent = |shape: Shape| Extent::new(shape.height, shape.width);
    let padding: Padding = window.padding_for(extent(site.input.shape), extent(site.output.shape));
    Window { padding, ..*window }
}

pub(super) fn bias<'a>(
    bias: &'a Option<Weights>,
    layer: &str,
) -> Result<Option<&'a [f32]>, ExecutorError> {
    bias.as_ref().map(|bias| present(bias, layer)).transpose()
}

/// Weights of outputs × channels × positions as outputs × positions × channels.
pub(super) fn channels_last<T: Copy>(weights: &[T], channels: usize, positions: usize) -> Vec<T> {
    let mut reordered = Vec::with_capacity(weights.len());
    for output in weights.chunks_exact(channels * positions) {
        for position in 0..positions {
            reordered.extend(output[position..].iter().step_by(positions));
        }
    }
    reordered
}

#[cfg(test)]
mod tests {
    use super::channels_last;

    #[test]
    fn channels_move_to_the_end() {
        let weights: Vec<f32> = (0..12).map(|value| value as f32).collect();
        let expected = [0.0, 3.0, 1.0, 4.0, 2.0, 5.0, 6.0, 9.0, 7.0, 10.0, 8.0, 11.0];
        assert_eq!(channels_last(&weights, 2, 3), expected);
    }
}
