//! XNNPACK's operators on 8-bit steps: signed activations, signed weights with a scale per channel
//! (`qc8`), sums brought back to steps in FP32, rounded to nearest, ties to even.
//!
//! An 8-bit tensor lies in the arena like any other, a byte a value.

use super::arena::Pixels;
use super::ffi;
use super::operator::{Operator, Site, channels_last, check, create};
use crate::executor::{ExecutorError, present};
use crate::graph::{Quantisation, QuantisedConv2d, Shape, Window};

/// The steps of a tensor.
fn steps(pixels: Pixels) -> *mut i8 {
    pixels.as_ptr().cast()
}

/// A convolution, its weights packed from outputs × channels × rows × columns.
pub(super) fn convolution(
    conv: &QuantisedConv2d,
    site: Site<'_>,
) -> Result<Operator, ExecutorError> {
    let Site { layer, input, output, pool } = site;
    let group_inputs = conv.input_channels / conv.groups;
    let weights =
        channels_last(present(&conv.weights, layer)?, group_inputs, conv.window.kernel.area());
    let scales = present(&conv.scales, layer)?;
    let bias = conv.bias.as_ref().map(|bias| present(bias, layer)).transpose()?;
    let Window { kernel, stride, dilation, padding } = conv.window;
    let operator = create("xnn_create_convolution2d_nhwc_qc8", layer, |operator| {
        // SAFETY: weights, scales and bias, as many as the graph checked the shape to ask for, are
        // read and packed before the call returns.
        unsafe {
            ffi::xnn_create_convolution2d_nhwc_qc8(
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
                conv.input.zero_point,
                conv.input.scale,
                scales.as_ptr(),
                weights.as_ptr(),
                bias.map_or(std::ptr::null(), <[i32]>::as_ptr),
                conv.output.zero_point,
                conv.output.scale,
                i8::MIN,
                i8::MAX,
                0,
                operator,
            )
        }
    })?;
    let Shape { height, width, .. } = input.shape;
    // SAFETY: the plan made both buffers as large as the graph's shapes say, at a byte a value,
    // with room to over-read; they are touched only when the operator runs.
    let status = unsafe {
        ffi::xnn_setup_convolution2d_nhwc_qc8(
            operator.as_ptr(),
            1,
            height,
            width,
            steps(input),
            steps(output),
            pool.as_ptr(),
        )
    };
    check(status, "xnn_setup_convolution2d_nhwc_qc8", layer)?;
    Ok(operator)
}

/// FP32 → steps.
pub(super) fn quantise(to: Quantisation, site: Site<'_>) -> Result<Operator, ExecutorError> {
    let Site { layer, input, output, pool } = site;
    let operator = create("xnn_create_convert_nc_f32_qs8", layer, |operator| {
        // SAFETY: numbers alone.
        unsafe {
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
        }
    })?;
    // SAFETY: as in `convolution`.
    let status = unsafe {
        ffi::xnn_setup_convert_nc_f32_qs8(
            operator.as_ptr(),
            input.shape.pixels(),
            input.as_ptr(),
            steps(output),
            pool.as_ptr(),
        )
    };
    check(status, "xnn_setup_convert_nc_f32_qs8", layer)?;
    Ok(operator)
}

/// Steps → FP32.
pub(super) fn dequantise(from: Quantisation, site: Site<'_>) -> Result<Operator, ExecutorError> {
    let Site { layer, input, output, pool } = site;
    let operator = create("xnn_create_convert_nc_qs8_f32", layer, |operator| {
        // SAFETY: numbers alone.
        unsafe {
            ffi::xnn_create_convert_nc_qs8_f32(
                input.shape.channels,
                input.stride,
                output.stride,
                from.scale,
                from.zero_point,
                0,
                operator,
            )
        }
    })?;
    // SAFETY: as in `convolution`.
    let status = unsafe {
        ffi::xnn_setup_convert_nc_qs8_f32(
            operator.as_ptr(),
            input.shape.pixels(),
            steps(input),
            output.as_ptr(),
            pool.as_ptr(),
        )
    };
    check(status, "xnn_setup_convert_nc_qs8_f32", layer)?;
    Ok(operator)
}
