# How a team shares the work of a mini-batch: the contract between a scheme and the trainer.

ctypedef struct Batch:
    # A mini-batch.
    Py_ssize_t n                # rows
    Py_ssize_t first            # place of the first one in the epoch
    const Py_ssize_t* order     # (n_samples) the epoch's rows, or NULL: as they are
    Py_ssize_t number           # of mini-batches before it in this call
    uint64_t key                # for random numbers
    double scale                # of the gradient: what sums over rows are multiplied with
    double share                # of the sums that are reported
    Rates rates                 # of the optimizer
    double learning_rate        # which they come from
    double decay                # what is first taken off the weights, as a part of them
    double averaging            # what stays of the average of the parameters, as a part of it
    const double* shares        # (n_losses) of each block's rows in their mixture, or NULL: unmixed
    double* loss                # (n_losses) of the epoch, to be added to
    double* penalty             # (n_penalties) of the epoch, to be added to
    double* squares             # (n_penalties) of the epoch's gradients, to be added to


cdef inline void open_batch(Workspace* ws, const Batch* batch, Data data) noexcept nogil:
    """Points the workspace at the rows of the mini-batch, where they stand."""
    ws.n = batch.n
    ws.key = batch.key
    ws.sparse = NULL
    ws.numbers = NULL
    ws.X = data.X
    if batch.order == NULL:
        ws.X += batch.first * data.n_features
    else:
        ws.sparse = &data.csr if data.is_sparse else NULL
        ws.numbers = batch.order + batch.first


cdef class Scheme:
    """Trains a network mini-batch by mini-batch, on any number of workers with the same bits.

    Attributes
    ----------
    max_size : workers it can use
    n_losses, n_penalties : parts of an epoch's sums: of losses; of penalties and squared gradients
    """

    cdef readonly int max_size
    cdef readonly Py_ssize_t n_losses, n_penalties

    cdef start(self, int size):
        """Gets ready for `size` workers."""

    cdef bint begin(self, team_t* team, int rank) noexcept nogil:
        """Before the first mini-batch; returns whether the team was aborted."""
        return False

    cdef bint train(self, team_t* team, int rank, const Batch* batch) noexcept nogil:
        """This worker's share of a mini-batch; returns whether the team was aborted."""
        return False

    cdef bint end_epoch(self, team_t* team, int rank) noexcept nogil:
        """Behind it the sums of the epoch are complete; returns whether the team was aborted."""
        return False

    cdef void copy_params(self, real_t* params) noexcept nogil:
        """params (n_params) = those of the network, by rank 0 behind end_epoch()."""

    cdef void end(self, team_t* team, int rank) noexcept nogil:
        """After the last mini-batch."""
