// The image with a border of zeros, and without gaps between its pixels: what a convolution of a
// padded image reads. `output` is the padded image.

kernel void pad(
    global const REAL *image, Tensor input, global REAL *results, Tensor output, int top, int left,
    Share share)
{
    FOR_EACH_PIXEL(output) {
        const int row = pixel / output.width - top;
        const int column = pixel % output.width - left;
        const bool inside = row >= 0 && row < input.height && column >= 0 && column < input.width;
        global const REAL *from = image + AT(input, row * input.width + column, 0);
        FOR_EACH_BLOCK(output) {
            REALS values = (REALS)0;
            if (inside)
                values = LOAD(from + channel);
            store_some(values, output.channels - channel, results + AT(output, pixel, channel));
        }
    }
}
