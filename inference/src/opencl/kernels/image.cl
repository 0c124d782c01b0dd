// From the host's FP32 planes, one for each channel (NCHW), to the network's pixels, and back.

kernel void to_pixels(
    global const float *planes, global REAL *image, Tensor tensor, Share share)
{
    const int pixels = tensor.height * tensor.width;
    FOR_EACH_PIXEL(tensor)
        for (int channel = FIRST_CHANNEL; channel < END_CHANNEL(tensor); ++channel)
            image[AT(tensor, pixel, channel)] = (REAL)planes[channel * pixels + pixel];
}

kernel void to_planes(
    global const REAL *image, Tensor tensor, global float *planes, Share share)
{
    const int pixels = tensor.height * tensor.width;
    for (int channel = FIRST_CHANNEL; channel < END_CHANNEL(tensor); ++channel)
        FOR_EACH_PIXEL(tensor)
            planes[channel * pixels + pixel] = (float)image[AT(tensor, pixel, channel)];
}
