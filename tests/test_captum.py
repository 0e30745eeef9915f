"""Attributions are captum's on the same network."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from sknet import MLPClassifier
from sknet.inspection import attributions

torch = pytest.importorskip("torch")
captum = pytest.importorskip("captum.attr")

MODULES = {
    "relu": "ReLU", "tanh": "Tanh", "logistic": "Sigmoid", "elu": "ELU", "softplus": "Softplus",
}  # fmt: skip
X = np.random.default_rng(0).normal(size=(200, 6))
CLASSES = np.digitize(X[:, 0] * X[:, 1] + X[:, 2], [-0.5, 0.5])
BASE = np.full(6, 0.3)


def twin(net, module):
    """The network in torch."""
    layers = []
    for W, b in zip(net.coefs_, net.intercepts_, strict=True):
        layer = torch.nn.Linear(*W.shape, dtype=torch.float64)
        layer.weight.data, layer.bias.data = torch.tensor(W.T.copy()), torch.tensor(b)
        layers += [layer, getattr(torch.nn, module)()]
    return torch.nn.Sequential(*layers[:-1])


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("activation", "module"), MODULES.items())
def test_same_values(activation, module):
    net = MLPClassifier((20, 10), activation=activation, max_iter=50, random_state=0)
    theirs, rows = twin(net.fit(X, CLASSES), module), torch.tensor(X, requires_grad=True)
    base = torch.tensor(BASE[None])
    for values, options in (
        (
            captum.IntegratedGradients(theirs).attribute(
                rows, base, target=1, n_steps=3000, method="riemann_middle"
            ),
            {"method": "integrated_gradients", "n_steps": 3000, "baseline": BASE},
        ),
        (
            captum.DeepLift(theirs).attribute(rows, base, target=1),
            {"method": "deeplift", "baseline": BASE},
        ),
        (captum.InputXGradient(theirs).attribute(rows, target=1), {"method": "gradient_x_input"}),
        (captum.Saliency(theirs).attribute(rows, target=1, abs=False), {"method": "gradient"}),
    ):
        found = attributions(net, X, target=1, **options).values
        assert_allclose(found, values.detach().numpy(), atol=1e-6)
