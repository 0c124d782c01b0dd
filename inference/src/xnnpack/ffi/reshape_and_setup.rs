//! XNNPACK of late 2024, as in Debian 13 (2024-11-08): an operator takes its shape in `reshape`,
//! which says how much memory it needs to work in, and its buffers and that memory in `setup`.
//! Element by element there is one function for all operators of one operand, and one for two.

use std::ffi::{c_int, c_void};

use super::{PThreadPool, XnnOperator, library};

/// The generation, for records.
pub(in crate::xnnpack) const GENERATION: &str = "xnnpack of 2024";

/// `xnn_code_cache_t`; none is used.
pub(in crate::xnnpack) type CodeCache = *mut c_void;

/// `xnn_weights_cache_t`; none is used.
pub(in crate::xnnpack) type WeightsCache = *mut c_void;

/// `struct xnn_quantization_params`.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub(in crate::xnnpack) struct QuantizationParams {
    pub(in crate::xnnpack) zero_point: i32,
    pub(in crate::xnnpack) scale: f32,
}

/// `union xnn_unary_params`, of which this is the largest member, `clamp`.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub(in crate::xnnpack) struct UnaryParams {
    pub(in crate::xnnpack) min: f32,
    pub(in crate::xnnpack) max: f32,
}

/// `xnn_unary_convert` of `enum xnn_unary_operator`.
pub(in crate::xnnpack) const UNARY_CONVERT: c_int = 0;
/// `xnn_unary_clamp` of `enum xnn_unary_operator`.
pub(in crate::xnnpack) const UNARY_CLAMP: c_int = 1;
/// `xnn_binary_add` of `enum xnn_binary_operator`.
pub(in crate::xnnpack) const BINARY_ADD: c_int = 0;
/// `xnn_datatype_fp32` of `enum xnn_datatype`.
pub(in crate::xnnpack) const DATATYPE_FP32: c_int = 1;
/// `xnn_datatype_qint8` of `enum xnn_datatype`.
pub(in crate::xnnpack) const DATATYPE_QINT8: c_int = 3;

library! {
    xnn_create_convolution2d_nhwc_f32(
        padding_top: u32, padding_right: u32, padding_bottom: u32, padding_left: u32,
        kernel_height: u32, kernel_width: u32, stride_height: u32, stride_width: u32,
        dilation_height: u32, dilation_width: u32, groups: u32,
        group_input_channels: usize, group_output_channels: usize,
        input_stride: usize, output_stride: usize,
        kernel: *const f32, bias: *const f32, output_min: f32, output_max: f32,
        flags: u32, code: CodeCache, weights: WeightsCache, operator: *mut *mut XnnOperator,
    );
    xnn_reshape_convolution2d_nhwc_f32(
        operator: *mut XnnOperator, batch: usize, height: usize, width: usize,
        workspace_bytes: *mut usize, workspace_alignment: *mut usize,
        output_height: *mut usize, output_width: *mut usize, pool: *mut PThreadPool,
    );
    xnn_setup_convolution2d_nhwc_f32(
        operator: *mut XnnOperator, workspace: *mut c_void, input: *const f32, output: *mut f32,
    );

    xnn_create_convolution2d_nhwc_qs8_qc8w(
        padding_top: u32, padding_right: u32, padding_bottom: u32, padding_left: u32,
        kernel_height: u32, kernel_width: u32, stride_height: u32, stride_width: u32,
        dilation_height: u32, dilation_width: u32, groups: u32,
        group_input_channels: usize, group_output_channels: usize,
        input_stride: usize, output_stride: usize,
        input_zero_point: i8, input_scale: f32,
        kernel_scale: *const f32, kernel: *const i8, bias: *const i32,
        output_zero_point: i8, output_scale: f32, output_min: i8, output_max: i8,
        flags: u32, code: CodeCache, weights: WeightsCache, operator: *mut *mut XnnOperator,
    );
    xnn_reshape_convolution2d_nhwc_qs8_qc8w(
        operator: *mut XnnOperator, batch: usize, height: usize, width: usize,
        workspace_bytes: *mut usize, workspace_alignment: *mut usize,
        output_height: *mut usize, output_width: *mut usize, pool: *mut PThreadPool,
    );
    xnn_setup_convolution2d_nhwc_qs8_qc8w(
        operator: *mut XnnOperator, workspace: *mut c_void, input: *const i8, output: *mut i8,
    );

    xnn_create_fully_connected_nc_f32(
        input_channels: usize, output_channels: usize, input_stride: usize, output_stride: usize,
        kernel: *const f32, bias: *const f32, output_min: f32, output_max: f32,
        flags: u32, code: CodeCache, weights: WeightsCache, operator: *mut *mut XnnOperator,
    );
    xnn_reshape_fully_connected_nc_f32(
        operator: *mut XnnOperator, batch: usize, pool: *mut PThreadPool,
    );
    xnn_setup_fully_connected_nc_f32(
        operator: *mut XnnOperator, input: *const f32, output: *mut f32,
    );

    xnn_create_max_pooling2d_nhwc_f32(
        padding_top: u32, padding_right: u32, padding_bottom: u32, padding_left: u32,
        kernel_height: u32, kernel_width: u32, stride_height: u32, stride_width: u32,
        dilation_height: u32, dilation_width: u32,
        output_min: f32, output_max: f32, flags: u32, operator: *mut *mut XnnOperator,
    );
    xnn_reshape_max_pooling2d_nhwc_f32(
        operator: *mut XnnOperator, batch: usize, height: usize, width: usize,
        channels: usize, input_stride: usize, output_stride: usize,
        output_height: *mut usize, output_width: *mut usize, pool: *mut PThreadPool,
    );
    xnn_setup_max_pooling2d_nhwc_f32(
        operator: *mut XnnOperator, input: *const f32, output: *mut f32,
    );

    xnn_create_average_pooling2d_nhwc_f32(
        padding_top: u32, padding_right: u32, padding_bottom: u32, padding_left: u32,
        kernel_height: u32, kernel_width: u32, stride_height: u32, stride_width: u32,
        output_min: f32, output_max: f32, flags: u32, operator: *mut *mut XnnOperator,
    );
    xnn_reshape_average_pooling2d_nhwc_f32(
        operator: *mut XnnOperator, batch: usize, height: usize, width: usize,
        channels: usize, input_stride: usize, output_stride: usize,
        workspace_bytes: *mut usize, workspace_alignment: *mut usize,
        output_height: *mut usize, output_width: *mut usize, pool: *mut PThreadPool,
    );
    xnn_setup_average_pooling2d_nhwc_f32(
        operator: *mut XnnOperator, workspace: *mut c_void, input: *const f32, output: *mut f32,
    );

    xnn_create_softmax_nc_f32(flags: u32, operator: *mut *mut XnnOperator);
    xnn_reshape_softmax_nc_f32(
        operator: *mut XnnOperator, channels: usize, input_stride: usize, output_stride: usize,
        batch: usize, pool: *mut PThreadPool,
    );
    xnn_setup_softmax_nc_f32(operator: *mut XnnOperator, input: *const f32, output: *mut f32);

    xnn_create_binary_elementwise_nd(
        kind: c_int, datatype: c_int, left: *const QuantizationParams,
        right: *const QuantizationParams, output: *const QuantizationParams,
        flags: u32, operator: *mut *mut XnnOperator,
    );
    xnn_reshape_binary_elementwise_nd(
        operator: *mut XnnOperator,
        left_dimensions: usize, left_shape: *const usize,
        right_dimensions: usize, right_shape: *const usize, pool: *mut PThreadPool,
    );
    xnn_setup_binary_elementwise_nd(
        operator: *mut XnnOperator, left: *const c_void, right: *const c_void, output: *mut c_void,
    );

    xnn_create_unary_elementwise_nc(
        kind: c_int, input_datatype: c_int, output_datatype: c_int, params: *const UnaryParams,
        input: *const QuantizationParams, output: *const QuantizationParams,
        flags: u32, operator: *mut *mut XnnOperator,
    );
    xnn_reshape_unary_elementwise_nc(
        operator: *mut XnnOperator, batch: usize, channels: usize,
        input_stride: usize, output_stride: usize, pool: *mut PThreadPool,
    );
    xnn_setup_unary_elementwise_nc(
        operator: *mut XnnOperator, input: *const c_void, output: *mut c_void,
    );
}
