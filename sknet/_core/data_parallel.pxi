# Data parallel: workers share the rows of a mini-batch, then the parameters.

cdef class DataParallel(Scheme):
    """For every network. Two phases per mini-batch, each ended by a barrier.

    In the first, the workers share the blocks of rows: gather, forward, loss, backward. In the
    second they share the tiles of the parameters: gradient, penalty, update, and packing for the
    next mini-batch, all on a tile that stays in the cache.

    Parameters
    ----------
    network, optimizer, params, state, moments, alpha, batch_size : as of Trainer
    loss : Loss
    data : Data
    input_gradient : (n_samples, n_features) array or None
    """

    cdef Network network
    cdef Trainee trainee
    cdef Loss loss
    cdef Data data
    cdef real_t* input_gradient
    cdef real_t* gathered[3]  # X, y, weight of the mini-batch
    cdef real_t[:, :] scratch  # (size, ...) one row per worker
    cdef const Py_ssize_t[::1] tile_shares  # (size + 1) where each worker's tiles begin

    def __init__(
        self, Network network, Loss loss, Optimizer optimizer, Data data, params, state, moments,
        Py_ssize_t batch_size, double alpha, real_t[:, ::1] input_gradient,
    ):
        # A last, smaller mini-batch may have longer blocks than a full one.
        cdef Py_ssize_t n_batches = data.count_batches(batch_size)
        cdef Py_ssize_t n_last = data.n_samples - (n_batches - 1) * batch_size
        cdef bint gathers
        self.trainee = Trainee(
            network, optimizer, params, state, moments, batch_size, max_blocks(batch_size),
            max(block_rows(batch_size), block_rows(n_last)), n_batches == 1, alpha,
        )
        self.network, self.loss, self.data = network, loss, data
        self.n_losses = max_blocks(batch_size)
        self.n_penalties = self.trainee.tiles.shape[0]
        self.max_size = max(self.n_losses, self.n_penalties)
        self.input_gradient = NULL if input_gradient is None else &input_gradient[0, 0]
        self.trainee.arrays.append(input_gradient)
        gathers = not (
            network.takes_sparse if data.is_sparse
            else network.reads_in_place(self.trainee.workspace.batching)
        )
        self.gathered[0] = self.trainee.allocate(network.n_in * batch_size) if gathers else NULL
        self.gathered[1] = self.trainee.allocate(loss.n_targets * batch_size)
        self.gathered[2] = self.trainee.allocate(batch_size)

    cdef start(self, int size):
        if self.scratch is None or self.scratch.shape[0] < size:
            self.scratch = empty(size, self.trainee.n_scratch)
        if self.tile_shares is None or self.tile_shares.shape[0] != size + 1:
            self.tile_shares = self.share_tiles(size)

    cdef share_tiles(self, int size):
        """Where the tiles of each worker begin, (size + 1): nearly the same number of parameters."""
        sizes = np.subtract(self.trainee.tiles[:, 2], self.trainee.tiles[:, 1])
        middles = np.cumsum(sizes) - sizes / 2
        return np.searchsorted(middles, np.arange(size + 1) * (np.sum(sizes) / size))

    cdef bint begin(self, team_t* team, int rank) noexcept nogil:
        cdef Py_ssize_t tile
        while True:
            tile = team_next(team, rank, self.trainee.tiles.shape[0], &self.tile_shares[0])
            if tile == self.trainee.tiles.shape[0]:
                return team_meet(team, rank)
            self.trainee.prepare(tile)

    cdef bint train(self, team_t* team, int rank, const Batch* batch) noexcept nogil:
        cdef Workspace ws = self.trainee.workspace
        cdef Py_ssize_t rows = block_rows(batch.n), n_blocks = (batch.n + rows - 1) // rows, block, tile
        cdef TileSums sums
        ws.scratch = &self.scratch[rank, 0]
        ws.ahead = NULL
        open_batch(&ws, batch, self.data)
        if batch.order != NULL and self.gathered[0] != NULL:
            ws.X = self.gathered[0]
            ws.sparse = NULL
            ws.numbers = NULL
        ws.weight = NULL
        if self.data.weight != NULL:
            ws.weight = self.gathered[2]
            if batch.order == NULL:
                ws.weight = self.data.weight + batch.first
        ws.dX = NULL
        if self.input_gradient != NULL:
            ws.dX = self.input_gradient + batch.first * self.data.n_features
        while True:
            block = team_next(team, rank, n_blocks, NULL)
            if block == n_blocks:
                break
            batch.loss[block] += batch.share * self.train_block(
                &ws, batch, block, block * rows, min(rows, batch.n - block * rows)
            )
        if team_meet(team, rank):
            return True
        while True:
            tile = team_next(team, rank, self.trainee.tiles.shape[0], &self.tile_shares[0])
            if tile == self.trainee.tiles.shape[0]:
                return team_meet(team, rank)
            sums = self.trainee.train_tile(tile, &ws, n_blocks, batch)
            batch.penalty[tile] += batch.share * sums.penalty
            batch.squares[tile] += sums.squares

    cdef double train_block(
        self, Workspace* ws, const Batch* batch, Py_ssize_t block, Py_ssize_t first, Py_ssize_t n
    ) noexcept nogil:
        """Gather, forward, loss, backward of the rows first..first + n; returns their loss."""
        cdef Py_ssize_t last = self.network.n_steps - 1
        cdef Py_ssize_t begin = batch.first + first
        cdef const real_t* y
        cdef const real_t* weight
        cdef double value
        cdef ahead_t ahead
        if batch.order != NULL:
            if self.gathered[0] != NULL:
                self.data.gather_X(
                    n, batch.order + begin, self.gathered[0] + first * self.data.n_features
                )
            ahead = self.data.rows_ahead(batch.order, begin + ws.batching.size, n)
            ws.ahead = &ahead
        y = self.data.y_of(n, begin, batch.order, self.gathered[1] + first * self.data.n_targets)
        weight = self.data.weight_of(n, begin, batch.order, self.gathered[2] + first)
        self.network.forward(ws, first, n, block)
        value = self.loss.value_and_gradient(
            n, ws.Y[last] + first * self.network.n_out, y, weight,
            ws.dY[last] + first * self.network.n_out,
        )
        self.network.backward(ws, first, n, block)
        ws.ahead = NULL
        return value

    cdef void copy_params(self, real_t* params) noexcept nogil:
        memcpy(params, address(self.trainee.params), self.network.n_params * sizeof(real_t))
