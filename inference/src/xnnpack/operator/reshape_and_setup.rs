//! Operators of the generation that takes the shape in `reshape` and the buffers in `setup`.

use std::alloc::{Layout, alloc, dealloc, handle_alloc_error};
use std::ffi::c_void;
use std::ptr::{self, NonNull};

use super::{Handle, Site, Taps, create_convolution, create_pool, steps};
use crate::graph::{Activation, Quantisation, Shape, Window};
use crate::xnnpack::arena::Pixels;
use crate::xnnpack::ffi::{self, PThreadPool, QuantizationParams, Refusal, UnaryParams};
use crate::xnnpack::ffi::{
    BINARY_ADD, DATATYPE_FP32, DATATYPE_QINT8, UNARY_CLAMP, UNARY_CONVERT, XnnOperator,
};
use crate::xnnpack::thread_pool::ThreadPool;

/// The operators of a layer: a sum that is clamped takes two.
#[derive(Debug)]
pub(in crate::xnnpack) struct Operator {
    first: Handle,
    then: Option<Handle>,
    // What the first works in; it goes after the operator that points there.
    _workspace: Option<Workspace>,
}

impl Operator {
    fn of(first: Handle) -> Self {
        Operator { first, then: None, _workspace: None }
    }

    /// # Safety
    ///
    /// As [`Handle::run`] asks.
    pub(super) unsafe fn compute(&self, pool: &ThreadPool) -> Result<(), Refusal> {
        // SAFETY: the caller's.
        unsafe { self.first.run(pool) }?;
        // SAFETY: the caller's.
        self.then.as_ref().map_or(Ok(()), |handle| unsafe { handle.run(pool) })
    }
}

/// Memory that an operator works in.
#[derive(Debug)]
struct Workspace {
    start: NonNull<u8>,
    layout: Layout,
}

impl Workspace {
    /// As much as `reshape` asked for; none where it asked for none.
    fn new(bytes: usize, alignment: usize) -> Option<Self> {
        if bytes == 0 {
            return None;
        }
        let layout = Layout::from_size_align(bytes, alignment.max(1))
            .expect("the library asks for a size and a power of two");
        // SAFETY: of more than zero bytes.
        let start = NonNull::new(unsafe { alloc(layout) });
        Some(Self { start: start.unwrap_or_else(|| handle_alloc_error(layout)), layout })
    }
}

impl Drop for Workspace {
    fn drop(&mut self) {
        // SAFETY: allocated with this layout, and freed once, after its operator.
        unsafe { dealloc(self.start.as_ptr(), self.layout) }
    }
}

/// A `setup` function of an operator that may want memory to work in.
type SetupIn<T> = unsafe fn(*mut XnnOperator, *mut c_void, *const T, *mut T) -> Result<(), Refusal>;

/// `handle`, set up on the site's buffers and on the memory that `reshape` asks for through its two
/// pointers, bytes and alignment; the others are for the height and the width of the output.
fn in_workspace<T>(
    handle: Handle,
    reshape: impl FnOnce(*mut XnnOperator, [*mut usize; 4]) -> Result<(), Refusal>,
    setup: SetupIn<T>,
    (input, output): (*mut T, *mut T),
    site: &Site<'_>,
) -> Result<Operator, Refusal> {
    let [mut bytes, mut alignment, mut height, mut width] = [0; 4];
    let answers = [&raw mut bytes, &raw mut alignment, &raw mut height, &raw mut width];
    reshape(handle.as_ptr(), answers)?;
    assert_shape(site, height, width);
    let workspace = Workspace::new(bytes, alignment);
    let start = workspace.as_ref().map_or(ptr::null_mut(), |it| it.start.as_ptr().cast());
    // SAFETY: the plan made both buffers as large as the graph's shapes say, with room to
    // over-read; they and the workspace are touched only when the operator runs.
    unsafe { setup(handle.as_ptr(), start, input, output) }?;
    Ok(Operator { first: handle, then: None, _workspace: workspace })
}

/// Buffers are laid out by the graph's shapes: should the library disagree, it must not run.
fn assert_shape(site: &Site<'_>, height: usize, width: usize) {
    let Shape { height: rows, width: columns, .. } = site.output.shape;
    assert_eq!((height, width), (rows, columns), "the output of layer `{}`", site.layer);
}

/// A `reshape` function of a convolution.
type ReshapeConvolution = unsafe fn(
    *mut XnnOperator,
    usize,
    usize,
    usize,
    *mut usize,
    *mut usize,
    *mut usize,
    *mut usize,
    *mut PThreadPool,
) -> Result<(), Refusal>;

/// A convolution that was created, on the site's image.
fn convolving<T>(
    handle: Handle,
    reshape: ReshapeConvolution,
    setup: SetupIn<T>,
    buffers: (*mut T, *mut T),
    site: &Site<'_>,
) -> Result<Operator, Refusal> {
    let (Shape { height, width, .. }, pool) = (site.input.shape, site.pool.as_ptr());
    // SAFETY: numbers, and places for numbers.
    let reshape = |operator, [bytes, alignment, rows, columns]: [*mut usize; 4]| unsafe {
        reshape(operator, 1, height, width, bytes, alignment, rows, columns, pool)
    };
    in_workspace(handle, reshape, setup, buffers, site)
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
            ptr::null_mut(),
            ptr::null_mut(),
            operator
        )
    })?;
    let (reshape, setup) =
        (ffi::xnn_reshape_convolution2d_nhwc_f32, ffi::xnn_setup_convolution2d_nhwc_f32);
    convolving(handle, reshape, setup, values(site), site)
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
            ffi::xnn_create_convolution2d_nhwc_qs8_qc8w,
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
            ptr::null_mut(),
            ptr::null_mut(),
            operator
        )
    })?;
    let (reshape, setup) =
        (ffi::xnn_reshape_convolution2d_nhwc_qs8_qc8w, ffi::xnn_setup_convolution2d_nhwc_qs8_qc8w);
    convolving(handle, reshape, setup, (steps(site.input), steps(site.output)), site)
}

pub(super) fn fully_connected(
    [inputs, outputs]: [usize; 2],
    weights: &[f32],
    bias: Option<&[f32]>,
    (min, max): (f32, f32),
    site: &Site<'_>,
) -> Result<Operator, Refusal> {
    let (weights, bias) = (weights.as_ptr(), bias.map_or(ptr::null(), <[f32]>::as_ptr));
    let [code, cache] = [ptr::null_mut(); 2];
    // SAFETY: as in `convolution`; with a batch of one, strides beyond the features are not used.
    let handle = Handle::create(|operator| unsafe {
        ffi::xnn_create_fully_connected_nc_f32(
            inputs, outputs, inputs, outputs, weights, bias, min, max, 0, code, cache, operator,
        )
    })?;
    let (input, output) = values(site);
    // SAFETY: a number; then buffers as in `in_workspace`.
    unsafe {
        ffi::xnn_reshape_fully_connected_nc_f32(handle.as_ptr(), 1, site.pool.as_ptr())?;
        ffi::xnn_setup_fully_connected_nc_f32(handle.as_ptr(), input, output)?;
    }
    Ok(Operator::of(handle))
}

pub(super) fn max_pool(window: Window, site: &Site<'_>) -> Result<Operator, Refusal> {
    // SAFETY: numbers alone.
    let handle = Handle::create(|operator| unsafe {
        create_pool!(
            ffi::xnn_create_max_pooling2d_nhwc_f32,
            window,
            1,
            1,
            f32::NEG_INFINITY,
            f32::INFINITY,
            0,
            operator
        )
    })?;
    let (Shape { channels, height, width }, pool) = (site.input.shape, site.pool.as_ptr());
    let (mut rows, mut columns) = (0, 0);
    // SAFETY: numbers, and places for numbers.
    unsafe {
        ffi::xnn_reshape_max_pooling2d_nhwc_f32(
            handle.as_ptr(),
            1,
            height,
            width,
            channels,
            site.input.stride,
            site.output.stride,
            &raw mut rows,
            &raw mut columns,
            pool,
        )
    }?;
    assert_shape(site, rows, columns);
    let (input, output) = values(site);
    // SAFETY: as in `in_workspace`.
    unsafe { ffi::xnn_setup_max_pooling2d_nhwc_f32(handle.as_ptr(), input, output) }?;
    Ok(Operator::of(handle))
}

pub(super) fn average_pool(window: Window, site: &Site<'_>) -> Result<Operator, Refusal> {
    // SAFETY: numbers alone.
    let handle = Handle::create(|operator| unsafe {
        create_pool!(
            ffi::xnn_create_average_pooling2d_nhwc_f32,
            window,
            f32::NEG_INFINITY,
            f32::INFINITY,
            0,
            operator
        )
    })?;
    let (Shape { channels, height, width }, pool) = (site.input.shape, site.pool.as_ptr());
    // SAFETY: numbers, and places for numbers.
    let reshape = |operator, [bytes, alignment, rows, columns]: [*mut usize; 4]| unsafe {
        ffi::xnn_reshape_average_pooling2d_nhwc_f32(
            operator,
            1,
            height,
            width,
            channels,
            site.input.stride,
            site.output.stride,
            bytes,
            alignment,
            rows,
            columns,
            pool,
        )
    };
    in_workspace(handle, reshape, ffi::xnn_setup_average_pooling2d_nhwc_f32, values(site), site)
}

/// The library's sum has no bounds of its own; what has some is clamped where it lies.
pub(super) fn add(
    activation: Activation,
    right: Pixels,
    site: &Site<'_>,
) -> Result<Operator, Refusal> {
    let [left_steps, right_steps, output_steps] = [ptr::null(); 3];
    // SAFETY: numbers, and no steps.
    let handle = Handle::create(|operator| unsafe {
        ffi::xnn_create_binary_elementwise_nd(
            BINARY_ADD,
            DATATYPE_FP32,
            left_steps,
            right_steps,
            output_steps,
            0,
            operator,
        )
    })?;
    let (elements, pool) = (site.output.shape.elements(), site.pool.as_ptr());
    let shape = &raw const elements;
    let [left, right, output] =
        [site.input, right, site.output].map(|pixels| pixels.as_ptr().cast::<c_void>());
    // SAFETY: each shape is one dimension, copied before the call returns; then as in
    // `in_workspace`.
    unsafe {
        ffi::xnn_reshape_binary_elementwise_nd(handle.as_ptr(), 1, shape, 1, shape, pool)?;
        ffi::xnn_setup_binary_elementwise_nd(handle.as_ptr(), left, right, output)?;
    }
    let then = match activation {
        Activation::Identity => None,
        bounded => Some(clamping(bounded.bounds(), &Site { input: site.output, ..*site })?),
    };
    Ok(Operator { then, ..Operator::of(handle) })
}

pub(super) fn clamp(bounds: (f32, f32), site: &Site<'_>) -> Result<Operator, Refusal> {
    clamping(bounds, site).map(Operator::of)
}

fn clamping((min, max): (f32, f32), site: &Site<'_>) -> Result<Handle, Refusal> {
    let (params, values) = (UnaryParams { min, max }, (DATATYPE_FP32, None));
    unary(UNARY_CLAMP, Some(&params), values, values, site)
}

pub(super) fn quantise(to: Quantisation, site: &Site<'_>) -> Result<Operator, Refusal> {
    let (from, to) = ((DATATYPE_FP32, None), (DATATYPE_QINT8, Some(to)));
    unary(UNARY_CONVERT, None, from, to, site).map(Operator::of)
}

pub(super) fn dequantise(from: Quantisation, site: &Site<'_>) -> Result<Operator, Refusal> {
    let (from, to) = ((DATATYPE_QINT8, Some(from)), (DATATYPE_FP32, None));
    unary(UNARY_CONVERT, None, from, to, site).map(Operator::of)
}

/// An operator on every value by itself, from values of one type to values of another.
fn unary(
    kind: i32,
    params: Option<&UnaryParams>,
    (input_type, input_steps): (i32, Option<Quantisation>),
    (output_type, output_steps): (i32, Option<Quantisation>),
    site: &Site<'_>,
) -> Result<Handle, Refusal> {
    let steps = |steps: Option<Quantisation>| {
        steps.map(|it| QuantizationParams { zero_point: it.zero_point.into(), scale: it.scale })
    };
    let (input_steps, output_steps) = (steps(input_steps), steps(output_steps));
    let params = params.map_or(ptr::null(), ptr::from_ref);
    let pointer =
        |steps: &Option<QuantizationParams>| steps.as_ref().map_or(ptr::null(), ptr::from_ref);
    // SAFETY: what is pointed to is read before the call returns.
    let handle = Handle::create(|operator| unsafe {
        ffi::xnn_create_unary_elementwise_nc(
            kind,
            input_type,
            output_type,
            params,
            pointer(&input_steps),
            pointer(&output_steps),
            0,
            operator,
        )
    })?;
    let Site { input, output, pool, .. } = site;
    let (pixels, channels, pool) = (input.shape.pixels(), input.shape.channels, pool.as_ptr());
    let strides = [input.stride, output.stride];
    let [input, output] = [input, output].map(|pixels| pixels.as_ptr().cast::<c_void>());
    // SAFETY: numbers; then as in `in_workspace`.
    unsafe {
        let operator = handle.as_ptr();
        ffi::xnn_reshape_unary_elementwise_nc(
            operator, pixels, channels, strides[0], strides[1], pool,
        )?;
        ffi::xnn_setup_unary_elementwise_nc(operator, input, output)?;
    }
    Ok(handle)
}

pub(super) fn softmax(site: &Site<'_>) -> Result<Operator, Refusal> {
    // SAFETY: a number.
    let handle = Handle::create(|operator| unsafe { ffi::xnn_create_softmax_nc_f32(0, operator) })?;
    let Site { input, output, pool, .. } = site;
    let (pixels, channels, pool) = (input.shape.pixels(), input.shape.channels, pool.as_ptr());
    // SAFETY: numbers; then as in `in_workspace`.
    unsafe {
        let operator = handle.as_ptr();
        ffi::xnn_reshape_softmax_nc_f32(
            operator,
            channels,
            input.stride,
            output.stride,
            pixels,
            pool,
        )?;
        ffi::xnn_setup_softmax_nc_f32(operator, input.as_ptr(), output.as_ptr())?;
    }
    Ok(Operator::of(handle))
}
