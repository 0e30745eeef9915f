# The training data, and its rows in the order of an epoch.

cdef class Data:
    """X (n_samples, n_features), dense or CSR; y (n_samples, n_targets); weight (n_samples) or None.

    Nothing is copied but the row pointers of a CSR matrix. A CSR matrix comes as its three arrays
    (data, indices, indptr), the indices of a row sorted.
    """

    cdef readonly Py_ssize_t n_samples, n_features, n_targets
    cdef readonly bint is_sparse
    cdef object arrays  # keeps alive what the pointers below point to
    cdef const real_t* X
    cdef SparseMatrix csr
    cdef const real_t* y
    cdef const real_t* weight

    def __init__(self, X, y=None, weight=None, *, Py_ssize_t n_features=-1):
        cdef const real_t[:, ::1] dense
        cdef const real_t[::1] data, weights
        cdef const int[::1] indices
        cdef const Py_ssize_t[::1] indptr
        cdef const real_t[:, ::1] targets
        if isinstance(X, tuple):
            data, indices, indptr = X[0], X[1], np.ascontiguousarray(X[2], np.intp)
            self.is_sparse = True
            self.n_samples = indptr.shape[0] - 1
            self.n_features = n_features
            if data.shape[0] != indices.shape[0] or indptr[self.n_samples] > data.shape[0]:
                raise ValueError("data, indices and indptr of X do not fit together")
            self.csr.data = &data[0] if data.shape[0] else NULL
            self.csr.indices = &indices[0] if data.shape[0] else NULL
            self.csr.indptr = &indptr[0]
            self.arrays = (data, indices, indptr)
        else:
            dense = X
            self.n_samples, self.n_features = dense.shape[0], dense.shape[1]
            self.X = &dense[0, 0] if dense.shape[0] and dense.shape[1] else NULL
            self.arrays = (dense,)
        if self.n_samples < 1 or self.n_features < 1:
            raise ValueError(
                f"X must have at least one row and one column, got {self.n_samples}, {self.n_features}"
            )
        if y is not None:
            targets = y
            if targets.shape[0] != self.n_samples:
                raise ValueError(f"y has {targets.shape[0]} rows, X has {self.n_samples}")
            self.n_targets = targets.shape[1]
            self.y = &targets[0, 0]
            self.arrays += (targets,)
        if weight is not None:
            weights = weight
            if weights.shape[0] != self.n_samples:
                raise ValueError(f"weight has {weights.shape[0]} rows, X has {self.n_samples}")
            self.weight = &weights[0]
            self.arrays += (weights,)

    cdef Py_ssize_t count_batches(self, Py_ssize_t batch_size):
        """Mini-batches of an epoch."""
        return (self.n_samples + batch_size - 1) // batch_size

    cdef ahead_t rows_ahead(
        self, const Py_ssize_t* order, Py_ssize_t first, Py_ssize_t n
    ) noexcept nogil:
        """Up to n rows, from number `first` of `order` on, to be fetched; none of sparse X."""
        cdef Py_ssize_t row_bytes = self.n_features * sizeof(real_t)
        first = min(first, self.n_samples)
        n = 0 if self.is_sparse else min(n, self.n_samples - first)
        return read_ahead(self.X, row_bytes, row_bytes, order, first, first + n, NULL)

    cdef double sum_of_weights(
        self, Py_ssize_t n, Py_ssize_t first, const Py_ssize_t* order
    ) noexcept nogil:
        """Of n rows from number `first` of `order` on, or from row `first` on where that is NULL."""
        cdef Py_ssize_t i
        cdef double weight = 0
        if self.weight == NULL:
            return n
        for i in range(first, first + n):
            weight += self.weight[i if order == NULL else order[i]]
        return weight

    cdef void gather_X(self, Py_ssize_t n, const Py_ssize_t* rows, real_t* out) noexcept nogil:
        """out (n, n_features) = X[rows], made dense."""
        cdef Py_ssize_t i, p, m = self.n_features
        if not self.is_sparse:
            for i in range(n):
                memcpy(out + i * m, self.X + rows[i] * m, m * sizeof(real_t))
            return
        memset(out, 0, n * m * sizeof(real_t))
        for i in range(n):
            for p in range(self.csr.indptr[rows[i]], self.csr.indptr[rows[i] + 1]):
                out[i * m + self.csr.indices[p]] += self.csr.data[p]

    cdef const real_t* y_of(
        self, Py_ssize_t n, Py_ssize_t first, const Py_ssize_t* order, real_t* room
    ) noexcept nogil:
        """Targets (n, n_targets) from number `first` of `order` on, gathered in `room`.

        Where `order` is NULL: of the rows from `first` on, where they stand.
        """
        cdef Py_ssize_t i, k, m = self.n_targets
        if order == NULL:
            return self.y + first * m
        for i in range(n):
            for k in range(m):
                room[i * m + k] = self.y[order[first + i] * m + k]
        return room

    cdef const real_t* weight_of(
        self, Py_ssize_t n, Py_ssize_t first, const Py_ssize_t* order, real_t* room
    ) noexcept nogil:
        """Weights (n) of the same rows, or NULL."""
        cdef Py_ssize_t i
        if self.weight == NULL:
            return NULL
        if order == NULL:
            return self.weight + first
        for i in range(n):
            room[i] = self.weight[order[first + i]]
        return room
