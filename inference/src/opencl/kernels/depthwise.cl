// A convolution of each channel with itself alone.
//
// Weights: blocks of LANES channels x rows x columns of the window x LANES. A work item takes tiles
// of ACROSS pixels of a row, which share the weights that were read. `tiles` is the output with a
// tile for a pixel.

#define ACROSS 4

#define EACH_ACROSS for (int p = 0; p < ACROSS; ++p)

// Adds one row of the window to the sums; `THERE` says whether pixel `p` has a value at `column`.
#define ADD_ROW(columns, THERE) \
    for (int x = 0; x < columns; ++x) { \
        const FLOATS w = TO_FLOATS(LOAD(weight + x * LANES)); \
        const int first = left + x * window.dilation_width; \
        _Pragma("unroll") \
        EACH_ACROSS { \
            const int column = first + p * window.stride_width; \
            if (THERE) \
                sums[p] = mad(TO_FLOATS(LOAD(row + column * input.stride)), w, sums[p]); \
        } \
    }

kernel void depthwise(
    global const REAL *image, Tensor input, global const REAL *weights, global const float *biases,
    global REAL *results, Tensor output, Tensor tiles, Window window, float low, float high,
    Share share)
{
    const int taps = window.kernel_height * window.kernel_width;
    const int reach = (window.kernel_width - 1) * window.dilation_width;
    FOR_EACH_PIXEL(tiles) {
        const int output_row = pixel / tiles.width;
        const int start = pixel % tiles.width * ACROSS;
        const int count = min(output.width - start, ACROSS);
        const int top = output_row * window.stride_height - window.top;
        const int left = start * window.stride_width - window.left;
        const bool inside = left >= 0 && count == ACROSS &&
                            left + (ACROSS - 1) * window.stride_width + reach < input.width;
        FOR_EACH_BLOCK(output) {
            global const REAL *weight = weights + (channel / LANES) * taps * LANES;
            const FLOATS bias = LOAD(biases + channel);
            FLOATS sums[ACROSS];
            #pragma unroll
            EACH_ACROSS sums[p] = bias;
            for (int y = 0; y < window.kernel_height; ++y, weight += window.kernel_width * LANES) {
                const int input_row = top + y * window.dilation_height;
                if (input_row < 0 || input_row >= input.height)
                    continue;
                global const REAL *row = image + AT(input, input_row * input.width, channel);
                if (inside && window.kernel_width == 3) {
                    #pragma unroll
                    ADD_ROW(3, true)
                } else {
                    ADD_ROW(window.kernel_width, column >= 0 && column < input.width)
                }
            }
            global REAL *to = results + AT(output, output_row * output.width + start, channel);
            #pragma unroll
            EACH_ACROSS {
                if (p < count) {
                    const REALS clamped = TO_REALS(min(max(sums[p], low), high));
                    store_some(clamped, output.channels - channel, to + p * output.stride);
                }
            }
        }
    }
}
