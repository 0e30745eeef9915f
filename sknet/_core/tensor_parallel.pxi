# Tensor parallel: workers share the hidden units; each trains its own on all rows.

cdef class Shard:
    """A shard in training, with parameters and moments of its own."""

    cdef Network network
    cdef Trainee trainee
    cdef const Py_ssize_t[::1] places  # of its parameters among those of the network
    cdef real_t[::1] scratch

    def __init__(
        self, Network network, Optimizer optimizer, const Py_ssize_t[::1] places,
        Py_ssize_t batch_size, bint is_sparse, Restraints restraints, bint averages,
    ):
        self.network, self.places = network, places
        self.trainee = Trainee(
            network, optimizer, empty(network.n_params), empty(network.n_state),
            empty(optimizer.n_moments + averages, network.n_params), batch_size, 1,
            batch_size, False, is_sparse, restraints, averages,
        )
        self.scratch = empty(self.trainee.n_scratch)
        self.trainee.workspace.scratch = &self.scratch[0]

    cdef void take(self, const real_t* params, real_t[:, :] moments) noexcept nogil:
        """Copies its parameters and moments from those of the network."""
        cdef Py_ssize_t i, k, tile
        for i in range(self.places.shape[0]):
            self.trainee.params[i] = params[self.places[i]]
        for k in range(moments.shape[0]):
            for i in range(self.places.shape[0]):
                self.trainee.moments[k, i] = moments[k, self.places[i]]
        for tile in range(self.trainee.tiles.shape[0]):
            self.trainee.prepare(&self.trainee.tiles[tile, 0], 0)

    cdef void give_params(self, real_t* params) noexcept nogil:
        """Copies its parameters to those of the network."""
        cdef Py_ssize_t i
        for i in range(self.places.shape[0]):
            params[self.places[i]] = self.trainee.params[i]

    cdef void give_moments(self, real_t[:, :] moments) noexcept nogil:
        cdef Py_ssize_t i, k
        for k in range(moments.shape[0]):
            for i in range(self.places.shape[0]):
                moments[k, self.places[i]] = self.trainee.moments[k, i]

    cdef void forward(
        self, const Batch* batch, Data data, Py_ssize_t number, ahead_t* ahead, real_t* Z
    ) noexcept nogil:
        """Z (n, n_out) = outputs of this shard, which is the network's shard of this number."""
        cdef Workspace* ws = &self.trainee.workspace
        open_batch(ws, batch, data)
        ws.key = mix_key(batch.key, number)
        ws.ahead = ahead
        ws.Y[self.network.n_steps - 1] = Z
        self.network.forward(ws, 0, batch.n, 0)

    cdef TileSums backward(
        self, const Batch* batch, const real_t* weight, const real_t* dZ
    ) noexcept nogil:
        """Backward from dZ (n, n_out), and the update."""
        cdef Workspace* ws = &self.trainee.workspace
        cdef Py_ssize_t tile
        cdef TileSums sums, of_tile
        sums.penalty = 0
        sums.squares = 0
        ws.weight = weight
        memcpy(ws.dY[self.network.n_steps - 1], dZ, batch.n * self.network.n_out * sizeof(real_t))
        self.network.backward(ws, 0, batch.n, 0)
        for tile in range(self.trainee.tiles.shape[0]):
            of_tile = self.trainee.train_tile(tile, ws, 1, batch)
            sums.penalty += of_tile.penalty
            sums.squares += of_tile.squares
        return sums


cdef class TensorParallel(Scheme):
    """For a network in shards. One barrier per mini-batch, at which the shards' outputs are ready.

    A worker keeps its shards from the first mini-batch to the last, so their parameters stay in
    its cache: all that is handed on is outputs. Every worker adds them up and computes the loss
    by itself. Source: Shoeybi et al., "Megatron-LM" (2019), section 3.

    Parameters
    ----------
    sharding : Sharding
    loss, optimizer, data, params, moments, batch_size, restraints, averages : as of Trainer
    """

    cdef Loss loss
    cdef Data data
    cdef real_t[::1] params
    cdef real_t[:, :] moments
    cdef Py_ssize_t batch_size
    cdef list shard_list
    cdef PyObject* shards[MAX_SHARDS]
    # Outputs (n, n_out) of each shard, for mini-batches of even number and then of odd: who is
    # behind may still read those of one mini-batch while others write those of the next.
    cdef real_t[:, :] outputs
    cdef real_t[:, :] Z, dZ     # (size, ...) of each worker: sum of the outputs, its gradient
    cdef real_t[:, :] y, weight  # (size, ...) of each worker: of the mini-batch, gathered

    def __init__(
        self, Sharding sharding, Loss loss, Optimizer optimizer, Data data, real_t[::1] params,
        real_t[:, :] moments, Py_ssize_t batch_size, Restraints restraints, bint averages,
    ):
        cdef Py_ssize_t i
        self.loss, self.data = loss, data
        self.params, self.moments = params, moments
        self.batch_size = batch_size
        self.max_size = self.n_penalties = len(sharding.shards)
        self.n_losses = 1
        self.outputs = empty(2 * self.max_size, batch_size * loss.n_outputs)
        self.shard_list = []
        for i in range(self.max_size):
            shard = Shard(
                sharding.shards[i], optimizer, sharding.places[i], batch_size, data.is_sparse,
                restraints, averages,
            )
            self.shard_list.append(shard)
            self.shards[i] = <PyObject*> shard

    cdef start(self, int size):
        if self.Z is None or self.Z.shape[0] < size:
            self.Z = empty(size, self.batch_size * self.loss.n_outputs)
            self.dZ = empty(size, self.batch_size * self.loss.n_outputs)
            self.y = empty(size, self.batch_size * self.loss.n_targets)
            self.weight = empty(size, self.batch_size)

    cdef inline Py_ssize_t first_shard(self, team_t* team, int rank) noexcept nogil:
        """Of a worker; that of the next worker ends them."""
        return self.max_size * rank // team.size

    cdef bint begin(self, team_t* team, int rank) noexcept nogil:
        cdef Py_ssize_t i
        for i in range(self.first_shard(team, rank), self.first_shard(team, rank + 1)):
            (<Shard> self.shards[i]).take(address(self.params), self.moments)
        return False

    cdef bint train(self, team_t* team, int rank, const Batch* batch) noexcept nogil:
        cdef Py_ssize_t first = self.first_shard(team, rank), end = self.first_shard(team, rank + 1)
        cdef Py_ssize_t i, outputs = batch.number % 2 * self.max_size
        cdef const real_t* y
        cdef const real_t* weight
        cdef double value
        cdef TileSums sums
        cdef ahead_t ahead
        if batch.order != NULL:
            ahead = self.data.rows_ahead(batch.order, batch.first + batch.n, self.batch_size)
        y = self.data.y_of(batch.n, batch.first, batch.order, &self.y[rank, 0])
        weight = self.data.weight_of(batch.n, batch.first, batch.order, &self.weight[rank, 0])
        for i in range(first, end):
            (<Shard> self.shards[i]).forward(
                batch, self.data, i, NULL if batch.order == NULL else &ahead,
                &self.outputs[outputs + i, 0],
            )
        if team_meet(team, rank):
            return True
        self.add_outputs(outputs, batch.n * self.loss.n_outputs, &self.Z[rank, 0])
        value = self.loss.value_and_gradient(
            batch.n, &self.Z[rank, 0], y, weight, &self.dZ[rank, 0]
        )
        if rank == 0:
            batch.loss[0] += batch.share * value
        for i in range(first, end):
            sums = (<Shard> self.shards[i]).backward(batch, weight, &self.dZ[rank, 0])
            batch.penalty[i] += batch.share * sums.penalty
            batch.squares[i] += sums.squares
        return False

    cdef inline void add_outputs(self, Py_ssize_t first, Py_ssize_t n, real_t* Z) noexcept nogil:
        """Z (n) = the sum over the shards, in their order."""
        cdef Py_ssize_t i, k
        cdef const real_t* Z_i
        memcpy(Z, &self.outputs[first, 0], n * sizeof(real_t))
        for i in range(1, self.max_size):
            Z_i = &self.outputs[first + i, 0]
            for k in range(n):
                Z[k] += Z_i[k]

    cdef bint end_epoch(self, team_t* team, int rank) noexcept nogil:
        return team_meet(team, rank)

    cdef void copy_params(self, real_t* params) noexcept nogil:
        cdef Py_ssize_t i
        for i in range(self.max_size):
            (<Shard> self.shards[i]).give_params(params)

    cdef void end(self, team_t* team, int rank) noexcept nogil:
        cdef Py_ssize_t i
        for i in range(self.first_shard(team, rank), self.first_shard(team, rank + 1)):
            (<Shard> self.shards[i]).give_params(address(self.params))
            (<Shard> self.shards[i]).give_moments(self.moments)
