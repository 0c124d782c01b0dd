// The largest value, and the mean, under a window.

// The part of the image that is under the window, and the area of that part with the padding that
// counts. A window may hang over the padded image's end; what hangs over is never counted.
#define CLIP                                                                                       \
    const int start_row = pixel / output.width * window.stride_height;                             \
    const int start_column = pixel % output.width * window.stride_width;                           \
    const int end_row =                                                                            \
        min(start_row + window.kernel_height, window.top + input.height + window.bottom);          \
    const int end_column =                                                                         \
        min(start_column + window.kernel_width, window.left + input.width + window.right);         \
    const int top = max(start_row - window.top, 0);                                                \
    const int left = max(start_column - window.left, 0);                                           \
    const int bottom = min(end_row - window.top, input.height);                                    \
    const int right = min(end_column - window.left, input.width);

#define PADDED_AREA ((end_row - start_row) * (end_column - start_column))

kernel void max_pool(
    global const REAL *image, Tensor input, global REAL *results, Tensor output, Window window,
    Share share)
{
    FOR_EACH_PIXEL(output) {
        CLIP
        FOR_EACH_BLOCK(output) {
            REALS largest = (REALS)(-INFINITY);
            for (int row = top; row < bottom; ++row)
                for (int column = left; column < right; ++column)
                    largest = max(largest, LOAD(image + AT(input, row * input.width + column, channel)));
            store_some(largest, output.channels - channel, results + AT(output, pixel, channel));
        }
    }
}

kernel void average_pool(
    global const REAL *image, Tensor input, global REAL *results, Tensor output, Window window,
    int count_padding, Share share)
{
    FOR_EACH_PIXEL(output) {
        CLIP
        const int area = count_padding ? PADDED_AREA : (bottom - top) * (right - left);
        const float scale = 1.0f / area;
        FOR_EACH_BLOCK(output) {
            FLOATS sum = (FLOATS)0;
            for (int row = top; row < bottom; ++row)
                for (int column = left; column < right; ++column)
                    sum += TO_FLOATS(LOAD(image + AT(input, row * input.width + column, channel)));
            const REALS mean = TO_REALS(sum * scale);
            store_some(mean, output.channels - channel, results + AT(output, pixel, channel));
        }
    }
}

// The mean of each channel; each work item takes a block of channels.
kernel void global_average_pool(
    global const REAL *image, Tensor input, global REAL *results, Tensor output)
{
    const int channel = get_global_id(0) * LANES;
    const int pixels = input.height * input.width;
    if (channel >= input.channels)
        return;
    FLOATS sum = (FLOATS)0;
    for (int pixel = 0; pixel < pixels; ++pixel)
        sum += TO_FLOATS(LOAD(image + AT(input, pixel, channel)));
    const REALS mean = TO_REALS(sum * (1.0f / pixels));
    store_some(mean, input.channels - channel, results + AT(output, 0, channel));
}
