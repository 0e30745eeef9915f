# Rows pass a trained network in blocks: no block needs more memory than its own slots.

cdef enum:
    PASSAGE_ROWS = 96  # rows of a block: whole groups of the product kernels
    BLOCK_SIZE = 1 << 18  # numbers of the rows of a block that are gathered, or of their gradients


cdef spread(Py_ssize_t n_rows, Py_ssize_t n_samples):
    """Numbers of n_rows rows, spread evenly."""
    cdef Py_ssize_t[::1] rows
    cdef Py_ssize_t i
    if not 1 <= n_rows <= n_samples:
        raise ValueError(f"n_rows must be from 1 to {n_samples}, got {n_rows}")
    rows = np.empty(n_rows, np.intp)
    for i in range(n_rows):
        rows[i] = i * n_samples // n_rows
    return rows


cdef class Passage(Job):
    """Passes X through a network; the workers take block after block.

    What is done with a block, pass_block() says in subclasses, which call set_up() first. Where
    `comes_back`, gradients pass the network too, down to X where `comes_to_X`.
    """

    cdef readonly Network network
    cdef Data data
    cdef object arrays
    cdef real_t[::1] shared
    cdef real_t[:, :] scratch  # (size, ...) per worker: rows gathered, all slots, layer scratch
    cdef const Py_ssize_t[::1] rows  # (n_rows) numbers of the rows, or None for all of dense X
    cdef Py_ssize_t n_rows, block_rows, n_blocks, n_turns, width
    cdef uint64_t key
    cdef bint gathers, reads_sparse, comes_back, comes_to_X
    cdef Workspace workspace
    cdef const Py_ssize_t[:, ::1] tiles
    cdef const real_t[::1] params

    cdef set_up(
        self, Network network, Data data, const real_t[::1] params, const real_t[::1] state,
        const Py_ssize_t[::1] rows, bint packs, bint comes_back, Py_ssize_t n_passes,
    ):
        """Numbers of rows, None for all; whether weights are packed first; how often rows pass."""
        if network.n_in != data.n_features:
            raise ValueError(f"X has {data.n_features} columns, the network takes {network.n_in}")
        if params.shape[0] != network.n_params or state.shape[0] != network.n_state:
            raise ValueError("params and state must have network.n_params and network.n_state elements")
        self.network, self.data, self.params = network, data, params
        self.comes_back = self.comes_to_X = comes_back
        self.arrays = (params, state)
        if rows is None and data.is_sparse:
            rows = np.arange(data.n_samples)
        self.rows = rows
        self.n_rows = data.n_samples if rows is None else rows.shape[0]
        self.reads_sparse = data.is_sparse and network.takes_sparse
        self.gathers = rows is not None and not self.reads_sparse
        self.block_rows = min(PASSAGE_ROWS, max(1, self.n_rows))
        if self.gathers or comes_back:
            self.block_rows = min(self.block_rows, max(1, BLOCK_SIZE // network.n_in))
        self.n_blocks = (self.n_rows + self.block_rows - 1) // self.block_rows
        self.n_turns = self.n_blocks * n_passes
        if packs:
            self.tiles = network.tiles()
            self.shared = empty(max(1, network.n_shared))
            self.workspace.shared = self.workspace.next_shared = &self.shared[0]
        self.width = network.n_scratch + self.gathers * network.n_in + network.n_slots
        if comes_back:
            self.width += MAX_INPUTS * network.n_added + network.n_columns + network.n_in
        self.workspace.batching = Batching(self.block_rows, 1, False)
        self.workspace.W = &params[0] if params.shape[0] else NULL
        self.workspace.state = &state[0] if state.shape[0] else NULL

    def start(self, int size):
        cdef Py_ssize_t pointers = 3 * self.network.n_steps * sizeof(void*) // sizeof(real_t)
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
                self.tiles[tile, 2], self.reads_sparse and step.slots[0] == 0,
                self.comes_to_X if step.slots[0] == 0 else self.comes_back,
                &self.shared[0] + step.shared,
            )

    cdef real_t* lay_out(self, Workspace* ws, real_t* room) noexcept nogil:
        """Divides up this worker's scratch: slots, gradients; returns where rows are gathered."""
        cdef Py_ssize_t i, n_steps = self.network.n_steps
        cdef real_t* gathered
        ws.Y = <real_t**> room
        ws.cache = ws.Y + n_steps
        ws.dY = ws.cache + n_steps
        gathered = room = <real_t*> (ws.dY + n_steps)
        if self.gathers:
            room += self.block_rows * self.network.n_in
        for i in range(n_steps):
            ws.Y[i] = room
            room += self.block_rows * (<Layer> self.network.steps[i].layer).n_out
            ws.cache[i] = room
            room += self.block_rows * (<Layer> self.network.steps[i].layer).n_cache
            ws.dY[i] = room
            if self.comes_back:
                room += self.block_rows * (<Layer> self.network.steps[i].layer).n_out
        if self.comes_back:
            ws.dX = room
            room += self.block_rows * self.network.n_in
        ws.scratch = room
        return gathered

    cdef void run(self, int rank) noexcept nogil:
        cdef Workspace ws = self.workspace
        cdef Py_ssize_t turn, first
        cdef ahead_t next_block  # of this worker, most likely
        cdef real_t* gathered = self.lay_out(&ws, &self.scratch[rank, 0])
        if ws.shared != NULL and self.prepare(rank):
            return
        while True:
            turn = team_next(&self.team, rank, self.n_turns, NULL)
            if turn == self.n_turns or team_is_aborted(&self.team):
                break
            first = turn % self.n_blocks * self.block_rows
            ws.key = mix_key(self.key, turn)
            ws.n = min(self.block_rows, self.n_rows - first)
            if self.gathers:
                self.data.gather_X(ws.n, &self.rows[first], gathered)
                ws.X = gathered
            elif self.reads_sparse:
                ws.sparse = &self.data.csr
                ws.numbers = &self.rows[first]
            else:
                ws.X = self.data.X + first * self.data.n_features
                next_block = self.data.rows_ahead(NULL, first + ws.n, self.block_rows)
                ws.ahead = &next_block
            self.pass_block(&ws, turn, first)

    cdef void pass_block(self, Workspace* ws, Py_ssize_t turn, Py_ssize_t first) noexcept nogil:
        """The rows first..first + ws.n, which ws.X or ws.sparse holds."""
