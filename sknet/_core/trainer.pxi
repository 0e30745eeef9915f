# Epochs of mini-batch training, shared by a team.

cdef inline double sum_in_order(double[::1] values) noexcept nogil:
    cdef double total = 0
    cdef Py_ssize_t i
    for i in range(values.shape[0]):
        total += values[i]
    return total


cdef class Trainer(Job):
    """Trains `params` in place, some epochs per start() and work().

    Parameters
    ----------
    network, loss, optimizer : Network, Loss, Optimizer
    data : Data
    params : (n_params,) array, changed in place
    state : (n_state,) array, changed in place
    moments : (n_moments, n_params) array with contiguous rows, changed in place
    batch_size : rows per mini-batch; the last one may be smaller
    restraints : Restraints, or None for none
    averaging : if not 0, the parameters are averaged, in one more row of moments, the last: after
        update n (from 0) the part min(averaging, (1 + n) / (10 + n)) of the average stays
    mixes : whether rows are mixed, as set_epochs() is told: mixup; not for sparse X
    mean_weight : if not 0, a mini-batch of n rows is divided by n * mean_weight instead of the sum
        of its own weights: then the weights of different mini-batches compare
    total_weight : if not 0, every mini-batch is divided by this
    input_gradient : (n_samples, n_features) array or None
        OUT: the gradient of each row's loss with respect to the row; needs rows that are not
        shuffled and a network with input_gradient=True.
    n_shards : how many to cut the network into; 0: as many as are worth while
    """

    cdef readonly Network network
    cdef readonly Loss loss
    cdef readonly Data data
    cdef readonly Py_ssize_t batch_size, n_batches, n_shards
    cdef readonly Scheme scheme
    cdef readonly bint has_best  # whether keep_best() has found something to copy
    cdef readonly Trial trial    # of the call, or None
    cdef Optimizer optimizer
    cdef double weight_decay, averaging, mean_weight, total_weight
    cdef bint has_input_gradient, mixes
    cdef const double[:, ::1] shares           # (n_epochs * n_batches, scheme.n_losses)
    cdef double[:, ::1] losses     # (n_epochs, scheme.n_losses)
    cdef double[:, ::1] penalties  # (n_epochs, scheme.n_penalties)
    cdef double[:, ::1] squares    # (n_epochs, scheme.n_penalties)
    cdef Py_ssize_t[::1] order                 # (n_epochs, n_samples), or (n_samples) for all
    cdef const double[::1] learning_rates      # (n_epochs, n_batches)
    cdef Py_ssize_t n_epochs, n_updates
    cdef real_t[::1] best_params
    cdef double lowest
    cdef uint64_t key
    cdef bint shuffled
    cdef bint ordered  # whether rows have numbers: they are shuffled, or X is sparse

    def __init__(
        self, Network network not None, Loss loss not None, Optimizer optimizer not None,
        Data data not None, real_t[::1] params not None, real_t[::1] state not None,
        real_t[:, :] moments not None, *, Py_ssize_t batch_size, Restraints restraints=None,
        double averaging=0, bint mixes=False, double mean_weight=0, double total_weight=0,
        real_t[:, ::1] input_gradient=None, Py_ssize_t n_shards=0,
    ):
        if network.n_in != data.n_features:
            raise ValueError(f"X has {data.n_features} columns, the network takes {network.n_in}")
        if network.n_out != loss.n_outputs or data.n_targets != loss.n_targets:
            raise ValueError("the network's outputs, the loss and y do not fit together")
        if params.shape[0] != network.n_params or state.shape[0] != network.n_state:
            raise ValueError("params and state must have network.n_params and network.n_state elements")
        if not 0 <= averaging < 1:
            raise ValueError(f"averaging must be in [0, 1), got {averaging}")
        n_moments = optimizer.n_moments + (averaging > 0)
        if moments.shape[0] != n_moments or moments.shape[1] != network.n_params:
            raise ValueError(
                "moments must have shape (optimizer.n_moments, network.n_params), and one row more "
                "for an average"
            )
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
        if mixes and data.is_sparse:
            raise ValueError("rows of sparse X cannot be mixed")
        self.network, self.loss, self.optimizer, self.data = network, loss, optimizer, data
        self.mixes = mixes
        self.batch_size = min(batch_size, data.n_samples)
        self.n_batches = data.count_batches(self.batch_size)
        if restraints is None:
            restraints = Restraints()
        self.weight_decay, self.averaging = restraints.weight_decay, averaging
        self.mean_weight = mean_weight
        self.total_weight = total_weight
        self.has_input_gradient = input_gradient is not None
        self.n_shards = n_shards
        if n_shards == 0:
            self.n_shards = 1
            if self.n_batches > 1 and not (restraints.looks_at_all() or mixes):
                self.n_shards = best_n_shards(network, self.batch_size)
        elif n_shards > 1 and (restraints.looks_at_all() or mixes):
            raise ValueError("shards cannot be clipped, projected, frozen or mixed")
        if self.n_shards == 1:
            self.scheme = DataParallel(
                network, loss, optimizer, data, params, state, moments, self.batch_size,
                restraints, averaging > 0, mixes, input_gradient,
            )
        else:
            self.scheme = TensorParallel(
                Sharding(network, self.n_shards), loss, optimizer, data, params, moments,
                self.batch_size, restraints, averaging > 0,
            )

    def set_epochs(
        self, const double[::1] learning_rates not None, Py_ssize_t n_updates, uint64_t key,
        bint shuffle=False, const double[:, ::1] shares=None,
    ):
        """Says what the next epochs are to do.

        Parameters
        ----------
        learning_rates : (n_epochs * n_batches,) float64 array
        n_updates : updates made before
        key : 64 random bits for the random numbers of the first epoch; the next has key + 2^32
        shuffle : whether each epoch takes the rows in its epoch_order(), else as they are
        shares : (n_epochs * n_batches, scheme.n_losses) float64 array or None
            Where rows are mixed: of each block's own rows in the mixture.
        """
        self.n_epochs = learning_rates.shape[0] // self.n_batches
        if self.n_epochs < 1 or learning_rates.shape[0] != self.n_epochs * self.n_batches:
            raise ValueError(f"learning_rates must have {self.n_batches} elements per epoch")
        if shuffle and self.has_input_gradient:
            raise ValueError("input_gradient needs shuffle=False")
        if self.mixes != (shares is not None) or self.mixes and not (
            shares.shape[0] == learning_rates.shape[0] and shares.shape[1] == self.scheme.n_losses
        ):
            raise ValueError("shares must have a row per mini-batch, and scheme.n_losses columns")
        self.shares = shares
        self.shuffled = shuffle
        self.ordered = shuffle or self.data.is_sparse
        if shuffle:
            n_numbers = self.n_epochs * self.data.n_samples
            if self.order is None or self.order.shape[0] != n_numbers:
                self.order = np.empty(n_numbers, np.intp)
        elif self.ordered:
            self.order = np.arange(self.data.n_samples)
        self.learning_rates = learning_rates
        self.best_params = None
        self.n_updates = n_updates
        self.optimizer.begin(n_updates + 1, learning_rates.shape[0])
        self.key = key
        if self.losses is None or self.losses.shape[0] != self.n_epochs:
            self.losses = np.empty((self.n_epochs, self.scheme.n_losses))
            self.penalties = np.empty((self.n_epochs, self.scheme.n_penalties))
            self.squares = np.empty((self.n_epochs, self.scheme.n_penalties))
        self.losses[:] = 0
        self.penalties[:] = 0
        self.squares[:] = 0

    def start(self, int size):
        size = min(size, self.scheme.max_size)
        self.scheme.start(size)
        Job.start(self, size)
        self.trial = None

    def try_alone(self, double patience):
        """After start(): has this call try whether rank 0 is faster without the others.

        What came of it stands in `trial`, afterwards. For `patience` see Trial.
        """
        if self.n_epochs * self.n_batches <= 2 * TRIAL_PART:
            raise ValueError(f"a trial needs more than {2 * TRIAL_PART} mini-batches in a call")
        self.trial = Trial(patience)

    def results(self):
        """(loss, penalty) of each epoch: sums over mini-batches of value times rows of it."""
        return [
            (self.epoch_loss(epoch), sum_in_order(self.penalties[epoch]))
            for epoch in range(self.n_epochs)
        ]

    def gradient_norms(self):
        """Root of the mean over each epoch's mini-batches of the squared norm of the gradient.

        That is the gradient of the loss and the penalty, as the optimizer sees it.
        """
        return [
            sqrt(sum_in_order(self.squares[epoch]) / self.n_batches)
            for epoch in range(self.n_epochs)
        ]

    cdef inline double epoch_loss(self, Py_ssize_t epoch) noexcept nogil:
        return sum_in_order(self.losses[epoch]) * self.loss.value_scale

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
        cdef double value = self.epoch_loss(epoch) + sum_in_order(self.penalties[epoch])
        if self.best_params is not None and value < self.lowest:
            self.lowest = value
            self.has_best = True
            self.scheme.copy_params(address(self.best_params))

    cdef void run(self, int rank) noexcept nogil:
        cdef Py_ssize_t epoch
        cdef team_t* active = &self.team
        if rank >= self.team.size or self.scheme.begin(&self.team, rank):
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
            if self.train_epoch(rank, epoch, &active):
                return
            if rank == 0:
                self.note_epoch(epoch)
        if rank == 0 and self.trial is not None:
            self.trial.end()
        self.scheme.end(active, rank)

    cdef inline uint64_t epoch_key(self, Py_ssize_t epoch) noexcept nogil:
        return self.key + (<uint64_t> epoch << 32)

    cdef bint train_epoch(self, int rank, Py_ssize_t epoch, team_t** active) noexcept nogil:
        """This worker's share of an epoch; returns whether there is nothing more to do for it.

        `active` is the team that trains; NULL while others train without this worker.
        """
        cdef Py_ssize_t number, n_updates = self.n_updates + epoch * self.n_batches
        cdef double weight
        cdef Batch batch
        batch.order = NULL
        if self.ordered:
            batch.order = &self.order[epoch * self.data.n_samples if self.shuffled else 0]
        batch.loss = &self.losses[epoch, 0]
        batch.penalty = &self.penalties[epoch, 0]
        batch.squares = &self.squares[epoch, 0]
        for number in range(self.n_batches):
            batch.number = epoch * self.n_batches + number
            if self.trial is not None and self.trial.begin_batch(
                &self.team, rank, batch.number, active
            ):
                return True
            if active[0] == NULL:
                continue
            batch.first = number * self.batch_size
            batch.shares = &self.shares[batch.number, 0] if self.mixes else NULL
            batch.n = min(self.batch_size, self.data.n_samples - batch.first)
            batch.key = mix_key(self.epoch_key(epoch), number)
            batch.learning_rate = self.learning_rates[batch.number]
            batch.rates = self.optimizer.rates(batch.learning_rate, n_updates + number + 1)
            batch.decay = self.weight_decay * batch.learning_rate
            batch.averaging = min(
                self.averaging, <double> (1 + n_updates + number) / (10 + n_updates + number)
            )
            weight = self.batch_weight(&batch)
            batch.scale = 1 / (self.total_weight if self.total_weight else weight)
            batch.share = 1 / self.total_weight if self.total_weight else batch.n / weight
            if self.scheme.train(active[0], rank, &batch):
                return True
        return active[0] != NULL and self.scheme.end_epoch(active[0], rank)

    cdef inline double batch_weight(self, const Batch* batch) noexcept nogil:
        """What the sums over a mini-batch are divided by."""
        if self.mean_weight:
            return batch.n * self.mean_weight
        return self.data.sum_of_weights(batch.n, batch.first, batch.order)
