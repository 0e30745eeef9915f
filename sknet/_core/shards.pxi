# A network with one hidden layer, cut into shards that need nothing of each other but their outputs.

cdef enum:
    SHARD_WORK = 400000  # multiply-adds of a shard per mini-batch that are worth a thread
    SHARD_UNITS = 32     # hidden units of a shard, at the least
    SHARD_STEP = 16      # units by which to cut: whole lines of the cache
    MAX_SHARDS = 8
    MAX_SHARD_ROWS = 1024    # of a mini-batch: each shard passes all of them at once,
    MAX_SHARD_COLUMNS = 128  # and each reads all columns of X
    OUTPUT_WEIGHTS = 1000    # of the network per output: each worker computes the whole loss


cdef str activation_name(layer):
    [name] = [name for name, kind in ACTIVATIONS.items() if type(layer.activation) is kind]
    return name


cdef bint can_be_sharded(Network network):
    """Whether it is a dense layer, perhaps dropout, and a dense layer without activation."""
    if network.n_steps == 1 or network.inputs != [(i,) for i in range(network.n_steps)]:
        return False
    hidden, *between, output = network.layers
    return (
        all(isinstance(layer, Dense) and layer.bias for layer in (hidden, output))
        and all(isinstance(layer, Dropout) for layer in between)
        and activation_name(output) == "identity"
        and not network.input_gradient
    )


cdef class Sharding:
    """Networks that are parts of a network: the sum of their outputs is its output.

    Each has some of the hidden units, the weights to and from them, and their intercepts; the
    first one has the intercepts of the outputs.

    Attributes
    ----------
    shards : list of Network
    places : list of (shard.n_params,) intp arrays
        Where the parameters of each shard stand among those of the network.
    """

    cdef readonly list shards, places

    def __init__(self, Network network not None, Py_ssize_t n_shards):
        if not (
            can_be_sharded(network)
            and 1 <= n_shards <= min(MAX_SHARDS, (<Layer> network.layers[0]).n_out)
        ):
            raise ValueError(f"the network cannot be cut into {n_shards} shards")
        hidden, *between, output = network.layers
        W, b = dense_places(network, 0)
        V, c = dense_places(network, network.n_steps - 1)
        self.shards, self.places = [], []
        for i in range(n_shards):
            begin = shard_begin(hidden.n_out, i, n_shards)
            end = shard_begin(hidden.n_out, i + 1, n_shards)
            layers = [Dense(hidden.n_in, end - begin, activation_name(hidden))]
            layers += [Dropout(end - begin, layer.rate) for layer in between]
            layers += [Dense(end - begin, output.n_out, bias=i == 0)]
            self.shards.append(Network(layers))
            places = [W[:, begin:end].ravel(), b[begin:end], V[begin:end].ravel()]
            if i == 0:
                places.append(c)
            self.places.append(np.concatenate(places))


cdef dense_places(Network network, Py_ssize_t i):
    """Where the weights (n_in, n_out) and the intercepts (n_out,) of layer i stand in the network."""
    layer = network.layers[i]
    part = network.param_slices()[i]
    places = np.arange(part.start, part.stop)
    return places[: layer.n_weights].reshape(layer.n_in, layer.n_out), places[layer.n_weights :]


cdef inline Py_ssize_t shard_begin(Py_ssize_t n_units, Py_ssize_t i, Py_ssize_t n_shards):
    """The first unit of shard i; of shard number n_shards, where the last one ends."""
    cdef Py_ssize_t step = SHARD_STEP if n_units >= n_shards * SHARD_UNITS else 1
    return n_units if i == n_shards else n_units * i // (n_shards * step) * step


def best_n_shards(Network network not None, Py_ssize_t batch_size):
    """How many shards to cut a network into that trains with such mini-batches; 1: leave it whole.

    By shapes alone, so that the number of threads does not matter.
    """
    cdef Py_ssize_t n_shards = 1, most
    if not can_be_sharded(network):
        return 1
    if batch_size > MAX_SHARD_ROWS or network.n_in > MAX_SHARD_COLUMNS:
        return 1
    if network.n_out * OUTPUT_WEIGHTS > network.n_weights:
        return 1
    most = min(
        MAX_SHARDS, 3 * batch_size * network.n_weights // SHARD_WORK,
        (<Layer> network.layers[0]).n_out // SHARD_UNITS,
    )
    while 2 * n_shards <= most:
        n_shards *= 2
    return n_shards
