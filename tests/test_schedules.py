"""Learning-rate schedules against their formulas, and in training."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from small_fits import LABELS, NUMBERS, X, assert_same_bits, classifier, regressor

from sknet.schedules import (
    SCHEDULES,
    Constant,
    Cosine,
    CosineRestarts,
    CosLog,
    Exponential,
    InvScaling,
    OneCycle,
    ReduceOnPlateau,
    Step,
    When,
)

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

N_BATCHES, N_EPOCHS, N_ROWS = 5, 12, 100
UPDATE = np.arange(N_BATCHES * N_EPOCHS)
WHEN = When(UPDATE / len(UPDATE), UPDATE // N_BATCHES, UPDATE // N_BATCHES * N_ROWS)


def half_cosine(begin, end, done):
    return end + (begin - end) * (1 + np.cos(np.pi * done)) / 2


def one_cycle(t):
    return np.where(t < 0.3, half_cosine(0.04, 1, t / 0.3), half_cosine(1, 4e-6, (t - 0.3) / 0.7))


EXPECTED = {
    "constant": (Constant(), np.ones(60)),
    "invscaling": (InvScaling(0.3), (WHEN.n_rows + 1.0) ** -0.3),
    "step": (Step(5, 0.2), np.repeat([1, 0.2, 0.04], [25, 25, 10])),
    "exponential": (Exponential(0.9), 0.9 ** np.repeat(np.arange(12), 5)),
    "cosine": (Cosine(0.1), half_cosine(1, 0.1, WHEN.done)),
    "restarts": (
        CosineRestarts(2, 3, 0.1),
        np.repeat([*half_cosine(1, 0.1, np.arange(2) / 2), *half_cosine(1, 0.1, np.arange(6) / 6),
                   *half_cosine(1, 0.1, np.arange(4) / 18)], 5),
    ),
    "one_cycle": (OneCycle(), one_cycle(WHEN.done)),
    "coslog": (CosLog(), 0.5 * (1 - np.cos(2 * np.pi * np.log2(1 + 15 * WHEN.done)))),
}  # fmt: skip


@pytest.mark.parametrize("which", EXPECTED)
def test_factors(which):
    schedule, expected = EXPECTED[which]
    assert_allclose(schedule.rates(WHEN), expected, rtol=1e-13)


def test_coslog_goes_down_four_times():
    rates = CosLog().rates(When(np.array([0, 1 / 15, 3 / 15, 7 / 15, 1]), *[np.zeros(5)] * 2))
    assert_allclose(rates, 0, atol=1e-12)


def test_cycles_are_cut_anywhere():
    """Many epochs on, a restart is where it is when seen from the beginning."""
    n_epochs = np.arange(400)
    schedule = CosineRestarts(3, 2)
    at_once = schedule.factors(When(n_epochs / 400, n_epochs, n_epochs))
    assert_array_equal(np.flatnonzero(at_once == 1), 3 * (2 ** np.arange(8) - 1))
    one_by_one = [schedule.factors(When(*[np.array([e])] * 3))[0] for e in n_epochs]
    assert_array_equal(at_once, one_by_one)


@pytest.mark.parametrize("name", SCHEDULES)
def test_warmup(name):
    """From 0 evenly; what follows the fraction done has the rest of training."""
    schedule = SCHEDULES[name](warmup=0.25)
    rates, plain = schedule.rates(WHEN), SCHEDULES[name]().rates(WHEN)
    assert rates[0] == 0
    begin = plain[0] if schedule.needs_end else plain[:15]
    assert_allclose(rates[:15], np.arange(15) / 15 * begin, rtol=1e-13)
    if schedule.needs_end:
        done = When((WHEN.done[15:] - 0.25) / 0.75, WHEN.n_epochs[15:], WHEN.n_rows[15:])
        assert_allclose(rates[15:], SCHEDULES[name]().rates(done), rtol=1e-12, atol=1e-15)
    else:
        assert_array_equal(rates[15:], plain[15:])


def by_hand(factors, **params):
    """A fit whose learning rate is set anew before each epoch."""
    net = regressor(solver="sgd", warm_start=True, max_iter=1, **params)
    for factor in factors:
        net.set_params(learning_rate_init=max(1e-300, 0.05 * factor)).fit(X, NUMBERS)
    return net


@pytest.mark.parametrize("n_per_call", [1, 100])
def test_rates_reach_training(monkeypatch, n_per_call):
    """One mini-batch per epoch: each with the rate of its place."""
    monkeypatch.setattr("sknet.training.CALL_ROWS", n_per_call * len(X))
    never = {"n_iter_no_change": np.inf, "batch_size": len(X)}
    when = When(np.arange(8) / 8, np.arange(8), np.arange(8) * len(X))
    for schedule in (Cosine(), Step(2), CosLog(2, warmup=0.3), lambda done: 1 - done):
        factors = [schedule(t) for t in when.done] if callable(schedule) else schedule.rates(when)
        params = {"max_iter": 8, "learning_rate_init": 0.05, "learning_rate": schedule, **never}
        whole = regressor(solver="sgd", **params).fit(X, NUMBERS)
        pieces = by_hand(factors, **never)
        for ours, others in zip(whole.coefs_, pieces.coefs_, strict=True):
            assert_allclose(ours, others, rtol=1e-12)


@pytest.mark.parametrize("solver", ["adam", "rmsprop", "lion"])
def test_schedules_are_for_every_stochastic_solver(solver):
    nets = [
        regressor(solver=solver, learning_rate=name, max_iter=5).fit(X, NUMBERS)
        for name in ("constant", "invscaling", "exponential")
    ]
    assert len({net.coefs_[0].tobytes() for net in nets}) == 3


def test_reduce_on_plateau(capsys):
    schedule = ReduceOnPlateau(factor=0.5, patience=2, lowest=0.003)
    net = classifier(solver="sgd", learning_rate=schedule, learning_rate_init=0.01, verbose=True)
    net.set_params(tol=10.0, n_iter_no_change=7, max_iter=30).fit(X, LABELS)
    lines = [line for line in capsys.readouterr().out.splitlines() if "Setting" in line]
    # Nothing improves by 10 behind the first epoch; twice two epochs, then it is low enough.
    assert [line.split()[-1] for line in lines] == ["0.005000", "0.003000"]
    assert net.n_iter_ == 9


def test_reduce_on_plateau_goes_on_after_a_stop():
    schedule = ReduceOnPlateau(factor=0.5, patience=2)
    params = {"solver": "sgd", "learning_rate": schedule, "tol": 10.0, "n_iter_no_change": np.inf}
    whole = classifier(**params, max_iter=12).fit(X, LABELS)
    pieces = classifier(**params, max_iter=3, warm_start=True)
    for _ in range(4):
        pieces.fit(X, LABELS)
    assert_same_bits(whole, pieces)


@pytest.mark.parametrize("name", SCHEDULES)
def test_partial_fit_needs_no_end(name):
    net = classifier(learning_rate=name)
    if SCHEDULES[name].needs_end:
        assert not hasattr(net, "partial_fit")
        with pytest.raises(ValueError, match=f"learning_rate='{name}' needs to know"):
            net.partial_fit(X, LABELS, classes=[0, 1])
    else:
        assert len(net.partial_fit(X, LABELS, classes=[0, 1]).loss_curve_) == 1


def test_partial_fit_takes_no_callable():
    assert not hasattr(classifier(learning_rate=lambda done: 1.0), "partial_fit")
    assert not hasattr(classifier(learning_rate=Cosine()), "partial_fit")
    assert hasattr(classifier(learning_rate=Step()), "partial_fit")


@pytest.mark.parametrize("name", ["adaptive", ReduceOnPlateau(patience=1)], ids=str)
def test_a_reduced_rate_is_kept_by_the_schedule_that_reduced_it(name):
    params = {"solver": "sgd", "tol": 10.0, "n_iter_no_change": 2, "max_iter": 6}
    net = classifier(**params, learning_rate=name, learning_rate_init=0.1, warm_start=True)
    first = net.fit(X, LABELS).history_["learning_rate"]
    assert first[-1] < first[0] == 0.1
    assert net.fit(X, LABELS).history_["learning_rate"][len(first)] <= first[-1]
    net.set_params(learning_rate="constant").fit(X, LABELS)
    assert net.history_["learning_rate"][-1] == 0.1
