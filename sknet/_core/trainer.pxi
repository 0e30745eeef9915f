# Epochs of mini-batch training, shared by a team.

cdef inline real_t* address(real_t[::1] array) noexcept nogil:
    return &array[0] if array.shape[0] else NULL


cdef inline double sum_in_order(double[::1] values) noexcept nogil:
    cdef double total = 0
    cdef Py_ssize_t i
    for i in range(values.shape[0]):
        total += values[i]
    return total


cdef class Trainer(Job):
    """Trains `params` in place, some epochs per start() and work().

    Per mini-batch two phases, each ended by a barrier. In the first, the workers share the blocks
    of rows: gather, forward, loss, backward. In the second they share the tiles of the
    parameters: gradient, penalty, update, and packing for the next mini-batch, all on a tile
    that stays in the cache.

    Parameters
    ----------
    network, loss, optimizer : Network, Loss, Optimizer
    data : Data
    params : (n_params,) array, changed in place
    state : (n_state,) array, changed in place
    moments : (n_moments, n_params) array with contiguous rows, changed in place
    batch_size : rows per mini-batch; the last one may be smaller
    alpha : the penalty alpha / 2 |W|^2, divided by the weight of the mini-batch as in scikit-learn
    mean_weight : if not 0, a mini-batch of n rows is divided by n * mean_weight instead of the sum
        of its own weights: then the weights of different mini-batches compare
    total_weight : if not 0, every mini-batch is divided by this
    input_gradient : (n_samples, n_features) array or None
        OUT: the gradient of each row's loss with respect to the row; needs rows that are not
        shuffled and a network with input_gradient=True.
    """

    cdef readonly Network network
    cdef readonly Loss loss
    cdef readonly Optimizer optimizer
    cdef readonly Data data
    cdef readonly Py_ssize_t batch_size, n_batches, n_blocks
    cdef readonly bint has_best  # whether keep_best() has found something to copy
    cdef double alpha, mean_weight, total_weight
    cdef object arrays
    cdef real_t[::1] params, state, shared
    cdef real_t[:, :] moments
    cdef real_t* input_gradient
    cdef Workspace workspace
    cdef real_t* gathered[3]  # X, y, weight of the mini-batch
    cdef real_t** pointers
    cdef const Py_ssize_t[:, ::1] tiles
    cdef const Py_ssize_t[::1] tile_shares  # (size + 1) where each worker's tiles begin
    cdef real_t[:, :] scratch    # (size, ...) one row per worker
    cdef double[:, ::1] block_loss    # (n_epochs, n_blocks) sums over each epoch
    cdef double[:, ::1] tile_penalty  # (n_epochs, n_tiles)
    cdef Py_ssize_t[::1] order                 # (n_epochs, n_samples), or (n_samples) for all
    cdef const double[::1] learning_rates      # (n_epochs, n_batches)
    cdef Py_ssize_t n_epochs, n_updates
    cdef real_t[::1] best_params
    cdef double lowest
    cdef uint64_t key
    cdef bint shuffled
    cdef bint ordered  # whether rows have numbers: they are shuffled, or X is sparse
    cdef bint gathers  # whether rows with numbers are copied, and made dense, for the network

    def __init__(
        self, Network network not None, Loss loss not None, Optimizer optimizer not None,
        Data data not None, real_t[::1] params not None, real_t[::1] state not None,
        real_t[:, :] moments not None, *, Py_ssize_t batch_size, double alpha=0,
        double mean_weight=0, double total_weight=0, real_t[:, ::1] input_gradient=None,
    ):
        cdef Py_ssize_t i
        if network.n_in != data.n_features:
            raise ValueError(f"X has {data.n_features} columns, the network takes {network.n_in}")
        if network.n_out != loss.n_outputs or data.n_targets != loss.n_targets:
            raise ValueError("the network's outputs, the loss and y do not fit together")
        if params.shape[0] != network.n_params or state.shape[0] != network.n_state:
            raise ValueError("params and state must have network.n_params and network.n_state elements")
        if moments.shape[0] != optimizer.n_moments or moments.shape[1] != network.n_params:
            raise ValueError("moments must have shape (optimizer.n_moments, network.n_params)")
        if moments.shape[0] and moments.strides[1] != sizeof(real_t):
            raise ValueError("the rows of moments must be contiguous")
        if input_gradient is not None and not (
            network.input_gradient
            and input_gradient.shape[0] == data.n_samples
            and input_gradient.shape[1] == data.n_features
        ):
            raise ValueError("input_gradient needs a network made for it and the shape of X")
        if not 1 <= batch_size:
            raise ValueError(f"batch_size must be at least 1, got {batch_size}")
        self.network, self.loss, self.optimizer, self.data = network, loss, optimizer, data
        self.params, self.state, self.moments = params, state, moments
        self.batch_size = min(batch_size, data.n_samples)
        self.n_batches = (data.n_samples + self.batch_size - 1) // self.batch_size
        self.workspace.batching = Batching(self.batch_size, self.n_batches == 1)
        self.alpha = alpha
        self.mean_weight = mean_weight
        self.total_weight = total_weight
        self.input_gradient = NULL if input_gradient is None else &input_gradient[0, 0]
        self.n_blocks = max_blocks(self.batch_size)  # no smaller mini-batch has more
        self.tiles = network.tiles()
        self.arrays = [params, state, moments, input_gradient]
        self.gathers = not (
            network.takes_sparse if data.is_sparse else network.reads_in_place(self.workspace.batching)
        )
        self.pointers = <real_t**> PyMem_Calloc(4 * network.n_steps, sizeof(real_t*))
        if self.pointers == NULL:
            raise MemoryError
        self.shared = empty(max(1, network.n_shared))
        self.workspace.W = address(params)
        self.workspace.state = address(state)
        self.workspace.shared = &self.shared[0]
        self.workspace.Y = self.pointers
        self.workspace.dY = self.pointers + network.n_steps
        self.workspace.cache = self.pointers + 2 * network.n_steps
        self.workspace.block_params = self.pointers + 3 * network.n_steps
        for i, layer in enumerate(network.layers):
            self.workspace.Y[i] = self.allocate((<Layer> layer).n_out * self.batch_size)
            self.workspace.dY[i] = self.allocate((<Layer> layer).n_out * self.batch_size)
            self.workspace.cache[i] = self.allocate((<Layer> layer).n_cache * self.batch_size)
            if (<Layer> layer).n_params and (<Layer> layer).sums_by_blocks(self.workspace.batching):
                self.workspace.block_params[i] = self.allocate((<Layer> layer).n_params * self.n_blocks)
        self.workspace.block_state = self.allocate(network.n_block_state * self.n_blocks)
        self.gathered[0] = NULL  # allocated by the first epoch that needs it
        self.gathered[1] = self.allocate(loss.n_targets * self.batch_size)
        self.gathered[2] = self.allocate(self.batch_size)

    def __dealloc__(self):
        PyMem_Free(self.pointers)

    cdef real_t* allocate(self, Py_ssize_t size):
        cdef real_t[::1] block = empty(max(1, size))
        self.arrays.append(block)
        return &block[0]

    def set_epochs(
        self, const double[::1] learning_rates not None, Py_ssize_t n_updates, uint64_t key,
        bint shuffle=False,
    ):
        """Says what the next epochs are to do.

        Parameters
        ----------
        learning_rates : (n_epochs * n_batches,) float64 array
        n_updates : updates made before
        key : 64 random bits for the random numbers of the first epoch; the next has key + 2^32
        shuffle : whether each epoch takes the rows in its epoch_order(), else as they are
        """
        self.n_epochs = learning_rates.shape[0] // self.n_batches
        if self.n_epochs < 1 or learning_rates.shape[0] != self.n_epochs * self.n_batches:
            raise ValueError(f"learning_rates must have {self.n_batches} elements per epoch")
        if shuffle and self.input_gradient != NULL:
            raise ValueError("input_gradient needs shuffle=False")
        self.shuffled = shuffle
        self.ordered = shuffle or self.data.is_sparse
        if shuffle:
            n_numbers = self.n_epochs * self.data.n_samples
            if self.order is None or self.order.shape[0] != n_numbers:
                self.order = np.empty(n_numbers, np.intp)
        elif self.ordered:
            self.order = np.arange(self.data.n_samples)
        if self.ordered and self.gathers and self.gathered[0] == NULL:
            self.gathered[0] = self.allocate(self.network.n_in * self.batch_size)
        self.learning_rates = learning_rates
        self.best_params = None
        self.n_updates = n_updates
        self.key = key
        if self.block_loss is None or self.block_loss.shape[0] != self.n_epochs:
            self.block_loss = np.empty((self.n_epochs, self.n_blocks))
            self.tile_penalty = np.empty((self.n_epochs, self.tiles.shape[0]))
        self.block_loss[:] = 0
        self.tile_penalty[:] = 0

    def start(self, int size):
        # A last, smaller mini-batch may have longer blocks than a full one.
        cdef Py_ssize_t n_last = self.data.n_samples - (self.n_batches - 1) * self.batch_size
        cdef Py_ssize_t rows = max(block_rows(self.batch_size), block_rows(n_last))
        cdef Py_ssize_t line = CACHE_LINE // sizeof(real_t), width = max(
            rows * (self.network.n_scratch + MAX_INPUTS * self.network.n_added),
            self.batch_size * self.network.n_tile_scratch,
        )
        width = (width // line + 2) * line
        if self.scratch is None or self.scratch.shape[0] < size:
            self.scratch = empty(size, width + self.network.max_tile)
        if self.tile_shares is None or self.tile_shares.shape[0] != size + 1:
            self.tile_shares = self.share_tiles(size)
        Job.start(self, size)

    def share_tiles(self, int size):
        """Where the tiles of each worker begin, (size + 1): nearly the same number of parameters."""
        sizes = np.subtract(self.tiles[:, 2], self.tiles[:, 1])
        middles = np.cumsum(sizes) - sizes / 2
        return np.searchsorted(middles, np.arange(size + 1) * (np.sum(sizes) / size))

    def results(self):
        """(loss, penalty) of each epoch: sums over mini-batches of value times rows of it."""
        return [
            (self.epoch_loss(epoch), sum_in_order(self.tile_penalty[epoch]))
            for epoch in range(self.n_epochs)
        ]

    cdef inline double epoch_loss(self, Py_ssize_t epoch) noexcept nogil:
        return sum_in_order(self.block_loss[epoch]) * self.loss.value_scale

    def keep_best(self, real_t[::1] best_params not None, double lowest):
        """In the next epochs, copies params after each whose loss and penalty are the lowest so far.

        Parameters
        ----------
        best_params : (n_params,) array, OUT
        lowest : loss and penalty below which there is something to copy
        """
        if best_params.shape[0] != self.network.n_params:
            raise ValueError("best_params must have network.n_params elements")
        self.best_params = best_params
        self.lowest = lowest
        self.has_best = False

    cdef void note_epoch(self, Py_ssize_t epoch) noexcept nogil:
        """While the others may have begun the next epoch, but nobody updates before all meet."""
        cdef double value = self.epoch_loss(epoch) + sum_in_order(self.tile_penalty[epoch])
        if self.best_params is not None and value < self.lowest:
            self.lowest = value
            self.has_best = True
            memcpy(
                address(self.best_params), address(self.params),
                self.network.n_params * sizeof(real_t),
            )

    cdef void run(self, int rank) noexcept nogil:
        cdef Workspace ws = self.workspace
        cdef Py_ssize_t epoch, tile
        ws.scratch = &self.scratch[rank, 0]
        ws.ahead = NULL
        while True:
            tile = team_next(&self.team, rank, self.tiles.shape[0], &self.tile_shares[0])
            if tile == self.tiles.shape[0]:
                break
            self.prepare(tile)
        if team_meet(&self.team, rank):
            return
        if self.shuffled:
            while True:
                epoch = team_next(&self.team, rank, self.n_epochs, NULL)
                if epoch == self.n_epochs:
                    break
                shuffle_rows(
                    self.data.n_samples, self.epoch_key(epoch),
                    &self.order[epoch * self.data.n_samples],
                )
            if team_meet(&self.team, rank):
                return
        for epoch in range(self.n_epochs):
            if self.train_epoch(rank, epoch, &ws):
                return
            if rank == 0:
                self.note_epoch(epoch)

    cdef inline uint64_t epoch_key(self, Py_ssize_t epoch) noexcept nogil:
        return self.key + (<uint64_t> epoch << 32)

    cdef bint train_epoch(self, int rank, Py_ssize_t epoch, Workspace* ws) noexcept nogil:
        """This worker's share of an epoch; returns whether the team was aborted."""
        cdef Py_ssize_t batch, first, rows, n_blocks, block, tile
        cdef Py_ssize_t n_updates = self.n_updates + epoch * self.n_batches
        cdef const Py_ssize_t* order = NULL
        cdef double weight, rate
        if self.ordered:
            order = &self.order[epoch * self.data.n_samples if self.shuffled else 0]
        for batch in range(self.n_batches):
            first = batch * self.batch_size
            ws.n = min(self.batch_size, self.data.n_samples - first)
            ws.key = mix_key(self.epoch_key(epoch), batch)
            weight = self.open_batch(order, first, ws)
            rate = self.optimizer.step_size(
                self.learning_rates[epoch * self.n_batches + batch], n_updates + batch + 1
            )
            rows = block_rows(ws.n)
            n_blocks = (ws.n + rows - 1) // rows
            while True:
                block = team_next(&self.team, rank, n_blocks, NULL)
                if block == n_blocks:
                    break
                self.block_loss[epoch, block] += self.per_weight(ws.n, weight) * self.train_block(
                    order, first, ws, block, min(rows, ws.n - block * rows)
                )
            if team_meet(&self.team, rank):
                return True
            while True:
                tile = team_next(&self.team, rank, self.tiles.shape[0], &self.tile_shares[0])
                if tile == self.tiles.shape[0]:
                    break
                self.tile_penalty[epoch, tile] += self.per_weight(ws.n, weight) * self.train_tile(
                    tile, ws, weight, rate
                )
            if team_meet(&self.team, rank):
                return True
        return False

    cdef double open_batch(
        self, const Py_ssize_t* order, Py_ssize_t first, Workspace* ws
    ) noexcept nogil:
        """Points the workspace at the mini-batch; returns what its sums are divided by."""
        cdef Py_ssize_t i
        cdef double weight = 0
        ws.sparse = NULL
        ws.numbers = NULL
        if not self.ordered:
            ws.X = self.data.X + first * self.data.n_features
        elif self.gathers:
            ws.X = self.gathered[0]
        else:
            ws.X = self.data.X
            ws.sparse = &self.data.csr if self.data.is_sparse else NULL
            ws.numbers = order + first
        ws.dX = NULL
        if self.input_gradient != NULL:
            ws.dX = self.input_gradient + first * self.data.n_features
        if self.data.weight == NULL:
            ws.weight = NULL
            weight = ws.n
        elif not self.shuffled:
            ws.weight = self.data.weight + first
            for i in range(ws.n):
                weight += ws.weight[i]
        else:
            ws.weight = self.gathered[2]
            for i in range(ws.n):
                weight += self.data.weight[order[first + i]]
        return ws.n * self.mean_weight if self.mean_weight else weight

    cdef double train_block(
        self, const Py_ssize_t* order, Py_ssize_t start, Workspace* ws, Py_ssize_t block, Py_ssize_t n
    ) noexcept nogil:
        """Gather, forward, loss, backward of one block of rows; returns its loss."""
        cdef Py_ssize_t first = block * block_rows(ws.n), last = self.network.n_steps - 1
        cdef const Py_ssize_t* rows = NULL
        cdef const real_t* y
        cdef const real_t* weights = ws.weight
        cdef double value
        cdef ahead_t ahead
        if weights != NULL:
            weights += first
        if self.ordered:
            rows = order + start + first
            if self.gathers:
                self.data.gather_X(n, rows, self.gathered[0] + first * self.data.n_features)
            ahead = self.rows_ahead(order, start + first + self.batch_size, n)
            ws.ahead = &ahead
        if self.shuffled:
            self.data.gather_y(n, rows, self.gathered[1] + first * self.data.n_targets)
            y = self.gathered[1] + first * self.data.n_targets
            if weights != NULL:
                self.data.gather_weight(n, rows, self.gathered[2] + first)
        else:
            y = self.data.y + (start + first) * self.data.n_targets
        self.network.forward(ws, first, n, block)
        value = self.loss.value_and_gradient(
            n, ws.Y[last] + first * self.network.n_out, y, weights,
            ws.dY[last] + first * self.network.n_out,
        )
        self.network.backward(ws, first, n, block)
        ws.ahead = NULL
        return value

    cdef inline ahead_t rows_ahead(
        self, const Py_ssize_t* order, Py_ssize_t first, Py_ssize_t n
    ) noexcept nogil:
        """Up to n rows of the epoch, from number `first` on, to be fetched; none of sparse X."""
        cdef Py_ssize_t row_bytes = self.data.n_features * sizeof(real_t)
        first = min(first, self.data.n_samples)
        n = 0 if self.data.is_sparse else min(n, self.data.n_samples - first)
        return read_ahead(self.data.X, row_bytes, row_bytes, order, first, first + n, NULL)

    cdef inline double per_weight(self, Py_ssize_t n, double weight) noexcept nogil:
        """What sums over a mini-batch's rows are multiplied with to be reported."""
        return 1 / self.total_weight if self.total_weight else n / weight

    cdef double train_tile(
        self, Py_ssize_t tile, Workspace* ws, double weight, double rate
    ) noexcept nogil:
        """Gradient, update and packing of one tile of the parameters; returns its penalty."""
        cdef Py_ssize_t i = self.tiles[tile, 0], begin = self.tiles[tile, 1], end = self.tiles[tile, 2]
        cdef Py_ssize_t n = end - begin, k, n_blocks, block
        cdef Step* step = self.network.steps + i
        cdef real_t* W = &self.params[step.params + begin]
        cdef real_t* dW = ws.scratch + self.scratch.shape[1] - self.network.max_tile
        cdef const real_t* of_block
        cdef real_t scale = 1 / (self.total_weight if self.total_weight else weight)
        cdef real_t penalty = self.alpha * scale
        cdef Py_ssize_t n_penalised = max(0, min(n, (<Layer> step.layer).n_weights - begin))
        cdef double value = 0
        cdef Rows rows
        n_blocks = (ws.n + block_rows(ws.n) - 1) // block_rows(ws.n)
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
            self.update_state(i, n_blocks)
        if self.alpha == 0:
            n_penalised = 0
        else:
            value = 0.5 * self.alpha * sum_of_squares(n_penalised, W)
        for k in range(n_penalised):
            dW[k] = dW[k] * scale + penalty * W[k]
        for k in range(n_penalised, n):
            dW[k] *= scale
        self.optimizer.update(
            n, rate, dW, W, &self.moments[0, step.params + begin],
            self.moments.strides[0] // <Py_ssize_t> sizeof(real_t),
        )
        self.prepare(tile)
        return value

    cdef void update_state(self, Py_ssize_t i, Py_ssize_t n_blocks) noexcept nogil:
        """The running statistics of layer i, from this mini-batch's blocks side by side."""
        cdef Step* step = self.network.steps + i
        (<Layer> step.layer).update_state(
            n_blocks, self.workspace.block_state + step.block_state, self.network.n_block_state,
            &self.state[step.state],
        )

    cdef void prepare(self, Py_ssize_t tile) noexcept nogil:
        cdef Py_ssize_t begin = self.tiles[tile, 1]
        cdef Step* step = self.network.steps + self.tiles[tile, 0]
        (<Layer> step.layer).prepare(
            &self.params[step.params + begin], begin, self.tiles[tile, 2], step.backward,
            address(self.shared) + step.shared,
        )
