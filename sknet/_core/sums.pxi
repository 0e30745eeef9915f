# Sums over weights: of their sizes, above a level or in all, and of their squares.

cdef enum:
    SUMS = 32   # sums that run side by side
    PART = 512  # numbers that so many of them may add up without double


cdef inline real_t sum_by_halves(real_t* sums) noexcept nogil:
    """Of SUMS numbers, which are overwritten."""
    cdef Py_ssize_t lane
    for lane in range(16):
        sums[lane] += sums[lane + 16]
    for lane in range(8):
        sums[lane] += sums[lane + 8]
    for lane in range(4):
        sums[lane] += sums[lane + 4]
    return (sums[0] + sums[2]) + (sums[1] + sums[3])


cdef inline const real_t* last_strip(
    Py_ssize_t n, const real_t* W, real_t* room
) noexcept nogil:
    """The last n % SUMS numbers of W, with zeros behind them, in `room`."""
    memset(room, 0, SUMS * sizeof(real_t))
    copy_few(SUMS // 2, n % SUMS, W + n // SUMS * SUMS, room)
    return room


cdef inline void add_excesses(
    const real_t* W, real_t level, real_t* sums, real_t* counts
) noexcept nogil:
    """Adds to each of SUMS sums by how much a weight is above the level, and whether it is."""
    cdef Py_ssize_t lane
    cdef real_t over
    for lane in range(SUMS):
        over = real_abs(W[lane]) - level
        sums[lane] += 0 if over <= 0 else over  # NaN comes through
        counts[lane] += 1 if over > 0 else 0


cdef double excess_over(
    Py_ssize_t n, const real_t* W, real_t level, Py_ssize_t* n_above
) noexcept nogil:
    """The sum of (|W_i| - level)_+, level >= 0; adds to n_above how many are above it."""
    cdef real_t[SUMS] sums
    cdef real_t[SUMS] counts
    cdef real_t[SUMS] last
    cdef double total = 0
    cdef Py_ssize_t part, end, strip
    for part in range((n + PART - 1) // PART):
        end = min((part + 1) * PART, n)
        memset(sums, 0, sizeof(sums))
        memset(counts, 0, sizeof(counts))
        for strip in range(part * PART // SUMS, end // SUMS):
            add_excesses(W + strip * SUMS, level, sums, counts)
        if end % SUMS:  # its zeros are not above any level
            add_excesses(last_strip(n, W, last), level, sums, counts)
        total += sum_by_halves(sums)
        n_above[0] += <Py_ssize_t> sum_by_halves(counts)
    return total


cdef double sum_of_sizes(Py_ssize_t n, const real_t* W) noexcept nogil:
    """|W|_1"""
    cdef Py_ssize_t n_above = 0
    return excess_over(n, W, 0, &n_above)


cdef inline void add_squares(const real_t* W, real_t* sums) noexcept nogil:
    cdef Py_ssize_t lane
    for lane in range(SUMS):
        sums[lane] += W[lane] * W[lane]


cdef double sum_of_squares(Py_ssize_t n, const real_t* W) noexcept nogil:
    """In double only where squares may be too large or too small without."""
    cdef real_t[SUMS] sums
    cdef real_t[SUMS] last
    cdef double total = 0
    cdef Py_ssize_t part, end, strip
    for part in range((n + PART - 1) // PART):
        end = min((part + 1) * PART, n)
        memset(sums, 0, sizeof(sums))
        for strip in range(part * PART // SUMS, end // SUMS):
            add_squares(W + strip * SUMS, sums)
        if end % SUMS:
            add_squares(last_strip(n, W, last), sums)
        total += sum_by_halves(sums)
    return total if 1e-25 < total < 1e30 else sum_of_extreme_squares(n, W)


cdef double sum_of_extreme_squares(Py_ssize_t n, const real_t* W) noexcept nogil:
    """In double all the way."""
    cdef double[SUMS] sums
    cdef double total = 0
    cdef Py_ssize_t i, lane, strip
    memset(sums, 0, sizeof(sums))
    for strip in range(n // SUMS):
        for lane in range(SUMS):
            i = strip * SUMS + lane
            sums[lane] += <double> W[i] * W[i]
    for i in range(n // SUMS * SUMS, n):
        total += <double> W[i] * W[i]
    for lane in range(SUMS):
        total += sums[lane]
    return total
