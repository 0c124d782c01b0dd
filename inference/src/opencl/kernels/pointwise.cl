// Operators that work on each value alone.

// Values bounded to low ... high; with infinite bounds, a copy.
kernel void clamp_values(
    global const REAL *image, Tensor input, global REAL *results, Tensor output, float low,
    float high, Share share)
{
    FOR_EACH_PIXEL(output) {
        FOR_EACH_BLOCK(output) {
            const FLOATS values = TO_FLOATS(LOAD(image + AT(input, pixel, channel)));
            const REALS clamped = TO_REALS(min(max(values, low), high));
            store_some(clamped, output.channels - channel, results + AT(output, pixel, channel));
        }
    }
}

// The sum of two tensors, then the clamp.
kernel void add(
    global const REAL *image, Tensor left, Tensor right, global REAL *results, Tensor output,
    float low, float high, Share share)
{
    FOR_EACH_PIXEL(output) {
        FOR_EACH_BLOCK(output) {
            const FLOATS sum = TO_FLOATS(LOAD(image + AT(left, pixel, channel))) +
                               TO_FLOATS(LOAD(image + AT(right, pixel, channel)));
            const REALS clamped = TO_REALS(min(max(sum, low), high));
            store_some(clamped, output.channels - channel, results + AT(output, pixel, channel));
        }
    }
}
