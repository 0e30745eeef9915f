/* The real type of this binary, its vector width, and elementary functions that vectorise.
 *
 * Compiled with -DSKNET_REAL_BITS=32 or 64; everything else follows from it. The functions are
 * branch-free, so that a plain loop over them becomes vector code without intrinsics. They keep
 * NaN as NaN: a diverging network must show itself.
 */
#ifndef SKNET_REAL_H
#define SKNET_REAL_H

#include <math.h>
#include <stdint.h>
#include <string.h>

#if SKNET_REAL_BITS == 32
typedef float real_t;
typedef int32_t real_bits_t;
typedef uint32_t real_unsigned_t;
#define FRACTION_BITS 23
#elif SKNET_REAL_BITS == 64
typedef double real_t;
typedef int64_t real_bits_t;
typedef uint64_t real_unsigned_t;
#define FRACTION_BITS 52
#else
#error "compile with -DSKNET_REAL_BITS=32 or -DSKNET_REAL_BITS=64"
#endif

#define CACHE_LINE 64 /* bytes */

#if defined(__GNUC__) || defined(__clang__)
#define SKNET_INLINE static inline __attribute__((always_inline))
#define SKNET_HAS_VECTORS 1
#else
#define SKNET_INLINE static inline
#define SKNET_HAS_VECTORS 0
#endif
#ifndef SKNET_VECTORS /* a test compiles the plain loops with a compiler that has vector types, too */
#define SKNET_VECTORS SKNET_HAS_VECTORS
#endif

/* The CPU level this binary was compiled for, and the best one this machine can run. */
#if defined(__AVX512F__)
#define SKNET_CPU_LEVEL "x86-64-v4"
#elif defined(__AVX2__) && defined(__FMA__)
#define SKNET_CPU_LEVEL "x86-64-v3"
#else
#define SKNET_CPU_LEVEL "baseline"
#endif

static inline const char *sknet_best_cpu_level(void) {
#if SKNET_VECTORS && defined(__x86_64__)
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
        __builtin_cpu_supports("bmi2")) {
        if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
            __builtin_cpu_supports("avx512cd") && __builtin_cpu_supports("avx512dq") &&
            __builtin_cpu_supports("avx512vl"))
            return "x86-64-v4";
        return "x86-64-v3";
    }
#endif
    return "baseline";
}

/* exp(x) = 2^n exp(r) with n = round(x / ln 2) and |r| <= ln 2 / 2, exp(r) by its Taylor
 * polynomial. The magic number puts n into the low bits of a float, whence it is shifted into
 * the exponent. Below the smallest normal number the result stays there; above the largest
 * finite one it is infinite. */
SKNET_INLINE real_t real_exp(real_t x) {
#if SKNET_REAL_BITS == 32
    const real_t lowest = -87.0f, highest = 88.0f, magic = 12582912.0f; /* 1.5 * 2^23 */
    const real_t ln2_high = 0.693359375f, ln2_low = -2.12194440e-4f, log2e = 1.44269504f;
#else
    const real_t lowest = -708.0, highest = 709.0, magic = 6755399441055744.0; /* 1.5 * 2^52 */
    const real_t ln2_high = 6.93147180369123816490e-01, ln2_low = 1.90821492927058770002e-10;
    const real_t log2e = 1.4426950408889634;
#endif
    real_t inside = x < lowest ? lowest : x;
    inside = inside > highest ? highest : inside;
    real_t shifted = inside * log2e + magic;
    real_t n = shifted - magic;
    real_t r = (inside - n * ln2_high) - n * ln2_low;
#if SKNET_REAL_BITS == 32
    real_t p = 1.9841270e-4f;
    p = p * r + 1.3888889e-3f;
    p = p * r + 8.3333333e-3f;
    p = p * r + 4.1666667e-2f;
    p = p * r + 1.6666667e-1f;
    p = p * r + 0.5f;
    p = p * r + 1.0f;
    p = p * r + 1.0f;
#else
    real_t p = 1.0 / 6227020800.0;
    p = p * r + 1.0 / 479001600.0;
    p = p * r + 1.0 / 39916800.0;
    p = p * r + 1.0 / 3628800.0;
    p = p * r + 1.0 / 362880.0;
    p = p * r + 1.0 / 40320.0;
    p = p * r + 1.0 / 5040.0;
    p = p * r + 1.0 / 720.0;
    p = p * r + 1.0 / 120.0;
    p = p * r + 1.0 / 24.0;
    p = p * r + 1.0 / 6.0;
    p = p * r + 0.5;
    p = p * r + 1.0;
    p = p * r + 1.0;
#endif
    real_bits_t bits;
    real_t scale;
    memcpy(&bits, &shifted, sizeof bits);
#if SKNET_REAL_BITS == 32
    bits = (real_bits_t)(((uint32_t)bits + 127u) << 23);
#else
    bits = (real_bits_t)(((uint64_t)bits + 1023u) << 52);
#endif
    memcpy(&scale, &bits, sizeof scale);
    real_t result = p * scale;
    return x > highest ? (real_t)INFINITY : result;
}

/* 1 / (1 + exp(-x)), without cancellation on either side; never 0 for a finite x. */
SKNET_INLINE real_t real_logistic(real_t x) {
    real_t e = real_exp(x < 0 ? x : -x);
    return (x < 0 ? e : 1) / (1 + e);
}

/* log(1 + exp(x)), by log(1 + e) = 2 artanh(e / (2 + e)) and the series of artanh: for e in
 * [0, 1] its argument is at most 1/3. */
SKNET_INLINE real_t real_softplus(real_t x) {
    real_t e = real_exp(x < 0 ? x : -x);
    real_t s = e / (2 + e);
    real_t z = s * s;
#if SKNET_REAL_BITS == 32
    real_t p = (real_t)1 / 13;
#else
    real_t p = (real_t)1 / 33;
    p = p * z + (real_t)1 / 31;
    p = p * z + (real_t)1 / 29;
    p = p * z + (real_t)1 / 27;
    p = p * z + (real_t)1 / 25;
    p = p * z + (real_t)1 / 23;
    p = p * z + (real_t)1 / 21;
    p = p * z + (real_t)1 / 19;
    p = p * z + (real_t)1 / 17;
    p = p * z + (real_t)1 / 15;
    p = p * z + (real_t)1 / 13;
#endif
    p = p * z + (real_t)1 / 11;
    p = p * z + (real_t)1 / 9;
    p = p * z + (real_t)1 / 7;
    p = p * z + (real_t)1 / 5;
    p = p * z + (real_t)1 / 3;
    p = p * z + 1;
    return (x < 0 ? 0 : x) + 2 * s * p;
}

/* tanh by a polynomial near zero, where 1 - 2 / (1 + exp(2x)) would cancel (the ranges and the
 * coefficients are those of S. Moshier's Cephes library, tanhf.c and tanh.c). */
SKNET_INLINE real_t real_tanh(real_t x) {
    real_t z = x * x;
    real_t size = x < 0 ? -x : x;
#if SKNET_REAL_BITS == 32
    real_t p = -5.70498872745e-3f;
    p = p * z + 2.06390887954e-2f;
    p = p * z - 5.37397155531e-2f;
    p = p * z + 1.33314422036e-1f;
    p = p * z - 3.33332819422e-1f;
    real_t near = p * z * x + x;
#else
    real_t p = -9.64399179425052238628e-1;
    p = p * z - 9.92877231001918586564e1;
    p = p * z - 1.61468768441708447952e3;
    real_t q = z + 1.12811678491632931402e2;
    q = q * z + 2.23548839060100448583e3;
    q = q * z + 4.84406305325125486048e3;
    real_t near = x + x * z * (p / q);
#endif
    real_t far = 1 - 2 / (1 + real_exp(2 * size));
    far = x < 0 ? -far : far;
    return size < (real_t)0.625 ? near : far;
}

/* x where x >= 0, else exp(x) - 1, by 2 t / (1 - t) with t = tanh(x / 2): no cancellation. */
SKNET_INLINE real_t real_elu(real_t x) {
    real_t t = real_tanh(x / 2);
    return x < 0 ? 2 * t / (1 - t) : x;
}

/* The normal distribution. For a = |x| its tail is exp(-a^2 / 2) g(a), and (1 + sqrt(2) a) g(a)
 * is smooth in q = (a - c) / (a + c), c = 3 sqrt(2): a polynomial that interpolates it in
 * Chebyshev's nodes. Where the tail would fall below the smallest normal number it stays there. */
SKNET_INLINE real_t real_normal_cdf(real_t x) {
    const real_t root = (real_t)1.4142135623730950488, c = (real_t)4.2426406871192851464;
    real_t a = x < 0 ? -x : x;
#if SKNET_REAL_BITS == 32
    a = a > 12.87f ? 12.87f : a;
#else
    a = a > 37.5 ? 37.5 : a;
#endif
    real_t q = (a - c) / (a + c);
#if SKNET_REAL_BITS == 32
    real_t p = -9.521061589e-5f;
    p = p * q + 0.001086542109f;
    p = p * q + 0.001096286281f;
    p = p * q - 0.01199842728f;
    p = p * q + 0.03418755039f;
    p = p * q - 0.0596110616f;
    p = p * q + 0.06481992157f;
    p = p * q - 0.02378301149f;
    p = p * q - 0.06781047921f;
    p = p * q + 0.6265040499f;
#else
    real_t p = -2.112415901239924054e-9;
    p = p * q - 4.267478598901446599e-9;
    p = p * q + 1.647111292029123325e-8;
    p = p * q + 4.598741938176051288e-8;
    p = p * q - 6.555584158388400601e-8;
    p = p * q - 3.025799287933391156e-7;
    p = p * q + 1.744723517950090007e-7;
    p = p * q + 1.732058428143036505e-6;
    p = p * q - 3.637680693215559956e-7;
    p = p * q - 0.00001004834356023808767;
    p = p * q + 2.474059946410617099e-6;
    p = p * q + 0.00006254908424895835027;
    p = p * q - 0.00005257974076347715443;
    p = p * q - 0.0003899160205496229075;
    p = p * q + 0.0009443451551837599817;
    p = p * q + 0.001264695894313513266;
    p = p * q - 0.01188525745703109467;
    p = p * q + 0.03415401367289097523;
    p = p * q - 0.05963683170776877772;
    p = p * q + 0.06482257935135309603;
    p = p * q - 0.02378114717672309512;
    p = p * q - 0.06781055306229034546;
    p = p * q + 0.6265040291348648184;
#endif
    real_t tail = real_exp(a * a / -2) * p / (1 + root * a);
    return x < 0 ? tail : 1 - tail;
}

/* A standard normal number from 32 random bits, as precise as they are, in both dtypes: by the
 * inverse of the distribution function (M. Giles, "Approximating the erfinv function", GPU Computing
 * Gems, 2011) and a logarithm (the range and the coefficients of S. Moshier's Cephes library, logf.c). */
SKNET_INLINE float normal_number(uint32_t random) {
    const float u = ((float)(random >> 9) + 0.5f) * 1.1920929e-7f; /* in (0, 1), steps of 2^-23 */
    const float x = 2 * u - 1, y = 4 * u * (1 - u);                /* y = 1 - x^2 in (0, 1] */
    uint32_t bits;
    float m;
    memcpy(&bits, &y, sizeof bits);
    const uint32_t shifted = bits - 0x3F3504F3u; /* the square root of 1/2 */
    const int32_t exponent = (int32_t)shifted >> 23;
    bits = (shifted & 0x007FFFFFu) + 0x3F3504F3u;
    memcpy(&m, &bits, sizeof m);
    m -= 1;
    float p = 7.0376836292e-2f;
    p = p * m - 1.1514610310e-1f;
    p = p * m + 1.1676998740e-1f;
    p = p * m - 1.2420140846e-1f;
    p = p * m + 1.4249322787e-1f;
    p = p * m - 1.6668057665e-1f;
    p = p * m + 2.0000714765e-1f;
    p = p * m - 2.4999993993e-1f;
    p = p * m + 3.3333331174e-1f;
    const float w = -(p * m * m * m - 0.5f * m * m + m + (float)exponent * 0.69314718f);
    const float near = w - 2.5f, far = sqrtf(w > 5 ? w : 5) - 3;
    float a = 2.81022636e-08f, b = -0.000200214257f;
    a = a * near + 3.43273939e-07f;
    b = b * far + 0.000100950558f;
    a = a * near - 3.5233877e-06f;
    b = b * far + 0.00134934322f;
    a = a * near - 4.39150654e-06f;
    b = b * far - 0.00367342844f;
    a = a * near + 0.00021858087f;
    b = b * far + 0.00573950773f;
    a = a * near - 0.00125372503f;
    b = b * far - 0.0076224613f;
    a = a * near - 0.00417768164f;
    b = b * far + 0.00943887047f;
    a = a * near + 0.246640727f;
    b = b * far + 1.00167406f;
    a = a * near + 1.50140941f;
    b = b * far + 2.83297682f;
    return 1.4142135623730951f * x * (w < 5 ? a : b);
}

SKNET_INLINE real_t real_abs(real_t x) { return x < 0 ? -x : x; }

/* 1, -1, or x itself where it is 0 or NaN. */
SKNET_INLINE real_t real_sign(real_t x) { return x > 0 ? 1 : x < 0 ? -1 : x; }

SKNET_INLINE real_t real_max(real_t a, real_t b) { return a > b ? a : b; }

#if SKNET_REAL_BITS == 32
SKNET_INLINE real_t real_sqrt(real_t x) { return sqrtf(x); }
#else
SKNET_INLINE real_t real_sqrt(real_t x) { return sqrt(x); }
#endif

/* Whether no x is NaN or infinite: no exponent is so full that one more carries into the sign. */
static inline int real_all_finite(ptrdiff_t n, const real_t *x) {
    const real_unsigned_t sign = (real_unsigned_t)1 << (SKNET_REAL_BITS - 1);
    const real_unsigned_t one_more = (real_unsigned_t)1 << FRACTION_BITS;
    real_unsigned_t carries = 0;
    for (ptrdiff_t i = 0; i < n; i++) {
        real_unsigned_t bits;
        memcpy(&bits, x + i, sizeof bits);
        carries |= (bits & (sign - 1)) + one_more;
    }
    return !(carries & sign);
}

#endif
