// exp(x) over the sum of exp(x), over the channels of each pixel; less the largest, so that no
// exponential overflows. A work item takes a pixel.

kernel void softmax(
    global const REAL *image, Tensor input, global REAL *results, Tensor output)
{
    const int pixel = get_global_id(0);
    if (pixel >= input.height * input.width)
        return;
    global const REAL *from = image + AT(input, pixel, 0);
    global REAL *to = results + AT(output, pixel, 0);
    const int channels = input.channels;

    float largest = -INFINITY;
    for (int channel = 0; channel < channels; ++channel)
        largest = max(largest, (float)from[channel]);
    float sum = 0;
    float part[LANES];
    for (int channel = 0; channel < channels; channel += LANES) {
        const INTS there = LANE_NUMBERS + channel < channels;
        const FLOATS values = TO_FLOATS(LOAD(from + channel)) - largest;
        STORE(select((FLOATS)0, exp(values), there), part);
        for (int lane = 0; lane < LANES; ++lane)
            sum += part[lane];
    }
    const float scale = 1.0f / sum;
    for (int channel = 0; channel < channels; channel += LANES) {
        const FLOATS values = TO_FLOATS(LOAD(from + channel)) - largest;
        store_some(TO_REALS(exp(values) * scale), channels - channel, to + channel);
    }
}
