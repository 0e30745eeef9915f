# Predictions of many rows, or of few.

cdef enum:
    FEW_ROWS = 4  # up to which packing the weights would take longer than the products


cdef class Predictor(Passage):
    """out (n_samples, link.n_predictions) = predictions, or raw outputs where there is no link.

    With n_draws > 0, out (n_draws * n_samples, link.n_predictions) has all rows once per draw of
    the units that are dropped, as in training; `key` names the draws.
    Where dense X may hold NaN or infinity, `looks` has each block looked through before its
    products; if there are any, the job is aborted.
    """

    cdef Link link
    cdef real_t[:, ::1] out
    cdef Py_ssize_t n_draws
    cdef bint looks

    def __init__(
        self, Network network not None, Data data not None, const real_t[::1] params not None,
        const real_t[::1] state not None, real_t[:, ::1] out not None, Link link=None,
        bint looks=False, Py_ssize_t n_draws=0, uint64_t key=0,
    ):
        self.set_up(
            network, data, params, state, None, data.n_samples > FEW_ROWS, False, max(1, n_draws)
        )
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
        self.out, self.n_draws, self.key = out, n_draws, key
        self.looks = looks and not data.is_sparse

    cdef void pass_block(self, Workspace* ws, Py_ssize_t turn, Py_ssize_t first) noexcept nogil:
        cdef Py_ssize_t draw = turn // self.n_blocks
        if self.looks and not real_all_finite(ws.n * self.data.n_features, ws.X):
            team_abort(&self.team)
            return
        self.network.predict(ws, ws.n, self.n_draws > 0)
        self.link.predict(
            ws.n, ws.Y[self.network.n_steps - 1], &self.out[draw * self.data.n_samples + first, 0]
        )
