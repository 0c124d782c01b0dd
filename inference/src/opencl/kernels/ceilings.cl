// What bounds a device: arithmetic without memory, and memory without arithmetic. Built alone, with
//   REAL    float or half: what is computed with
//   HALF    defined if REAL is half
// A work item of the memory kernels takes `count` vectors from `start + gid * apart` on, `step` apart from
// each other: on a CPU a stretch of its own, on a GPU every so manieth, so that neighbours read
// neighbouring memory at once.

#ifdef HALF
#pragma OPENCL EXTENSION cl_khr_fp16 : enable
#endif

#define JOIN_(left, right) left##right
#define JOIN(left, right) JOIN_(left, right)

#define FOUR(DO) DO(0) DO(1) DO(2) DO(3)
#define EIGHT(DO) FOUR(DO) DO(4) DO(5) DO(6) DO(7)
#define TWELVE(DO) EIGHT(DO) DO(8) DO(9) DO(10) DO(11)

// Chains start apart, or a compiler would see that they are one.
#define START(number) VECTOR chain##number = (VECTOR)(start + (REAL)number);
#define TURN(number) chain##number = mad(chain##number, by, plus);
#define ADD(number) sum += chain##number;

// Independent chains of multiply-adds, four turns a pass: `turns` must be known to the host alone.
#define CHAINS(name, lanes, COUNT) \
    kernel void name(global REAL *sink, float factor, float term, int turns) \
    { \
        const REAL start = (REAL)(get_global_id(0) % 16); \
        const VECTOR by = (VECTOR)((REAL)factor), plus = (VECTOR)((REAL)term); \
        COUNT(START) \
        for (int turn = 0; turn < turns; ++turn) { \
            COUNT(TURN) COUNT(TURN) COUNT(TURN) COUNT(TURN) \
        } \
        VECTOR sum = (VECTOR)((REAL)0); \
        COUNT(ADD) \
        JOIN(vstore, lanes)(sum, get_global_id(0), sink); \
    }

#define VECTOR JOIN(REAL, 2)
CHAINS(chains_2x8, 2, EIGHT)
#undef VECTOR
#define VECTOR JOIN(REAL, 4)
CHAINS(chains_4x4, 4, FOUR)
CHAINS(chains_4x8, 4, EIGHT)
CHAINS(chains_4x12, 4, TWELVE)
#undef VECTOR
#define VECTOR JOIN(REAL, 8)
CHAINS(chains_8x4, 8, FOUR)
CHAINS(chains_8x8, 8, EIGHT)
CHAINS(chains_8x12, 8, TWELVE)
#undef VECTOR
#define VECTOR JOIN(REAL, 16)
CHAINS(chains_16x8, 16, EIGHT)
#undef VECTOR

// 16 bytes are what a Mali reads best at a time, and 64 what a CPU's vectors hide latency with.
#ifdef WIDE
typedef float16 Piece;
#else
typedef float4 Piece;
#endif

kernel void read_all(global const Piece *from, global Piece *sink, int start, int apart, int step,
    int count)
{
    size_t place = start + get_global_id(0) * (size_t)apart;
    Piece one = (Piece)(0.0f), other = (Piece)(0.0f);
    for (int index = 0; index < count; index += 2) {
        one += from[place];
        other += from[place + step];
        place += 2 * (size_t)step;
    }
    sink[get_global_id(0)] = one + other;
}

kernel void write_all(global Piece *to, float value, int start, int apart, int step,
    int count)
{
    size_t place = start + get_global_id(0) * (size_t)apart;
    for (int index = 0; index < count; ++index) {
        to[place] = (Piece)(value);
        place += step;
    }
}

kernel void copy_all(global const Piece *from, global Piece *to, int start, int apart, int step,
    int count)
{
    size_t place = start + get_global_id(0) * (size_t)apart;
    for (int index = 0; index < count; ++index) {
        to[place] = from[place];
        place += step;
    }
}
