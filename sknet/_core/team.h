/* A team of threads inside one epoch: a counter that hands out work, and a barrier.
 *
 * C11 atomics only. The barrier spins briefly, then yields its time slice: with more workers
 * than cores, spinning alone would wait for a worker that cannot run. The last to arrive sets
 * the counter back for the next phase.
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

/* What is written all the time stands a cache line apart from what is polled. */
typedef struct {
    atomic_ptrdiff_t next;
    char apart_1[64];
    atomic_int arrived;
    char apart_2[64];
    atomic_int phase;
    atomic_int aborted;
    int size;
} team_t;

static inline void team_start(team_t *team, int size) {
    atomic_init(&team->next, 0);
    atomic_init(&team->arrived, 0);
    atomic_init(&team->phase, 0);
    atomic_init(&team->aborted, 0);
    team->size = size;
}

/* The next piece of work of this phase; past the last one when there is none. */
static inline ptrdiff_t team_next(team_t *team) {
    return atomic_fetch_add_explicit(&team->next, 1, memory_order_relaxed);
}

/* Lets waiting workers go home: the calling thread never came. */
static inline void team_abort(team_t *team) {
    atomic_store_explicit(&team->aborted, 1, memory_order_release);
}

/* All workers meet. Returns 0, or 1 if the team was aborted. */
static inline int team_meet(team_t *team) {
    if (team->size == 1) {
        atomic_store_explicit(&team->next, 0, memory_order_relaxed);
        return 0;
    }
    int phase = atomic_load_explicit(&team->phase, memory_order_relaxed);
    if (atomic_fetch_add_explicit(&team->arrived, 1, memory_order_acq_rel) == team->size - 1) {
        atomic_store_explicit(&team->arrived, 0, memory_order_relaxed);
        atomic_store_explicit(&team->next, 0, memory_order_relaxed);
        atomic_store_explicit(&team->phase, phase + 1, memory_order_release);
        return 0;
    }
    for (int spins = 0; atomic_load_explicit(&team->phase, memory_order_acquire) == phase;) {
        if (atomic_load_explicit(&team->aborted, memory_order_relaxed)) return 1;
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
