# A network in training: its numbers, and the room it needs for a mini-batch.

cdef inline real_t* address(real_t[::1] array) noexcept nogil:
    return &array[0] if array.shape[0] else NULL


ctypedef struct TileSums:
    double penalty
    double squares  # of the gradient


cdef class Trainee:
    """Turns a mini-batch's gradients into updates of `params`, tile by tile.

    Parameters
    ----------
    network : Network
    optimizer : Optimizer
    params : (n_params,) array, changed in place
    state : (n_state,) array, changed in place
    moments : (n_moments, n_params) array with contiguous rows, changed in place
    batch_size, n_blocks : rows of a mini-batch, and the blocks in which they pass the network
    max_rows : of a block
    is_whole : whether there is one mini-batch only
    alpha : as of Trainer
    """

    cdef readonly Network network
    cdef Optimizer optimizer
    cdef double alpha
    cdef object arrays
    cdef real_t[::1] params, state, shared
    cdef real_t[:, :] moments
    cdef real_t** pointers
    cdef Workspace workspace
    cdef const Py_ssize_t[:, ::1] tiles
    cdef Py_ssize_t n_scratch, n_products  # of a worker: in all, and before the gradient of a tile

    def __init__(
        self, Network network not None, Optimizer optimizer not None, real_t[::1] params not None,
        real_t[::1] state not None, real_t[:, :] moments not None, Py_ssize_t batch_size,
        Py_ssize_t n_blocks, Py_ssize_t max_rows, bint is_whole, double alpha,
    ):
        cdef Py_ssize_t i, line = CACHE_LINE // sizeof(real_t)
        cdef Workspace* ws = &self.workspace
        cdef Layer layer
        self.network, self.optimizer, self.alpha = network, optimizer, alpha
        self.params, self.state, self.moments = params, state, moments
        self.tiles = network.tiles()
        self.n_products = max(
            max_rows * (network.n_scratch + MAX_INPUTS * network.n_added),
            batch_size * network.n_tile_scratch,
        )
        self.n_products = (self.n_products // line + 2) * line
        self.n_scratch = self.n_products + network.max_tile
        self.pointers = <real_t**> PyMem_Calloc(4 * network.n_steps, sizeof(real_t*))
        if self.pointers == NULL:
            raise MemoryError
        self.arrays = [params, state, moments]
        self.shared = empty(max(1, network.n_shared))
        ws.batching = Batching(batch_size, n_blocks, is_whole)
        ws.W = address(params)
        ws.state = address(state)
        ws.shared = &self.shared[0]
        ws.Y = self.pointers
        ws.dY = self.pointers + network.n_steps
        ws.cache = self.pointers + 2 * network.n_steps
        ws.block_params = self.pointers + 3 * network.n_steps
        for i in range(network.n_steps):
            layer = network.layers[i]
            ws.Y[i] = self.allocate(layer.n_out * batch_size)
            ws.dY[i] = self.allocate(layer.n_out * batch_size)
            ws.cache[i] = self.allocate(layer.n_cache * batch_size)
            if layer.n_params and layer.sums_by_blocks(ws.batching):
                ws.block_params[i] = self.allocate(layer.n_params * n_blocks)
        ws.block_state = self.allocate(network.n_block_state * n_blocks)

    def __dealloc__(self):
        PyMem_Free(self.pointers)

    cdef real_t* allocate(self, Py_ssize_t size):
        cdef real_t[::1] block = empty(max(1, size))
        self.arrays.append(block)
        return &block[0]

    cdef TileSums train_tile(
        self, Py_ssize_t tile, Workspace* ws, Py_ssize_t n_blocks, const Batch* batch
    ) noexcept nogil:
        """Gradient, update and packing of one tile of the parameters.

        The rows were passed in n_blocks blocks.
        """
        cdef Py_ssize_t i = self.tiles[tile, 0], begin = self.tiles[tile, 1], end = self.tiles[tile, 2]
        cdef Py_ssize_t n = end - begin, k, block
        cdef Step* step = self.network.steps + i
        cdef real_t* W = &self.params[step.params + begin]
        cdef real_t* dW = ws.scratch + self.n_products
        cdef const real_t* of_block
        cdef real_t factor = batch.scale, penalty = self.alpha * factor, kept = 1 - batch.decay
        cdef Py_ssize_t n_weights = max(0, min(n, (<Layer> step.layer).n_weights - begin))
        cdef Py_ssize_t n_penalised = 0 if self.alpha == 0 else n_weights
        cdef TileSums sums
        cdef Rows rows
        sums.penalty = 0
        if ws.block_params[i] != NULL:
            memcpy(dW, ws.block_params[i] + begin, n * sizeof(real_t))
            for block in range(1, n_blocks):
                of_block = ws.block_params[i] + block * (<Layer> step.layer).n_params + begin
                for k in range(n):
                    dW[k] += of_block[k]
        else:
            self.network.view(i, ws, 0, ws.n, &rows)
            rows.dY = ws.dY[i]
            (<Layer> step.layer).backward_params(&rows, begin, end, ws.scratch, dW)
        if begin == 0 and (<Layer> step.layer).n_state:
            (<Layer> step.layer).update_state(
                n_blocks, ws.block_state + step.block_state, self.network.n_block_state,
                &self.state[step.state],
            )
        if n_penalised:
            sums.penalty = 0.5 * self.alpha * sum_of_squares(n_penalised, W)
        for k in range(n_penalised):
            dW[k] = dW[k] * factor + penalty * W[k]
        for k in range(n_penalised, n):
            dW[k] *= factor
        sums.squares = sum_of_squares(n, dW)
        if kept != 1:
            for k in range(n_weights):
                W[k] *= kept
        self.optimizer.update(
            n, batch.rates, dW, W, &self.moments[0, step.params + begin],
            self.moments.strides[0] // <Py_ssize_t> sizeof(real_t),
        )
        self.prepare(tile)
        return sums

    cdef void prepare(self, Py_ssize_t tile) noexcept nogil:
        cdef Py_ssize_t begin = self.tiles[tile, 1]
        cdef Step* step = self.network.steps + self.tiles[tile, 0]
        (<Layer> step.layer).prepare(
            &self.params[step.params + begin], begin, self.tiles[tile, 2], step.backward,
            address(self.shared) + step.shared,
        )
