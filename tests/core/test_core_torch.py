"""Optimizers and activations against torch, where it is installed (extra `bench`)."""

import numpy as np
import pytest
from driver import predict, train

from sknet import _core

torch = pytest.importorskip("torch")

REGISTRY = _core.load(np.float64)
RATE = 0.01
# Ours, torch's, weight decay. Lion is not in torch.
OPTIMIZERS = {
    "sgd": (("sgd", 0.9, False), lambda p: torch.optim.SGD(p, RATE, momentum=0.9), 0),
    "nesterov": (
        ("sgd", 0.9, True), lambda p: torch.optim.SGD(p, RATE, momentum=0.9, nesterov=True), 0,
    ),
    "rmsprop": (("rmsprop",), lambda p: torch.optim.RMSprop(p, RATE), 0),
    "rmsprop with momentum": (
        ("rmsprop", 0.9, 0.5), lambda p: torch.optim.RMSprop(p, RATE, alpha=0.9, momentum=0.5), 0,
    ),
    "adagrad": (("adagrad",), lambda p: torch.optim.Adagrad(p, RATE), 0),
    "adam": (("adam",), lambda p: torch.optim.Adam(p, RATE), 0),
    "adamw": (("adam",), lambda p: torch.optim.AdamW(p, RATE, weight_decay=0.1), 0.1),
    "nadam": (("nadam",), lambda p: torch.optim.NAdam(p, RATE), 0),
    "radam": (("radam",), lambda p: torch.optim.RAdam(p, RATE), 0),
}  # fmt: skip
FUNCTIONS = {
    "identity": torch.nn.Identity(),
    "logistic": torch.sigmoid,
    "tanh": torch.tanh,
    "relu": torch.relu,
    "leaky_relu": torch.nn.functional.leaky_relu,
    "elu": torch.nn.functional.elu,
    "selu": torch.nn.functional.selu,
    "gelu": torch.nn.functional.gelu,
    "silu": torch.nn.functional.silu,
    "mish": torch.nn.functional.mish,
    "softplus": torch.nn.functional.softplus,
}


@pytest.mark.parametrize("which", OPTIMIZERS)
def test_ten_steps_are_those_of_torch(core64, which):
    """On the same gradients: of the squared error of a linear map without intercepts."""
    (name, *arguments), make, weight_decay = OPTIMIZERS[which]
    rng = np.random.default_rng(0)
    X, y, W = rng.normal(size=(30, 4)), rng.normal(size=(30, 3)), rng.normal(size=(4, 3))
    network = core64.Network([core64.Dense(4, 3, bias=False)])
    run = train(
        core64, network, core64.LOSSES["squared_error"](3), X, y, params=W.ravel(), epochs=10,
        rate=RATE, optimizer=core64.OPTIMIZERS[name](*arguments), weight_decay=weight_decay,
    )  # fmt: skip
    weights = torch.tensor(W, requires_grad=True)
    optimizer = make([weights])
    for _ in range(10):
        optimizer.zero_grad()
        (0.5 * ((torch.tensor(X) @ weights - torch.tensor(y)) ** 2).sum() / 30).backward()
        optimizer.step()
    np.testing.assert_allclose(run.params.reshape(4, 3), weights.detach().numpy(), atol=1e-6)
    assert np.abs(run.params.reshape(4, 3) - W).max() > 1e-2


@pytest.mark.parametrize("name", REGISTRY.ACTIVATIONS)
def test_activation_is_that_of_torch(core64, name):
    x = np.linspace(-12, 12, 1001)
    network = core64.Network([core64.Dense(1, 1, name)])
    ours = predict(core64, network, x[:, None], [1, 0])[:, 0]
    theirs = FUNCTIONS[name](torch.tensor(x)).numpy()
    np.testing.assert_allclose(ours, theirs, rtol=1e-12, atol=1e-13)
