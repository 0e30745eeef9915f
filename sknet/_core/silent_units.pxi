# Units that say nothing.

cdef class SilentUnits(Passage):
    """Which outputs of each step are 0 for all of some rows of X.

    Parameters
    ----------
    network : Network
    data : Data
    params, state : (n_params,), (n_state,) arrays
    n_rows : rows to look at, spread evenly over X
    """

    cdef char[:, ::1] speaks  # (n_blocks, network.n_columns) for some row of the block

    def __init__(
        self, Network network not None, Data data not None, const real_t[::1] params not None,
        const real_t[::1] state not None, Py_ssize_t n_rows,
    ):
        self.set_up(network, data, params, state, spread(n_rows, data.n_samples), True, False, 1)

    def start(self, int size):
        self.speaks = np.zeros((self.n_blocks, self.network.n_columns), np.int8)
        Passage.start(self, size)

    cdef void pass_block(self, Workspace* ws, Py_ssize_t turn, Py_ssize_t first) noexcept nogil:
        cdef Py_ssize_t i, r, j, m
        cdef char* speaks = &self.speaks[turn, 0]
        self.network.predict(ws, ws.n, False)
        for i in range(self.network.n_steps):
            m = (<Layer> self.network.steps[i].layer).n_out
            for r in range(ws.n):
                for j in range(m):
                    speaks[j] |= ws.Y[i][r * m + j] != 0
            speaks += m

    def result(self):
        """Per step, (n_out,): True for those that are 0."""
        silent, units, first = ~np.any(self.speaks, axis=0), [], 0
        for layer in self.network.layers:
            units.append(silent[first : first + layer.n_out])
            first += layer.n_out
        return units
