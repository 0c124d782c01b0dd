//! The part of `xnnpack.h` and `pthreadpool.h` that is called here, declared by hand after
//! Debian 12's headers (XNNPACK of 2022-02-16, pthreadpool of 2021-05-07).
//!
//! Sizes and strides are in elements. `build.rs` makes sure that the header installed is of this
//! generation: later ones have functions of the same names and other parameters.

use std::ffi::{c_uint, c_void};

/// `enum xnn_status`.
pub(super) type Status = c_uint;

/// `xnn_status_success`.
pub(super) const SUCCESS: Status = 0;

/// `XNN_EXTRA_BYTES`: XNNPACK may read, and never writes, this far beyond a buffer's end.
pub(super) const EXTRA_BYTES: usize = 16;

/// `struct xnn_operator`, seen only through pointers.
#[repr(C)]
#[derive(Debug)]
pub(super) struct XnnOperator {
    _opaque: [u8; 0],
}

/// `struct pthreadpool`, seen only through pointers.
#[repr(C)]
#[derive(Debug)]
pub(super) struct PThreadPool {
    _opaque: [u8; 0],
}

/// `pthreadpool_task_1d_tile_1d_t`: context, first item, number of items.
pub(super) type TileTask = extern "C" fn(*mut c_void, usize, usize);

unsafe extern "C" {
    pub(super) fn pthreadpool_create(threads: usize) -> *mut PThreadPool;
    pub(super) fn pthreadpool_destroy(pool: *mut PThreadPool);
    pub(super) fn pthreadpool_parallelize_1d_tile_1d(
        pool: *mut PThreadPool,
        function: TileTask,
        context: *mut c_void,
        range: usize,
        tile: usize,
        flags: u32,
    );

    pub(super) fn xnn_initialize(allocator: *const c_void) -> Status;
    pub(super) fn xnn_run_operator(operator: *mut XnnOperator, pool: *mut PThreadPool) -> Status;
    pub(super) fn xnn_delete_operator(operator: *mut XnnOperator) -> Status;

    pub(super) fn xnn_create_convolution2d_nhwc_f32(
        padding_top: u32,
        padding_right: u32,
        padding_bottom: u32,
        padding_left: u32,
        kernel_height: u32,
        kernel_width: u32,
        stride_height: u32,
        stride_width: u32,
        dilation_height: u32,
        dilation_width: u32,
        groups: u32,
        group_input_channels: usize,
        group_output_channels: usize,
        input_stride: usize,
        output_stride: usize,
        kernel: *const f32,
        bias: *const f32,
        output_min: f32,
        output_max: f32,
        flags: u32,
        operator: *mut *mut XnnOperator,
    ) -> Status;
    pub(super) fn xnn_setup_convolution2d_nhwc_f32(
        operator: *mut XnnOperator,
        batch: usize,
        height: usize,
        width: usize,
        input: *const f32,
        output: *mut f32,
        pool: *mut PThreadPool,
    ) -> Status;

    pub(super) fn xnn_create_convolution2d_nhwc_qc8(
        padding_top: u32,
        padding_right: u32,
        padding_bottom: u32,
        padding_left: u32,
        kernel_height: u32,
        kernel_width: u32,
        stride_height: u32,
        stride_width: u32,
        dilation_height: u32,
        dilation_width: u32,
        groups: u32,
        group_input_channels: usize,
        group_output_channels: usize,
        input_stride: usize,
        output_stride: usize,
        input_zero_point: i8,
        input_scale: f32,
        kernel_scale: *const f32,
        kernel: *const i8,
        bias: *const i32,
        output_zero_point: i8,
        output_scale: f32,
        output_min: i8,
        output_max: i8,
        flags: u32,
        operator: *mut *mut XnnOperator,
    ) -> Status;
    pub(super) fn xnn_setup_convolution2d_nhwc_qc8(
        operator: *mut XnnOperator,
        batch: usize,
        height: usize,
        width: usize,
        input: *const i8,
        output: *mut i8,
        pool: *mut PThreadPool,
    ) -> Status;

    pub(super) fn xnn_create_convert_nc_f32_qs8(
        channels: usize,
        input_stride: usize,
        output_stride: usize,
        output_scale: f32,
        output_zero_point: i8,
        output_min: i8,
        output_max: i8,
        flags: u32,
        operator: *mut *mut XnnOperator,
    ) -> Status;
    pub(super) fn xnn_setup_convert_nc_f32_qs8(
        operator: *mut XnnOperator,
        batch: usize,
        input: *const f32,
        output: *mut i8,
        pool: *mut PThreadPool,
    ) -> Status;

    pub(super) fn xnn_create_convert_nc_qs8_f32(
        channels: usize,
        input_stride: usize,
        output_stride: usize,
        input_scale: f32,
        input_zero_point: i8,
        flags: u32,
        operator: *mut *mut XnnOperator,
    ) -> Status;
    pub(super) fn xnn_setup_convert_nc_qs8_f32(
        operator: *mut XnnOperator,
        batch: usize,
        input: *const i8,
        output: *mut f32,
        pool: *mut PThreadPool,
    ) -> Status;

    pub(super) fn xnn_create_fully_connected_nc_f32(
        input_channels: usize,
        output_channels: usize,
        input_stride: usize,
        output_stride: usize,
        kernel: *const f32,
        bias: *const f32,
        output_min: f32,
        output_max: f32,
        flags: u32,
        operator: *mut *mut XnnOperator,
    ) -> Status;
    pub(super) fn xnn_setup_fully_connected_nc_f32(
        operator: *mut XnnOperator,
        batch: usize,
        input: *const f32,
        output: *mut f32,
        pool: *mut PThreadPool,
    ) -> Status;

    pub(super) fn xnn_create_max_pooling2d_nhwc_f32(
        padding_top: u32,
        padding_right: u32,
        padding_bottom: u32,
        padding_left: u32,
        kernel_height: u32,
        kernel_width: u32,
        stride_height: u32,
        stride_width: u32,
        dilation_height: u32,
        dilation_width: u32,
        channels: usize,
        input_stride: usize,
        output_stride: usize,
        output_min: f32,
        output_max: f32,
        flags: u32,
        operator: *mut *mut XnnOperator,
    ) -> Status;
    pub(super) fn xnn_setup_max_pooling2d_nhwc_f32(
        operator: *mut XnnOperator,
        batch: usize,
        height: usize,
        width: usize,
        input: *const f32,
        output: *mut f32,
        pool: *mut PThreadPool,
    ) -> Status;

    pub(super) fn xnn_create_average_pooling2d_nhwc_f32(
        padding_top: u32,
        padding_right: u32,
        padding_bottom: u32,
        padding_left: u32,
        kernel_height: u32,
        kernel_width: u32,
        stride_height: u32,
        stride_width: u32,
        channels: usize,
        input_stride: usize,
        output_stride: usize,
        output_min: f32,
        output_max: f32,
        flags: u32,
        operator: *mut *mut XnnOperator,
    ) -> Status;
    pub(super) fn xnn_setup_average_pooling2d_nhwc_f32(
        operator: *mut XnnOperator,
        batch: usize,
        height: usize,
        width: usize,
        input: *const f32,
        output: *mut f32,
        pool: *mut PThreadPool,
    ) -> Status;

    pub(super) fn xnn_create_global_average_pooling_nwc_f32(
        channels: usize,
        input_stride: usize,
        output_stride: usize,
        output_min: f32,
        output_max: f32,
        flags: u32,
        operator: *mut *mut XnnOperator,
    ) -> Status;
    pub(super) fn xnn_setup_global_average_pooling_nwc_f32(
        operator: *mut XnnOperator,
        batch: usize,
        pixels: usize,
        input: *const f32,
        output: *mut f32,
        pool: *mut PThreadPool,
    ) -> Status;

    pub(super) fn xnn_create_add_nd_f32(
        output_min: f32,
        output_max: f32,
        flags: u32,
        operator: *mut *mut XnnOperator,
    ) -> Status;
    pub(super) fn xnn_setup_add_nd_f32(
        operator: *mut XnnOperator,
        left_dimensions: usize,
        left_shape: *const usize,
        right_dimensions: usize,
        right_shape: *const usize,
        left: *const f32,
        right: *const f32,
        output: *mut f32,
        pool: *mut PThreadPool,
    ) -> Status;

    pub(super) fn xnn_create_clamp_nc_f32(
        channels: usize,
        input_stride: usize,
        output_stride: usize,
        output_min: f32,
        output_max: f32,
        flags: u32,
        operator: *mut *mut XnnOperator,
    ) -> Status;
    pub(super) fn xnn_setup_clamp_nc_f32(
        operator: *mut XnnOperator,
        batch: usize,
        input: *const f32,
        output: *mut f32,
        pool: *mut PThreadPool,
    ) -> Status;

    pub(super) fn xnn_create_softmax_nc_f32(
        channels: usize,
        input_stride: usize,
        output_stride: usize,
        flags: u32,
        operator: *mut *mut XnnOperator,
    ) -> Status;
    pub(super) fn xnn_setup_softmax_nc_f32(
        operator: *mut XnnOperator,
        batch: usize,
        input: *const f32,
        output: *mut f32,
        pool: *mut PThreadPool,
    ) -> Status;
}
