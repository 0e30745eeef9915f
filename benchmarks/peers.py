"""The same fit by every library: a network, its solver, so many epochs of mini-batches.

``PEERS`` names who is compared. Each has a ``make(workload, dtype, n_threads)`` that returns the
function to be timed: from arrays to a trained network, nothing left over from the call before but
what the library itself keeps, which for JAX is the compiled epoch.
"""

import itertools
import os
import warnings
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from common import is_installed


class Workload(NamedTuple):
    n_samples: int
    n_features: int
    hidden: tuple
    n_classes: int
    batch_size: int
    solver: str
    epochs: int

    def __str__(self):
        return (
            f"{self.n_samples}x{self.n_features}, {self.hidden}, {self.n_classes}, "
            f"b{self.batch_size}, {self.solver}, {self.epochs}"
        )

    @property
    def sizes(self):
        n_out = 1 if self.n_classes == 2 else self.n_classes
        return [self.n_features, *self.hidden, n_out]

    @property
    def flops(self):
        """Operations of the products: forward, and backward but for the gradient of X."""
        products = [a * b for a, b in itertools.pairwise(self.sizes)]
        return 2 * self.n_samples * self.epochs * (3 * sum(products) - products[0])

    def data(self, dtype):
        rng = np.random.default_rng(0)
        X = rng.standard_normal((self.n_samples, self.n_features), dtype=np.float32)
        return X.astype(dtype, copy=False), rng.integers(0, self.n_classes, self.n_samples)


LEARNING_RATE, MOMENTUM, ALPHA = 0.001, 0.9, 0.0001  # scikit-learn's defaults


def settings(workload):
    """Constructor arguments that scikit-learn and sknet share."""
    return {
        "hidden_layer_sizes": workload.hidden,
        "solver": workload.solver,
        "batch_size": workload.batch_size,
        "max_iter": workload.epochs,
        "n_iter_no_change": workload.epochs + 1,
        "random_state": 0,
    }


def make_sknet(workload, dtype, n_threads, options=None):
    import sknet

    warnings.simplefilter("ignore")
    estimator = sknet.MLPClassifier(**settings(workload), n_threads=n_threads, **(options or {}))
    X, y = workload.data(dtype)
    return lambda: estimator.fit(X, y)


def make_sklearn(workload, dtype, n_threads):
    from sklearn.neural_network import MLPClassifier
    from threadpoolctl import threadpool_limits

    warnings.simplefilter("ignore")
    threadpool_limits(n_threads)
    estimator = MLPClassifier(**settings(workload))
    X, y = workload.data(dtype)
    return lambda: estimator.fit(X, y)


def make_products(workload, dtype):
    """What no library can skip, and nothing else: the products of a fit, by NumPy's BLAS."""
    rng = np.random.default_rng(0)
    n_full, n_last = divmod(workload.n_samples, workload.batch_size)
    batches = []
    for n, times in ((workload.batch_size, n_full), (n_last, n_last > 0)):
        products = []
        for number, (n_in, n_out) in enumerate(itertools.pairwise(workload.sizes)):
            X, W, dZ = (
                rng.standard_normal(shape).astype(dtype)
                for shape in ((n, n_in), (n_in, n_out), (n, n_out))
            )
            products += [(X, W, np.empty_like(dZ)), (X.T, dZ, np.empty_like(W))]
            if number:
                products.append((dZ, W.T, np.empty_like(X)))
        batches += [products] * times

    def run():
        for products in batches * workload.epochs:
            for A, B, out in products:
                np.matmul(A, B, out=out)

    return run


def torch_module(workload):
    import torch

    layers = []
    for n_in, n_out in itertools.pairwise(workload.sizes):
        layers += [torch.nn.Linear(n_in, n_out), torch.nn.ReLU()]
    return torch.nn.Sequential(*layers[:-1])


def torch_optimizer(workload):
    """Class and arguments; the penalty is divided by the batch size, as in scikit-learn."""
    import torch

    decay = ALPHA / workload.batch_size
    if workload.solver == "sgd":
        arguments = {"lr": LEARNING_RATE, "momentum": MOMENTUM, "nesterov": True}
        return torch.optim.SGD, arguments | {"weight_decay": decay}
    return torch.optim.Adam, {"lr": LEARNING_RATE, "weight_decay": decay}


def make_torch(workload, dtype, n_threads):
    import torch

    torch.set_num_threads(n_threads)
    X, y = map(torch.from_numpy, workload.data(dtype))
    is_binary = workload.n_classes == 2
    if is_binary:
        y = y.to(X.dtype)[:, None]
    Loss = torch.nn.BCEWithLogitsLoss if is_binary else torch.nn.CrossEntropyLoss

    def fit():
        torch.manual_seed(0)
        module, loss = torch_module(workload), Loss()
        optimizer_class, arguments = torch_optimizer(workload)
        optimizer = optimizer_class(module.parameters(), **arguments)
        for _ in range(workload.epochs):
            order = torch.randperm(len(X))
            for begin in range(0, len(X), workload.batch_size):
                rows = order[begin : begin + workload.batch_size]
                optimizer.zero_grad()
                loss(module(X[rows]), y[rows]).backward()
                optimizer.step()
        return module

    return fit


def make_skorch(workload, dtype, n_threads):
    import skorch
    import torch

    torch.set_num_threads(n_threads)
    X, y = workload.data(dtype)
    is_binary = workload.n_classes == 2
    optimizer, arguments = torch_optimizer(workload)
    arguments = {f"optimizer__{name}": value for name, value in arguments.items()}
    arguments["lr"] = arguments.pop("optimizer__lr")
    if is_binary:
        Net, y = skorch.NeuralNetBinaryClassifier, y.astype(dtype)
    else:
        Net, arguments["criterion"] = skorch.NeuralNetClassifier, torch.nn.CrossEntropyLoss

    def fit():
        torch.manual_seed(0)
        module = torch_module(workload)
        if is_binary:
            module.append(torch.nn.Flatten(0))
        net = Net(
            module, optimizer=optimizer, **arguments, max_epochs=workload.epochs,
            batch_size=workload.batch_size, iterator_train__shuffle=True, train_split=None,
            verbose=0,
        )  # fmt: skip
        return net.fit(X, y)

    return fit


def make_jax(workload, dtype, n_threads):
    """An epoch is one jitted lax.scan over the mini-batches, and a last smaller one behind it."""
    if n_threads == 1:
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    os.environ["JAX_PLATFORMS"] = "cpu"
    import jax
    import jax.numpy as jnp

    jax.config.update("jax_enable_x64", np.dtype(dtype) == np.float64)
    X, y = map(jnp.asarray, workload.data(dtype))
    n_samples, batch_size = workload.n_samples, workload.batch_size
    n_whole = n_samples // batch_size * batch_size

    def loss(params, X, y):
        for W, b in params[:-1]:
            X = jax.nn.relu(X @ W + b)
        W, b = params[-1]
        X = X @ W + b
        if workload.n_classes == 2:
            value = jnp.mean(jnp.logaddexp(0, X[:, 0]) - y * X[:, 0])
        else:
            chosen = jnp.take_along_axis(X, y[:, None], axis=1)[:, 0]
            value = jnp.mean(jax.nn.logsumexp(X, axis=1) - chosen)
        penalty = sum(jnp.sum(W * W) for W, _ in params)
        return value + 0.5 * ALPHA / batch_size * penalty

    def sgd(W, dW, moments, rate):
        (v,) = moments
        v = MOMENTUM * v - LEARNING_RATE * dW
        return W + MOMENTUM * v - LEARNING_RATE * dW, (v,)

    def adam(W, dW, moments, rate):
        m, v = moments
        m = 0.9 * m + 0.1 * dW
        v = 0.999 * v + 0.001 * dW * dW
        return W - rate * m / (jnp.sqrt(v) + 1e-8), (m, v)

    update = sgd if workload.solver == "sgd" else adam

    def step(carry, rows):
        params, moments, t = carry
        value, gradient = jax.value_and_grad(loss)(params, X[rows], y[rows])
        t = t + 1
        rate = LEARNING_RATE * jnp.sqrt(1 - 0.999**t) / (1 - 0.9**t)
        leaves, tree = jax.tree.flatten(params)
        pairs = [
            update(W, dW, moment, rate)
            for W, dW, moment in zip(leaves, jax.tree.leaves(gradient), moments, strict=True)
        ]
        return (tree.unflatten([W for W, _ in pairs]), [m for _, m in pairs], t), value

    @jax.jit
    def epoch(carry, order):
        carry, _ = jax.lax.scan(step, carry, order[:n_whole].reshape(-1, batch_size))
        if n_whole < n_samples:
            carry, _ = step(carry, order[n_whole:])
        return carry

    def fit():
        rng = np.random.default_rng(0)
        params = []
        for n_in, n_out in itertools.pairwise(workload.sizes):
            bound = np.sqrt(6 / (n_in + n_out))
            W = rng.uniform(-bound, bound, (n_in, n_out)).astype(dtype)
            params.append((jnp.asarray(W), jnp.zeros(n_out, dtype)))
        n_moments = 1 if workload.solver == "sgd" else 2
        moments = [(jnp.zeros_like(W),) * n_moments for W in jax.tree.leaves(params)]
        carry = params, moments, jnp.asarray(0.0, dtype)
        for _ in range(workload.epochs):
            carry = epoch(carry, rng.permutation(n_samples))
        return jax.block_until_ready(carry)

    return fit


@dataclass
class Peer:
    module: str
    make: callable
    dtypes: tuple = ("float32",)  # the best of these counts, where float32 is asked for

    @property
    def is_installed(self):
        return is_installed(self.module)


PEERS = {
    "scikit-learn": Peer("sklearn", make_sklearn, ("float32", "float64")),
    "torch": Peer("torch", make_torch),
    "skorch": Peer("skorch", make_skorch),
    "JAX": Peer("jax", make_jax),
}
