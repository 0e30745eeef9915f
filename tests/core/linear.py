"""A model whose gradient is three lines of NumPy, to test what training makes of it."""

import numpy as np
from driver import train


class Linear:
    """Squared error of X W + b and its gradient, mini-batch by mini-batch."""

    def __init__(self, core, weighted, seed=0):
        rng = np.random.default_rng(seed)
        self.core = core
        self.network = core.Network([core.Dense(3, 2)])
        self.loss = core.LOSSES["squared_error"](2)
        self.X, self.y = rng.normal(size=(50, 3)), rng.normal(size=(50, 2))
        self.weight = rng.uniform(0.5, 3, 50) if weighted else None
        self.params = rng.normal(size=8)

    def train(self, **options):
        return train(
            self.core, self.network, self.loss, self.X, self.y, self.weight, params=self.params,
            batch_size=20, **options,
        )  # fmt: skip

    def batches(self, order=None):
        order = np.arange(50) if order is None else order
        return [order[:20], order[20:40], order[40:]]

    def divisor(self, rows, mean_weight=0, total_weight=0):
        if total_weight:
            return total_weight
        if mean_weight:
            return len(rows) * mean_weight
        return len(rows) if self.weight is None else self.weight[rows].sum()

    def gradient(self, params, rows, alpha=0.0, l1=0.0, **weights):
        W, b = params[:6].reshape(3, 2), params[6:]
        w = np.ones(len(rows)) if self.weight is None else self.weight[rows]
        dZ = (self.X[rows] @ W + b - self.y[rows]) * w[:, None]
        dW = self.X[rows].T @ dZ + alpha * W + l1 * np.sign(W)  # no penalty on the intercepts
        return np.r_[dW.ravel(), dZ.sum(axis=0)] / self.divisor(rows, **weights)

    def losses(self, params, rows, alpha, l1=0.0, **weights):
        """What one mini-batch adds to the loss and to the penalty that are reported."""
        W, b = params[:6].reshape(3, 2), params[6:]
        w = np.ones(len(rows)) if self.weight is None else self.weight[rows]
        value = np.sum(w[:, None] * 0.5 * (self.X[rows] @ W + b - self.y[rows]) ** 2) / 2
        n = 1 if weights.get("total_weight") else len(rows)
        factor = n / self.divisor(rows, **weights)
        penalty = 0.5 * alpha * np.sum(W**2) + l1 * np.sum(abs(W))
        return np.array([value * factor, penalty * factor])
