//! Operators of the generation that takes shape and buffers in one call of `setup`.

use super::{Handle, Site, Taps, create_convolution, create_pool, steps};
use crate::graph::{Activation, Quantisation, Shape, Window};
use crate::xnnpack::arena::Pixels;
use crate::xnnpack::ffi::{self, PThreadPool, Refusal, XnnOperator};
use crate::xnnpack::thread_pool::ThreadPool;

/// The operator of a layer.
#[derive(Debug)]
pub(in crate::xnnpack) struct Operator(Handle);

impl Operator {
    /// # Safety
    ///
    /// As [`Handle::run`] asks.
    pub(super) unsafe fn compute(&self, pool: &ThreadPool) -> Result<(), Refusal> {
        // SAFETY: the caller's.
        unsafe { self.0.run(pool) }
    }
}

/// A `setup` function: batch, input, output, pool.
type SetupRows<I, O> =
    unsafe fn(*mut XnnOperator, usize, *const I, *mut O, *mut PThreadPool) -> Result<(), Refusal>;

/// A `setup` function: batch, height, width, input, output, pool.
type SetupImage<T> = unsafe fn(
    *mut XnnOperator,
    usize,
    usize,
    usize,
    *const T,
    *mut T,
    *mut PThreadPool,
) -> Result<(), Refusal>;

/// `handle`, set up on `rows` of values.
fn on_rows<I, O>(
    handle: Handle,
    setup: SetupRows<I, O>,
    rows: usize,
    (input, output): (*mut I, *mut O),
    site: &Site<'_>,
) -> Result<Operator, Refusal> {
    // SAFETY: the plan made both buffers as large as the graph's shapes say, with room to
    // over-read; they are touched only when the operator runs.
    unsafe { setup(handle.as_ptr(), rows, input, output, site.pool.as_ptr()) }?;
    Ok(Operator(handle))
}

/// `handle`, set up on the site's image.
fn on_image<T>(
    handle: Handle,
    setup: SetupImage<T>,
    (input, output): (*mut T, *mut T),
    site: &Site<'_>,
) -> Result<Operator, Refusal> {
    let (Shape { height, width, .. }, pool) = (site.input.shape, site.pool.as_ptr());
    // SAFETY: as in `on_rows`.
    unsafe { setup(handle.as_ptr(), 1, height, width, input, output, pool) }?;
    Ok(Operator(handle))
}

/// Where the site's values come from and go to.
fn values(site: &Site<'_>) -> (*mut f32, *mut f32) {
    (site.input.as_ptr(), site.output.as_ptr())
}

pub(super) fn convolution(
    taps: &Taps<'_, f32, f32>,
    (min, max): (f32, f32),
    site: &Site<'_>,
) -> Result<Operator, Refusal> {
    // SAFETY: weights and bias, as many as the graph checked the shape to ask for, are read and
    // packed before the call returns.
    let handle = Handle::create(|operator| unsafe {
        create_convolution!(
            ffi::xnn_create_convolution2d_nhwc_f32,
            taps,
            site,
            taps.weights.as_ptr(),
            taps.bias_ptr(),
            min,
            max,
            0,
            operator
        )
    })?;
    on_image(handle, ffi::xnn_setup_convolution2d_nhwc_f32, values(site), site)
}

pub(super) fn quantised_convolution(
    taps: &Taps<'_, i8, i32>,
    scales: &[f32],
    [from, to]: [Quantisation; 2],
    site: &Site<'_>,
) -> Result<Operator, Refusal> {
    // SAFETY: as in `convolution`, and of the scales, one for each output channel.
    let handle = Handle::create(|operator| unsafe {
        create_convolution!(
            ffi::xnn_create_convolution2d_nhwc_qc8,
            taps,
            site,
            from.zero_point,
            from.scale,
            scales.as_ptr(),
            taps.weights.as_ptr(),
            taps.bias_ptr(),
            to.zero_point,
            to.scale,
            i8::MIN,
            i8::MAX,
            0,
            operator
        )
    })?;
    let buffers = (steps(site.input), steps(site.output));
    on_image(handle, ffi::xnn_setup_convolution2d_nhwc_qc8, buffers, site)
}

pub(super) fn fully_connected(
    [inputs, outputs]: [usize; 2],
    weights: &[f32],
    bias: Option<&[f32]>,
    (min, max): (f32, f32),
    site: &Site<'_>,
) -> Result<Operator, Refusal> {
    let (weights, bias) = (weights.as_ptr(), bias.map_or(std::ptr::null(), <[f32]>::as_ptr));
    // SAFETY: as in `convolution`; with a batch of one, strides beyond the features are not used.
    let handle = Handle::create(|operator| unsafe {
        ffi::xnn_create_fully_connected_nc_f32(
            inputs, outputs, inputs, outputs, weights, bias, min, max, 0, operator,
        )
    })?;
    on_rows(handle, ffi::xnn_setup_fully_connected_nc_f32, 1, values(site), site)
}

pub(super) fn max_pool(window: Window, site: &Site<'_>) -> Result<Operator, Refusal> {
    // SAFETY: numbers alone.
    let handle = Handle::create(|operator| unsafe {
        create_pool!(
            ffi::xnn_create_max_pooling2d_nhwc_f32,
            window,
            1,
            1,
            site.input.shape.channels,
            site.input.stride,
            site.output.stride,
            f32::NEG_INFINITY,
            f32::INFINITY,
            0,
            operator
        )
    })?;
    on_image(handle, ffi::xnn_setup_max_pooling2d_nhwc_f32, values(site), site)
}

pub(super) fn average_pool(window: Window, site: &Site<'_>) -> Result<Operator, Refusal> {
    // SAFETY: numbers alone.
    let handle = Handle::create(|operator| unsafe {
        create_pool!(
            ffi::xnn_create_average_pooling2d_nhwc_f32,
            window,
            site.input.shape.channels,
            site.input.stride,
            site.output.stride,
            f32::NEG_INFINITY,
            f32::INFINITY,
            0,
            operator
        )
    })?;
    on_image(handle, ffi::xnn_setup_average_pooling2d_nhwc_f32, values(site), site)
}

pub(super) fn add(
    activation: Activation,
    right: Pixels,
    site: &Site<'_>,
) -> Result<Operator, Refusal> {
    let (min, max) = activation.bounds();
    // SAFETY: numbers alone.
    let handle =
        Handle::create(|operator| unsafe { ffi::xnn_create_add_nd_f32(min, max, 0, operator) })?;
    let elements = site.output.shape.elements();
    // SAFETY: as in `on_rows`; each shape is one dimension, copied before the call returns.
    unsafe {
        ffi::xnn_setup_add_nd_f32(
            handle.as_ptr(),
            1,
            &raw const elements,
            1,
            &raw const elements,
            site.input.as_ptr(),
            right.as_ptr(),
            site.output.as_ptr(),
            site.pool.as_ptr(),
        )
    }?;
    Ok(Operator(handle))
}

pub(super) fn clamp((min, max): (f32, f32), site: &Site<'_>) -> Result<Operator, Refusal> {
    let Site { input, output, .. } = site;
    // SAFETY: numbers alone.
    let handle = Handle::create(|operator| unsafe {
        ffi::xnn_create_clamp_nc_f32(
            input.shape.channels,
            input.stride,
            output.stride,
            min,
            max,
            0,
            operator,
        )
    })?;
    on_rows(handle, ffi::xnn_setup_clamp_nc_f32, input.shape.pixels(), values(site), site)
}

pub(super) fn softmax(site: &Site<'_>) -> Result<Operator, Refusal> {
    let Site { input, output, .. } = site;
    let (channels, strides) = (input.shape.channels, [input.stride, output.stride]);
    // SAFETY: numbers alone.
    let handle = Handle::create(|operator| unsafe {
        ffi::xnn_create_softmax_nc_f32(channels, strides[0], strides[1], 0, operator)
    })?;
    on_rows(handle, ffi::xnn_setup_softmax_nc_f32, input.shape.pixels(), values(site), site)
}

pub(super) fn quantise(to: Quantisation, site: &Site<'_>) -> Result<Operator, Refusal> {
    let Site { input, output, .. } = site;
    // SAFETY: numbers alone.
    let handle = Handle::create(|operator| unsafe {
        ffi::xnn_create_convert_nc_f32_qs8(
            input.shape.channels,
            input.stride,
            output.stride,
            to.scale,
            to.zero_point,
            i8::MIN,
            i8::MAX,
            0,
            operator,
        )
    })?;
    let (setup, buffers) = (ffi::xnn_setup_convert_nc_f32_qs8, (input.as_ptr(), steps(*output)));
    on_rows(handle, setup, input.shape.pixels(), buffers, site)
}

pub(super) fn dequantise(from: Quantisation, site: &Site<'_>) -> Result<Operator, Refusal> {
    let Site { input, output, .. } = site;
    // SAFETY: numbers alone.
    let handle = Handle::create(|operator| unsafe {
        ffi::xnn_create_convert_nc_qs8_f32(
            input.shape.channels,
            input.stride,
            output.stride,
            from.scale,
            from.zero_point,
            0,
            operator,
        )
    })?;
    let (setup, buffers) = (ffi::xnn_setup_convert_nc_qs8_f32, (steps(*input), output.as_ptr()));
    on_rows(handle, setup, input.shape.pixels(), buffers, site)
}
