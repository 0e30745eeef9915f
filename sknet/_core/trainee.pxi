# A network in training: its numbers, and the room it needs for a mini-batch.

cdef inline real_t* address(real_t[::1] array) noexcept nogil:
    return &array[0] if array.shape[0] else NULL


cdef enum:
    MAX_PROJECTIONS = 2
    CHUNK = 2048  # parameters that, with their gradient, stay in the nearest cache for an update


ctypedef struct TileSums:
    double penalty
    double squares  # of the gradient


cdef class Restraints:
    """What holds the weights back, besides the loss; intercepts are left alone.

    Parameters
    ----------
    alpha, l1 : of the penalty alpha / 2 |W|^2 + l1 |W|_1, divided by the weight of the mini-batch
    weight_decay : each update first takes this part, times the learning rate, off the weights
    clip_norm : longest gradient, over all parameters; 0: any
    projections : list of Projection, made of the network; applied in turn after each update
    frozen : steps of the network whose parameters stay as they are
    """

    cdef readonly double alpha, l1, weight_decay, clip_norm
    cdef readonly object projections, frozen

    def __init__(
        self, double alpha=0, double l1=0, double weight_decay=0, double clip_norm=0,
        projections=(), frozen=(),
    ):
        for name, value in [
            ("alpha", alpha), ("l1", l1), ("weight_decay", weight_decay),
            ("clip_norm", clip_norm),
        ]:
            if not value >= 0:
                raise ValueError(f"{name} must be at least 0, got {value}")
        self.alpha, self.l1, self.weight_decay = alpha, l1, weight_decay
        if len(projections) > MAX_PROJECTIONS:
            raise ValueError(f"projections must be at most {MAX_PROJECTIONS}")
        for projection in projections:
            if not isinstance(projection, Projection):
                raise TypeError(f"projections must hold a Projection each, got {projection!r}")
        self.clip_norm, self.projections = clip_norm, tuple(projections)
        self.frozen = tuple(frozen)

    cdef bint looks_at_all(self):
        """Whether an update depends on more than its own tile, or not all are updated."""
        return self.clip_norm > 0 or len(self.projections) > 0 or len(self.frozen) > 0


cdef class Trainee:
    """Turns a mini-batch's gradients into updates of `params`, tile by tile.

    Parameters
    ----------
    network : Network
    optimizer : Optimizer
    params : (n_params,) array, changed in place
    state : (n_state,) array, changed in place
    moments : (n_moments, n_params) array with contiguous rows, changed in place; one row more, the
        last, for the average
    batch_size, n_blocks : rows of a mini-batch, and the blocks in which they pass the network
    max_rows : of a block
    is_whole : whether there is one mini-batch only
    reads_sparse : whether its rows are those of a sparse X
    restraints : Restraints
    averages : bool
        Whether there is an average of the parameters.
    """

    cdef readonly Network network
    cdef Optimizer optimizer
    cdef double alpha, l1
    cdef bint reads_sparse, averages
    cdef bint finishes_later  # because updated weights will be projected before they are used
    cdef object arrays
    cdef real_t[::1] params, state
    cdef real_t[:, :] shared    # (n_packings or more, network.n_shared), used in turns
    cdef Py_ssize_t n_packings  # 1 or 2
    cdef bint may_alternate     # whether there may be 2
    cdef real_t[:, :] moments
    cdef real_t** pointers
    cdef Workspace workspace
    cdef const Py_ssize_t[:, ::1] all_tiles, tiles  # the latter: of layers that are trained
    cdef bint[::1] trained                          # (n_steps)
    cdef Py_ssize_t n_scratch, n_products  # of a worker: in all, and before the gradient of a tile

    def __init__(
        self, Network network not None, Optimizer optimizer not None, real_t[::1] params not None,
        real_t[::1] state not None, real_t[:, :] moments not None, Py_ssize_t batch_size,
        Py_ssize_t n_blocks, Py_ssize_t max_rows, bint is_whole, bint reads_sparse,
        Restraints restraints not None, bint averages,
    ):
        cdef Py_ssize_t i, line = CACHE_LINE // sizeof(real_t)
        cdef Workspace* ws = &self.workspace
        cdef Layer layer
        self.network, self.optimizer, self.reads_sparse = network, optimizer, reads_sparse
        self.alpha, self.l1, self.averages = restraints.alpha, restraints.l1, averages
        self.finishes_later = len(restraints.projections) > 0
        self.params, self.state, self.moments = params, state, moments
        trained = np.ones(network.n_steps, np.intc)
        trained[list(restraints.frozen)] = 0
        table = network.tiles()
        self.trained, self.all_tiles = trained, table
        self.tiles = table[trained[table[:, 0]] == 1]
        if restraints.frozen and self.tiles.shape[0] == 0:
            raise ValueError("not all steps with parameters can be frozen")
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
        ws.batching = Batching(batch_size, n_blocks, is_whole)
        ws.W = address(params)
        ws.state = address(state)
        ws.trained = &self.trained[0]
        ws.first_step = 0
        if self.tiles.shape[0] and not network.input_gradient:
            ws.first_step = self.tiles[0, 0]
        ws.Y = self.pointers
        ws.dY = self.pointers + network.n_steps
        ws.cache = self.pointers + 2 * network.n_steps
        ws.block_params = self.pointers + 3 * network.n_steps
        for i in range(network.n_steps):
            layer = network.layers[i]
            ws.Y[i] = self.allocate(layer.n_out * batch_size)
            ws.dY[i] = self.allocate(layer.n_out * batch_size)
            ws.cache[i] = self.allocate(layer.n_cache * batch_size)
            if self.trained[i] and layer.n_params and layer.sums_by_blocks(ws.batching):
                ws.block_params[i] = self.allocate(layer.n_params * n_blocks)
        ws.block_state = self.allocate(network.n_block_state * n_blocks)
        largest = max(range(network.n_steps), key=lambda i: (<Layer> network.layers[i]).n_params)
        # What is frozen is packed once: its other place would stay empty.
        self.may_alternate = ws.block_params[largest] != NULL and not restraints.frozen
        self.start(1)

    def __dealloc__(self):
        PyMem_Free(self.pointers)

    cdef real_t* allocate(self, Py_ssize_t size):
        cdef real_t[::1] block = empty(max(1, size))
        self.arrays.append(block)
        return &block[0]

    cdef start(self, int size):
        """Gets ready for a call with so many workers.

        With several, narrow networks are packed in two places in turns: while one is read, the other
        is nobody's, and who will write it can take its lines of the cache over during products.
        """
        self.n_packings = 2 if size > 1 and self.may_alternate else 1
        if self.shared is None or self.shared.shape[0] < self.n_packings:
            self.shared = empty(self.n_packings, max(1, self.network.n_shared))
        self.open_packed(&self.workspace, 0)

    cdef inline real_t* packed(self, Py_ssize_t number) noexcept nogil:
        """Where the parameters stand packed for mini-batch `number` of a call."""
        return &self.shared[number & (self.n_packings - 1), 0]

    cdef inline void open_packed(self, Workspace* ws, Py_ssize_t number) noexcept nogil:
        ws.shared = self.packed(number)
        ws.next_shared = self.packed(number + 1)

    cdef TileSums train_tile(
        self, Py_ssize_t number, Workspace* ws, Py_ssize_t n_blocks, const Batch* batch
    ) noexcept nogil:
        """Gradient, update and packing of one tile of the parameters, given as its number.

        The rows were passed in n_blocks blocks.
        """
        cdef const Py_ssize_t* tile = &self.tiles[number, 0]
        cdef Py_ssize_t[3] chunk
        cdef real_t* dW = ws.scratch + self.n_products
        cdef real_t* of_chunk
        cdef TileSums sums = TileSums(0, 0)
        self.differentiate(tile, ws, n_blocks, dW)
        chunk[0], chunk[2] = tile[0], tile[1]
        while chunk[2] < tile[2]:
            chunk[1], chunk[2] = chunk[2], min(chunk[2] + CHUNK, tile[2])
            of_chunk = dW + (chunk[1] - tile[1])
            self.penalise(chunk, batch, of_chunk, &sums)
            self.update(chunk, batch, 1, of_chunk)
        if not self.finishes_later:
            self.finish(tile, batch)
        return sums

    cdef void differentiate(
        self, const Py_ssize_t* tile, Workspace* ws, Py_ssize_t n_blocks, real_t* dW
    ) noexcept nogil:
        """dW = gradient of the loss, summed over the rows, with respect to a tile of the parameters.

        A tile, or a part of one, is (step, begin, end).
        """
        cdef Py_ssize_t i = tile[0], begin = tile[1], end = tile[2], n = end - begin, k, block
        cdef Step* step = self.network.steps + i
        cdef const real_t* of_block
        cdef Rows rows
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

    cdef void penalise(
        self, const Py_ssize_t* part, const Batch* batch, real_t* dW, TileSums* sums
    ) noexcept nogil:
        """dW: IN the gradient of the loss, OUT of its mean over the rows and of the penalties."""
        cdef Py_ssize_t n = part[2] - part[1], n_weights = self.n_weights(part), k
        cdef Py_ssize_t n_penalised = 0 if self.alpha == 0 else n_weights
        cdef const real_t* W = self.params_of(part)
        cdef real_t factor = batch.scale, penalty = self.alpha * factor, slope = self.l1 * factor
        if n_penalised:
            sums.penalty += 0.5 * self.alpha * sum_of_squares(n_penalised, W)
        for k in range(n_penalised):
            dW[k] = dW[k] * factor + penalty * W[k]
        for k in range(n_penalised, n):
            dW[k] *= factor
        if self.l1:
            sums.penalty += self.l1 * sum_of_sizes(n_weights, W)
            for k in range(n_weights):
                dW[k] += slope * real_sign(W[k])
        sums.squares += sum_of_squares(n, dW)

    cdef void update(
        self, const Py_ssize_t* part, const Batch* batch, real_t factor, real_t* dW
    ) noexcept nogil:
        """Of a part of the parameters, by factor * dW, which may be changed."""
        cdef Py_ssize_t k, n = part[2] - part[1]
        cdef real_t* W = self.params_of(part)
        cdef real_t kept = 1 - batch.decay
        if factor != 1:
            for k in range(n):
                dW[k] *= factor
        if kept != 1:
            for k in range(self.n_weights(part)):
                W[k] *= kept
        self.optimizer.update(
            n, batch.rates, dW, W, &self.moments[0, W - address(self.params)],
            self.moments.strides[0] // <Py_ssize_t> sizeof(real_t),
        )

    cdef void finish(self, const Py_ssize_t* tile, const Batch* batch) noexcept nogil:
        """After an update of a tile: its average, and its packing for the next mini-batch."""
        cdef Py_ssize_t k
        cdef const real_t* W = self.params_of(tile)
        cdef real_t* average
        cdef real_t kept = batch.averaging, taken = 1 - batch.averaging
        if self.averages:
            average = &self.moments[self.moments.shape[0] - 1, W - address(self.params)]
            for k in range(tile[2] - tile[1]):
                average[k] = kept * average[k] + taken * W[k]
        self.prepare(tile, batch.number + 1)

    cdef inline real_t* params_of(self, const Py_ssize_t* part) noexcept nogil:
        return address(self.params) + self.network.steps[part[0]].params + part[1]

    cdef inline Py_ssize_t n_weights(self, const Py_ssize_t* part) noexcept nogil:
        """Weights of the part, which stand before its intercepts."""
        cdef Step* step = self.network.steps + part[0]
        return max(0, min(part[2], (<Layer> step.layer).n_weights) - part[1])

    cdef void prepare(self, const Py_ssize_t* tile, Py_ssize_t number) noexcept nogil:
        """Packs a tile for mini-batch `number` of a call."""
        cdef Step* step = self.network.steps + tile[0]
        (<Layer> step.layer).prepare(
            self.params_of(tile), tile[1], tile[2], self.reads_sparse and step.slots[0] == 0,
            step.backward, self.packed(number) + step.shared,
        )
