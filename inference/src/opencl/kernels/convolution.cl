// A convolution as a matrix product whose left matrix is read from the image where it lies.
//
// Rows of the product are output pixels and columns are output channels. A work item holds a tile
// of PIXELS x LANES sums in registers and walks the window: each step of the walk adds `run`
// values that lie side by side in the image, as many as a row of the window has where neither gaps
// between pixels nor dilation part them. There is no padding left here: see padding.cl.
//
// Weights: groups x blocks of LANES output channels x terms of the sum x LANES, zero beyond the
// last channel. FP16 sums at most CHUNK products in FP16, then adds them to a sum in FP32: of 32 in a
// row AlexNet's result was off by 1.1 % of its range, of 8 by 0.5 %, of 1 by 0.5 %.

#define CHUNK 8

typedef struct {
    int steps_down, steps_across;   // steps of the walk
    int down, across;               // how far each goes in the image, in values
    int run;                        // values in each step
    int tile_down, tile_across;     // from one output pixel to the next, in values
    int group_inputs, group_outputs;
    int tiles;                      // tiles of each work item
} Walk;

#define EACH_PIXEL for (int p = 0; p < PIXELS; ++p)

kernel void convolution(
    global const REAL *image, Tensor input, global const REAL *weights, global const float *biases,
    global REAL *results, Tensor output, Walk walk, float low, float high)
{
    const int pixels = output.height * output.width;
    const int block = get_global_id(1);
    const int group = get_global_id(2);
    const int blocks = (walk.group_outputs + LANES - 1) / LANES;
    if (block >= blocks)
        return;
    const int count = min(walk.group_outputs - block * LANES, LANES);
    const int column = group * blocks + block;
    const size_t terms = (size_t)walk.steps_down * walk.steps_across * walk.run;
    const FLOATS bias = LOAD(biases + column * LANES);
    global const REAL *source = image + input.offset + group * walk.group_inputs;
    global REAL *target = results + output.offset + group * walk.group_outputs + block * LANES;

    const int first = (int)get_global_id(0) * walk.tiles * PIXELS;
    const int end = min(first + walk.tiles * PIXELS, pixels);
    for (int start = first; start < end; start += PIXELS) {
        global const REAL *rows[PIXELS];
        FLOATS sums[PIXELS];
        // One division for all: it takes as long as some twenty products.
        int row = start / output.width, across = start - row * output.width;
        #pragma unroll
        EACH_PIXEL {
            rows[p] = source + row * walk.tile_down + across * walk.tile_across;
            sums[p] = bias;
            if (start + p + 1 < pixels && ++across == output.width) {
                ++row;
                across = 0;
            }
        }
        global const REAL *weight = weights + column * terms * LANES;
        for (int y = 0; y < walk.steps_down; ++y) {
            for (int x = 0; x < walk.steps_across; ++x) {
                const size_t at = y * walk.down + x * walk.across;
#ifdef HALF
                for (int from = 0; from < walk.run; from += CHUNK) {
                const size_t to = min(from + CHUNK, walk.run);
                size_t k = from;
                REALS part[PIXELS];
                #pragma unroll
                EACH_PIXEL part[p] = (REALS)0;
#else
                const size_t to = walk.run;
                size_t k = 0;
#define part sums
#endif
#if DEPTH == 4
                for (; k + 4 <= to; k += 4) {
                    const REALS w0 = LOAD(weight), w1 = LOAD(weight + LANES);
                    const REALS w2 = LOAD(weight + 2 * LANES), w3 = LOAD(weight + 3 * LANES);
                    weight += 4 * LANES;
                    #pragma unroll
                    EACH_PIXEL {
                        const JOIN(REAL, 4) values = vload4(0, rows[p] + at + k);
                        part[p] = mad((REALS)values.s0, w0, part[p]);
                        part[p] = mad((REALS)values.s1, w1, part[p]);
                        part[p] = mad((REALS)values.s2, w2, part[p]);
                        part[p] = mad((REALS)values.s3, w3, part[p]);
                    }
                }
#endif
                for (; k < to; ++k) {
                    const REALS w = LOAD(weight);
                    weight += LANES;
                    #pragma unroll
                    EACH_PIXEL part[p] = mad((REALS)rows[p][at + k], w, part[p]);
                }
#ifdef HALF
                #pragma unroll
                EACH_PIXEL sums[p] += TO_FLOATS(part[p]);
                }
#endif
            }
        }
        #pragma unroll
        EACH_PIXEL {
            if (start + p < end) {
                const REALS values = TO_REALS(min(max(sums[p], low), high));
                store_some(values, count, target + (start + p) * output.stride);
            }
        }
    }
}
