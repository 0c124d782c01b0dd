// Local response normalisation: each value over a power of the squares of the channels around it.

// A power is slow; AlexNet's and GoogLeNet's 3/4 is two square roots.
inline FLOATS divided_by_power(FLOATS values, FLOATS scale, float beta)
{
    if (beta == 0.75f) {
        const FLOATS root = sqrt(scale);
        return values / (root * sqrt(root));
    }
    return values / powr(scale, (FLOATS)beta);
}

kernel void local_response_norm(
    global const REAL *image, Tensor input, global REAL *results, Tensor output, int before,
    int after, float alpha, float beta, float bias, Share share)
{
    FOR_EACH_PIXEL(output) {
        FOR_EACH_BLOCK(output) {
            global const REAL *centre = image + AT(input, pixel, channel);
            FLOATS squares = (FLOATS)0;
            // Shifts of the block that still touch a channel.
            const int from = max(-before, 1 - channel - LANES);
            const int to = min(after, input.channels - 1 - channel);
            for (int shift = from; shift <= to; ++shift) {
                const INTS neighbour = LANE_NUMBERS + (channel + shift);
                const FLOATS values = TO_FLOATS(LOAD(centre + shift));
                const INTS there = neighbour >= 0 && neighbour < input.channels;
                squares += select((FLOATS)0, values * values, there);
            }
            const FLOATS scale = bias + alpha * squares;
            const FLOATS normalised = divided_by_power(TO_FLOATS(LOAD(centre)), scale, beta);
            store_some(
                TO_REALS(normalised), output.channels - channel, results + AT(output, pixel, channel));
        }
    }
}
