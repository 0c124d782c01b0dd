// A convolution of each channel with itself alone.
//
// Weights: blocks of LANES channels x rows x columns of the window x LANES.

kernel void depthwise(
    global const REAL *image, Tensor input, global const REAL *weights, global const float *biases,
    global REAL *results, Tensor output, Window window, float low, float high, Share share)
{
    const int taps = window.kernel_height * window.kernel_width;
    FOR_EACH_PIXEL(output) {
        const int top = pixel / output.width * window.stride_height - window.top;
        const int left = pixel % output.width * window.stride_width - window.left;
        FOR_EACH_BLOCK(output) {
            global const REAL *weight = weights + (channel / LANES) * taps * LANES;
            FLOATS sum = LOAD(biases + channel);
            for (int y = 0; y < window.kernel_height; ++y) {
                const int row = top + y * window.dilation_height;
                if (row < 0 || row >= input.height)
                    continue;
                for (int x = 0; x < window.kernel_width; ++x) {
                    const int column = left + x * window.dilation_width;
                    if (column < 0 || column >= input.width)
                        continue;
                    const REALS values = LOAD(image + AT(input, row * input.width + column, channel));
                    const REALS w = LOAD(weight + (y * window.kernel_width + x) * LANES);
                    sum = mad(TO_FLOATS(values), TO_FLOATS(w), sum);
                }
            }
            const REALS clamped = TO_REALS(min(max(sum, low), high));
            store_some(clamped, output.channels - channel, results + AT(output, pixel, channel));
        }
    }
}
