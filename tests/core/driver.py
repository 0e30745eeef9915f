"""Drives the compiled core directly: data, networks, epochs on any number of threads."""

import threading
from dataclasses import dataclass

import numpy as np
from scipy import sparse

# Between them: each optimizer, dense and CSR, weighted and not, shuffled and not.
SETTINGS = [  # optimizer, CSR, weighted, shuffled
    ("sgd", False, True, True),
    ("adam", True, False, True),
    ("sum", True, True, False),
    ("adam", False, False, False),
    ("rmsprop", True, True, True),
    ("adagrad", False, False, True),
    ("nadam", False, True, False),
    ("radam", True, False, False),
    ("lion", False, True, True),
]


@dataclass
class Run:
    """What training leaves behind."""

    params: np.ndarray
    state: np.ndarray
    moments: np.ndarray
    results: list

    def same_bits(self, other):
        return self.results == other.results and all(
            a.tobytes() == b.tobytes()
            for a, b in (
                (self.params, other.params),
                (self.state, other.state),
                (self.moments, other.moments),
            )
        )


def as_real(core, array):
    return np.ascontiguousarray(array, core.DTYPE)


def make_data(core, X, y=None, weight=None):
    """core.Data of arrays of any dtype; X may be a CSR array."""
    y = None if y is None else as_real(core, y)
    weight = None if weight is None else as_real(core, weight)
    if not sparse.issparse(X):
        return core.Data(as_real(core, X), y, weight)
    arrays = (as_real(core, X.data), X.indices.astype(np.intc), X.indptr)
    return core.Data(arrays, y, weight, n_features=X.shape[1])


RESTRAINTS = ("alpha", "l1", "weight_decay", "clip_norm", "projections", "frozen")


def make_trainer(core, network, loss, optimizer, data, params, **options):
    """A Trainer on fresh state and moments, and these two; restraints come by their names.

    `max_norm` is a projection.

    With `averaging` an average of the parameters, which begins with them, is the last moment.
    """
    if max_norm := options.pop("max_norm", 0):
        options["projections"] = [core.MaxNorm(network, max_norm, options.get("frozen", ()))]
    given = {name: options.pop(name) for name in RESTRAINTS if name in options}
    options["restraints"] = core.Restraints(**given)
    state = network.initial_state()
    averages = "averaging" in options
    moments = np.zeros((optimizer.n_moments + averages, network.n_params), core.DTYPE)
    moments[optimizer.n_moments :] = params
    trainer = core.Trainer(network, loss, optimizer, data, params, state, moments, **options)
    return trainer, state, moments


def work(job, size=1, patience=None):
    """Does a job on `size` threads; with `patience`, of a Trial, it tries to do without them."""
    job.start(size)
    if patience is not None:
        job.try_alone(patience)
    helpers = [threading.Thread(target=job.work, args=(rank,)) for rank in range(1, size)]
    for helper in helpers:
        helper.start()
    job.work(0)
    for helper in helpers:
        helper.join()


def train(
    core, network, loss, X, y, weight=None, *, params, optimizer=None, epochs=1, size=1, rate=0.01,
    shuffle=False, key=0, batch_size=10**6, shares=None, **options,
):  # fmt: skip
    """Trains a copy of `params`; the optimizer is GradientSum unless given.

    rate may be an array of a learning rate per update; shares, of mixup, a row per mini-batch.
    """
    optimizer = core.GradientSum() if optimizer is None else optimizer
    params = np.array(params, core.DTYPE)
    data = make_data(core, X, y, weight)
    trainer, state, moments = make_trainer(
        core, network, loss, optimizer, data, params, batch_size=batch_size,
        mixes=shares is not None, **options,
    )  # fmt: skip
    rates = np.broadcast_to(np.asarray(rate, float), epochs * trainer.n_batches)
    results = []
    for epoch in range(epochs):
        begin = epoch * trainer.n_batches
        part = slice(begin, begin + trainer.n_batches)
        trainer.set_epochs(
            rates[part].copy(), begin, key + (epoch << 32), shuffle,
            None if shares is None else np.ascontiguousarray(shares[part], float),
        )  # fmt: skip
        work(trainer, size)
        results += trainer.results()
    return Run(params, state, moments, results)


def predict(core, network, X, params, state=None, link="identity", size=1, **link_options):
    """Predictions through a link of this name."""
    state = network.initial_state() if state is None else state
    link = core.LINKS[link](network.n_out, **link_options)
    out = np.full((X.shape[0], link.n_predictions), np.nan, core.DTYPE)
    params = as_real(core, params)
    work(core.Predictor(network, make_data(core, X), params, state, out, link), size)
    return out


def optimizers(core):
    return {name: rule() for name, rule in core.OPTIMIZERS.items()} | {"sum": core.GradientSum()}


def make_loss(core, name, n_out):
    """The loss of this name, with options where it has no defaults for them."""
    options = {"levels": np.linspace(0.2, 0.7, n_out)} if name == "quantile" else {}
    return core.LOSSES[name](n_out, **options)


def takes_class_index(name):
    """Whether y of this loss holds numbers of classes."""
    return name.startswith(("softmax", "multiclass"))


def make_targets(rng, loss, n, n_out):
    """Targets y of n rows that suit the loss of this name."""
    if takes_class_index(loss):
        return rng.integers(0, n_out, (n, 1)).astype(float)
    if loss.startswith("logistic") or loss == "hinge":
        return rng.integers(0, 2, (n, n_out)).astype(float)
    if loss == "poisson":
        return rng.poisson(2, (n, n_out)).astype(float)
    if loss == "tweedie":
        return rng.poisson(1, (n, n_out)) * rng.uniform(0.5, 2, (n, n_out))
    if loss == "gamma":
        return rng.gamma(2, size=(n, n_out))
    return rng.normal(size=(n, 1 if loss == "quantile" else n_out))


def make_network(core, kind, n_in, n_out, activation="tanh", width=12, **options):
    """A small network that has the layer `kind` in its first step and behind another one.

    `width` and `n_in` must be multiples of 3.
    """
    act, k, w = activation, n_in, width
    inputs = None
    if kind == "Dense":
        layers = [core.Dense(k, w, act), core.Dense(w, w, act)]
    elif kind == "PositionDense":
        layers = [core.PositionDense(k, w // 3, 3, act), core.PositionDense(w, w, 1, act)]
    elif kind == "Noise":
        layers = [core.Noise(k, 0.2), core.Dense(k, w, act), core.Noise(w, 0.3)]
    elif kind == "Activate":
        layers = [core.Dense(k, w), core.Activate(w, act), core.Dense(w, w), core.Activate(w, act)]
    elif kind == "Dropout":
        layers = [core.Dropout(k, 0.2), core.Dense(k, w, act), core.Dropout(w, 0.3)]
    elif kind in ("LayerNorm", "BatchNorm"):
        norm = core.LAYERS[kind]
        layers = [norm(k), core.Dense(k, w, act), norm(w)]
    elif kind == "Add":
        # X and slot 3 are read twice, and slot 4 by both sides of one sum.
        layers = [core.Dense(k, k, act), core.Add(k), core.Dense(k, w, act)]
        layers += [core.Dense(w, w, act), core.Add(w), core.Add(w), core.Dense(w, w, act)]
        inputs = [(0,), (1, 0), (2,), (3,), (4, 3), (5, 5), (6,), (7,)]
    else:
        raise ValueError(f"say here how a network with {kind} looks")
    return core.Network([*layers, core.Dense(w, n_out)], inputs, **options)


def close(core, actual, expected, scale=1.0):
    """Equal up to a few roundings of the core's dtype."""
    tolerance = scale * (1e-13 if np.float64 == core.DTYPE else 3e-6)
    np.testing.assert_allclose(actual, expected, rtol=tolerance, atol=tolerance)
