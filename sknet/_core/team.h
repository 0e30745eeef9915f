/* A team of threads inside one epoch: shares of work, and a barrier.
 *
 * The pieces of a phase are dealt out in equal shares, worker by worker, so that a worker meets
 * the same pieces in every mini-batch and finds their numbers in its own cache. Who is through
 * with its share takes from the others.
 *
 * C11 atomics only. The barrier spins briefly, then yields its time slice: with more workers
 * than cores, spinning alone would wait for a worker that cannot run.
 */
#ifndef SKNET_TEAM_H
#define SKNET_TEAM_H

#include <stdatomic.h>
#include <stddef.h>

#ifdef _WIN32
#include <windows.h>
#define sknet_yield() SwitchToThread()
#else
#include <sched.h>
#define sknet_yield() sched_yield()
#endif

#if (defined(__GNUC__) || defined(__clang__)) && (defined(__x86_64__) || defined(__i386__))
#define sknet_pause() __builtin_ia32_pause()
#else
#define sknet_pause() ((void)0)
#endif

#define SPINS 2000 /* some 20 to 100 microseconds: longer than the imbalance of a phase */

/* What is written all the time stands cache lines apart from what is polled and from each other. */
#define APART 128

/* How many pieces of a worker's share are taken: in phases of even and of odd number. */
typedef struct {
    atomic_ptrdiff_t taken[2];
    char apart[APART - 2 * sizeof(atomic_ptrdiff_t)];
} share_t;

typedef struct {
    atomic_int arrived;
    char apart[APART];
    atomic_int phase;
    atomic_int aborted;
    int size;
    share_t *shares; /* (size) */
} team_t;

static inline void team_start(team_t *team, int size, share_t *shares) {
    atomic_init(&team->arrived, 0);
    atomic_init(&team->phase, 0);
    atomic_init(&team->aborted, 0);
    team->size = size;
    team->shares = shares;
    for (int rank = 0; rank < size; rank++) {
        atomic_init(&shares[rank].taken[0], 0);
        atomic_init(&shares[rank].taken[1], 0);
    }
}

/* Where a worker's share of n pieces begins; odd ones go to the first workers. */
static inline ptrdiff_t share_begin(const team_t *team, int rank, ptrdiff_t n, const ptrdiff_t *begins) {
    return begins ? begins[rank] : (n * rank + team->size - 1) / team->size;
}

/* The next of this phase's n pieces for a worker; n when none is left. begins (size + 1) says where
 * shares begin that are not all of the same number of pieces, or is NULL. */
static inline ptrdiff_t team_next(team_t *team, int rank, ptrdiff_t n, const ptrdiff_t *begins) {
    const int parity = atomic_load_explicit(&team->phase, memory_order_relaxed) & 1;
    for (int i = 0; i < team->size; i++) {
        const int owner = rank + i < team->size ? rank + i : rank + i - team->size;
        const ptrdiff_t begin = share_begin(team, owner, n, begins);
        const ptrdiff_t end = share_begin(team, owner + 1, n, begins);
        atomic_ptrdiff_t *taken = &team->shares[owner].taken[parity];
        if (begin + atomic_load_explicit(taken, memory_order_relaxed) < end) {
            const ptrdiff_t piece = begin + atomic_fetch_add_explicit(taken, 1, memory_order_relaxed);
            if (piece < end) return piece;
        }
    }
    return n;
}

/* Lets waiting workers go home: the calling thread never came, or the result is not wanted. */
static inline void team_abort(team_t *team) {
    atomic_store_explicit(&team->aborted, 1, memory_order_release);
}

static inline int team_is_aborted(team_t *team) {
    return atomic_load_explicit(&team->aborted, memory_order_relaxed);
}

/* All workers meet. Returns 0, or 1 if the team was aborted. Each gets its share of the next phase
 * ready: nobody looks at that before all have met, nor later than they meet again. */
static inline int team_meet(team_t *team, int rank) {
    const int phase = atomic_load_explicit(&team->phase, memory_order_relaxed);
    atomic_store_explicit(&team->shares[rank].taken[(phase + 1) & 1], 0, memory_order_relaxed);
    if (atomic_fetch_add_explicit(&team->arrived, 1, memory_order_acq_rel) == team->size - 1) {
        atomic_store_explicit(&team->arrived, 0, memory_order_relaxed);
        atomic_store_explicit(&team->phase, phase + 1, memory_order_release);
        return 0;
    }
    for (int spins = 0; atomic_load_explicit(&team->phase, memory_order_acquire) == phase;) {
        if (team_is_aborted(team)) return 1;
        if (spins < SPINS) {
            spins++;
            sknet_pause();
        } else {
            sknet_yield();
        }
    }
    return 0;
}

#endif
