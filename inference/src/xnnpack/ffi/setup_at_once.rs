//! XNNPACK of 2021 to mid-2022, as in Debian 12 (2022-02-16): an operator takes its shape and its
//! buffers in one call of `setup`.

use super::{PThreadPool, XnnOperator, library};

/// The generation, for records.
pub(in crate::xnnpack) const GENERATION: &str = "xnnpack of 2022";

library! {
    xnn_create_convolution2d_nhwc_f32(
        padding_top: u32, padding_right: u32, padding_bottom: u32, padding_left: u32,
        kernel_height: u32, kernel_width: u32, stride_height: u32, stride_width: u32,
        dilation_height: u32, dilation_width: u32, groups: u32,
        group_input_channels: usize, group_output_channels: usize,
        input_stride: usize, output_stride: usize,
        kernel: *const f32, bias: *const f32, output_min: f32, output_max: f32,
        flags: u32, operator: *mut *mut XnnOperator,
    );
    xnn_setup_convolution2d_nhwc_f32(
        operator: *mut XnnOperator, batch: usize, height: usize, width: usize,
        input: *const f32, output: *mut f32, pool: *mut PThreadPool,
    );

    xnn_create_convolution2d_nhwc_qc8(
        padding_top: u32, padding_right: u32, padding_bottom: u32, padding_left: u32,
        kernel_height: u32, kernel_width: u32, stride_height: u32, stride_width: u32,
        dilation_height: u32, dilation_width: u32, groups: u32,
        group_input_channels: usize, group_output_channels: usize,
        input_stride: usize, output_stride: usize,
        input_zero_point: i8, input_scale: f32,
        kernel_scale: *const f32, kernel: *const i8, bias: *const i32,
        output_zero_point: i8, output_scale: f32, output_min: i8, output_max: i8,
        flags: u32, operator: *mut *mut XnnOperator,
    );
    xnn_setup_convolution2d_nhwc_qc8(
        operator: *mut XnnOperator, batch: usize, height: usize, width: usize,
        input: *const i8, output: *mut i8, pool: *mut PThreadPool,
    );

    xnn_create_fully_connected_nc_f32(
        input_channels: usize, output_channels: usize, input_stride: usize, output_stride: usize,
        kernel: *const f32, bias: *const f32, output_min: f32, output_max: f32,
        flags: u32, operator: *mut *mut XnnOperator,
    );
    xnn_setup_fully_connected_nc_f32(
        operator: *mut XnnOperator, batch: usize,
        input: *const f32, output: *mut f32, pool: *mut PThreadPool,
    );

    xnn_create_max_pooling2d_nhwc_f32(
        padding_top: u32, padding_right: u32, padding_bottom: u32, padding_left: u32,
        kernel_height: u32, kernel_width: u32, stride_height: u32, stride_width: u32,
        dilation_height: u32, dilation_width: u32,
        channels: usize, input_stride: usize, output_stride: usize,
        output_min: f32, output_max: f32, flags: u32, operator: *mut *mut XnnOperator,
    );
    xnn_setup_max_pooling2d_nhwc_f32(
        operator: *mut XnnOperator, batch: usize, height: usize, width: usize,
        input: *const f32, output: *mut f32, pool: *mut PThreadPool,
    );

    xnn_create_average_pooling2d_nhwc_f32(
        padding_top: u32, padding_right: u32, padding_bottom: u32, padding_left: u32,
        kernel_height: u32, kernel_width: u32, stride_height: u32, stride_width: u32,
        channels: usize, input_stride: usize, output_stride: usize,
        output_min: f32, output_max: f32, flags: u32, operator: *mut *mut XnnOperator,
    );
    xnn_setup_average_pooling2d_nhwc_f32(
        operator: *mut XnnOperator, batch: usize, height: usize, width: usize,
        input: *const f32, output: *mut f32, pool: *mut PThreadPool,
    );

    xnn_create_add_nd_f32(
        output_min: f32, output_max: f32, flags: u32, operator: *mut *mut XnnOperator,
    );
    xnn_setup_add_nd_f32(
        operator: *mut XnnOperator,
        left_dimensions: usize, left_shape: *const usize,
        right_dimensions: usize, right_shape: *const usize,
        left: *const f32, right: *const f32, output: *mut f32, pool: *mut PThreadPool,
    );

    xnn_create_clamp_nc_f32(
        channels: usize, input_stride: usize, output_stride: usize,
        output_min: f32, output_max: f32, flags: u32, operator: *mut *mut XnnOperator,
    );
    xnn_setup_clamp_nc_f32(
        operator: *mut XnnOperator, batch: usize,
        input: *const f32, output: *mut f32, pool: *mut PThreadPool,
    );

    xnn_create_softmax_nc_f32(
        channels: usize, input_stride: usize, output_stride: usize,
        flags: u32, operator: *mut *mut XnnOperator,
    );
    xnn_setup_softmax_nc_f32(
        operator: *mut XnnOperator, batch: usize,
        input: *const f32, output: *mut f32, pool: *mut PThreadPool,
    );

    xnn_create_convert_nc_f32_qs8(
        channels: usize, input_stride: usize, output_stride: usize,
        output_scale: f32, output_zero_point: i8, output_min: i8, output_max: i8,
        flags: u32, operator: *mut *mut XnnOperator,
    );
    xnn_setup_convert_nc_f32_qs8(
        operator: *mut XnnOperator, batch: usize,
        input: *const f32, output: *mut i8, pool: *mut PThreadPool,
    );

    xnn_create_convert_nc_qs8_f32(
        channels: usize, input_stride: usize, output_stride: usize,
        input_scale: f32, input_zero_point: i8, flags: u32, operator: *mut *mut XnnOperator,
    );
    xnn_setup_convert_nc_qs8_f32(
        operator: *mut XnnOperator, batch: usize,
        input: *const i8, output: *mut f32, pool: *mut PThreadPool,
    );
}
