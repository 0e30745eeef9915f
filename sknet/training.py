"""Training: the loop over epochs of mini-batches, and L-BFGS."""

import copy
import math
from dataclasses import dataclass, field

import numpy as np
from scipy import optimize

from sknet.model import as_data
from sknet.schedules import SCHEDULES
from sknet.stopping import Patience
from sknet.threads import Team, single_threaded_blas

__all__ = ["LBFGS_ROWS", "Progress", "epoch_order", "fit_lbfgs", "fit_minibatch"]

LBFGS_ROWS = 2048  # rows per pass of L-BFGS: bounds its memory, whatever the number of rows
STREAM = 21  # names the family of random numbers; another gives other weights from the same seed


@dataclass
class Progress:
    """All that training needs to go on where it stopped, bit for bit.

    Attributes
    ----------
    weights_rng, rng : numpy.random.Generator
        Draw the initial weights and the order of each epoch.
    split_seed, dropout_seed : int
        Fixed for the whole training: the same validation rows at every continuation.
    moments : ndarray of shape (n_moments, n_params)
    learning_rate : float
    n_updates, n_epochs, n_rows : int
        Mini-batches, epochs and rows seen.
    patience : Patience
    params, best_params : ndarray of shape (n_params,) or None
        The latest parameters, and the best ones by what decides about stopping.
    """

    weights_rng: np.random.Generator
    rng: np.random.Generator
    split_seed: int
    dropout_seed: int
    moments: np.ndarray | None = None
    learning_rate: float = 0.0
    n_updates: int = 0
    n_epochs: int = 0
    n_rows: int = 0
    patience: Patience = field(default_factory=Patience)
    params: np.ndarray | None = None
    best_params: np.ndarray | None = None

    @classmethod
    def begin(cls, random_state):
        """A new start from a numpy.random.RandomState, which is asked once.

        Weights, order, split and dropout have streams of their own: another architecture sees
        the rows in the same order.
        """
        entropy = random_state.randint(0, 2**32, size=4, dtype=np.uint32)
        seeds = np.random.SeedSequence(entropy.tolist(), spawn_key=(STREAM,))
        weights, split, dropout, order = seeds.spawn(4)
        return cls(
            weights_rng=np.random.default_rng(weights),
            rng=np.random.default_rng(order),
            split_seed=int(split.generate_state(1)[0]),
            dropout_seed=int(dropout.generate_state(1)[0]),
        )

    def copy(self):
        """A copy that can be trained on without touching this one."""
        return copy.deepcopy(self)


def epoch_order(rng, n_samples):
    """The rows in the order of the next epoch, (n_samples,) intp."""
    return rng.permutation(n_samples)


def fit_minibatch(
    model, optimizer, loss, X, y, sample_weight, progress, *, mean_weight, batch_size, alpha,
    shuffle, learning_rate, learning_rate_init, power_t, max_epochs, tol, n_iter_no_change, n_threads,
    score, score_decides, on_epoch, verbose,
):  # fmt: skip
    """Trains model.params in place, epoch by epoch.

    Parameters
    ----------
    model : Model
    optimizer, loss : of the core
    X, y, sample_weight : the training rows, as as_data() takes them
    progress : Progress
        Where training begins; holds where it ended afterwards.
    mean_weight : float
        0 to divide each mini-batch by the sum of its weights, as scikit-learn does; else by its
        number of rows times this.
    batch_size, alpha, shuffle, tol, n_iter_no_change, n_threads, verbose
        As in the estimators.
    learning_rate : str
        Name of a schedule.
    learning_rate_init, power_t : float
    max_epochs : int
    score : callable(Model) -> float, or None
        Validation score after each epoch.
    score_decides : bool
        Whether the score decides about stopping, rather than the training loss.
    on_epoch : callable(loss, score) -> bool
        Called after each epoch; True ends training.

    Returns
    -------
    reason : {"converged", "max_epochs", "stopped", "interrupted", "diverged"}
    """
    data = as_data(model.core, X, y, sample_weight)
    trainer = model.core.Trainer(
        model.network, loss, optimizer, data, model.params, model.state, progress.moments,
        batch_size=batch_size, alpha=alpha, mean_weight=mean_weight,
    )  # fmt: skip
    schedule = SCHEDULES[learning_rate]
    patience = progress.patience
    rates = np.empty(trainer.n_batches)
    work = trainer.batch_size * model.n_weights
    with Team(n_threads, work) as team:
        for epoch in range(max_epochs):
            try:
                trainer.set_epoch(
                    epoch_order(progress.rng, data.n_samples) if shuffle else None,
                    _filled(rates, progress.learning_rate),
                    progress.n_updates,
                    progress.dropout_seed + (progress.n_epochs << 32),
                )
                team.run(trainer)
                mean_loss = sum(trainer.result()) / data.n_samples
                progress.n_updates += trainer.n_batches
                progress.n_epochs += 1
                progress.n_rows += data.n_samples
                if verbose:
                    print(f"Iteration {epoch + 1}, loss = {mean_loss:.8f}")
                current = None if score is None else score(model)
                if verbose and current is not None:
                    print(f"Validation score: {current:f}")
                if patience.update(mean_loss, current if score_decides else None, tol):
                    _keep(progress, model.params)
                progress.learning_rate = schedule(
                    learning_rate_init, progress.learning_rate, progress.n_rows, power_t
                )
                if on_epoch(mean_loss, current):
                    return "stopped"
                if not math.isfinite(mean_loss):
                    return "diverged"
                if patience.n_bad_epochs > n_iter_no_change:
                    what = "Validation score" if score_decides else "Training loss"
                    message = (
                        f"{what} did not improve more than tol={tol:f} for "
                        f"{n_iter_no_change} consecutive epochs."
                    )
                    if learning_rate != "adaptive" or progress.learning_rate <= 1e-6:
                        if verbose:
                            small = (
                                " Learning rate too small." if learning_rate == "adaptive" else ""
                            )
                            print(f"{message}{small} Stopping.")
                        return "converged"
                    progress.learning_rate /= 5
                    patience.n_bad_epochs = 0
                    if verbose:
                        print(f"{message} Setting learning rate to {progress.learning_rate:f}")
            except KeyboardInterrupt:
                return "interrupted"
    return "max_epochs"


def _filled(rates, rate):
    rates.fill(rate)
    return rates


def _keep(progress, params):
    if progress.best_params is None:
        progress.best_params = params.copy()
    else:
        progress.best_params[...] = params


def fit_lbfgs(
    model,
    loss,
    X,
    y,
    sample_weight,
    *,
    alpha,
    max_iter,
    max_fun,
    tol,
    n_threads,
    on_iteration,
    verbose,
):
    """Trains model.params in place by L-BFGS-B of SciPy on the loss of all rows.

    Parameters
    ----------
    model, loss, X, y, sample_weight, alpha, n_threads : as in fit_minibatch
    max_iter, max_fun : int
        Most iterations and most evaluations of the loss.
    tol : float
        The largest gradient component at which to stop.
    on_iteration : callable(params, loss) -> bool
        Called after each iteration; True ends training.

    Returns
    -------
    reason : {"converged", "stopped", "interrupted", "limit"}
    n_iter : int
    loss : float
        As scikit-learn reports it: the mean over rows and outputs, and the penalty.
    message : str
    """
    core = model.core
    data = as_data(core, X, y, sample_weight)
    total = float(data.n_samples if sample_weight is None else np.sum(sample_weight, dtype=float))
    gradient = np.zeros((1, model.network.n_params), core.DTYPE)
    trainer = core.Trainer(
        model.network, loss, core.GradientSum(), data, model.params, model.state, gradient,
        batch_size=LBFGS_ROWS, total_weight=total,
    )  # fmt: skip
    penalised = np.zeros(model.network.n_params)
    for layer, part in zip(model.network.layers, model.network.param_slices(), strict=True):
        penalised[part][: layer.n_weights] = alpha / total
    rates = np.zeros(trainer.n_batches)
    best = {"value": math.inf, "params": model.params.copy(), "loss": math.inf, "n_iter": 0}

    def objective(params):
        model.params[...] = params
        gradient.fill(0)
        trainer.set_epoch(None, rates, 0, 0)
        team.run(trainer)
        data_loss, _ = trainer.result()
        penalty = 0.5 * float(np.sum(penalised * params * params))
        # The reported loss of several outputs is their mean, but the gradient is of their sum.
        value = data_loss / loss.value_scale + penalty
        if value < best["value"]:
            best.update(value=value, loss=data_loss + penalty)
            best["params"][...] = model.params
        return value, gradient[0].astype(float) + penalised * params

    def callback(intermediate_result):
        best["n_iter"] += 1
        if verbose:
            print(f"Iteration {best['n_iter']}, loss = {intermediate_result.fun:.8f}")
        if on_iteration(intermediate_result.x, intermediate_result.fun):
            raise StopIteration

    reason, message = "converged", ""
    work = min(LBFGS_ROWS, data.n_samples) * model.n_weights
    with Team(n_threads, work) as team, single_threaded_blas():
        try:
            result = optimize.minimize(
                objective,
                model.params.astype(float),
                method="L-BFGS-B",
                jac=True,
                callback=callback,
                options={"maxiter": max_iter, "maxfun": max_fun, "gtol": tol},
            )
            message = result.message
            if result.status == 99:  # StopIteration
                reason = "stopped"
            elif result.status != 0:
                reason = "limit"
        except KeyboardInterrupt:
            reason = "interrupted"
    model.params[...] = best["params"]
    return reason, min(best["n_iter"], max_iter), best["loss"], message
