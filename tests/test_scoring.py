"""The score of validation rows: scikit-learn's scorers, callables, the loss."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.metrics import get_scorer, log_loss, make_scorer, mean_absolute_error
from small_fits import (
    LABELS,
    NUMBERS,
    RNG,
    X,
    assert_refused,
    assert_same_bits,
    classifier,
    regressor,
)

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

X_VAL = RNG.normal(size=(30, 4))
Y_VAL = (X_VAL[:, 0] * X_VAL[:, 1] > 0).astype(int)
WEIGHT = RNG.uniform(0.5, 2, 30)
TEXTS = np.array(["no", "yes"])
LOG_LOSS = make_scorer(log_loss, greater_is_better=False, response_method="predict_proba")


def worst_error(net, X, y):
    return -np.abs(net.predict(X) - y).max()


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("dropout", [0.0, 0.3])
@pytest.mark.parametrize("scoring", ["accuracy", "neg_log_loss", "roc_auc", LOG_LOSS])
def test_scorers_of_a_classifier(scoring, dropout, weighted):
    """After each epoch what the scorer says of the network fitted so far."""
    weight = WEIGHT if weighted else None
    scorer = get_scorer(scoring) if isinstance(scoring, str) else scoring
    params = {"scoring": scoring, "dropout": dropout, "batch_size": 20}
    args = (X, TEXTS[LABELS], None, X_VAL, TEXTS[Y_VAL], weight)
    net = classifier(**params, max_iter=3).fit(*args)
    weights = {"sample_weight": weight} if weighted else {}
    assert len(net.validation_scores_) == 3
    for n in (1, 2, 3):
        part = classifier(**params, max_iter=n).fit(*args)
        expected = scorer(part, X_VAL, TEXTS[Y_VAL], **weights)
        assert net.validation_scores_[n - 1] == pytest.approx(expected, rel=1e-12)
    assert_array_equal(net.history_["validation_score"], net.validation_scores_)


@pytest.mark.parametrize("scoring", ["neg_mean_absolute_error", "r2", worst_error])
def test_scorers_of_a_regressor(scoring):
    net = regressor(scoring=scoring, max_iter=4).fit(X, NUMBERS, X_val=X_VAL, y_val=Y_VAL)
    scorer = get_scorer(scoring) if isinstance(scoring, str) else scoring
    assert net.validation_scores_[-1] == pytest.approx(scorer(net, X_VAL, Y_VAL), rel=1e-12)


def test_none_is_the_estimators_score():
    for make, y, name in ((classifier, LABELS, "accuracy"), (regressor, NUMBERS, "r2")):
        params = {"early_stopping": True, "max_iter": 30, "learning_rate_init": 0.01}
        nets = [make(**params, scoring=scoring).fit(X, y) for scoring in (None, name)]
        assert_allclose(*(net.validation_scores_ for net in nets), rtol=1e-12, atol=1e-12)
        assert_same_bits(*nets)


def test_loss_is_minus_the_validation_loss():
    net = classifier(scoring="loss", early_stopping=True, max_iter=20).fit(X, LABELS)
    assert_array_equal(net.history_["validation_score"], -net.history_["validation_loss"])
    assert net.best_validation_score_ == -net.history_["validation_loss"].min()


def test_the_score_decides_which_epoch_is_kept():
    def first_is_best(net, X, y):
        seen.append([coef.copy() for coef in net.coefs_])
        return -len(seen)

    seen = []
    net = regressor(scoring=first_is_best, early_stopping=True, n_iter_no_change=3, max_iter=50)
    net.fit(X, NUMBERS)
    assert net.n_iter_ == 5
    for kept, first, last in zip(net.coefs_, seen[0], seen[-1], strict=True):
        assert_array_equal(kept, first)
        assert (kept != last).any()


def test_a_data_frame_does_not_warn_of_names(recwarn):
    frame = pd.DataFrame(X, columns=list("abcd"))
    net = regressor(scoring="neg_mean_absolute_error", early_stopping=True, max_iter=3)
    net.fit(frame, NUMBERS)
    assert not [w for w in recwarn if "feature names" in str(w.message)]
    assert net.feature_names_in_.tolist() == list("abcd")
    assert mean_absolute_error(NUMBERS, net.predict(frame)) < 2


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"scoring": "nosuch", "early_stopping": True}, "scoring must be .* got 'nosuch'"),
        ({"scoring": 3, "early_stopping": True}, "'scoring' parameter"),
        ({"scoring": "r2"}, "scoring='r2' needs validation rows: early_stopping=True or X_val"),
        ({"scoring": "r2", "solver": "lbfgs"}, "which solver='lbfgs' does not look at"),
        (
            {"scoring": lambda net, X, y: "good", "early_stopping": True},
            "must return a number, got 'good'",
        ),
    ],
    ids=str,
)
def test_refused_and_nothing_lost(params, message):
    assert_refused(params, message)
