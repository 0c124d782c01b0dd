// What every kernel speaks in. Built in front of the other files, with
//   REAL    float or half: what activations and weights are stored as
//   HALF    defined if REAL is half
//   LANES   channels that one vector holds: 4, 8 or 16
//   PIXELS  pixels that a convolution's register tile holds
//   DEPTH   terms of a convolution's sum that are read at once: 1 or 4
// Activations lie pixel by pixel with their channels side by side (NHWC). Vectors run along
// channels, and may read up to a vector beyond a tensor on either side: the host leaves room.

#ifdef HALF
#pragma OPENCL EXTENSION cl_khr_fp16 : enable
#endif

#define JOIN_(left, right) left##right
#define JOIN(left, right) JOIN_(left, right)

#define REALS JOIN(REAL, LANES)
#define FLOATS JOIN(float, LANES)
#define INTS JOIN(int, LANES)
#define LOAD(from) JOIN(vload, LANES)(0, from)
#define STORE(values, to) JOIN(vstore, LANES)(values, 0, to)
#define TO_FLOATS JOIN(convert_float, LANES)
#define TO_REALS JOIN(JOIN(convert_, REAL), LANES)

#if LANES == 16
#define LANE_NUMBERS ((int16)(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15))
#elif LANES == 8
#define LANE_NUMBERS ((int8)(0, 1, 2, 3, 4, 5, 6, 7))
#else
#define LANE_NUMBERS ((int4)(0, 1, 2, 3))
#endif

// Where a tensor lies in a buffer of activations, in values.
typedef struct {
    int offset;
    int stride;   // from one pixel to the next
    int channels;
    int height;
    int width;
} Tensor;

// How a window slides over the image.
typedef struct {
    int kernel_height, kernel_width;
    int stride_height, stride_width;
    int dilation_height, dilation_width;
    int top, left, bottom, right;   // padding
} Window;

// The part of a tensor that each work item takes: a run of pixels, and of channels in each.
typedef struct {
    int pixels;
    int channels;
} Share;

#define FIRST_PIXEL ((int)get_global_id(1) * share.pixels)
#define END_PIXEL(tensor) min(FIRST_PIXEL + share.pixels, (tensor).height * (tensor).width)
#define FIRST_CHANNEL ((int)get_global_id(0) * share.channels)
#define END_CHANNEL(tensor) min(FIRST_CHANNEL + share.channels, (tensor).channels)

#define FOR_EACH_PIXEL(tensor) for (int pixel = FIRST_PIXEL; pixel < END_PIXEL(tensor); ++pixel)
#define FOR_EACH_BLOCK(tensor) \
    for (int channel = FIRST_CHANNEL; channel < END_CHANNEL(tensor); channel += LANES)

// Where a value of `tensor` lies.
#define AT(tensor, pixel, channel) ((tensor).offset + (pixel) * (tensor).stride + (channel))

// Stores the first `count` of `values`.
inline void store_some(REALS values, int count, global REAL *to)
{
    if (count >= LANES) {
        STORE(values, to);
        return;
    }
    REAL each[LANES];
    STORE(values, each);
    for (int lane = 0; lane < count; ++lane)
        to[lane] = each[lane];
}
