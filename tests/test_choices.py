"""Choices by name or by object: losses, optimizers and schedules as parameters."""

import pickle

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from small_fits import LABELS, NUMBERS, X, assert_refused, assert_same_bits, classifier, regressor

from sknet import losses, optimizers, schedules
from sknet.losses import CLASSIFICATION_LOSSES, REGRESSION_LOSSES, Focal, Huber, Quantile, Tweedie
from sknet.optimizers import LBFGS, OPTIMIZERS, SGD, Adam, AdamW, RMSprop
from sknet.schedules import SCHEDULES, Cosine, Step

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

CLASSIFICATION_ONLY = set(CLASSIFICATION_LOSSES) - set(REGRESSION_LOSSES)
POSITIVE = np.abs(NUMBERS) + 0.1
OBJECTS = [
    kind()
    for registry in (REGRESSION_LOSSES, CLASSIFICATION_LOSSES, OPTIMIZERS, SCHEDULES)
    for kind in registry.values()
]


def with_choice(parameter, value):
    """An estimator with this choice, and its y."""
    if parameter == "loss" and (isinstance(value, Focal) or value in CLASSIFICATION_ONLY):
        return classifier(max_iter=5, loss=value), LABELS
    return regressor(max_iter=5, **{parameter: value}), POSITIVE


@pytest.mark.parametrize("choice", OBJECTS, ids=repr)
def test_choice_prints_as_written_clones_and_pickles(choice):
    namespace = vars(losses) | vars(optimizers) | vars(schedules)
    assert repr(choice) == f"{type(choice).__name__}()"
    for copy in (eval(repr(choice), namespace), clone(choice), pickle.loads(pickle.dumps(choice))):
        assert type(copy) is type(choice)
        assert copy.get_params() == choice.get_params()


@pytest.mark.parametrize("choice", [Huber(2.0), AdamW(beta_2=0.95), Cosine(warmup=0.05)], ids=repr)
def test_choice_prints_what_differs(choice):
    namespace = vars(losses) | vars(optimizers) | vars(schedules)
    assert eval(repr(choice), namespace).get_params() == choice.get_params()
    parameter = {Huber: "loss", AdamW: "solver", Cosine: "learning_rate"}[type(choice)]
    net, _ = with_choice(parameter, choice)
    assert f"{parameter}={choice!r}" in repr(net).replace("\n", "").replace(" ", "").replace(
        ",", ", "
    )


def names():
    for name, kind in REGRESSION_LOSSES.items():
        yield "loss", name, kind()
    for name, kind in OPTIMIZERS.items():
        yield "solver", name, kind()
    for name, kind in SCHEDULES.items():
        yield "learning_rate", name, kind()


@pytest.mark.parametrize(("parameter", "name", "choice"), list(names()))
def test_a_name_means_the_defaults(parameter, name, choice):
    by_name, y = with_choice(parameter, name)
    by_object, _ = with_choice(parameter, choice)
    assert_same_bits(by_name.fit(X, y), by_object.fit(X, y))


@pytest.mark.parametrize("name", CLASSIFICATION_LOSSES)
def test_a_name_of_a_classifiers_loss_means_the_defaults(name):
    by_name, by_object = (
        classifier(max_iter=5, loss=loss).fit(X, LABELS)
        for loss in (name, CLASSIFICATION_LOSSES[name]())
    )
    assert_same_bits(by_name, by_object)


def details():
    """(parameter, object, object with another detail), for every parameter of every object."""
    others = {"nesterov": False, "max_fun": 3, "n_corrections": 1, "levels": 0.8, "power": 1.2}
    others |= {"n_epochs": 2, "multiple": 1, "patience": 1, "n_cycles": 2}
    others |= {"epsilon": 0.1, "momentum_decay": 0.5, "delta": 0.1, "end": 0.5, "rise": 0.9}
    parameter_of = [(REGRESSION_LOSSES, "loss"), (OPTIMIZERS, "solver")]
    parameter_of += [(SCHEDULES, "learning_rate"), ({"focal": Focal}, "loss")]
    for registry, parameter in parameter_of:
        for kind in registry.values():
            for detail in kind().get_params():
                value = others.get(detail, 0.4)
                # A plateau at once, and one that may be left.
                base = {"patience": 1} if kind is schedules.ReduceOnPlateau else {}
                if (kind, detail) == (schedules.ReduceOnPlateau, "patience"):
                    value = 3
                if (kind, detail) == (Step, "factor"):
                    base = {"n_epochs": 2}
                if (kind, detail) == (schedules.CosineRestarts, "multiple"):
                    base = {"n_epochs": 1}
                yield parameter, kind(**base), kind(**{**base, detail: value})


@pytest.mark.parametrize(("parameter", "choice", "other"), list(details()), ids=repr)
def test_every_detail_matters(parameter, choice, other):
    """None is silently ignored."""
    coefs = []
    for value in (choice, other):
        net, y = with_choice(parameter, value)
        # Improvements below tol, so that training is on a plateau.
        if parameter == "learning_rate":
            net.set_params(tol=10.0, n_iter_no_change=50)
        if parameter != "solver" or not isinstance(value, LBFGS):
            net.set_params(batch_size=20, max_iter=8)
        coefs.append(net.fit(X, y).coefs_[0])
    assert (coefs[0] != coefs[1]).any()


def test_nested_grid_search():
    net = make_pipeline(StandardScaler(), classifier(solver=AdamW(), max_iter=3))
    grid = {"mlpclassifier__solver__beta_2": [0.9, 0.99], "mlpclassifier__solver": [AdamW(0.8)]}
    search = GridSearchCV(net, grid, cv=2).fit(X, LABELS)
    assert len(search.cv_results_["params"]) == 2
    assert search.best_estimator_[-1].solver.beta_1 == 0.8
    assert search.best_estimator_[-1].solver.beta_2 in (0.9, 0.99)
    assert net[-1].solver.beta_2 == 0.999


def test_fit_does_not_touch_the_object():
    solver, schedule = SGD(0.5), Step(3)
    net = regressor(solver=solver, learning_rate=schedule, max_iter=2).fit(X, NUMBERS)
    assert net.solver is solver
    assert net.learning_rate is schedule
    assert solver.get_params() == {"momentum": 0.5, "nesterov": True}


def test_flat_parameters_belong_to_scikit_learns_names():
    flat = regressor(solver="sgd", momentum=0.5, nesterovs_momentum=False, max_iter=3)
    deep = regressor(solver=SGD(0.5, nesterov=False), max_iter=3)
    assert_same_bits(flat.fit(X, NUMBERS), deep.fit(X, NUMBERS))
    flat = regressor(beta_1=0.5, beta_2=0.8, epsilon=0.1, max_iter=3)
    deep = regressor(solver=Adam(0.5, 0.8, 0.1), max_iter=3)
    assert_same_bits(flat.fit(X, NUMBERS), deep.fit(X, NUMBERS))
    flat = regressor(solver="lbfgs", max_fun=4, max_iter=50)
    deep = regressor(solver=LBFGS(4), max_iter=50)
    assert_same_bits(flat.fit(X, NUMBERS), deep.fit(X, NUMBERS))


REFUSED = [
    ({"solver": "adamw", "beta_1": 0.5}, "beta_1=0.5 belongs to solver='adam'"),
    ({"solver": RMSprop(), "momentum": 0.5}, "momentum=0.5 belongs to solver='sgd'"),
    ({"solver": LBFGS(), "max_fun": 5}, "max_fun=5 belongs to solver='lbfgs'"),
    ({"solver": AdamW(beta_2=1.0)}, "'beta_2' parameter of AdamW must be .* Got 1.0"),
    ({"solver": "lbfgs", "weight_decay": 0.1}, "weight_decay=0.1 needs .* use alpha"),
    ({"solver": "lbfgs", "learning_rate": "cosine"}, "learning_rate='cosine' needs the updates"),
    ({"solver": LBFGS(), "learning_rate": Cosine()}, "learning_rate=Cosine.* needs the updates"),
    ({"solver": AdamW}, "'solver' parameter .* must be"),
    ({"learning_rate": Cosine}, "learning_rate must be an object, .* the class Cosine"),
    ({"learning_rate": Cosine(warmup=1.0)}, "'warmup' parameter of Cosine must be"),
    ({"learning_rate": lambda done: -1.0}, "must return finite numbers >= 0, got -1.0"),
    ({"learning_rate": lambda done: None}, "must return finite numbers >= 0, got None"),
    ({"loss": Huber(delta=0)}, "'delta' parameter of Huber must be"),
    ({"loss": Quantile([0.5, 0.1])}, "levels must be .* several that ascend, got \\[0.5, 0.1\\]"),
    ({"loss": Quantile([0.5, 1.0])}, "levels must be .* between 0 and 1"),
    ({"loss": Focal()}, "loss must be one for numbers: .* got Focal"),
    ({"loss": Tweedie(3)}, "'power' parameter of Tweedie must be"),
    ({"loss": "gamma"}, "loss='gamma' needs y > 0, got a smallest value of -"),
    ({"loss": Tweedie(power=2)}, "needs y > 0"),
    ({"loss": "tweedie"}, "needs y >= 0"),
    ({"activation": ["relu", "tanh"]}, "one per hidden layer: 1, got 2"),
    ({"activation": ["nosuch"]}, "activation must hold names among .* got 'nosuch'"),
    ({"init": "nosuch"}, "'init' parameter .* Got 'nosuch'"),
    ({"weight_decay": -1}, "'weight_decay' parameter"),
]


@pytest.mark.parametrize(("params", "message"), REFUSED, ids=str)
def test_refused_and_nothing_lost(params, message):
    assert_refused(params, message)


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"loss": Huber()}, "loss must be one for classes: .* got Huber"),
        (
            {"loss": "hinge", "label_smoothing": 0.1},
            "label_smoothing=0.1 is for .* got loss='hinge'",
        ),
        ({"loss": Focal(), "label_smoothing": 0.1}, "label_smoothing=0.1 is for"),
        ({"label_smoothing": 1.0}, "'label_smoothing' parameter"),
    ],
    ids=str,
)
def test_refused_by_the_classifier(params, message):
    with pytest.raises(ValueError, match=message):
        classifier(**params).fit(X, LABELS)
