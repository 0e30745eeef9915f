"""Training: the loop over epochs of mini-batches, and L-BFGS."""

import copy
import math

import numpy as np
from scipy import optimize

from sknet.schedules import Adaptive, ReduceOnPlateau, When
from sknet.threads import Team, single_threaded_blas

__all__ = ["fit_lbfgs", "fit_minibatch", "loss_gradient"]

STOPPED_BY_CALLBACK = 99  # SciPy's status
PASS_ROWS = 2048  # rows at a time where all are passed for one gradient: bounds the memory
CALL_WORK = 3e9  # multiply-adds of a call of the core for several epochs: 30 to 60 ms
CALL_ROWS = 1e6  # and rows: bounds the memory for their orders


def fit_minibatch(model, optimizer, loss, data, progress, options, monitor, projections=()):
    """Trains model.params in place, epoch by epoch.

    Parameters
    ----------
    model : Model
    optimizer, loss, data : of the model's core
    progress : Progress
        Where training begins; holds where it ended afterwards.
    options : TrainingOptions
    monitor : Monitor
    projections : sequence of the core's Projection
        What weights are made to obey after each update, besides `options.max_norm`.

    Returns
    -------
    reason : {"converged", "max_epochs", "max_time", "stopped", "interrupted", "diverged"}
    """
    frozen = _frozen_steps(model, options)
    if options.max_norm:
        left_alone = [*frozen, *model.output_steps()]
        max_norm = model.core.MaxNorm(model.network, options.max_norm, left_alone)
        projections = [max_norm, *projections]
    trainer = model.core.Trainer(
        model.network,
        loss,
        optimizer,
        data,
        model.params,
        model.state,
        progress.moments,
        batch_size=options.batch_size,
        restraints=model.core.Restraints(
            options.alpha,
            options.l1,
            options.weight_decay,
            options.clip_norm,
            projections,
            frozen,
        ),
        averaging=0.0 if options.averaging is None else options.averaging.decay,
        mixes=options.mixup > 0,
        mean_weight=options.mean_weight,
    )
    products = model.training_products
    total = products * data.n_samples * options.max_iter
    # The core cuts off no shard that is not worth a thread.
    work = trainer.batch_size * products if trainer.n_shards == 1 else math.inf
    shape = (model.layers, data.n_features, model.params.dtype, trainer.batch_size)
    kind = (*shape, data.is_sparse, trainer.n_shards)
    with Team(options.n_threads, work, total, trainer.scheme.max_size, kind) as team:
        reason = _train_epochs(team, trainer, model, loss, progress, options, monitor)
        if options.averaging is not None and not monitor.score_decides:
            progress.keep_best(_shown(team, model, loss, data, progress, options))
    return reason


def _train_epochs(team, trainer, model, loss, progress, options, monitor):
    """Epoch by epoch, as long as there is reason to go on; returns why it ends."""
    data, epoch = trainer.data, 0
    epoch_products = model.training_products * data.n_samples
    is_watched = monitor.watches_epochs
    looks_for_plateau = isinstance(options.learning_rate, ReduceOnPlateau)
    while epoch < options.max_iter:
        if monitor.is_halted:
            return "interrupted"
        try:
            n_epochs = _epochs_at_once(progress, options, monitor, data.n_samples, epoch_products)
            n_epochs = min(n_epochs, options.max_iter - epoch)
            monitor.begin_epoch()
            may_go_back = (
                not monitor.score_decides
                and options.averaging is None
                and not len(model.state)  # which would belong to another epoch
                and epoch + n_epochs < options.max_iter
            )
            rates = _rates(trainer, progress, options, epoch, n_epochs)
            losses = _run_epochs(team, trainer, model.params, progress, rates, options, may_go_back)
            monitor.note_epochs(
                n_epochs,
                rates[trainer.n_batches - 1 :: trainer.n_batches].tolist(),
                trainer.gradient_norms(),
            )
            if epoch == 0 and options.unchecked and not np.isfinite(model.params).all():
                return "diverged"
            for mean_loss in losses:
                epoch += 1
                if options.verbose:
                    print(f"{options.label}Iteration {epoch}, loss = {mean_loss:.8f}")
                if options.averaging is not None:
                    done = epoch / options.max_iter
                    options.averaging.note_epoch(progress, model.params, done)
                shown, score = model, None
                if is_watched:
                    shown = _shown(team, model, loss, data, progress, options)
                    score = monitor.score(shown)
                if options.verbose and score is not None:
                    print(f"{options.label}Validation score: {score:f}")
                deciding = score if monitor.score_decides else None
                is_best = progress.patience.update(mean_loss, deciding, options.tol)
                if is_best and monitor.score_decides:
                    progress.keep_best(shown)
                if looks_for_plateau:
                    _reduce_on_plateau(progress, options, mean_loss, deciding)
                if monitor.end_epoch(shown, mean_loss):
                    return "stopped"
                if not math.isfinite(mean_loss):
                    return "diverged"
            if progress.patience.n_bad_epochs > options.n_iter_no_change and _ends_for_good(
                progress,
                options,
                "Validation score" if monitor.score_decides else "Training loss",
            ):
                return "converged"
            if monitor.seconds >= options.max_time and epoch < options.max_iter:
                return "max_time"
        except KeyboardInterrupt:
            return "interrupted"
    return "max_epochs"


def _shown(team, model, loss, data, progress, options):
    """The model as it will predict: with the average of its parameters, if there is one.

    Running statistics are those of the parameters on their way; an average gets its own, in an
    epoch that moves nothing.
    """
    average = None if options.averaging is None else options.averaging.result(progress)
    if average is None:
        return model
    core, network = model.core, model.network
    shown = copy.copy(model)
    shown.state = model.state.copy()
    shown.set_params(average)
    if len(shown.state):
        trainer = core.Trainer(
            network,
            loss,
            core.GradientSum(),
            data,
            shown.params,
            shown.state,
            core.empty(1, network.n_params),
            batch_size=options.batch_size,
            mean_weight=options.mean_weight,
        )
        trainer.set_epochs(np.zeros(trainer.n_batches), 0, progress.key, options.shuffle)
        team.run(trainer)
    return shown


def _frozen_steps(model, options):
    """The steps of the network whose layers are frozen."""
    return [step for dense in options.frozen for step in model.steps_of(dense)]


def _epochs_at_once(progress, options, monitor, n_samples, epoch_products):
    """How many epochs to train in one call, after which somebody looks what came out.

    One, if somebody watches each; else as many as cannot be too many: patience lasts till the last
    of them, and an interrupt need not wait. Small networks lose less time between epochs then,
    and other threads get to work meanwhile.
    """
    if monitor.watches_epochs or isinstance(options.learning_rate, ReduceOnPlateau):
        return 1
    if options.max_time < math.inf or getattr(options.averaging, "sees_epochs", False):
        return 1
    patience = options.n_iter_no_change - progress.patience.n_bad_epochs + 1
    return max(1, int(min(patience, CALL_WORK / epoch_products, CALL_ROWS / n_samples)))


def _run_epochs(team, trainer, params, progress, rates, options, may_go_back):
    """Trains for some epochs; returns their mean losses. Keeps the best parameters if asked to."""
    n_samples = trainer.data.n_samples
    n_epochs = len(rates) // trainer.n_batches
    trainer.set_epochs(
        rates,
        progress.n_updates,
        progress.key + (progress.n_epochs << 32),
        options.shuffle,
        _shares(trainer, progress, options.mixup, n_epochs) if options.mixup else None,
    )
    if may_go_back:
        best = np.empty_like(params) if progress.best_params is None else progress.best_params
        trainer.keep_best(best, progress.patience.best_loss * n_samples)
    team.run(trainer, n_rounds=len(rates))
    if may_go_back and trainer.has_best:
        progress.best_params = best
    progress.n_updates += n_epochs * trainer.n_batches
    progress.n_epochs += n_epochs
    progress.n_rows += n_epochs * n_samples
    return [sum(parts) / n_samples for parts in trainer.results()]


def _shares(trainer, progress, alpha, n_epochs):
    """How the rows of each block are mixed in these epochs: shares from Beta(alpha, alpha)."""
    size = (trainer.n_batches, trainer.scheme.n_losses)
    seeds = ([progress.key, progress.n_epochs + epoch] for epoch in range(n_epochs))
    return np.concatenate([np.random.default_rng(seed).beta(alpha, alpha, size) for seed in seeds])


def _rates(trainer, progress, options, first, n_epochs):
    """The learning rate of each update of these epochs."""
    n_batches = trainer.n_batches
    update = np.arange(n_epochs * n_batches)
    epoch = update // n_batches
    when = When(
        (first * n_batches + update) / (options.max_iter * n_batches),
        progress.n_epochs + epoch,
        progress.n_rows + epoch * trainer.data.n_samples,
    )
    return options.learning_rate_init * progress.reduction * options.learning_rate.rates(when)


def _reduce_on_plateau(progress, options, mean_loss, score):
    """Reduces the learning rate where the schedule, ReduceOnPlateau, asks for it."""
    schedule, plateau = options.learning_rate, progress.plateau
    plateau.update(mean_loss, score, options.tol)
    learning_rate = options.learning_rate_init * progress.reduction
    if plateau.n_bad_epochs >= schedule.patience and learning_rate > schedule.lowest:
        plateau.n_bad_epochs = 0
        progress.reduction = max(
            progress.reduction * schedule.factor, schedule.lowest / options.learning_rate_init
        )
        if options.verbose:
            learning_rate = options.learning_rate_init * progress.reduction
            print(f"{options.label}Setting learning rate to {learning_rate:f}")


def _ends_for_good(progress, options, what):
    """Whether patience being at its end ends training, or only lowers the learning rate."""
    adaptive = isinstance(options.learning_rate, Adaptive)
    learning_rate = options.learning_rate_init * progress.reduction
    message = (
        f"{what} did not improve more than tol={options.tol:f} for {options.n_iter_no_change} "
        "consecutive epochs."
    )
    if adaptive and learning_rate > 1e-6:
        progress.reduction /= 5
        progress.patience.n_bad_epochs = 0
        if options.verbose:
            print(f"{options.label}{message} Setting learning rate to {learning_rate / 5:f}")
        return False
    if options.verbose:
        print(options.label + message + " Learning rate too small." * adaptive + " Stopping.")
    return True


def loss_gradient(model, loss, data, total_weight, n_threads):
    """The gradient of the mean loss with respect to model.params, (n_params,).

    Of a network that does the same in training as afterwards; parameters as of fit_lbfgs.
    """
    gradient = model.core.empty(1, model.network.n_params)
    gradient.fill(0)
    trainer = _whole_trainer(model, loss, data, total_weight, gradient)
    trainer.set_epochs(np.zeros(trainer.n_batches), 0, 0)
    work = model.training_products * min(PASS_ROWS, data.n_samples)
    total = model.training_products * data.n_samples
    with Team(n_threads, work, total, trainer.scheme.max_size) as team:
        team.run(trainer)
    return gradient[0] * loss.value_scale


def _whole_trainer(model, loss, data, total_weight, gradient, frozen=()):
    """Adds the gradient of the mean loss of all rows to `gradient` (1, n_params) in each epoch."""
    return model.core.Trainer(
        model.network,
        loss,
        model.core.GradientSum(),
        data,
        model.params,
        model.state,
        gradient,
        batch_size=PASS_ROWS,
        restraints=model.core.Restraints(frozen=frozen),
        total_weight=total_weight,
    )


def fit_lbfgs(model, loss, data, total_weight, solver, options, monitor):
    """Trains model.params in place by SciPy's L-BFGS-B on the loss of all rows.

    Parameters
    ----------
    model : Model
    loss, data : of the model's core
    total_weight : float
        The weight of all rows.
    solver : LBFGS
    options : TrainingOptions
        Of them alpha, frozen, max_iter, max_time, n_threads, verbose, and tol: the largest
        component of the gradient at which to stop.
    monitor : Monitor

    Returns
    -------
    reason : {"converged", "max_time", "stopped", "interrupted", "limit"}
    n_iter : int
    loss : float
        As scikit-learn reports it: the mean over rows and outputs, and the penalty.
    message : str
        SciPy's account of the end.
    """
    frozen = _frozen_steps(model, options)
    gradient = model.core.empty(1, model.network.n_params)
    trainer = _whole_trainer(model, loss, data, total_weight, gradient, frozen)
    penalty_rates = np.zeros(model.network.n_params)
    for step, part in enumerate(model.network.param_slices()):
        if step not in frozen:
            n_weights = model.network.layers[step].n_weights
            penalty_rates[part][:n_weights] = options.alpha / total_weight
    no_rates = np.zeros(trainer.n_batches)
    best_value, best_loss, best_params = math.inf, math.inf, model.params.copy()
    n_iter, is_late = 0, False

    def objective(params):
        nonlocal best_value, best_loss
        model.params[...] = params
        gradient.fill(0)
        trainer.set_epochs(no_rates, 0, 0)
        team.run(trainer)
        [(data_loss, _)] = trainer.results()
        penalty = 0.5 * float(np.sum(penalty_rates * params * params))
        # The reported loss of several outputs is their mean, but the gradient is of their sum.
        value = data_loss / loss.value_scale + penalty
        if value < best_value:
            best_value, best_loss = value, data_loss + penalty
            best_params[...] = model.params
        return value, gradient[0].astype(float) + penalty_rates * params

    def callback(intermediate_result):
        nonlocal n_iter, is_late
        n_iter += 1
        value = float(intermediate_result.fun)
        if options.verbose:
            print(f"{options.label}Iteration {n_iter}, loss = {value:.8f}")
        model.params[...] = intermediate_result.x
        monitor.note_epochs(1)
        is_late = monitor.seconds >= options.max_time
        if monitor.end_epoch(model, value) or is_late or monitor.is_halted:
            raise StopIteration
        if n_iter < options.max_iter:
            monitor.begin_epoch()

    reason, message = "converged", ""
    work = model.training_products * min(PASS_ROWS, data.n_samples)
    total = model.training_products * data.n_samples * options.max_iter
    most = trainer.scheme.max_size
    with Team(options.n_threads, work, total, most) as team, single_threaded_blas():
        try:
            monitor.begin_epoch()
            result = optimize.minimize(
                objective,
                model.params.astype(float),
                method="L-BFGS-B",
                jac=True,
                callback=callback,
                options={
                    "maxiter": options.max_iter,
                    "maxfun": solver.max_fun,
                    "maxcor": solver.n_corrections,
                    "gtol": options.tol,
                },
            )
            message = result.message
            if result.status == STOPPED_BY_CALLBACK:
                reason = "max_time" if is_late else "stopped"
                reason = "interrupted" if monitor.is_halted else reason
            elif not result.success:
                reason = "limit"
        except KeyboardInterrupt:
            reason = "interrupted"
    model.params[...] = best_params
    return reason, n_iter, best_loss, message
