# Prediction in blocks of rows: no block needs more memory than one block's outputs.

cdef enum:
    PREDICT_ROWS = 96  # rows of a block: whole groups of the product kernels
    FEW_ROWS = 4       # up to which packing the weights would take longer than the products


cdef class Predictor(Job):
    """out (n_samples, link.n_predictions) = predictions, or raw outputs where there is no link.

    With n_draws > 0, out (n_draws * n_samples, link.n_predictions) has all rows once per draw of
    the units that are dropped, as in training; `key` names the draws.
    Where dense X may hold NaN or infinity, `looks` has each block looked through before its
    products; if there are any, the job is aborted.
    """

    cdef readonly Network network
    cdef Link link
    cdef Data data
    cdef real_t[:, ::1] out
    cdef object arrays
    cdef real_t[::1] shared
    cdef real_t[:, :] scratch  # (size, ...) per worker: X made dense, all slots, layer scratch
    cdef Py_ssize_t[::1] rows    # (n_samples) row numbers of sparse X
    cdef Py_ssize_t block_rows, width, n_draws
    cdef uint64_t key
    cdef bint looks
    cdef bint densifies  # sparse X, for a first layer that wants it dense
    cdef Workspace workspace
    cdef const Py_ssize_t[:, ::1] tiles
    cdef const real_t[::1] params

    def __init__(
        self, Network network not None, Data data not None, const real_t[::1] params not None,
        const real_t[::1] state not None, real_t[:, ::1] out not None, Link link=None,
        bint looks=False, Py_ssize_t n_draws=0, uint64_t key=0,
    ):
        if network.n_in != data.n_features:
            raise ValueError(f"X has {data.n_features} columns, the network takes {network.n_in}")
        if params.shape[0] != network.n_params or state.shape[0] != network.n_state:
            raise ValueError("params and state must have network.n_params and network.n_state elements")
        self.link = Link(network.n_out) if link is None else link
        if self.link.n_outputs != network.n_out:
            raise ValueError(
                f"the link takes {self.link.n_outputs} columns, the network has {network.n_out}"
            )
        if (
            out.shape[0] != max(1, n_draws) * data.n_samples
            or out.shape[1] != self.link.n_predictions
        ):
            raise ValueError("out must have a row per row of X and a column per prediction")
        self.n_draws, self.key = n_draws, key
        self.network, self.data, self.out = network, data, out
        self.looks = looks and not data.is_sparse
        self.params = params
        self.arrays = (params, state)
        self.block_rows = min(PREDICT_ROWS, max(1, data.n_samples))
        if data.n_samples > FEW_ROWS:
            self.tiles = network.tiles()
            self.shared = empty(max(1, network.n_shared))
            self.workspace.shared = &self.shared[0]
        if data.is_sparse:
            self.rows = np.arange(data.n_samples)
        self.densifies = data.is_sparse and not network.takes_sparse
        self.width = network.n_scratch + self.densifies * network.n_in + network.n_slots
        self.workspace.W = &params[0] if params.shape[0] else NULL
        self.workspace.state = &state[0] if state.shape[0] else NULL

    def start(self, int size):
        cdef Py_ssize_t pointers = 2 * self.network.n_steps * sizeof(void*) // sizeof(real_t)
        if self.scratch is None or self.scratch.shape[0] < size:
            self.scratch = empty(size, self.width * self.block_rows + pointers)
        Job.start(self, size)

    cdef bint prepare(self, int rank) noexcept nogil:
        """Packs this worker's share of the weights; returns whether the team was aborted."""
        cdef Py_ssize_t tile
        cdef Step* step
        while True:
            tile = team_next(&self.team, rank, self.tiles.shape[0], NULL)
            if tile == self.tiles.shape[0]:
                return team_meet(&self.team, rank)
            step = self.network.steps + self.tiles[tile, 0]
            (<Layer> step.layer).prepare(
                &self.params[step.params + self.tiles[tile, 1]], self.tiles[tile, 1],
                self.tiles[tile, 2], False, &self.shared[0] + step.shared,
            )

    cdef void run(self, int rank) noexcept nogil:
        cdef Workspace ws = self.workspace
        cdef Py_ssize_t block, draw, first, n, i, n_steps = self.network.n_steps
        cdef Py_ssize_t n_blocks = (self.data.n_samples + self.block_rows - 1) // self.block_rows
        cdef Py_ssize_t n_turns = n_blocks * max(1, self.n_draws)
        cdef real_t* next_block = &self.scratch[rank, 0]
        cdef real_t* X
        # The tables of slots stand at the front of this worker's scratch.
        ws.Y = <real_t**> next_block
        ws.cache = ws.Y + n_steps
        next_block = <real_t*> (ws.cache + n_steps)
        X = next_block
        if self.densifies:
            next_block += self.block_rows * self.network.n_in
        for i in range(n_steps):
            ws.Y[i] = next_block
            next_block += self.block_rows * (<Layer> self.network.steps[i].layer).n_out
            ws.cache[i] = next_block
            next_block += self.block_rows * (<Layer> self.network.steps[i].layer).n_cache
        ws.scratch = next_block
        ws.weight = NULL
        ws.ahead = NULL
        ws.sparse = NULL
        ws.numbers = NULL
        if ws.shared != NULL and self.prepare(rank):
            return
        while True:
            block = team_next(&self.team, rank, n_turns, NULL)
            if block == n_turns or team_is_aborted(&self.team):
                break
            draw = block // n_blocks
            first = (block - draw * n_blocks) * self.block_rows
            ws.key = mix_key(self.key, block)
            n = min(self.block_rows, self.data.n_samples - first)
            ws.n = n
            if not self.data.is_sparse:
                ws.X = self.data.X + first * self.data.n_features
                if self.looks and not real_all_finite(n * self.data.n_features, ws.X):
                    team_abort(&self.team)
                    break
            elif not self.densifies:
                ws.sparse = &self.data.csr
                ws.numbers = &self.rows[first]
            else:
                self.data.gather_X(n, &self.rows[first], X)
                ws.X = X
            self.network.predict(&ws, n, self.n_draws > 0)
            self.link.predict(
                n, ws.Y[n_steps - 1], &self.out[draw * self.data.n_samples + first, 0]
            )
