// A matrix-vector product: each work item makes LANES outputs, and reads each weight once.
//
// Weights of output block `b` and input `i` start at b * block_step + i * input_step. Where items
// run one after another, a block's weights lie together; where they run side by side, those of one
// input do.

kernel void dense(
    global const REAL *image, Tensor input, global const REAL *weights, global const float *biases,
    global REAL *results, Tensor output, int inputs, int block_step, int input_step, float low,
    float high)
{
    const int block = get_global_id(0);
    const int count = output.channels - block * LANES;
    if (count <= 0)
        return;
    global const REAL *values = image + input.offset;
    global const REAL *weight = weights + (size_t)block * block_step;
    // Four sums, for no product to wait for the one before it.
    FLOATS sum0 = LOAD(biases + block * LANES), sum1 = (FLOATS)0, sum2 = sum1, sum3 = sum1;
    int i = 0;
    for (; i + 4 <= inputs; i += 4) {
        sum0 = mad((FLOATS)values[i], TO_FLOATS(LOAD(weight)), sum0);
        sum1 = mad((FLOATS)values[i + 1], TO_FLOATS(LOAD(weight + input_step)), sum1);
        sum2 = mad((FLOATS)values[i + 2], TO_FLOATS(LOAD(weight + 2 * input_step)), sum2);
        sum3 = mad((FLOATS)values[i + 3], TO_FLOATS(LOAD(weight + 3 * input_step)), sum3);
        weight += 4 * (size_t)input_step;
    }
    for (; i < inputs; ++i) {
        sum0 = mad((FLOATS)values[i], TO_FLOATS(LOAD(weight)), sum0);
        weight += input_step;
    }
    const FLOATS sum = (sum0 + sum1) + (sum2 + sum3);
    const REALS clamped = TO_REALS(min(max(sum, low), high));
    store_some(clamped, count, results + output.offset + block * LANES);
}
