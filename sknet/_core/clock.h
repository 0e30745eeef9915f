/* Time, to the nanosecond or as near as the system has it. C11. */
#ifndef SKNET_CLOCK_H
#define SKNET_CLOCK_H

#include <time.h>

static inline long long nanoseconds(void) {
    struct timespec now;
    timespec_get(&now, TIME_UTC);
    return (long long)now.tv_sec * 1000000000 + now.tv_nsec;
}

#endif
