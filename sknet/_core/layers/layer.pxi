# What a layer is: the whole contract between a layer and the network.

cdef enum:
    MAX_INPUTS = 2  # slots a step may read
    MIN_BLOCK_ROWS = 32  # a full block: enough for batch statistics and for the product kernels
    MAX_BLOCKS = 64


cdef inline Py_ssize_t max_blocks(Py_ssize_t n) noexcept nogil:
    """Most blocks of a mini-batch of n rows: a power of two, each of 32 rows or more if n has them."""
    cdef Py_ssize_t n_blocks = 1
    while n_blocks < MAX_BLOCKS and n >= 2 * n_blocks * MIN_BLOCK_ROWS:
        n_blocks *= 2
    return n_blocks


cdef inline Py_ssize_t block_rows(Py_ssize_t n) noexcept nogil:
    """Rows per block of a mini-batch of n rows; the last block may have fewer."""
    cdef Py_ssize_t n_blocks = max_blocks(n)
    return (n + n_blocks - 1) // n_blocks


ctypedef struct Batching:
    # How the training data are cut into mini-batches.
    Py_ssize_t size      # rows of a mini-batch; the last one may have fewer
    Py_ssize_t n_blocks  # of rows in one of that size: no smaller one has more
    bint is_whole        # whether there is one only, which holds all rows


ctypedef struct SparseMatrix:
    # A CSR matrix: row i is data[indptr[i]:indptr[i + 1]], in the columns indices[...].
    const Py_ssize_t* indptr
    const int* indices
    const real_t* data


ctypedef struct Rows:
    # A block of rows of the mini-batch as one layer sees it. Matrices have n rows.
    Py_ssize_t n
    Py_ssize_t first             # place of the block's first row in the mini-batch
    Batching batching
    uint64_t key                 # for random numbers: of this mini-batch and this layer
    const real_t* W              # (n_params)
    const real_t* state          # (n_state) running statistics
    const real_t* shared         # (n_shared) what prepare() made of W; NULL: few rows to predict
    real_t* next_shared          # (n_shared) where it will write after the update
    # What this worker may overwrite there at any time: that of these parameters, counted from the
    # layer's first one. They may be those of other layers, and are none where all read there.
    Py_ssize_t own_begin, own_end
    const real_t* X[MAX_INPUTS]  # (n, n_in)
    const SparseMatrix* sparse   # instead of X[0], for layers that take it, or NULL
    const Py_ssize_t* numbers    # (n) which rows of sparse or X[0] are meant; NULL: the first n
    real_t* Y                    # (n, n_out)
    real_t* cache                # (n, n_cache) kept from forward to backward
    real_t* scratch              # (n, n_scratch) this worker's own
    real_t* block_state          # (n_block_state) this block's own
    const real_t* weight         # (n) weight of each row, or NULL
    ahead_t* ahead               # what products are to make ready besides, or NULL
    bint backward                # whether dX will be wanted
    real_t* dY                   # (n, n_out)
    real_t* dX[MAX_INPUTS]       # (n, n_in) OUT, or NULL where nobody needs it


cdef class Layer:
    """Maps rows X (n, n_in) to rows Y (n, n_out). An image or a sequence is one flattened row.

    Parameters lie in one flat array of the network, cut into tiles of `tile_size`. A layer sums
    its parameter gradients in one of two ways, as sums_by_blocks() says:

    - by tiles (many weights, few rows): prepare_rows() gets each block ready, then
      backward_params() makes one tile, summed over all rows of the mini-batch;
    - by blocks (few weights for the numbers they are made from): accumulate_params() adds up one
      block of rows for all parameters, the trainer adds the blocks in their order.

    Gradients with respect to Y are per unit of row weight. Weights enter where rows are summed:
    the network multiplies dY by them before the parameter sums, unless the layer says that it
    weighs rows itself (`weighs_rows`).

    Blocks and tiles depend on shapes alone, never on the number of threads. A layer does not
    change while it trains, but for its state, which update_state() writes once per mini-batch.

    Attributes
    ----------
    n_inputs : slots it reads
    n_in, n_out : columns of X and Y
    n_params : parameters, of which the first `n_weights` are penalised by alpha
    n_state : running statistics
    n_shared : numbers that prepare() makes of the parameters, for all workers to read
    n_cache, n_scratch, n_tile_scratch : numbers per row
    n_block_state : numbers per block
    tile_size : parameters per tile
    """

    cdef readonly Py_ssize_t n_in, n_out, n_params, n_weights, n_state, n_shared
    cdef readonly Py_ssize_t n_cache, n_scratch, n_tile_scratch, n_block_state, tile_size
    cdef readonly bint takes_sparse
    cdef readonly int n_inputs

    def __cinit__(self):
        self.tile_size = 4096
        self.n_inputs = 1

    cdef bint sums_by_blocks(self, Batching batching) noexcept nogil:
        """Whether parameter gradients are summed by blocks in training with these mini-batches."""
        return True

    cdef bint reads_in_place(self, Batching batching) noexcept nogil:
        """Whether X may be all of the training data, of which Rows.numbers names the rows."""
        return False

    cdef bint weighs_rows(self, Batching batching) noexcept nogil:
        """Whether the layer applies Rows.weight itself in training with these mini-batches."""
        return False

    cdef void prepare(
        self, const real_t* W, Py_ssize_t begin, Py_ssize_t end, bint is_sparse, bint backward,
        real_t* shared,
    ) noexcept nogil:
        """Renews `shared` after the tile W (end - begin) of the parameters begin..end has changed.

        What only dense X or only dX would need may be left out where X is sparse, where nothing goes
        backward.
        """

    cdef void forward(self, Rows* rows) noexcept nogil:
        """X -> Y and cache, in training."""

    cdef void predict(self, Rows* rows) noexcept nogil:
        """X -> Y, after training."""
        self.forward(rows)

    cdef void sample(self, Rows* rows) noexcept nogil:
        """X -> Y, after training, but with units dropped at random as in training."""
        self.predict(rows)

    cdef void backward_input(self, Rows* rows) noexcept nogil:
        """dY -> dX where asked for. May turn dY into what the parameter sums want to read."""

    cdef void backward_columns(
        self, Rows* rows, Py_ssize_t n_columns, const Py_ssize_t* columns, real_t* packed, real_t* dX
    ) noexcept nogil:
        """dX (n_columns, n) = gradients of these columns of X, after backward_input().

        Of layers that take sparse X. It needs no prepare(); `packed` has room for dY in panels.
        """

    cdef void prepare_rows(self, Rows* rows) noexcept nogil:
        """By tiles: puts this block's X and dY, now weighted, where backward_params() reads them."""

    cdef void backward_params(
        self, Rows* rows, Py_ssize_t begin, Py_ssize_t end, real_t* scratch, real_t* dW
    ) noexcept nogil:
        """By tiles: dW (end - begin) of the parameters begin..end, over all rows of the batch.

        What prepare() will make of this tile may be overwritten meanwhile.
        """

    cdef void accumulate_params(self, Rows* rows, real_t* dW) noexcept nogil:
        """By blocks: dW (n_params), this block's rows."""

    cdef void update_state(
        self, Py_ssize_t n_blocks, const real_t* block_state, Py_ssize_t stride, real_t* state
    ) noexcept nogil:
        """Folds the blocks' states, one per stride, into the running statistics, in block order."""

    cdef check_columns(self):
        """Raises if X or Y has no columns; called at the end of __init__."""
        if self.n_in < 1 or self.n_out < 1:
            raise ValueError(
                f"{type(self).__name__} must have at least one column in and one out, "
                f"got {self.n_in} and {self.n_out}"
            )

    def initial_state(self):
        """The running statistics before training, (n_state,)."""
        return np.zeros(self.n_state, DTYPE)
