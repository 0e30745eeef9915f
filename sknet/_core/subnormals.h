/* Subnormal numbers count as zero while the core computes.
 *
 * On some processors an operation with one takes many times as long, and momentum that dies away is
 * subnormal for hundreds of mini-batches before it is zero. The setting is the thread's own: elsewhere
 * in the process, and in this thread after its work, such numbers are what they were.
 */
#ifndef SKNET_SUBNORMALS_H
#define SKNET_SUBNORMALS_H

#if defined(__SSE2__) || defined(_M_X64)
#include <xmmintrin.h>

#define RESULTS_ARE_ZERO 0x8000 /* bits of the control register */
#define OPERANDS_ARE_ZERO 0x0040

static inline unsigned leave_out_subnormals(void) {
    const unsigned before = _mm_getcsr();
    _mm_setcsr(before | RESULTS_ARE_ZERO | OPERANDS_ARE_ZERO);
    return before;
}

static inline void restore_subnormals(unsigned before) { _mm_setcsr(before); }

#else /* not looked into on other processors: subnormal numbers stay */

static inline unsigned leave_out_subnormals(void) { return 0; }
static inline void restore_subnormals(unsigned before) { (void)before; }

#endif
#endif
