# Data parallel: workers share the rows of a mini-batch, then the parameters.

cdef class DataParallel(Scheme):
    """For every network. Two phases per mini-batch, each ended by a barrier.

    In the first, the workers share the blocks of rows: gather, forward, loss, backward. In the
    second they share the tiles of the parameters: gradient, penalty, update, and packing for the
    next mini-batch, all on a tile that stays in the cache. To clip the gradient takes one phase
    more, since its norm must be known before the update; so does each projection, for another look
    at what was updated, and then the packing.

    Parameters
    ----------
    network, optimizer, params, state, moments, batch_size, restraints, averages : as of Trainer
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
    cdef const Py_ssize_t[::1] tile_shares  # (size + 1) where each worker's tiles begin; for teams
    cdef double clip_norm
    cdef real_t* gradient      # (n_params), to be clipped
    cdef double[::1] squares   # (n_tiles) of the gradient
    cdef MixedLoss mixed  # or None
    cdef PyObject* projections[MAX_PROJECTIONS]
    cdef int n_projections
    cdef Restraints restraints  # which has them

    def __init__(
        self, Network network, Loss loss, Optimizer optimizer, Data data, params, state, moments,
        Py_ssize_t batch_size, Restraints restraints, bint averages, bint mixes,
        real_t[:, ::1] input_gradient,
    ):
        # A last, smaller mini-batch may have longer blocks than a full one.
        cdef Py_ssize_t n_batches = data.count_batches(batch_size)
        cdef Py_ssize_t n_last = data.n_samples - (n_batches - 1) * batch_size
        cdef bint gathers
        cdef int i
        self.trainee = Trainee(
            network, optimizer, params, state, moments, batch_size, max_blocks(batch_size),
            max(block_rows(batch_size), block_rows(n_last)), n_batches == 1,
            data.is_sparse and network.takes_sparse, restraints, averages,
        )
        self.network, self.loss, self.data = network, loss, data
        self.n_losses = max_blocks(batch_size)
        self.n_penalties = self.trainee.tiles.shape[0]
        self.max_size = max(self.n_losses, self.n_penalties)
        self.clip_norm = restraints.clip_norm
        if self.clip_norm:
            self.gradient = self.trainee.allocate(network.n_params)
            self.squares = np.empty(max(1, self.n_penalties))
        self.restraints, self.n_projections = restraints, len(restraints.projections)
        for i, projection in enumerate(restraints.projections):
            self.projections[i] = <PyObject*> projection
        self.input_gradient = NULL if input_gradient is None else &input_gradient[0, 0]
        self.trainee.arrays.append(input_gradient)
        self.mixed = MixedLoss(loss, batch_size) if mixes else None
        gathers = mixes or not (
            network.takes_sparse if data.is_sparse
            else network.reads_in_place(self.trainee.workspace.batching)
        )
        self.gathered[0] = self.trainee.allocate(network.n_in * batch_size) if gathers else NULL
        self.gathered[1] = self.trainee.allocate(loss.n_targets * batch_size)
        self.gathered[2] = self.trainee.allocate(batch_size)

    cdef start(self, int size):
        self.trainee.start(size)
        if self.scratch is None or self.scratch.shape[0] < size:
            self.scratch = empty(size, self.trainee.n_scratch)
        if size > 1 and (self.tile_shares is None or self.tile_shares.shape[0] != size + 1):
            self.tile_shares = self.share_tiles(size)

    cdef share_tiles(self, int size):
        """Where the tiles of each worker begin, (size + 1): nearly the same number of parameters."""
        sizes = np.subtract(self.trainee.tiles[:, 2], self.trainee.tiles[:, 1])
        middles = np.cumsum(sizes) - sizes / 2
        return np.searchsorted(middles, np.arange(size + 1) * (np.sum(sizes) / size))

    cdef bint begin(self, team_t* team, int rank) noexcept nogil:
        cdef Py_ssize_t tile
        while True:
            tile = team_next(team, rank, self.trainee.all_tiles.shape[0], NULL)
            if tile == self.trainee.all_tiles.shape[0]:
                return team_meet(team, rank)
            self.trainee.prepare(&self.trainee.all_tiles[tile, 0], 0)

    cdef bint train(self, team_t* team, int rank, const Batch* batch) noexcept nogil:
        cdef Workspace ws = self.trainee.workspace
        cdef Py_ssize_t rows = block_rows(batch.n), n_blocks = (batch.n + rows - 1) // rows, block, tile
        cdef TileSums sums
        ws.scratch = &self.scratch[rank, 0]
        ws.ahead = NULL
        self.trainee.open_packed(&ws, batch.number)
        if ws.next_shared != ws.shared and team.size > 1:
            ws.own_begin = self.first_param(rank)
            ws.own_end = self.first_param(rank + 1)
        open_batch(&ws, batch, self.data)
        if batch.shares != NULL or (batch.order != NULL and self.gathered[0] != NULL):
            ws.X = self.gathered[0]
            ws.sparse = NULL
            ws.numbers = NULL
        ws.weight = NULL
        if self.data.weight != NULL:
            ws.weight = self.gathered[2]
            if batch.order == NULL and batch.shares == NULL:
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
        if self.clip_norm:
            if self.clip(team, rank, &ws, n_blocks, batch):
                return True
        else:
            while True:
                tile = self.next_tile(team, rank)
                if tile < 0:
                    break
                sums = self.trainee.train_tile(tile, &ws, n_blocks, batch)
                batch.penalty[tile] += batch.share * sums.penalty
                batch.squares[tile] += sums.squares
        if team_meet(team, rank):
            return True
        return self.n_projections > 0 and self.project(team, rank, batch)

    cdef inline Py_ssize_t next_tile(self, team_t* team, int rank) noexcept nogil:
        """The next one to train, or -1."""
        cdef Py_ssize_t n_tiles = self.trainee.tiles.shape[0]
        cdef Py_ssize_t tile
        if team.size == 1:  # which may be part of a larger team, whose shares these are
            tile = team_next(team, rank, n_tiles, NULL)
        else:
            tile = team_next(team, rank, n_tiles, &self.tile_shares[0])
        return -1 if tile == n_tiles else tile

    cdef inline Py_ssize_t first_param(self, int rank) noexcept nogil:
        """Of the parameters that are this worker's share."""
        cdef Py_ssize_t number = self.tile_shares[rank]
        cdef const Py_ssize_t* tile
        if number == self.trainee.tiles.shape[0]:
            return self.network.n_params
        tile = &self.trainee.tiles[number, 0]
        return self.network.steps[tile[0]].params + tile[1]

    cdef bint clip(
        self, team_t* team, int rank, Workspace* ws, Py_ssize_t n_blocks, const Batch* batch
    ) noexcept nogil:
        """Update by a gradient that is made as short as clip_norm; whether the team was aborted."""
        cdef Py_ssize_t tile
        cdef const Py_ssize_t* place
        cdef double total = 0
        cdef real_t factor = 1
        cdef TileSums sums
        while True:
            tile = self.next_tile(team, rank)
            if tile < 0:
                break
            place = &self.trainee.tiles[tile, 0]
            sums = TileSums(0, 0)
            self.trainee.differentiate(place, ws, n_blocks, self.gradient_of(place))
            self.trainee.penalise(place, batch, self.gradient_of(place), &sums)
            batch.penalty[tile] += batch.share * sums.penalty
            batch.squares[tile] += sums.squares
            self.squares[tile] = sums.squares
        if team_meet(team, rank):
            return True
        for tile in range(self.trainee.tiles.shape[0]):
            total += self.squares[tile]
        if sqrt(total) > self.clip_norm:
            factor = self.clip_norm / sqrt(total)
        while True:
            tile = self.next_tile(team, rank)
            if tile < 0:
                return False
            place = &self.trainee.tiles[tile, 0]
            self.trainee.update(place, batch, factor, self.gradient_of(place))
            if not self.trainee.finishes_later:
                self.trainee.finish(place, batch)

    cdef inline real_t* gradient_of(self, const Py_ssize_t* tile) noexcept nogil:
        return self.gradient + self.network.steps[tile[0]].params + tile[1]

    cdef bint project(self, team_t* team, int rank, const Batch* batch) noexcept nogil:
        """Puts weights back where they may be, and finishes all tiles."""
        cdef Py_ssize_t piece, tile
        cdef int i
        for i in range(self.n_projections):
            while True:
                piece = team_next(
                    team, rank, (<Projection> self.projections[i]).n_pieces, NULL
                )
                if piece == (<Projection> self.projections[i]).n_pieces:
                    break
                (<Projection> self.projections[i]).apply(
                    piece, batch.learning_rate, address(self.trainee.params)
                )
            if team_meet(team, rank):
                return True
        while True:
            tile = self.next_tile(team, rank)
            if tile < 0:
                return team_meet(team, rank)
            self.trainee.finish(&self.trainee.tiles[tile, 0], batch)

    cdef double train_block(
        self, Workspace* ws, const Batch* batch, Py_ssize_t block, Py_ssize_t first, Py_ssize_t n
    ) noexcept nogil:
        """Gather, forward, loss, backward of the rows first..first + n; returns their loss."""
        cdef Py_ssize_t last = self.network.n_steps - 1
        cdef Py_ssize_t begin = batch.first + first
        cdef const real_t* y
        cdef const real_t* weight
        cdef const real_t* Z
        cdef real_t* dZ
        cdef double value
        cdef ahead_t ahead
        cdef Mix mix
        if batch.shares != NULL:
            mix = mix_of(batch.key, block, n, batch.shares[block])
            mix_rows(
                &mix, begin, self.data.n_features, self.data.X, batch.order,
                self.gathered[0] + first * self.data.n_features,
            )
        elif batch.order != NULL:
            if self.gathered[0] != NULL:
                self.data.gather_X(
                    n, batch.order + begin, self.gathered[0] + first * self.data.n_features
                )
            ahead = self.data.rows_ahead(batch.order, begin + ws.batching.size, n)
            ws.ahead = &ahead
        y = self.data.y_of(n, begin, batch.order, self.gathered[1] + first * self.data.n_targets)
        weight = self.data.weight_of(n, begin, batch.order, self.gathered[2] + first)
        if batch.shares != NULL:
            self.mixed.mix_weights(&mix, first, weight, self.gathered[2] + first)
        self.network.forward(ws, first, n, block)
        Z = ws.Y[last] + first * self.network.n_out
        dZ = ws.dY[last] + first * self.network.n_out
        if batch.shares == NULL:
            value = self.loss.value_and_gradient(n, Z, y, weight, dZ)
        else:
            value = self.mixed.value_and_gradient(&mix, first, Z, y, dZ)
        self.network.backward(ws, first, n, block)
        ws.ahead = NULL
        return value

    cdef void copy_params(self, real_t* params) noexcept nogil:
        memcpy(params, address(self.trainee.params), self.network.n_params * sizeof(real_t))
