//! XNNPACK operators: made from a layer once, set up on their buffers once, run many times.
//!
//! What is the same for every generation of the library is here; how an operator is made and set
//! up is in the file of the generation that was built against.

#[cfg_attr(xnnpack = "setup_at_once", path = "setup_at_once.rs")]
#[cfg_attr(xnnpack = "reshape_and_setup", path = "reshape_and_setup.rs")]
mod generation;

use std::ptr::{self, NonNull};

use super::arena::Pixels;
use super::ffi::{self, Refusal, XnnOperator};
use super::thread_pool::ThreadPool;
use crate::executor::{ExecutorError, present};
use crate::graph::{
    Activation, Conv2d, Extent, FullyConnected, Padding, Quantisation, QuantisedConv2d, Shape,
    Weights, Window,
};
pub(super) use generation::Operator;

/// An operator of the library, deleted when dropped.
#[derive(Debug)]
struct Handle(NonNull<XnnOperator>);

impl Handle {
    /// Makes an operator by a call of the library.
    fn create(
        call_library: impl FnOnce(*mut *mut XnnOperator) -> Result<(), Refusal>,
    ) -> Result<Self, Refusal> {
        let mut operator = ptr::null_mut();
        call_library(&raw mut operator)?;
        Ok(Handle(NonNull::new(operator).expect("an operator that was created is somewhere")))
    }

    /// The operator, for the library.
    fn as_ptr(&self) -> *mut XnnOperator {
        self.0.as_ptr()
    }

    /// Runs the operator on the buffers that it was set up with.
    ///
    /// # Safety
    ///
    /// It must have been set up, with `pool`, and the arena of its buffers must be alive and
    /// reached by nothing else meanwhile.
    unsafe fn run(&self, pool: &ThreadPool) -> Result<(), Refusal> {
        // SAFETY: the caller's.
        unsafe { ffi::xnn_run_operator(self.as_ptr(), pool.as_ptr()) }
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        // SAFETY: the operator is ours alone and not running.
        let deleted = unsafe { ffi::xnn_delete_operator(self.as_ptr()) };
        debug_assert_eq!(deleted, Ok(()));
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

impl Site<'_> {
    /// What the library answered, as the layer's error.
    fn error(&self, refusal: Refusal) -> ExecutorError {
        refused(refusal, self.layer)
    }
}

fn refused(refusal: Refusal, layer: &str) -> ExecutorError {
    let (call, status) = (refusal.call, refusal.status());
    ExecutorError::Library { layer: layer.to_owned(), call, status }
}

/// Readies the library, which it must be told before anything else, and may be again.
pub(super) fn initialize() -> Result<(), ExecutorError> {
    // SAFETY: null asks for the default allocator. The library guards against concurrent calls.
    unsafe { ffi::xnn_initialize(ptr::null()) }.map_err(|refusal| refused(refusal, ""))
}

impl Operator {
    /// Runs the operator of `layer`.
    ///
    /// # Safety
    ///
    /// The arena of its buffers must be alive and reached by nothing else meanwhile, and `pool`
    /// must be the pool that the operator was set up with.
    pub(super) unsafe fn run(&self, pool: &ThreadPool, layer: &str) -> Result<(), ExecutorError> {
        // SAFETY: it was set up, or it would not have been handed out; the rest is the caller's.
        unsafe { self.compute(pool) }.map_err(|refusal| refused(refusal, layer))
    }
}

/// Convolution weights as the library takes them, outputs × rows × columns × channels of a group,
/// of FP32 or of 8-bit steps, which are added up in integers.
struct Taps<'a, W, B> {
    window: &'a Window,
    groups: usize,
    group_inputs: usize,
    group_outputs: usize,
    weights: Vec<W>,
    bias: Option<&'a [B]>,
}

impl<'a, W: Copy, B> Taps<'a, W, B> {
    /// Of `weights` of outputs × channels × rows × columns.
    fn new(
        window: &'a Window,
        groups: usize,
        [inputs, outputs]: [usize; 2],
        weights: &[W],
        bias: Option<&'a [B]>,
    ) -> Self {
        let (group_inputs, group_outputs) = (inputs / groups, outputs / groups);
        let weights = channels_last(weights, group_inputs, window.kernel.area());
        Taps { window, groups, group_inputs, group_outputs, weights, bias }
    }

    /// The bias, for the library: null where there is none.
    fn bias_ptr(&self) -> *const B {
        self.bias.map_or(ptr::null(), <[B]>::as_ptr)
    }
}

/// Calls a `create` function of a convolution: what all of them start with, then the rest.
macro_rules! create_convolution {
    ($function:path, $taps:expr, $site:expr, $($rest:expr),* $(,)?) => {{
        let crate::graph::Window { kernel, stride, dilation, padding } = *$taps.window;
        $function(
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
            $taps.groups as u32,
            $taps.group_inputs,
            $taps.group_outputs,
            $site.input.stride,
            $site.output.stride,
            $($rest),*
        )
    }};
}

/// Calls a `create` function of a pool: what all of them start with, then the rest.
macro_rules! create_pool {
    ($function:path, $window:expr, $($rest:expr),* $(,)?) => {{
        let crate::graph::Window { kernel, stride, padding, .. } = $window;
        $function(
            padding.top as u32,
            padding.right as u32,
            padding.bottom as u32,
            padding.left as u32,
            kernel.height as u32,
            kernel.width as u32,
            stride.height as u32,
            stride.width as u32,
            $($rest),*
        )
    }};
}

use {create_convolution, create_pool};

/// A convolution, its weights packed from outputs × channels × rows × columns.
pub(super) fn convolution(conv: &Conv2d, site: Site<'_>) -> Result<Operator, ExecutorError> {
    let weights = present(&conv.weights, site.layer)?;
    let bias = bias(&conv.bias, site.layer)?;
    let channels = [conv.input_channels, conv.output_channels];
    let taps = Taps::new(&conv.window, conv.groups, channels, weights, bias);
    generation::convolution(&taps, conv.activation.bounds(), &site)
        .map_err(|refusal| site.error(refusal))
}

/// A convolution of 8-bit steps: signed activations, signed weights with a scale per channel, sums
/// brought back to steps in FP32, rounded to nearest, ties to even.
pub(super) fn quantised_convolution(
    conv: &QuantisedConv2d,
    site: Site<'_>,
) -> Result<Operator, ExecutorError> {
    let weights = present(&conv.weights, site.layer)?;
    let bias = conv.bias.as_ref().map(|bias| present(bias, site.layer)).transpose()?;
    let channels = [conv.input_channels, conv.output_channels];
    let taps = Taps::new(&conv.window, conv.groups, channels, weights, bias);
    let scales = present(&conv.scales, site.layer)?;
    generation::quantised_convolution(&taps, scales, [conv.input, conv.output], &site)
        .map_err(|refusal| site.error(refusal))
}

/// A matrix–vector product, its weights packed in the order in which an image's values lie here.
pub(super) fn fully_connected(
    dense: &FullyConnected,
    site: Site<'_>,
) -> Result<Operator, ExecutorError> {
    let weights = present(&dense.weights, site.layer)?;
    let bias = bias(&dense.bias, site.layer)?;
    let reordered;
    let weights = match site.input.shape.pixels() {
        1 => weights,
        pixels => {
            reordered = channels_last(weights, site.input.shape.channels, pixels);
            &reordered
        }
    };
    let features = [dense.input_features, dense.output_features];
    generation::fully_connected(features, weights, bias, dense.activation.bounds(), &site)
        .map_err(|refusal| site.error(refusal))
}

/// The largest value under the window; padding never wins.
pub(super) fn max_pool(window: &Window, site: Site<'_>) -> Result<Operator, ExecutorError> {
    generation::max_pool(padded(window, &site), &site).map_err(|refusal| site.error(refusal))
}

/// The mean over what of the image is under the window: XNNPACK never counts padding.
pub(super) fn average_pool(window: &Window, site: Site<'_>) -> Result<Operator, ExecutorError> {
    generation::average_pool(padded(window, &site), &site).map_err(|refusal| site.error(refusal))
}

/// The sum of the site's input and `right`. All three tensors are without gaps between pixels.
pub(super) fn add(
    activation: Activation,
    right: Pixels,
    site: Site<'_>,
) -> Result<Operator, ExecutorError> {
    generation::add(activation, right, &site).map_err(|refusal| site.error(refusal))
}

/// A clamp on its own.
pub(super) fn clamp(activation: Activation, site: Site<'_>) -> Result<Operator, ExecutorError> {
    generation::clamp(activation.bounds(), &site).map_err(|refusal| site.error(refusal))
}

/// exp(x) over the sum of exp(x), within each pixel.
pub(super) fn softmax(site: Site<'_>) -> Result<Operator, ExecutorError> {
    generation::softmax(&site).map_err(|refusal| site.error(refusal))
}

/// FP32 → steps.
pub(super) fn quantise(to: Quantisation, site: Site<'_>) -> Result<Operator, ExecutorError> {
    generation::quantise(to, &site).map_err(|refusal| site.error(refusal))
}

/// Steps → FP32.
pub(super) fn dequantise(from: Quantisation, site: Site<'_>) -> Result<Operator, ExecutorError> {
    generation::dequantise(from, &site).map_err(|refusal| site.error(refusal))
}

/// The values of a tensor of 8-bit steps, a byte each, which lies in the arena like any other.
fn steps(pixels: Pixels) -> *mut i8 {
    pixels.as_ptr().cast()
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
fn channels_last<T: Copy>(weights: &[T], channels: usize, positions: usize) -> Vec<T> {
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
