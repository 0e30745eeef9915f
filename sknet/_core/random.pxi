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
