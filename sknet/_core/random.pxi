# Counter-based random numbers: a number is a hash of where it is used (epoch, mini-batch, layer,
# row, unit), so it does not matter which thread asks for it, or in which order.

cdef inline uint64_t mix_key(uint64_t key, uint64_t counter) noexcept nogil:
    """A new key from a key and a counter: splitmix64 (Steele, Lea and Flood, OOPSLA 2014)."""
    cdef uint64_t z = key + (counter + 1) * <uint64_t> 0x9E3779B97F4A7C15
    z = (z ^ (z >> 30)) * <uint64_t> 0xBF58476D1CE4E5B9
    z = (z ^ (z >> 27)) * <uint64_t> 0x94D049BB133111EB
    return z ^ (z >> 31)


cdef inline uint32_t mix_bits(uint32_t x) noexcept nogil:
    """A bijection of 32 bits with low bias (C. Wellons' search, "Hash function prospector")."""
    x = (x ^ (x >> 16)) * <uint32_t> 0x7FEB352D
    x = (x ^ (x >> 15)) * <uint32_t> 0x846CA68B
    return x ^ (x >> 16)


cdef inline uint32_t random_bits(uint64_t key, uint32_t index) noexcept nogil:
    """32 random bits for place `index` under `key`; a loop over index vectorises."""
    return mix_bits(mix_bits(index + <uint32_t> key) ^ <uint32_t> (key >> 32))


cdef enum:
    SHUFFLING = -2  # the counter of an epoch's order; its mini-batches count from 0


cdef void shuffle_rows(Py_ssize_t n, uint64_t epoch_key, Py_ssize_t* order) noexcept nogil:
    """order (n) = the numbers 0..n-1 in random order: Fisher and Yates' shuffle, inside out."""
    cdef uint64_t key = mix_key(epoch_key, SHUFFLING), bits
    cdef Py_ssize_t i, j
    for i in range(n):
        bits = mix_key(key, i)
        # 32 bits choose among fewer than 2^32 with a bias below n / 2^32.
        if i >> 32:
            j = bits % <uint64_t> (i + 1)
        else:
            j = ((bits >> 32) * <uint64_t> (i + 1)) >> 32
        order[i] = order[j]
        order[j] = i


def epoch_order(Py_ssize_t n_samples, uint64_t key):
    """(n_samples,) intp array: the order of the rows in a shuffled epoch of this key."""
    order = np.empty(n_samples, np.intp)
    cdef Py_ssize_t[::1] numbers = order
    if n_samples:
        shuffle_rows(n_samples, key, &numbers[0])
    return order
